//! Documents of an emulated module: they have the form of real ones, but no signature.
//!
//! What it is for: the module of QEMU's `nitro-enclave` machine answers every request and signs
//! nothing, so the measured image can run without AWS. An image with `module = "emulated"` in its
//! measured configuration takes the time from such documents.
//!
//! What it does not do: prove anything. The operator of the emulator sets this clock. It refuses a
//! signed document, so that such an image cannot run in a real enclave by mistake.

use aws_nitro_enclaves_nsm_api::api::AttestationDoc;
use mortise_format::limits::ATTESTATION_BYTES_MAX;
use mortise_verify::attestation::Unverified;

/// Why a document is not from an emulated module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotEmulated {
    /// It does not have the form of a document.
    #[error("it does not have the form of a document")]
    Malformed,
    /// It names an algorithm, or its signature is not all zero: a real module made it.
    #[error("it is signed: this image is for an emulated module, and this is a real one")]
    Signed,
}

/// Parses an unsigned document.
///
/// # Errors
/// `Malformed`, `Signed`.
pub(super) fn read_unsigned(document: &[u8]) -> Result<Unverified, NotEmulated> {
    if document.len() > ATTESTATION_BYTES_MAX {
        return Err(NotEmulated::Malformed);
    }
    let (payload, is_signed) = open(document).ok_or(NotEmulated::Malformed)?;
    if is_signed {
        return Err(NotEmulated::Signed);
    }
    let contents = AttestationDoc::from_binary(payload).map_err(|_| NotEmulated::Malformed)?;
    if contents.timestamp == 0 {
        return Err(NotEmulated::Malformed);
    }
    let nonce = contents.nonce.map(|nonce| nonce.into_vec());
    Ok(Unverified { timestamp_ms: contents.timestamp, nonce })
}

/// Returns the payload of an envelope, and whether the envelope claims a signature.
fn open(document: &[u8]) -> Option<(&[u8], bool)> {
    let rest = document.strip_prefix(&[TAG_SIGN1]).unwrap_or(document);
    let rest = rest.strip_prefix(&[ARRAY_OF_FOUR])?;
    let (protected, rest) = byte_string(rest)?;
    let (payload, rest) = byte_string(rest.strip_prefix(&[EMPTY_MAP])?)?;
    let (signature, rest) = byte_string(rest)?;
    let is_unsigned = protected == NO_ALGORITHM && signature.iter().all(|byte| *byte == 0);
    rest.is_empty().then_some((payload, !is_unsigned))
}

/// Splits off a byte string of definite length. The emulator does not always write lengths in
/// shortest form.
fn byte_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let width = match first.checked_sub(MAJOR_BYTES)? {
        short @ 0..24 => return rest.split_at_checked(usize::from(short)),
        24 => 1,
        25 => 2,
        26 => 4,
        _ => return None,
    };
    let (length, rest) = rest.split_at_checked(width)?;
    let length = length.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

/// CBOR tag 18, COSE_Sign1; optional in a document.
const TAG_SIGN1: u8 = 0xd2;
const ARRAY_OF_FOUR: u8 = 0x84;
const EMPTY_MAP: u8 = 0xa0;
const MAJOR_BYTES: u8 = 2 << 5;
/// The protected header `{1: -1}`.
const NO_ALGORITHM: [u8; 3] = [0xa1, 0x01, 0x20];

#[cfg(test)]
mod tests {
    use super::*;
    use aws_nitro_enclaves_nsm_api::api::Digest;
    use std::collections::BTreeMap;

    const ES384: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];

    fn payload(timestamp_ms: u64) -> Vec<u8> {
        let pcrs = BTreeMap::from([(0, vec![7; 48])]);
        let (id, nonce) = (String::from("i-0-enc1"), Some(vec![1, 2]));
        let none = Vec::new();
        AttestationDoc::new(id, Digest::SHA384, timestamp_ms, pcrs, none, vec![], None, nonce, None)
            .to_binary()
    }

    fn document(protected: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut out = vec![ARRAY_OF_FOUR, MAJOR_BYTES | u8::try_from(protected.len()).unwrap()];
        out.extend(protected);
        out.extend([EMPTY_MAP, MAJOR_BYTES | 25]);
        out.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        out.extend(payload);
        out.extend([MAJOR_BYTES | 24, u8::try_from(signature.len()).unwrap()]);
        out.extend(signature);
        out
    }

    fn emulated(timestamp_ms: u64) -> Vec<u8> {
        document(&NO_ALGORITHM, &payload(timestamp_ms), &[0; 64])
    }

    #[test]
    fn unsigned_document_gives_its_time_and_nonce() {
        let expected = Unverified { timestamp_ms: 1_000_000, nonce: Some(vec![1, 2]) };
        assert_eq!(read_unsigned(&emulated(1_000_000)), Ok(expected.clone()));
        let tagged = [&[TAG_SIGN1], &emulated(1_000_000)[..]].concat();
        assert_eq!(read_unsigned(&tagged), Ok(expected));
    }

    #[test]
    fn signed_document_is_refused_by_name() {
        let signature = document(&NO_ALGORITHM, &payload(1), &[1; 64]);
        assert_eq!(read_unsigned(&signature), Err(NotEmulated::Signed));
        let algorithm = document(&ES384, &payload(1), &[0; 96]);
        assert_eq!(read_unsigned(&algorithm), Err(NotEmulated::Signed));
    }

    #[test]
    fn truncated_longer_and_foreign_bytes_are_malformed() {
        let good = emulated(1);
        for end in 0..good.len() {
            assert_eq!(read_unsigned(&good[..end]), Err(NotEmulated::Malformed), "{end}");
        }
        let long = [&good[..], &[0]].concat();
        let of_zero_time = emulated(0);
        let no_fields = document(&NO_ALGORITHM, &[0xa0], &[0; 64]);
        let too_large = vec![0; ATTESTATION_BYTES_MAX + 1];
        for wrong in [long, of_zero_time, no_fields, too_large] {
            assert_eq!(read_unsigned(&wrong), Err(NotEmulated::Malformed));
        }
    }
}
