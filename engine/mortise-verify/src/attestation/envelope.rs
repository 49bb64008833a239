//! The COSE_Sign1 (RFC 9052, section 4.2) around a document, as received.

use super::cbor::{CborError, Reader};
use super::error::AttestationError;
use p384::ecdsa::Signature;
use sha2::{Digest as _, Sha384};

/// The parts of an envelope. The signed parts are borrowed from the received bytes.
pub(super) struct Envelope<'a> {
    protected: &'a [u8],
    /// The document inside.
    pub(super) payload: &'a [u8],
    /// Over protected header and payload.
    pub(super) signature: Signature,
}

impl<'a> Envelope<'a> {
    /// Splits the envelope. Checks nothing about the payload.
    ///
    /// # Errors
    /// `Envelope`, `TagMismatch`, `EnvelopeElements`, `ProtectedHeader`,
    /// `ProtectedHeaderNotAlgorithm`, `Unsigned`, `AlgorithmMismatch`, `UnprotectedNotEmpty`,
    /// `SignatureLength`, `SignatureOutOfRange`.
    pub(super) fn parse(document: &'a [u8]) -> Result<Self, AttestationError> {
        let malformed = AttestationError::Envelope;
        let mut reader = Reader::new(document);
        if let Some(found) = reader.tag().map_err(malformed)?
            && found != TAG_SIGN1
        {
            return Err(AttestationError::TagMismatch { expected: TAG_SIGN1, found });
        }
        let found = reader.array().map_err(malformed)?;
        if found != ELEMENTS {
            return Err(AttestationError::EnvelopeElements { expected: ELEMENTS, found });
        }
        let protected = reader.bytes().map_err(malformed)?;
        check_protected(protected)?;
        let entries = reader.map().map_err(malformed)?;
        if entries != 0 {
            return Err(AttestationError::UnprotectedNotEmpty { entries });
        }
        let payload = reader.bytes().map_err(malformed)?;
        let signature = reader.bytes().map_err(malformed)?;
        reader.end().map_err(malformed)?;
        Ok(Self { protected, payload, signature: parse_signature(signature)? })
    }

    /// SHA-384 over the Sig_structure: `["Signature1", protected, h'', payload]`.
    pub(super) fn digest(&self) -> [u8; 48] {
        let mut hasher = Sha384::new();
        hasher.update(SIG_STRUCTURE_START);
        update_bytes(&mut hasher, self.protected);
        update_bytes(&mut hasher, &[]);
        update_bytes(&mut hasher, self.payload);
        hasher.finalize().into()
    }
}

/// The protected header is `{1: -35}` and nothing else.
fn check_protected(protected: &[u8]) -> Result<(), AttestationError> {
    let (key, found) = read_protected(protected).map_err(AttestationError::ProtectedHeader)?;
    if key != Some(LABEL_ALGORITHM) {
        return Err(AttestationError::ProtectedHeaderNotAlgorithm);
    }
    match found {
        ES384 => Ok(()),
        UNSIGNED => Err(AttestationError::Unsigned { algorithm: found }),
        found => Err(AttestationError::AlgorithmMismatch { expected: ES384, found }),
    }
}

/// Key and value of a map with one entry; no key for a map of another size.
fn read_protected(protected: &[u8]) -> Result<(Option<i64>, i64), CborError> {
    let mut reader = Reader::new(protected);
    if reader.map()? != 1 {
        return Ok((None, 0));
    }
    let entry = (Some(reader.integer()?), reader.integer()?);
    reader.end()?;
    Ok(entry)
}

/// AWS does not normalize s, so a high s is accepted; `specs/attestation.md` lists the effects.
fn parse_signature(bytes: &[u8]) -> Result<Signature, AttestationError> {
    if bytes.len() != SIGNATURE_BYTES {
        let (expected, found) = (SIGNATURE_BYTES, bytes.len());
        return Err(AttestationError::SignatureLength { expected, found });
    }
    Signature::from_slice(bytes).map_err(|_| AttestationError::SignatureOutOfRange)
}

/// Hashes a byte string with its CBOR head in shortest form, as RFC 9052 requires.
fn update_bytes(hasher: &mut Sha384, bytes: &[u8]) {
    const MAJOR_BYTES: u8 = 2 << 5;
    if let Ok(length) = u8::try_from(bytes.len()) {
        match length {
            0..24 => hasher.update([MAJOR_BYTES | length]),
            _ => hasher.update([MAJOR_BYTES | 24, length]),
        }
    } else if let Ok(length) = u16::try_from(bytes.len()) {
        hasher.update([MAJOR_BYTES | 25]);
        hasher.update(length.to_be_bytes());
    } else {
        let length = u32::try_from(bytes.len()).expect("a document is below ATTESTATION_BYTES_MAX");
        hasher.update([MAJOR_BYTES | 26]);
        hasher.update(length.to_be_bytes());
    }
    hasher.update(bytes);
}

/// CBOR tag of COSE_Sign1; optional in a document.
const TAG_SIGN1: u64 = 18;
const ELEMENTS: u64 = 4;
/// Label of the algorithm in a COSE header.
const LABEL_ALGORITHM: i64 = 1;
/// ECDSA with SHA-384 (RFC 9053, section 2.1).
const ES384: i64 = -35;
/// A reserved number (RFC 9053) that QEMU's emulated module writes, since it signs nothing.
const UNSIGNED: i64 = -1;
const SIGNATURE_BYTES: usize = 96;
/// Head of an array of four, then the text "Signature1".
const SIG_STRUCTURE_START: &[u8] = b"\x84\x6aSignature1";
