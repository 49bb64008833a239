//! Certificates of the Nitro profile (`specs/attestation.md`), in DER.
//!
//! Written by hand, because the profile is one fixed shape. Three readers check every byte of it:
//! ours, `openssl`, and the Python one of `tests/interop`.

use super::error::NsmFolderError;
use p384::ecdsa::signature::hazmat::PrehashSigner as _;
use p384::ecdsa::{Signature, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256, Sha384};
use std::time::Duration;
use x509_cert::der::asn1::{GeneralizedTime, UtcTime};
use x509_cert::der::{DateTime, Encode as _, Error as DerError};

/// The place of a certificate in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Root,
    Region,
    Zone,
    Instance,
    Leaf,
}

/// The variable contents of a certificate.
pub(super) struct Contents<'a> {
    pub(super) link: Link,
    /// Common name of the key's owner.
    pub(super) subject: &'a str,
    /// Common name of the signer.
    pub(super) issuer: &'a str,
    pub(super) key: &'a VerifyingKey,
    /// 16 random bytes.
    pub(super) serial: [u8; 16],
    pub(super) from_s: u64,
    pub(super) to_s: u64,
}

/// The DER of a certificate, signed by `signer`.
///
/// # Errors
/// `TimeOutOfRange`.
pub(super) fn sign(
    contents: &Contents<'_>,
    signer: &SigningKey,
) -> Result<Vec<u8>, NsmFolderError> {
    let signed = to_be_signed(contents, signer.verifying_key())?;
    let signature: Signature =
        signer.sign_prehash(&Sha384::digest(&signed)).expect("48 bytes are a SHA-384 digest");
    let algorithm = sequence(&[&oid(ECDSA_SHA384)]);
    Ok(sequence(&[&signed, &algorithm, &bits(signature.to_der().as_bytes())]))
}

/// The uncompressed point of a key.
pub(super) fn point(key: &VerifyingKey) -> Vec<u8> {
    key.to_sec1_point(false).as_bytes().to_vec()
}

fn to_be_signed(contents: &Contents<'_>, signer: &VerifyingKey) -> Result<Vec<u8>, NsmFolderError> {
    let mut serial = contents.serial;
    // positive and of a fixed length, for any random bytes
    serial[0] = serial[0] & 0x3f | 0x40;
    let validity = sequence(&[&time(contents.from_s)?, &time(contents.to_s)?]);
    let algorithm = sequence(&[&oid(EC_PUBLIC_KEY), &oid(SECP384R1)]);
    Ok(sequence(&[
        &tlv(0xa0, &tlv(INTEGER, &[VERSION_3])),
        &tlv(INTEGER, &serial),
        &sequence(&[&oid(ECDSA_SHA384)]),
        &name(contents.issuer),
        &validity,
        &name(contents.subject),
        &sequence(&[&algorithm, &bits(&point(contents.key))]),
        &tlv(0xa3, &sequence(&[&extensions(contents, signer)])),
    ]))
}

/// As in AWS certificates: only a leaf's keyUsage is not critical, and a leaf has no key
/// identifiers.
fn extensions(contents: &Contents<'_>, signer: &VerifyingKey) -> Vec<u8> {
    const AUTHORITY: [u8; 3] = [0x01, 0x01, 0xff];
    let of_length = |length: u8| sequence(&[&AUTHORITY, &[INTEGER, 1, length]]);
    // digitalSignature 0x80, nonRepudiation 0x40, keyCertSign 0x04, cRLSign 0x02, after the number
    // of unused bits
    let (constraints, usage) = match contents.link {
        Link::Root => (sequence(&[&AUTHORITY]), [1, 0x86]),
        Link::Region => (of_length(2), [1, 0x86]),
        Link::Zone => (of_length(1), [1, 0x86]),
        Link::Instance => (of_length(0), [2, 0x04]),
        Link::Leaf => (sequence(&[]), [6, 0xc0]),
    };
    let is_leaf = contents.link == Link::Leaf;
    let mut out = extension(BASIC_CONSTRAINTS, true, &constraints);
    out.extend(extension(KEY_USAGE, !is_leaf, &tlv(BIT_STRING, &usage)));
    if !is_leaf {
        let own = tlv(OCTET_STRING, &key_identifier(contents.key));
        out.extend(extension(SUBJECT_KEY_IDENTIFIER, false, &own));
        let above = sequence(&[&tlv(0x80, &key_identifier(signer))]);
        out.extend(extension(AUTHORITY_KEY_IDENTIFIER, false, &above));
    }
    out
}

/// RFC 7093, method 1: the leftmost 160 bits of the SHA-256 over the key's bits.
fn key_identifier(key: &VerifyingKey) -> [u8; 20] {
    let hash: [u8; 32] = Sha256::digest(point(key)).into();
    *hash.first_chunk().expect("20 bytes are in 32")
}

fn name(common_name: &str) -> Vec<u8> {
    let attribute = |id: u8, text: &str| {
        let pair = sequence(&[&oid(&[0x55, 4, id]), &tlv(UTF8_STRING, text.as_bytes())]);
        tlv(SET, &pair)
    };
    let unit = attribute(11, "DEV ROOT - never trust");
    sequence(&[&attribute(10, "Mortise"), &unit, &attribute(3, common_name)])
}

/// UTCTime to 2049, GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5).
fn time(at_s: u64) -> Result<Vec<u8>, NsmFolderError> {
    let encode = || {
        let date = DateTime::from_unix_duration(Duration::from_secs(at_s))?;
        match date.year() <= UtcTime::MAX_YEAR {
            true => UtcTime::from_date_time(date)?.to_der(),
            false => GeneralizedTime::from_date_time(date).to_der(),
        }
    };
    encode().map_err(|_: DerError| NsmFolderError::TimeOutOfRange { at_s })
}

fn extension(id: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&oid(&[0x55, 0x1d, id]), critical, &tlv(OCTET_STRING, value)])
}

fn oid(arcs: &[u8]) -> Vec<u8> {
    tlv(0x06, arcs)
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes].concat())
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// A value: tag, shortest length, content.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a certificate is below 64 KiB");
    let [high, low] = length.to_be_bytes();
    let head = match length {
        0..128 => vec![tag, low],
        128..256 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head[..], content].concat()
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION_3: u8 = 2;

const SUBJECT_KEY_IDENTIFIER: u8 = 14;
const KEY_USAGE: u8 = 15;
const BASIC_CONSTRAINTS: u8 = 19;
const AUTHORITY_KEY_IDENTIFIER: u8 = 35;

const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const SECP384R1: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
