//! The bytes of the channel to the attested key (`specs/channel.md`): where the header, the
//! encapsulated key and the ciphertext of a request lie, and the nonce and the ciphertext of an
//! answer.
//!
//! What it does not do: encrypt or decrypt (`mortise-channel`), attest the key
//! (`specs/attestation.md`).
//!
//! ```text
//! request  "MRC1" | 01 | key id 8 | kem 2 | kdf 2 | aead 2 | enc 32   | ciphertext and tag
//! answer   "MRC1" | 02 |                                    nonce 32 | ciphertext and tag
//! ```
//! Integers are big-endian, as in RFC 9180 and RFC 9458, whose constructions this follows.
//!
//! Invariants: no JSON begins with the magic, so the first bytes distinguish a channel message from
//! clear text. There is one cipher suite per version.

use crate::limits::{
    CHANNEL_ANSWER_OVERHEAD_BYTES, CHANNEL_REQUEST_OVERHEAD_BYTES, REQUEST_BYTES_MAX,
    RESPONSE_BYTES_MAX,
};
use alloc::vec::Vec;

/// First bytes of every channel message. Neither JSON nor a transport protocol begins with them.
pub const MAGIC: [u8; 4] = *b"MRC1";
/// The media type of its messages over HTTP.
pub const MEDIA_TYPE: &str = "application/mortise-channel";
/// DHKEM(X25519, HKDF-SHA256) of RFC 9180.
pub const KEM_ID: u16 = 0x0020;
/// HKDF-SHA256 of RFC 9180.
pub const KDF_ID: u16 = 0x0001;
/// AES-256-GCM of RFC 9180.
pub const AEAD_ID: u16 = 0x0002;
/// Size of an encapsulated key and of a public key.
pub const ENC_BYTES: usize = 32;
/// Size of the nonce of an answer: the larger of the AEAD's key and nonce (RFC 9458 4.4).
pub const NONCE_BYTES: usize = 32;
/// Size of the tag at the end of a ciphertext.
pub const TAG_BYTES: usize = 16;

/// The fifth byte of a request.
const REQUEST: u8 = 1;
/// The fifth byte of an answer.
const ANSWER: u8 = 2;
/// Size of the header of a request: key id and suite.
const HEADER_BYTES: usize = 8 + 2 + 2 + 2;
/// Where a header begins.
const HEADER_AT: usize = MAGIC.len() + 1;

const _: () =
    assert!(CHANNEL_REQUEST_OVERHEAD_BYTES == HEADER_AT + HEADER_BYTES + ENC_BYTES + TAG_BYTES);
const _: () = assert!(CHANNEL_ANSWER_OVERHEAD_BYTES == HEADER_AT + NONCE_BYTES + TAG_BYTES);
const _: () = assert!(MAGIC[0] != b'{' && MAGIC[0] != b'[' && !MAGIC[0].is_ascii_whitespace());

/// Why bytes are not a channel message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// They do not begin with magic and kind.
    #[error("the bytes do not begin with the magic and kind of this message")]
    Magic,
    /// They are shorter than the shortest message.
    #[error("the message has {found} bytes, fewer than {min}")]
    Short {
        /// Fewest bytes.
        min: usize,
        /// Its bytes.
        found: usize,
    },
    /// They are longer than the longest message.
    #[error("the message has {found} bytes, more than {max}")]
    Long {
        /// Most bytes.
        max: usize,
        /// Its bytes.
        found: usize,
    },
    /// The header names other algorithms than those of this version.
    #[error("the message names another cipher suite than the one of this version")]
    Suite,
}

/// Which key a request is encrypted to, and with which algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The epoch of the boot that made the key. A key is valid for one boot.
    pub key_id: u64,
}

impl Header {
    /// The bytes on the wire. The context of the encryption covers them too.
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let (key_id, suite) = out.split_at_mut(8);
        key_id.copy_from_slice(&self.key_id.to_be_bytes());
        for (place, id) in suite.chunks_exact_mut(2).zip([KEM_ID, KDF_ID, AEAD_ID]) {
            place.copy_from_slice(&id.to_be_bytes());
        }
        out
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, MessageError> {
        let mut key_id = [0; 8];
        key_id.copy_from_slice(&bytes[..8]);
        let header = Self { key_id: u64::from_be_bytes(key_id) };
        if header.encode() == *bytes { Ok(header) } else { Err(MessageError::Suite) }
    }
}

/// True when the bytes begin as a channel message does; anything else is clear text.
pub fn is_channel(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The parts of an encapsulated request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncapsulatedRequest<'a> {
    /// Key and suite.
    pub header: Header,
    /// The encapsulated key.
    pub enc: &'a [u8; ENC_BYTES],
    /// Ciphertext and tag.
    pub ciphertext: &'a [u8],
}

impl<'a> EncapsulatedRequest<'a> {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let header = self.header.encode();
        [&MAGIC[..], &[REQUEST], &header, self.enc, self.ciphertext].concat()
    }

    /// Takes a message apart.
    ///
    /// # Errors
    /// In this order: `Magic`, `Short`, `Long`, `Suite`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let min = CHANNEL_REQUEST_OVERHEAD_BYTES;
        let rest = begin(bytes, REQUEST, min, REQUEST_BYTES_MAX)?;
        let short = MessageError::Short { min, found: bytes.len() };
        let (header, rest) = rest.split_first_chunk::<HEADER_BYTES>().ok_or(short)?;
        let (enc, ciphertext) = rest.split_first_chunk::<ENC_BYTES>().ok_or(short)?;
        Ok(Self { header: Header::decode(header)?, enc, ciphertext })
    }
}

/// The parts of an encapsulated answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncapsulatedAnswer<'a> {
    /// Fresh for each answer.
    pub nonce: &'a [u8; NONCE_BYTES],
    /// Ciphertext and tag.
    pub ciphertext: &'a [u8],
}

impl<'a> EncapsulatedAnswer<'a> {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        [&MAGIC[..], &[ANSWER], self.nonce, self.ciphertext].concat()
    }

    /// Takes a message apart.
    ///
    /// # Errors
    /// In this order: `Magic`, `Short`, `Long`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let min = CHANNEL_ANSWER_OVERHEAD_BYTES;
        let rest = begin(bytes, ANSWER, min, RESPONSE_BYTES_MAX)?;
        let short = MessageError::Short { min, found: bytes.len() };
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(short)?;
        Ok(Self { nonce, ciphertext })
    }
}

/// What follows magic and kind of a message of such a size.
fn begin(bytes: &[u8], kind: u8, min: usize, max: usize) -> Result<&[u8], MessageError> {
    let rest = bytes.strip_prefix(&MAGIC).and_then(|rest| rest.strip_prefix(&[kind]));
    let rest = rest.ok_or(MessageError::Magic)?;
    let found = bytes.len();
    match found {
        _ if found < min => Err(MessageError::Short { min, found }),
        _ if found > max => Err(MessageError::Long { max, found }),
        _ => Ok(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const ENC: [u8; 32] = [0xee; 32];

    fn request(ciphertext: &[u8]) -> Vec<u8> {
        let header = Header { key_id: 0x0102_0304_0506_0708 };
        EncapsulatedRequest { header, enc: &ENC, ciphertext }.encode()
    }

    #[test]
    fn request_and_answer_have_the_bytes_of_the_specification() {
        let bytes = request(&[0xcc; 17]);
        assert_eq!(bytes[..5], *b"MRC1\x01");
        assert_eq!(bytes[5..13], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes[13..19], [0, 0x20, 0, 1, 0, 2]);
        assert_eq!((&bytes[19..51], &bytes[51..]), (&ENC[..], &[0xcc; 17][..]));
        let parts = EncapsulatedRequest::decode(&bytes).unwrap();
        assert_eq!(parts.encode(), bytes);
        let answer = EncapsulatedAnswer { nonce: &ENC, ciphertext: &[0xcc; 16] }.encode();
        assert_eq!(answer[..5], *b"MRC1\x02");
        assert_eq!((&answer[5..37], &answer[37..]), (&ENC[..], &[0xcc; 16][..]));
        assert_eq!(EncapsulatedAnswer::decode(&answer).unwrap().encode(), answer);
    }

    #[test]
    fn what_is_no_message_is_refused_by_name() {
        let bytes = request(&[0; 16]);
        for cut in 0..5 {
            assert_eq!(EncapsulatedRequest::decode(&bytes[..cut]), Err(MessageError::Magic));
        }
        for cut in 5..bytes.len() {
            let short = MessageError::Short { min: bytes.len(), found: cut };
            assert_eq!(EncapsulatedRequest::decode(&bytes[..cut]), Err(short));
        }
        for at in 13..19 {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(EncapsulatedRequest::decode(&other), Err(MessageError::Suite));
        }
        assert_eq!(EncapsulatedAnswer::decode(&bytes), Err(MessageError::Magic));
        let answer = EncapsulatedAnswer { nonce: &ENC, ciphertext: &[0; 16] }.encode();
        assert_eq!(EncapsulatedRequest::decode(&answer), Err(MessageError::Magic));
        let found = EncapsulatedAnswer::decode(&answer[..52]);
        assert_eq!(found, Err(MessageError::Short { min: 53, found: 52 }));
        let long = request(&vec![0; REQUEST_BYTES_MAX]);
        assert!(matches!(EncapsulatedRequest::decode(&long), Err(MessageError::Long { .. })));
    }

    #[test]
    fn clear_texts_are_distinguished_from_messages() {
        assert!(is_channel(&request(&[0; 16])));
        for text in [&b"{}"[..], b"[]", b"", b"MRC", b"MRT1", b" MRC1"] {
            assert!(!is_channel(text));
        }
    }
}
