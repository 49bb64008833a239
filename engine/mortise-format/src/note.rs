//! Signed notes (C2SP signed-note): a text and its signature lines.
//!
//! ```text
//! text, ends in a newline
//! (empty line)
//! U+2014 SP key name SP base64(4-byte key id | signature)      one line per signature
//! ```
//! What it is for: reading and writing checkpoints and cosignatures within bounds. What it does not
//! do: check a signature (`mortise_verify::checkpoint`).
//!
//! Invariants: a note has exactly one encoding: text, names, ids and signatures fix every byte.

use crate::domains::{NOTE_COSIGNATURE, NOTE_ED25519, sha256};
use crate::hex;
use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::str::Utf8Error;

/// Why bytes are not a signed note, or a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// More bytes than a note may have.
    #[error("the note has {found} bytes, {NOTE_BYTES_MAX} at most")]
    TooLarge {
        /// Bytes given.
        found: usize,
    },
    /// Not UTF-8.
    #[error("the note is not UTF-8: {0}")]
    Utf8(Utf8Error),
    /// A control character other than newline.
    #[error("the note has a control character")]
    ControlCharacter,
    /// No empty line between text and signatures.
    #[error("no empty line separates the text from the signatures")]
    NoEmptyLine,
    /// Nothing before the empty line.
    #[error("the text is empty")]
    EmptyText,
    /// No signature line.
    #[error("the note has no signature")]
    NoSignature,
    /// More signatures than a note may have.
    #[error("the note has more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// A line after the empty one is not a signature line.
    #[error("signature line {line} is malformed")]
    SignatureLine {
        /// Signature line, from 0.
        line: usize,
    },
    /// The last line has no newline.
    #[error("the note does not end in a newline")]
    NoFinalNewline,
    /// A key's name is empty, or has a space or a plus.
    #[error("a key's name is empty or has a space or a plus")]
    KeyName,
    /// A verifier key is not `name+id+base64`.
    #[error("the text is not a verifier key")]
    KeyText,
    /// The id of a verifier key does not match its name and key.
    #[error("the id of the verifier key does not match its name and key")]
    KeyId,
    /// The key is of another type.
    #[error("a key of type {found} is not one of {expected}")]
    KeyType {
        /// The expected type.
        expected: u8,
        /// The one found.
        found: u8,
    },
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyUse {
    /// The text: the log itself.
    Log,
    /// `cosignature/v1`: time and text.
    Witness,
}

impl KeyUse {
    /// The signature type byte of C2SP signed-note.
    pub fn type_byte(self) -> u8 {
        match self {
            Self::Log => NOTE_ED25519,
            Self::Witness => NOTE_COSIGNATURE,
        }
    }
}

/// An Ed25519 key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    key: [u8; 32],
    kind: KeyUse,
}

impl NoteKey {
    /// A key by its parts.
    ///
    /// # Errors
    /// `KeyName`.
    pub fn new(kind: KeyUse, name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        match is_name(name) {
            true => Ok(Self { name: name.to_string(), key, kind }),
            false => Err(NoteError::KeyName),
        }
    }

    /// Parses `name+hex id+base64(type | key)`, as operators hand keys around.
    ///
    /// # Errors
    /// `TooLarge`, `KeyText`, `KeyName`, `KeyType`, `KeyId`, in this order.
    pub fn parse(kind: KeyUse, text: &str) -> Result<Self, NoteError> {
        if text.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { found: text.len() });
        }
        let (name, rest) = text.split_once('+').ok_or(NoteError::KeyText)?;
        let (id, key) = rest.split_once('+').ok_or(NoteError::KeyText)?;
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::KeyText)?;
        let (found, key) = bytes.split_first().ok_or(NoteError::KeyText)?;
        let key = <[u8; 32]>::try_from(key).map_err(|_| NoteError::KeyText)?;
        let parsed = Self::new(kind, name, key)?;
        let (expected, found) = (kind.type_byte(), *found);
        if found != expected {
            return Err(NoteError::KeyType { expected, found });
        }
        match hex_id(kind, name, &key) == id {
            true => Ok(parsed),
            false => Err(NoteError::KeyId),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.key
    }

    /// What it signs.
    pub fn kind(&self) -> KeyUse {
        self.kind
    }

    /// First four bytes of SHA-256(name | newline | type | key).
    pub fn id(&self) -> [u8; 4] {
        key_id(self.kind, &self.name, &self.key)
    }

    /// The line of a signature by this key, with its newline.
    pub fn signature_line(&self, signature: &[u8]) -> String {
        let bytes = [&self.id(), signature].concat();
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(bytes))
    }
}

impl core::fmt::Display for NoteKey {
    /// `name+hex id+base64(type | key)`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&key_text(self.kind, &self.name, &self.key))
    }
}

fn key_id(kind: KeyUse, name: &str, key: &[u8; 32]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[kind.type_byte()], key]);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The id as a verifier key has it.
pub(crate) fn hex_id(kind: KeyUse, name: &str, key: &[u8; 32]) -> String {
    hex::encode(&key_id(kind, name, key))
}

/// A verifier key: `name+hex id+base64(type | key)`.
pub(crate) fn key_text(kind: KeyUse, name: &str, key: &[u8; 32]) -> String {
    let typed = [&[kind.type_byte()], &key[..]].concat();
    format!("{name}+{}+{}", hex_id(kind, name, key), STANDARD.encode(typed))
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature<'a> {
    /// Name of the key.
    pub name: &'a str,
    /// Id of the key.
    pub id: [u8; 4],
    /// The signature, whatever its algorithm.
    pub bytes: Vec<u8>,
}

/// A note that parses. Its signatures are not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<NoteSignature<'a>>,
}

impl<'a> Note<'a> {
    /// Parses a note.
    ///
    /// # Errors
    /// `TooLarge`, `Utf8`, `ControlCharacter`, `NoFinalNewline`, `NoEmptyLine`, `EmptyText`,
    /// `NoSignature`, `TooManySignatures`, `SignatureLine`, in this order.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { found: bytes.len() });
        }
        let note = core::str::from_utf8(bytes).map_err(NoteError::Utf8)?;
        if bytes.iter().any(|byte| *byte < 0x20 && *byte != b'\n') {
            return Err(NoteError::ControlCharacter);
        }
        if !note.ends_with('\n') {
            return Err(NoteError::NoFinalNewline);
        }
        let at = note.rfind("\n\n").ok_or(NoteError::NoEmptyLine)?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        if text == "\n" {
            return Err(NoteError::EmptyText);
        }
        Ok(Self { text, signatures: signatures(lines)? })
    }

    /// The text, its last newline included.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The signature lines, in order.
    pub fn signatures(&self) -> &[NoteSignature<'a>] {
        &self.signatures
    }
}

fn signatures(lines: &str) -> Result<Vec<NoteSignature<'_>>, NoteError> {
    let count = lines.bytes().filter(|byte| *byte == b'\n').count();
    match count {
        0 => Err(NoteError::NoSignature),
        found if found > NOTE_SIGNATURES_MAX => Err(NoteError::TooManySignatures),
        _ => {
            let parse = |(line, text)| signature(text).ok_or(NoteError::SignatureLine { line });
            lines.split_terminator('\n').enumerate().map(parse).collect()
        }
    }
}

fn signature(line: &str) -> Option<NoteSignature<'_>> {
    let (name, text) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(text).ok()?;
    let (id, signature) = bytes.split_first_chunk().filter(|(_, rest)| !rest.is_empty())?;
    is_name(name).then(|| NoteSignature { name, id: *id, bytes: signature.to_vec() })
}

fn is_name(name: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(bad)
}

pub(crate) fn hash_of(text: &str) -> Option<[u8; 32]> {
    // 44 digits are 32 bytes: longer texts are not even decoded.
    let bytes = (text.len() == 44).then(|| STANDARD.decode(text).ok()).flatten()?;
    bytes.try_into().ok()
}

pub(crate) fn text_of(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A decimal number as C2SP writes it: digits, no leading zero.
pub(crate) fn number_of(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}
