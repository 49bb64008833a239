//! Signatures of images, in the form of the official tool.
//!
//! What it is for: register 8 measures the signing certificate, so a key policy can name a signer
//! instead of an image. The signature covers register 0 and is made last. No register covers the
//! signature, and signing does not change registers 0, 1 and 2.
//!
//! ```text
//! section   CBOR [ {"signing_certificate": [u8*] (PEM), "signature": [u8*] (COSE_Sign1)} ]
//! COSE      [ h'a1013822' (ES384), {}, payload, r || s ], without a tag
//! payload   CBOR {"register_index": 0, "register_value": [u8*48]}
//! ```
//! What it does not do: store keys; decide whether the certificate is valid now. The hypervisor
//! refuses an expired certificate, and a caller can compare the times that [`verify`] returns.
//!
//! Invariant: signing is deterministic (RFC 6979), so a signed build is reproducible too.

use crate::cbor::{self, Kind, Reader};
use crate::certificate::Certificate;
use crate::eif::Image;
use crate::measure::{Measurements, Pcr};
use p384::SecretKey;
use p384::ecdsa::signature::{Signer as _, Verifier as _};
use p384::ecdsa::{Signature, SigningKey};

/// The protected header: algorithm -35, ES384.
const PROTECTED: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];
/// The register that is signed.
const REGISTER: u64 = 0;

/// Why a signature is refused or cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The section is not CBOR of the known shape.
    #[error("at byte {at} of the section: not one signature of the known shape")]
    Section {
        /// Offset.
        at: usize,
    },
    /// The certificate is not one X.509 certificate in PEM.
    #[error("the certificate is not one X.509 certificate in PEM, with nothing around it")]
    Certificate,
    /// The key of the certificate is on another curve.
    #[error("the certificate's key is not on P-384")]
    KeyNotP384,
    /// The private key cannot be read.
    #[error("the private key is not a P-384 key in PEM (PKCS#8 or SEC1)")]
    Key,
    /// The private key does not belong to the certificate.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// The image has no signature.
    #[error("the image is not signed")]
    NotSigned,
    /// The signature is not COSE_Sign1 with ES384.
    #[error("at byte {at} of the signature: not COSE_Sign1 with ES384")]
    Cose {
        /// Offset.
        at: usize,
    },
    /// The payload is not a value of register 0.
    #[error("at byte {at} of the signed payload: not a value of register 0")]
    Payload {
        /// Offset.
        at: usize,
    },
    /// The signature was made for another image.
    #[error("the signature is for an image with register 0 {signed}, this one has {measured}")]
    OtherImage {
        /// Register 0 in the signature.
        signed: Box<Pcr>,
        /// Register 0 of this image.
        measured: Box<Pcr>,
    },
    /// The signature does not verify under the certificate's key.
    #[error("the signature is not by the key of the certificate")]
    SignatureMismatch,
}

/// The section of a signed image: a parsed certificate and an unchecked signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureSection {
    pem: Vec<u8>,
    cose: Vec<u8>,
    certificate: Certificate,
}

impl SignatureSection {
    /// Signs an image.
    ///
    /// # Errors
    /// `Certificate`, `KeyNotP384`, `Key`, `KeyMismatch`.
    pub fn sign(image: &Image, key_pem: &str, pem: &[u8]) -> Result<Self, SignatureError> {
        let certificate = Certificate::parse(pem)?;
        let key = parse_key(key_pem)?;
        if *key.verifying_key() != certificate.key {
            return Err(SignatureError::KeyMismatch);
        }
        let payload = payload(&Measurements::of(image).pcr0);
        let signature: Signature = key.sign(&signed_bytes(&payload));
        let mut cose = Vec::new();
        cbor::push_head(&mut cose, Kind::Array, 4);
        cbor::push_bytes(&mut cose, &PROTECTED);
        cbor::push_head(&mut cose, Kind::Map, 0);
        cbor::push_bytes(&mut cose, &payload);
        cbor::push_bytes(&mut cose, &signature.to_bytes());
        Ok(Self { pem: pem.to_vec(), cose, certificate })
    }

    /// Parses a section. Does not check the signature.
    ///
    /// # Errors
    /// `Section`, `Certificate`, `KeyNotP384`.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        let (pem, cose) = parse_section(bytes).map_err(|at| SignatureError::Section { at })?;
        let certificate = Certificate::parse(&pem)?;
        Ok(Self { pem, cose, certificate })
    }

    /// Encodes the section.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        cbor::push_head(&mut out, Kind::Array, 1);
        cbor::push_head(&mut out, Kind::Map, 2);
        cbor::push_text(&mut out, "signing_certificate");
        cbor::push_numbers(&mut out, &self.pem);
        cbor::push_text(&mut out, "signature");
        cbor::push_numbers(&mut out, &self.cose);
        out
    }

    /// The bytes that register 8 measures.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate.der
    }
}

fn parse_section(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), usize> {
    let mut reader = Reader::new(bytes);
    reader.exactly(Kind::Array, 1)?;
    reader.exactly(Kind::Map, 2)?;
    reader.text("signing_certificate")?;
    let pem = reader.numbers()?;
    reader.text("signature")?;
    let cose = reader.numbers()?;
    reader.end()?;
    Ok((pem, cose))
}

/// Parses SEC1 or PKCS#8. OpenSSL writes the curve in a separate block before a SEC1 key.
fn parse_key(text: &str) -> Result<SigningKey, SignatureError> {
    const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----";
    let start = text.find(SEC1).unwrap_or_default();
    let block = text.get(start..).unwrap_or_default().trim();
    let key = SecretKey::from_pem(block).map_err(|_| SignatureError::Key)?;
    Ok(key.into())
}

fn payload(pcr0: &Pcr) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::push_head(&mut out, Kind::Map, 2);
    cbor::push_text(&mut out, "register_index");
    cbor::push_head(&mut out, Kind::Unsigned, REGISTER);
    cbor::push_text(&mut out, "register_value");
    cbor::push_numbers(&mut out, &pcr0.0);
    out
}

/// The Sig_structure of COSE_Sign1.
fn signed_bytes(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::push_head(&mut out, Kind::Array, 4);
    cbor::push_text(&mut out, "Signature1");
    cbor::push_bytes(&mut out, &PROTECTED);
    cbor::push_bytes(&mut out, &[]);
    cbor::push_bytes(&mut out, payload);
    out
}

/// A verified signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Subject of the certificate.
    pub subject: String,
    /// First second of its validity, in Unix time.
    pub not_before_s: u64,
    /// Last second of its validity, in Unix time.
    pub not_after_s: u64,
}

/// Checks the signature of an image.
///
/// A success proves that the key of the certificate signed register 0 of exactly this image. It
/// does not prove whose certificate it is (compare register 8), nor that it is valid now.
///
/// # Errors
/// `NotSigned`, `Cose`, `Payload`, `OtherImage`, `SignatureMismatch`, in this order.
pub fn verify(image: &Image) -> Result<Signed, SignatureError> {
    let section = image.parts().signature.as_ref().ok_or(SignatureError::NotSigned)?;
    let (payload, signature) =
        parse_cose(&section.cose).map_err(|at| SignatureError::Cose { at })?;
    let signed = parse_payload(payload).map_err(|at| SignatureError::Payload { at })?;
    let measured = Measurements::of(image).pcr0;
    if signed != measured {
        let (signed, measured) = (Box::new(signed), Box::new(measured));
        return Err(SignatureError::OtherImage { signed, measured });
    }
    let Certificate { key, subject, not_before_s, not_after_s, .. } = &section.certificate;
    key.verify(&signed_bytes(payload), &signature)
        .map_err(|_| SignatureError::SignatureMismatch)?;
    let (not_before_s, not_after_s) = (*not_before_s, *not_after_s);
    Ok(Signed { subject: subject.clone(), not_before_s, not_after_s })
}

fn parse_cose(bytes: &[u8]) -> Result<(&[u8], Signature), usize> {
    let mut reader = Reader::new(bytes);
    reader.exactly(Kind::Array, 4)?;
    if reader.bytes()? != PROTECTED {
        return Err(1);
    }
    reader.exactly(Kind::Map, 0)?;
    let payload = reader.bytes()?;
    let signature = reader.bytes()?;
    reader.end()?;
    let signature = Signature::from_slice(signature).map_err(|_| bytes.len() - signature.len())?;
    Ok((payload, signature))
}

fn parse_payload(bytes: &[u8]) -> Result<Pcr, usize> {
    let mut reader = Reader::new(bytes);
    reader.exactly(Kind::Map, 2)?;
    reader.text("register_index")?;
    reader.exactly(Kind::Unsigned, REGISTER)?;
    reader.text("register_value")?;
    let value = reader.numbers()?;
    reader.end()?;
    Ok(Pcr(value.try_into().map_err(|_| bytes.len())?))
}

#[cfg(test)]
mod tests;
