//! CMS EnvelopedData of the key service, the content of `CiphertextForRecipient`.
//!
//! What it is for: opening the two forms that exist. The real service sends BER with indefinite
//! lengths, version 2, a `subjectKeyIdentifier` and the content in chunks; emulators send DER,
//! version 0, `issuerAndSerialNumber`.
//!
//! What it does not do: authenticate. Anyone who knows the RSA public key of a request can make
//! such a message, and AES-CBC does not detect changed content. TLS proves that the service made
//! the message; the key's commitment in the log proves that the key is the right one.
//!
//! Invariants: one recipient, one algorithm per purpose, bounded size and nesting; every failure of
//! RSA, AES or padding is the same error, so that it reveals nothing about the content.

mod ber;
mod message;
#[cfg(test)]
mod tests;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey};
use message::Message;
use mortise_engine::ports::SecretBytes;
use mortise_format::limits::KMS_ENVELOPE_BYTES_MAX;
use zeroize::Zeroizing;

/// Bytes of an AES-256 key.
const CONTENT_KEY_BYTES: usize = 32;

/// Why a message does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Larger than `KMS_ENVELOPE_BYTES_MAX`.
    #[error("{bytes} bytes are more than a message of the key service has")]
    TooLarge {
        /// Size of the message.
        bytes: usize,
    },
    /// It ends inside a value.
    #[error("it ends inside a value")]
    Truncated,
    /// A tag of more than one byte, or the end mark's tag with contents.
    #[error("a tag has an unsupported form")]
    TagForm,
    /// A length that is not in shortest form, has more than four bytes, or is indefinite for a
    /// primitive value.
    #[error("a length has an unsupported form")]
    LengthForm,
    /// Too many nested indefinite lengths.
    #[error("it is nested too deeply")]
    TooDeep,
    /// Bytes follow the last value of a sequence or of the message.
    #[error("bytes follow the last value")]
    TrailingBytes,
    /// A value has another tag than EnvelopedData requires there.
    #[error("a value has another tag than EnvelopedData requires there")]
    Structure,
    /// The content is not an EnvelopedData.
    #[error("it is not an EnvelopedData")]
    NotEnvelopedData,
    /// The version is neither 0 nor 2.
    #[error("its version is neither 0 nor 2")]
    Version,
    /// The recipient is not a key transport, or its version does not match its identifier.
    #[error("its recipient is not a key transport of version 0 or 2")]
    RecipientKind,
    /// There is more than one recipient.
    #[error("it has more than one recipient")]
    ManyRecipients,
    /// The key is not encrypted with RSAES-OAEP.
    #[error("its key is not encrypted with RSAES-OAEP")]
    KeyAlgorithm,
    /// OAEP has parameters other than SHA-256, MGF1 with SHA-256 and no label.
    #[error("its OAEP parameters are not SHA-256, MGF1 with SHA-256 and no label")]
    OaepParameters,
    /// The content is not `id-data`.
    #[error("its content is not plain data")]
    ContentType,
    /// The content is not encrypted with AES-256-CBC.
    #[error("its content is not encrypted with AES-256-CBC")]
    ContentAlgorithm,
    /// The initialization vector is not one block.
    #[error("its initialization vector has {bytes} bytes, not 16")]
    IvLength {
        /// Size of the field.
        bytes: usize,
    },
    /// The content is not a positive number of blocks.
    #[error("its content has {bytes} bytes, not a positive number of blocks")]
    ContentLength {
        /// Size of the field.
        bytes: usize,
    },
    /// It does not open under this key. The error does not say why.
    #[error("it does not open under the key of this request")]
    Undecryptable,
}

/// Opens a message under the key of its recipient.
///
/// A success proves that the sender knew the public key, and nothing else: see the module.
///
/// # Errors
/// [`EnvelopeError`]; `Undecryptable` for every failure of RSA, AES and padding.
pub(super) fn open(
    key: &OaepPrivateDecryptingKey,
    bytes: &[u8],
) -> Result<SecretBytes, EnvelopeError> {
    if bytes.len() > KMS_ENVELOPE_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
    }
    let message = Message::parse(bytes)?;
    let content_key = open_key(key, &message.encrypted_key).ok_or(EnvelopeError::Undecryptable)?;
    open_content(&content_key, message).ok_or(EnvelopeError::Undecryptable)
}

/// Opens the content key: RSAES-OAEP with SHA-256 and no label.
pub(super) fn open_key(
    key: &OaepPrivateDecryptingKey,
    encrypted_key: &[u8],
) -> Option<SecretBytes> {
    let mut room = Zeroizing::new(vec![0; key.min_output_size()]);
    let opened = key.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted_key, &mut room, None).ok()?;
    Some(Zeroizing::new(opened.to_vec()))
}

fn open_content(content_key: &[u8], message: Message) -> Option<SecretBytes> {
    if content_key.len() != CONTENT_KEY_BYTES {
        return None;
    }
    let key = UnboundCipherKey::new(&AES_256, content_key).ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
    let iv = DecryptionContext::Iv128(FixedLength::from(message.iv));
    let mut content = Zeroizing::new(message.encrypted_content);
    let bytes = key.decrypt(&mut content, iv).ok()?.len();
    content.truncate(bytes);
    Some(content)
}
