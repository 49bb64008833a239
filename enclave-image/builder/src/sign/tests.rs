use super::*;
use crate::eif::tests::small;
use crate::eif::{self, EifError};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};

/// A private key and its certificate, both in PEM.
fn signer() -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = CertificateParams::new(vec!["signer".into()]).unwrap();
    (key.serialize_pem(), certificate.self_signed(&key).unwrap().pem())
}

fn signed() -> (Image, SignatureSection) {
    let (key, certificate) = signer();
    let section = SignatureSection::sign(&small(), &key, certificate.as_bytes()).unwrap();
    (small().with_signature(Some(section.clone())).unwrap(), section)
}

#[test]
fn signed_image_is_read_back_and_its_signature_verifies() {
    let (image, _) = signed();
    let bytes = image.to_bytes();
    let again = eif::read(&bytes).unwrap();
    assert_eq!(again, image);
    assert_eq!(again.to_bytes(), bytes);
    let facts = verify(&again).unwrap();
    assert!(facts.not_before_s < facts.not_after_s && facts.subject.contains("CN="));
}

#[test]
fn signature_changes_no_register_but_8() {
    let (image, section) = signed();
    let (before, after) = (Measurements::of(&small()), Measurements::of(&image));
    assert_eq!(after, Measurements { pcr8: after.pcr8, ..before });
    let inner = <sha2::Sha384 as sha2::Digest>::digest(section.certificate_der());
    let pcr8 = <sha2::Sha384 as sha2::Digest>::digest([&[0; 48][..], &inner[..]].concat());
    assert_eq!(after.pcr8, Some(Pcr(pcr8.into())));
    assert_eq!(image.with_signature(None).unwrap(), small());
}

#[test]
fn signing_is_deterministic() {
    let (key, certificate) = signer();
    let sign = || SignatureSection::sign(&small(), &key, certificate.as_bytes()).unwrap();
    assert_eq!(sign().to_bytes(), sign().to_bytes());
}

#[test]
fn key_file_of_openssl_is_read() {
    let (key, certificate) = signer();
    let key = SecretKey::from_pem(&key).unwrap();
    let sec1 = key.to_sec1_pem(Default::default()).unwrap();
    let curve = "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n";
    let text = format!("{curve}{}", *sec1);
    assert!(SignatureSection::sign(&small(), &text, certificate.as_bytes()).is_ok());
}

#[test]
fn wrong_keys_and_certificates_are_refused() {
    let ((key, certificate), (other, _)) = (signer(), signer());
    let sign = |key: &str, certificate: &str| {
        SignatureSection::sign(&small(), key, certificate.as_bytes()).unwrap_err()
    };
    assert_eq!(sign(&other, &certificate), SignatureError::KeyMismatch);
    assert_eq!(sign("", &certificate), SignatureError::Key);
    assert_eq!(sign(&certificate, &certificate), SignatureError::Key);
    assert_eq!(sign(&key, ""), SignatureError::Certificate);
    assert_eq!(sign(&key, &key), SignatureError::Certificate);
    assert_eq!(sign(&key, &format!("{certificate}{certificate}")), SignatureError::Certificate);
    let small_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let params = CertificateParams::new(vec!["signer".into()]).unwrap();
    let p256 = params.self_signed(&small_key).unwrap().pem();
    assert_eq!(sign(&key, &p256), SignatureError::KeyNotP384);
    assert_eq!(sign(&small_key.serialize_pem(), &certificate), SignatureError::Key);
}

#[test]
fn unsigned_moved_and_forged_signatures_are_refused() {
    assert_eq!(verify(&small()), Err(SignatureError::NotSigned));
    let (image, section) = signed();
    let mut parts = image.parts().clone();
    parts.kernel.push(0);
    let moved = verify(&Image::new(parts).unwrap());
    assert!(matches!(moved, Err(SignatureError::OtherImage { .. })), "{moved:?}");
    let (_, other) = signed();
    let foreign = SignatureSection { cose: other.cose, ..section };
    let foreign = image.with_signature(Some(foreign)).unwrap();
    assert_eq!(verify(&foreign), Err(SignatureError::SignatureMismatch));
}

#[test]
fn every_flipped_byte_of_a_signature_is_refused() {
    let (image, section) = signed();
    let start = section.cose.len() - 96;
    for at in 0..section.cose.len() {
        let mut cose = section.cose.clone();
        cose[at] ^= 1;
        let changed = SignatureSection { cose, ..section.clone() };
        let found = verify(&image.clone().with_signature(Some(changed)).unwrap()).unwrap_err();
        let named = match found {
            SignatureError::SignatureMismatch => at >= start,
            SignatureError::OtherImage { .. } | SignatureError::Payload { .. } => at < start,
            SignatureError::Cose { .. } => true,
            _ => false,
        };
        assert!(named, "{at}: {found}");
    }
}

#[test]
fn section_that_is_not_one_signature_is_refused_with_its_offset() {
    let good = signed().1.to_bytes();
    let parse = |bytes: &[u8]| SignatureSection::parse(bytes).unwrap_err();
    assert_eq!(parse(b""), SignatureError::Section { at: 0 });
    assert_eq!(parse(&[0x82]), SignatureError::Section { at: 0 });
    assert_eq!(parse(&[0x81, 0xa3]), SignatureError::Section { at: 1 });
    let more = [&good[..], &[0]].concat();
    assert_eq!(parse(&more), SignatureError::Section { at: good.len() });
    for length in 0..good.len() {
        assert!(matches!(parse(&good[..length]), SignatureError::Section { .. }), "{length}");
    }
    let text = "signing_certificate".as_bytes();
    let at = good.windows(text.len()).position(|window| window == text).unwrap();
    let mut renamed = good.clone();
    renamed[at] ^= 1;
    assert_eq!(parse(&renamed), SignatureError::Section { at: 2 });
    let none = [&good[..at + text.len()], &[0x80, 0x69], b"signature", &[0x80]].concat();
    assert_eq!(parse(&none), SignatureError::Certificate);
}

#[test]
fn image_with_a_broken_signature_section_is_refused_by_the_reader() {
    let (image, section) = signed();
    let mut bytes = image.to_bytes();
    let length = section.to_bytes().len();
    let start = bytes.len() - length;
    bytes[start] = 0x82;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..eif::HEADER_BYTES - 4]);
    hasher.update(&bytes[eif::HEADER_BYTES..]);
    bytes[eif::HEADER_BYTES - 4..eif::HEADER_BYTES]
        .copy_from_slice(&hasher.finalize().to_be_bytes());
    let error = EifError::Signature(SignatureError::Section { at: 0 });
    assert_eq!(eif::read(&bytes), Err(error));
}
