//! Compares our enclave images with those of the official crate, built from the same parts: the
//! files and the measurements must be equal.
//!
//! Without an argument it compares images of synthetic parts. An argument is the path of an image
//! of ours, whose parts then go through the official crate. See `run.sh`.

use aws_nitro_enclaves_image_format::defs::EifIdentityInfo;
use aws_nitro_enclaves_image_format::utils::eif_reader::EifReader;
use aws_nitro_enclaves_image_format::utils::{
    EifBuilder, EifSigner, PcrSignatureChecker, SignKeyData, get_pcrs,
};
use mortise_image::eif::{self, Arch, Image, Parts};
use mortise_image::measure::{Measurements, digest};
use mortise_image::metadata::Metadata;
use mortise_image::sign::{self, SignatureSection};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::{X509, X509NameBuilder};
use sha2::{Digest as _, Sha384};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

type Registers = BTreeMap<String, String>;

fn main() {
    let folder = tempfile::tempdir().expect("a folder for files");
    let signer = Signer::new(folder.path());
    let images = match std::env::args().nth(1) {
        Some(path) => {
            let bytes = std::fs::read(&path).expect("the image can be read");
            let image = eif::read(&bytes).expect("the image is one");
            let name = Path::new(&path).file_name().unwrap_or_default().to_string_lossy();
            vec![(name.into_owned(), image.with_signature(None).expect("it is smaller"))]
        }
        None => synthetic(),
    };
    for (name, image) in &images {
        compare_unsigned(name, image, folder.path());
        compare_signed(name, image, folder.path(), &signer);
    }
    println!("{} images: bytes, PCR0, PCR1, PCR2, PCR8 and signatures agree", images.len());
}

/// Synthetic images: sizes around block and page boundaries, one and several ramdisks, both CPU
/// architectures.
fn synthetic() -> Vec<(String, Image)> {
    let bytes = |length: usize, seed: usize| -> Vec<u8> {
        (0..length).map(|i| u8::try_from((i * 31 + seed * 7) % 251).unwrap_or(0)).collect()
    };
    let sizes = [1, 111, 112, 127, 128, 129, 4_095, 4_096, 4_097, 1_000_003];
    let image = |(i, size): (usize, usize)| {
        let ramdisks = (1..=1 + i % 4).map(|disk| bytes(size + disk, disk)).collect();
        let parts = Parts {
            kernel: bytes(size, i),
            cmdline: format!("console=ttyS0 panic=1 number={i}"),
            ramdisks,
            metadata: Metadata::new("oracle", &format!("1.0.{i}"), "6.12").to_bytes(),
            ..Parts::empty(if i % 5 == 4 { Arch::Aarch64 } else { Arch::X86_64 })
        };
        (format!("synthetic {i}"), Image::new(parts).expect("the parts make an image"))
    };
    sizes.into_iter().enumerate().map(image).collect()
}

fn compare_unsigned(name: &str, image: &Image, folder: &Path) {
    let ours = image.to_bytes();
    let (theirs, registers) = official(image, folder, None);
    assert_eq!(registers_of(image), registers, "{name}: registers");
    assert!(ours == theirs, "{name}: {} and {} bytes part", ours.len(), theirs.len());
    let path = folder.join("ours.eif");
    std::fs::write(&path, &ours).expect("a file can be written");
    assert_eq!(read_officially(&path, false), registers, "{name}: read back");
    println!("{name}: {} bytes, sha256 {}", ours.len(), digest(&ours));
    for (register, value) in &registers {
        println!("  {register} {value}");
    }
}

/// The official signature is randomized, ours is deterministic, so each reader verifies the
/// other's.
fn compare_signed(name: &str, image: &Image, folder: &Path, signer: &Signer) {
    let section = SignatureSection::sign(image, &signer.key_pem, signer.certificate_pem.as_bytes());
    let ours = image.clone().with_signature(Some(section.expect("it signs"))).expect("it fits");
    let (theirs, registers) = official(image, folder, Some(signer));
    assert_eq!(registers_of(&ours), registers, "{name}: registers of the signed image");
    assert!(registers.contains_key("PCR8"));
    let read = eif::read(&theirs).expect("we read their signed image");
    sign::verify(&read).expect("their signature holds for us");
    assert_eq!(registers_of(&read), registers);
    assert_eq!(read.with_signature(None).as_ref(), Ok(image), "{name}: all but the signature");

    let path = folder.join("signed.eif");
    std::fs::write(&path, ours.to_bytes()).expect("a file can be written");
    verify_officially(&path);
    assert_eq!(read_officially(&path, true), registers, "{name}: our signed image read back");

    let late = folder.join("late.eif");
    std::fs::write(&late, image.to_bytes()).expect("a file can be written");
    let data = SignKeyData::new(text(&signer.key), &signer.certificate).expect("files are there");
    let official = EifSigner::new(Some(data)).expect("there is a key");
    official.sign_image(text(&late)).expect("their tool signs our image");
    let late = eif::read(&std::fs::read(&late).expect("it is there")).expect("it is an image");
    sign::verify(&late).expect("their late signature holds for us");
    println!("  PCR8 {}", registers["PCR8"]);
}

fn registers_of(image: &Image) -> Registers {
    let registers = Measurements::of(image).registers().into_iter();
    registers.map(|(number, value)| (format!("PCR{number}"), value.to_string())).collect()
}

fn only_registers(mut found: Registers) -> Registers {
    found.retain(|name, _| name.starts_with("PCR"));
    found
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the folder's name is text")
}

/// Builds the same parts with the official builder.
fn official(image: &Image, folder: &Path, signer: Option<&Signer>) -> (Vec<u8>, Registers) {
    let parts = image.parts();
    let put = |name: String, content: &[u8]| -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, content).expect("a file can be written");
        path
    };
    let kernel = put("kernel".into(), &parts.kernel);
    let identity: EifIdentityInfo =
        serde_json::from_slice(&parts.metadata).expect("our metadata is theirs");
    let flags = u16::from(parts.arch == Arch::Aarch64);
    let key = signer.map(|signer| {
        SignKeyData::new(text(&signer.key), &signer.certificate).expect("the files are there")
    });
    let cmdline = parts.cmdline.clone();
    let mut builder = EifBuilder::new(&kernel, cmdline, key, Sha384::new(), flags, identity);
    for (i, disk) in parts.ramdisks.iter().enumerate() {
        builder.add_ramdisk(&put(format!("ramdisk-{i}"), disk));
    }
    let path = folder.join("theirs.eif");
    let mut file = File::create(&path).expect("a file can be made");
    // use the returned registers: the builder gives other values when asked later
    let registers = builder.write_to(&mut file);
    (std::fs::read(&path).expect("it was written"), only_registers(registers))
}

/// The registers by the official reader, which also checks the checksum of the file.
fn read_officially(path: &Path, is_signed: bool) -> Registers {
    let mut reader = EifReader::from_eif(text(path).into()).expect("they read our image");
    assert_eq!(reader.eif_crc, reader.header.eif_crc32, "checksum");
    assert_eq!(reader.signature_section.is_some(), is_signed);
    let registers = get_pcrs(
        &mut reader.image_hasher,
        &mut reader.bootstrap_hasher,
        &mut reader.app_hasher,
        &mut reader.cert_hasher,
        Sha384::new(),
        is_signed,
    );
    only_registers(registers.expect("they measure it"))
}

fn verify_officially(path: &Path) {
    let checker = PcrSignatureChecker::from_eif(text(path));
    checker.expect("they find our signature").verify().expect("our signature holds for them");
}

/// A P-384 key with a self-signed certificate that is valid for one day.
struct Signer {
    key: PathBuf,
    certificate: PathBuf,
    key_pem: String,
    certificate_pem: String,
}

impl Signer {
    fn new(folder: &Path) -> Self {
        let group = EcGroup::from_curve_name(Nid::SECP384R1).expect("OpenSSL has the curve");
        let key = EcKey::generate(&group).expect("OpenSSL makes keys");
        let sec1 = key.private_key_to_pem().expect("keys are written");
        let key = PKey::from_ec_key(key).expect("it is a key");
        let mut name = X509NameBuilder::new().expect("OpenSSL makes names");
        name.append_entry_by_text("CN", "oracle").expect("it is a name");
        let name = name.build();
        let days = |days| Asn1Time::days_from_now(days).expect("it is a time");
        let mut builder = X509::builder().expect("OpenSSL makes certificates");
        let made = builder
            .set_version(2)
            .and_then(|()| builder.set_subject_name(&name))
            .and_then(|()| builder.set_issuer_name(&name))
            .and_then(|()| builder.set_pubkey(&key))
            .and_then(|()| builder.set_not_before(&days(0)))
            .and_then(|()| builder.set_not_after(&days(1)))
            .and_then(|()| builder.sign(&key, MessageDigest::sha384()));
        made.expect("the certificate is made");
        let pem = builder.build().to_pem().expect("certificates are written");
        let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
        std::fs::write(&key, &sec1).expect("a file can be written");
        std::fs::write(&certificate, &pem).expect("a file can be written");
        let utf8 = |bytes| String::from_utf8(bytes).expect("PEM is text");
        Self { key, certificate, key_pem: utf8(sec1), certificate_pem: utf8(pem) }
    }
}
