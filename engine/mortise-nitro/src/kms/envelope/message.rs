//! Parses an EnvelopedData and checks that each algorithm is the only accepted one.
//!
//! ```text
//! ContentInfo { envelopedData, [0] EnvelopedData {
//!     version 0 | 2,
//!     SET { one KeyTransRecipientInfo {
//!         0, issuerAndSerialNumber | 2, [0] subjectKeyIdentifier,
//!         RSAES-OAEP(sha256, mgf1(sha256)), encryptedKey } },
//!     EncryptedContentInfo { data, aes256-CBC(iv), [0] encryptedContent } } }
//! ```
//!
//! The recipient's identity is parsed but not checked: we try our one key, and it opens or not.
//!
//! Source: RFC 5652 sections 3, 5.1 and 6.1; RFC 4055 section 4.1 for the parameters of OAEP;
//! RFC 3565 section 2 for AES.

use super::EnvelopeError;
use super::ber::Reader;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTET_STRING_CHUNKS: u8 = 0x24;
/// `[0]`, primitive and constructed.
const CONTEXT_0: u8 = 0x80;
const CONTEXT_0_CHUNKS: u8 = 0xa0;
const CONTEXT_1_CHUNKS: u8 = 0xa1;

const ID_ENVELOPED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
const ID_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const ID_RSAES_OAEP: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07";
const ID_MGF1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08";
const ID_SHA256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
const ID_AES256_CBC: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a";

/// Bytes of a block and of an initialization vector of AES.
pub(super) const BLOCK_BYTES: usize = 16;

/// The parts that are needed to open a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The content key, encrypted with RSA.
    pub(super) encrypted_key: Vec<u8>,
    /// The initialization vector of AES-CBC.
    pub(super) iv: [u8; BLOCK_BYTES],
    /// The content, encrypted with AES: at least one block.
    pub(super) encrypted_content: Vec<u8>,
}

impl Message {
    /// Parses a message.
    ///
    /// # Errors
    /// [`EnvelopeError`], except `TooLarge` and `Undecryptable`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut outer = Reader::new(bytes);
        let mut info = Reader::new(outer.expect(SEQUENCE)?);
        outer.finish()?;
        if info.expect(OID)? != ID_ENVELOPED_DATA {
            return Err(EnvelopeError::NotEnvelopedData);
        }
        let mut explicit = Reader::new(info.expect(CONTEXT_0_CHUNKS)?);
        info.finish()?;
        let mut data = Reader::new(explicit.expect(SEQUENCE)?);
        explicit.finish()?;
        let version = data.expect(INTEGER)?;
        if version != [0] && version != [2] {
            return Err(EnvelopeError::Version);
        }
        let encrypted_key = parse_recipients(data.expect(SET)?)?;
        let (iv, encrypted_content) = parse_content(data.expect(SEQUENCE)?)?;
        data.finish()?;
        Ok(Self { encrypted_key, iv, encrypted_content })
    }
}

/// Returns the encrypted key of the single recipient.
fn parse_recipients(contents: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let mut recipients = Reader::new(contents);
    if recipients.peek() != Some(SEQUENCE) {
        return Err(EnvelopeError::RecipientKind);
    }
    let mut recipient = Reader::new(recipients.expect(SEQUENCE)?);
    if !recipients.is_empty() {
        return Err(EnvelopeError::ManyRecipients);
    }
    let version = recipient.expect(INTEGER)?;
    match (version, recipient.peek()) {
        ([0], Some(SEQUENCE)) | ([2], Some(CONTEXT_0)) => recipient.next()?,
        _ => return Err(EnvelopeError::RecipientKind),
    };
    check_oaep(recipient.expect(SEQUENCE)?)?;
    let encrypted_key = octets(&mut recipient, OCTET_STRING, OCTET_STRING_CHUNKS)?;
    recipient.finish()?;
    Ok(encrypted_key)
}

/// Checks for RSAES-OAEP with SHA-256, MGF1 with SHA-256 and the empty label.
fn check_oaep(contents: &[u8]) -> Result<(), EnvelopeError> {
    let mut algorithm = Reader::new(contents);
    if algorithm.expect(OID)? != ID_RSAES_OAEP {
        return Err(EnvelopeError::KeyAlgorithm);
    }
    let check = || {
        let mut parameters = Reader::new(algorithm.expect(SEQUENCE)?);
        algorithm.finish()?;
        let mut hash = Reader::new(parameters.expect(CONTEXT_0_CHUNKS)?);
        check_sha256(hash.expect(SEQUENCE)?)?;
        hash.finish()?;
        let mut mask = Reader::new(parameters.expect(CONTEXT_1_CHUNKS)?);
        let mut mgf = Reader::new(mask.expect(SEQUENCE)?);
        mask.finish()?;
        if mgf.expect(OID)? != ID_MGF1 {
            return Err(EnvelopeError::OaepParameters);
        }
        check_sha256(mgf.expect(SEQUENCE)?)?;
        mgf.finish()?;
        parameters.finish()
    };
    check().map_err(|_: EnvelopeError| EnvelopeError::OaepParameters)
}

/// Checks for SHA-256 with absent or NULL parameters (RFC 4055 section 2.1 requires both).
fn check_sha256(contents: &[u8]) -> Result<(), EnvelopeError> {
    let mut algorithm = Reader::new(contents);
    if algorithm.expect(OID)? != ID_SHA256 {
        return Err(EnvelopeError::OaepParameters);
    }
    if !algorithm.is_empty() && !algorithm.expect(NULL)?.is_empty() {
        return Err(EnvelopeError::OaepParameters);
    }
    algorithm.finish()
}

fn parse_content(contents: &[u8]) -> Result<([u8; BLOCK_BYTES], Vec<u8>), EnvelopeError> {
    let mut info = Reader::new(contents);
    if info.expect(OID)? != ID_DATA {
        return Err(EnvelopeError::ContentType);
    }
    let mut algorithm = Reader::new(info.expect(SEQUENCE)?);
    if algorithm.expect(OID)? != ID_AES256_CBC {
        return Err(EnvelopeError::ContentAlgorithm);
    }
    let iv = algorithm.expect(OCTET_STRING)?;
    let iv = iv.try_into().map_err(|_| EnvelopeError::IvLength { bytes: iv.len() })?;
    algorithm.finish()?;
    let encrypted = octets(&mut info, CONTEXT_0, CONTEXT_0_CHUNKS)?;
    info.finish()?;
    if encrypted.is_empty() || !encrypted.len().is_multiple_of(BLOCK_BYTES) {
        return Err(EnvelopeError::ContentLength { bytes: encrypted.len() });
    }
    Ok((iv, encrypted))
}

/// Reads an octet string, either whole (tag `whole`) or in unnested chunks (tag `chunks`).
fn octets(reader: &mut Reader<'_>, whole: u8, chunks: u8) -> Result<Vec<u8>, EnvelopeError> {
    let element = reader.next()?;
    if element.tag == whole {
        return Ok(element.contents.to_vec());
    }
    if element.tag != chunks {
        return Err(EnvelopeError::Structure);
    }
    let mut pieces = Reader::new(element.contents);
    let mut joined = Vec::new();
    while !pieces.is_empty() {
        joined.extend_from_slice(pieces.expect(OCTET_STRING)?);
    }
    Ok(joined)
}
