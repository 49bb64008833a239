//! The envelope: equal to AWS's bytes except for random ones; openssl opens it.

use super::bytes;
use crate::kms::cms::envelope;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OaepPublicEncryptingKey, PrivateDecryptingKey};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tag and length of each value; random content is omitted.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Open(u8, usize),
    Fixed(Vec<u8>),
    Random(usize),
}

/// Walks BER, with indefinite lengths. Octet strings and key identifiers are random.
fn skeleton(mut ber: &[u8], parts: &mut Vec<Part>) {
    while let Some((&tag, rest)) = ber.split_first() {
        let (length, after) = length(rest);
        let head = ber.len() - after.len();
        if tag & 0x20 != 0 {
            parts.push(Part::Open(tag, length.map_or(0, |l| l + 1)));
            ber = after;
            continue;
        }
        let length = length.expect("primitive values have a length");
        parts.push(match tag {
            0x04 | 0x80 => Part::Random(length),
            _ => Part::Fixed(ber[..head + length].to_vec()),
        });
        ber = &after[length..];
    }
}

fn length(rest: &[u8]) -> (Option<usize>, &[u8]) {
    match rest[0] {
        0x80 => (None, &rest[1..]),
        short @ 0..0x80 => (Some(short.into()), &rest[1..]),
        long => {
            let count = usize::from(long & 0x7f);
            let value = rest[1..=count].iter().fold(0, |n, b| n << 8 | usize::from(*b));
            (Some(value), &rest[1 + count..])
        }
    }
}

struct Key {
    private: PrivateDecryptingKey,
    public: OaepPublicEncryptingKey,
    spki: Vec<u8>,
}

fn key() -> Key {
    let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let public = private.public_key();
    let der: PublicKeyX509Der<'_> = public.as_der().unwrap();
    let spki = der.as_ref().to_vec();
    Key { public: OaepPublicEncryptingKey::new(public).unwrap(), private, spki }
}

/// The folder of the vectors; `None`, with a message, when it is missing outside CI.
fn vectors() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("MORTISE_VECTORS").map_or(beside, PathBuf::from).join("cms");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is absent", folder.display());
    println!("skipped: {} is absent", folder.display());
    None
}

#[test]
fn envelope_has_the_bytes_of_the_real_service_but_for_the_random_ones() {
    let Some(folder) = vectors() else { return };
    let text = std::fs::read_to_string(folder.join("kms_ciphertext_for_recipient.json")).unwrap();
    let real: Value = serde_json::from_str(&text).unwrap();
    let real = bytes(&real["ciphertext_for_recipient_ber_b64"]);
    let key = key();
    let ours = envelope(&key.public, &key.spki, &[7; 32]).unwrap();
    assert_eq!((real.len(), ours.len()), (493, 493));
    let [mut of_real, mut of_ours] = [Vec::new(), Vec::new()];
    skeleton(&real, &mut of_real);
    skeleton(&ours, &mut of_ours);
    assert!(of_real.len() > 25, "{of_real:?}");
    assert_eq!(of_real, of_ours);
}

#[test]
fn two_envelopes_of_one_plaintext_share_no_random_byte_string() {
    let key = key();
    let [first, second] = [0, 1].map(|_| envelope(&key.public, &key.spki, &[7; 32]).unwrap());
    let window = |from: usize| (first[from..].to_vec(), second[from..].to_vec());
    assert_eq!(first[..90], second[..90]);
    assert_ne!(window(first.len() - 58).0, window(first.len() - 58).1);
}

#[test]
fn openssl_opens_the_envelope_short_and_in_chunks() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "openssl is absent");
        println!("skipped: openssl is absent");
        return;
    }
    let key = key();
    let folder = tempfile::tempdir().unwrap();
    let pkcs8: Pkcs8V1Der<'_> = key.private.as_der().unwrap();
    let path = folder.path().join("key.der");
    std::fs::write(&path, pkcs8.as_ref()).unwrap();
    for length in [1, 16, 32, 983, 984, 1000, 4096] {
        let plaintext: Vec<u8> = (0..length).map(|i: usize| i.to_le_bytes()[0]).collect();
        let sealed = folder.path().join("sealed.ber");
        std::fs::write(&sealed, envelope(&key.public, &key.spki, &plaintext).unwrap()).unwrap();
        let opened = Command::new("openssl")
            .args(["cms", "-decrypt", "-inform", "DER", "-binary", "-keyform", "DER", "-inkey"])
            .arg(&path)
            .arg("-in")
            .arg(&sealed)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&opened.stderr);
        assert!(opened.status.success(), "{length}: {output}");
        assert_eq!(opened.stdout, plaintext, "{length}");
    }
}
