//! The vector of the standard, round trips, and every kind of damaged message.

use crate::request::seal_request;
use crate::{AnswerOpener, AnswerSealer, ChannelSecret, OpenError, SealError};
use alloc::vec;
use alloc::vec::Vec;
use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem as _, OpModeR, Serializable as _};
use mortise_format::channel::MessageError;
use mortise_format::hex;
use mortise_format::ids::parse_hex;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};

const TEXT: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"health","params":{}}"#;
const KEY_ID: u64 = 9;

fn secret(byte: u8) -> ChannelSecret {
    ChannelSecret::derive(&[byte; 32])
}

fn request(to: &ChannelSecret, ephemeral: u8) -> (Vec<u8>, AnswerOpener) {
    seal_request(&to.public(), KEY_ID, &[ephemeral; 32], TEXT).unwrap()
}

fn opened(by: &ChannelSecret, message: &[u8]) -> AnswerSealer {
    by.open(KEY_ID, message).unwrap().1
}

fn bytes(digits: &str) -> [u8; 32] {
    let mut out = [0; 32];
    hex::decode_into(digits, &mut out).unwrap();
    out
}

/// RFC 9180 A.1.1: key derivation, encapsulation, key schedule and export match the standard. The
/// vector uses AES-128-GCM; an independent implementation checks the cipher of this channel
/// (`tests/interop/channel.py`).
#[test]
fn keys_secrets_and_exports_match_the_standard() {
    let secret = ChannelSecret::derive(&bytes(
        "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
    ));
    let public = "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d";
    assert_eq!(hex::encode(&secret.public()), public);
    let ephemeral = bytes("7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234");
    let enc = "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431";
    let (message, _) = seal_request(&secret.public(), 1, &ephemeral, TEXT).unwrap();
    assert_eq!(hex::encode(&message[19..51]), enc);
    let (private, _) = X25519HkdfSha256::derive_keypair(&bytes(
        "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
    ));
    let enc = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(&bytes(enc)).unwrap();
    let mode = OpModeR::<X25519HkdfSha256>::Base;
    let info = b"Ode on a Grecian Urn";
    let context = hpke::setup_receiver::<AesGcm128, HkdfSha256, _>(&mode, &private, &enc, info);
    let mut context = context.unwrap();
    let mut cipher = [0; 45];
    let text = concat!(
        "0xf938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9",
        "6d8770ac83d07bea87e13c512a"
    );
    parse_hex(text, &mut cipher).unwrap();
    assert_eq!(context.open(&cipher, b"Count-0").unwrap(), b"Beauty is truth, truth beauty");
    for (label, value) in [
        (&b""[..], "3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee"),
        (b"\0", "2e8f0b54673c7029649d4eb9d5e33bf1872cf76d623ff164ac185da9e88c21a5"),
        (b"TestContext", "e9e43065102c3836401bed8c3c3c75ae46be1639869391d62c61f1ec7af54931"),
    ] {
        let mut out = [0; 32];
        context.export(label, &mut out).unwrap();
        assert_eq!(hex::encode(&out), value);
    }
    assert_eq!(enc.to_bytes().len(), 32);
}

#[test]
fn text_and_answer_round_trip_and_are_padded() {
    let secret = secret(1);
    let (message, opener) = request(&secret, 2);
    assert_eq!(message.len(), 67 + 512);
    let (text, sealer) = secret.open(KEY_ID, &message).unwrap();
    assert_eq!((text.len(), text.trim_ascii_end()), (512, TEXT));
    for (answer, size) in [(&b""[..], 512), (b"{}", 512), (&[b'1'; 513], 1024)] {
        let sealed = sealer.seal(&[3; 32], answer).unwrap();
        assert_eq!(sealed.len(), 53 + size);
        assert_eq!(opener.open(&sealed).unwrap(), answer);
    }
}

#[test]
fn request_with_any_byte_changed_cut_or_added_does_not_open() {
    let secret = secret(1);
    let (message, _) = request(&secret, 2);
    for at in 0..message.len() {
        let mut other = message.clone();
        other[at] ^= 0x40;
        let error = secret.open(KEY_ID, &other).unwrap_err();
        let expected = match at {
            0..5 => OpenError::Message(MessageError::Magic),
            5..13 => {
                let found = u64::from_be_bytes(other[5..13].try_into().unwrap());
                OpenError::OtherKey { expected: KEY_ID, found }
            }
            13..19 => OpenError::Message(MessageError::Suite),
            _ => OpenError::NotAuthentic,
        };
        assert_eq!(error, expected, "byte {at}");
        assert!(secret.open(KEY_ID, &message[..at]).is_err(), "cut at {at}");
    }
    let longer = [&message[..], &[0]].concat();
    assert_eq!(secret.open(KEY_ID, &longer).unwrap_err(), OpenError::NotAuthentic);
}

/// X25519 ignores the highest bit of a point, but HPKE binds the bytes: a request has one form.
#[test]
fn highest_bit_of_the_encapsulated_key_is_bound_too() {
    let secret = secret(1);
    let (mut message, _) = request(&secret, 2);
    message[50] ^= 0x80;
    assert_eq!(secret.open(KEY_ID, &message).unwrap_err(), OpenError::NotAuthentic);
}

#[test]
fn request_to_another_key_or_boot_does_not_open() {
    let (message, _) = request(&secret(1), 2);
    assert_eq!(secret(3).open(KEY_ID, &message).unwrap_err(), OpenError::NotAuthentic);
    let error = secret(1).open(KEY_ID + 1, &message).unwrap_err();
    assert_eq!(error, OpenError::OtherKey { expected: KEY_ID + 1, found: KEY_ID });
    // The same ciphertext with the header of the other boot.
    let mut renamed = message.clone();
    renamed[12] += 1;
    assert_eq!(secret(1).open(KEY_ID + 1, &renamed).unwrap_err(), OpenError::NotAuthentic);
}

#[test]
fn point_of_low_order_is_refused_as_key_and_as_encapsulated_key() {
    for low in [0u8, 1] {
        let mut point = [0; 32];
        point[0] = low;
        let error = seal_request(&point, KEY_ID, &[2; 32], TEXT).map(|(message, _)| message);
        assert_eq!(error, Err(SealError::PublicKey));
        let (mut message, _) = request(&secret(1), 2);
        message[19..51].copy_from_slice(&point);
        assert_eq!(secret(1).open(KEY_ID, &message).unwrap_err(), OpenError::NotAuthentic);
    }
}

#[test]
fn answer_with_any_byte_changed_or_cut_or_of_another_request_does_not_open() {
    let secret = secret(1);
    let (first, first_opener) = request(&secret, 2);
    let (second, second_opener) = request(&secret, 3);
    let answer = opened(&secret, &first).seal(&[4; 32], b"{}").unwrap();
    for at in 0..answer.len() {
        let mut other = answer.clone();
        other[at] ^= 1;
        let magic = OpenError::Message(MessageError::Magic);
        let expected = if at < 5 { magic } else { OpenError::NotAuthentic };
        assert_eq!(first_opener.open(&other).unwrap_err(), expected, "byte {at}");
        assert!(first_opener.open(&answer[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(second_opener.open(&answer).unwrap_err(), OpenError::NotAuthentic);
    let other = opened(&secret, &second).seal(&[4; 32], b"{}").unwrap();
    assert_ne!(other, answer);
    assert_eq!(first_opener.open(&other).unwrap_err(), OpenError::NotAuthentic);
    assert_eq!(first_opener.open(&answer).unwrap(), b"{}");
}

#[test]
fn repeated_request_gets_a_new_ciphertext_that_only_its_maker_reads() {
    let secret = secret(1);
    let (message, opener) = request(&secret, 2);
    let answers = [4, 5].map(|n| opened(&secret, &message).seal(&[n; 32], b"{}").unwrap());
    assert_ne!(answers[0][37..], answers[1][37..]);
    assert!(answers.iter().all(|answer| opener.open(answer).unwrap() == b"{}"));
}

#[test]
fn texts_over_the_bound_are_not_sealed_and_those_at_the_bound_fit_a_message() {
    let secret = secret(1);
    let max = REQUEST_BYTES_MAX - 67;
    let seal = |length| seal_request(&secret.public(), KEY_ID, &[2; 32], &vec![b'1'; length]);
    let (message, _) = seal(max).unwrap();
    assert_eq!(message.len(), REQUEST_BYTES_MAX);
    let sealer = opened(&secret, &message);
    let error = SealError::TextTooLong { max, found: max + 1 };
    assert_eq!(seal(max + 1).map(|(message, _)| message), Err(error));
    let max = RESPONSE_BYTES_MAX - 53;
    assert_eq!(sealer.seal(&[3; 32], &vec![b'1'; max]).unwrap().len(), RESPONSE_BYTES_MAX);
    let error = SealError::TextTooLong { max, found: max + 1 };
    assert_eq!(sealer.seal(&[3; 32], &vec![b'1'; max + 1]), Err(error));
}

#[test]
fn nothing_secret_is_printed() {
    let secret = secret(1);
    let (message, opener) = request(&secret, 2);
    let sealer = opened(&secret, &message);
    assert_eq!(alloc::format!("{secret:?}{opener:?}{sealer:?}"), "[redacted]".repeat(3));
}
