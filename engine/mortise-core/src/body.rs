//! The two bodies of a frame: the clear one and the sealed one.
//!
//! ```text
//! clear body  = codec(ClearBody): boot record (boot frames), statements of released frames
//! sealed body = repeated: u32 length | codec(Event)
//! ```
//! Events are encoded once; the same bytes are hashed into the event tree, sealed and replayed.

use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::binding::BoundKeys;
use mortise_format::codec::{self, CodecError};
use mortise_format::domains;
use mortise_format::eip712::RootStatement;
use mortise_format::event::Event;
use mortise_format::ids::{Bytes32, Signature};
use mortise_format::limits::{ATTESTATION_BYTES_MAX, FRAME_BYTES_TARGET};

/// A statement that is not signed yet, with the proof that its frame is the last leaf of the
/// history that it names (RFC 6962 2.1.1, index `seq` in a tree of `seq + 1`).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FrameStatement {
    /// The statement.
    pub statement: RootStatement,
    /// Inclusion path, lowest first.
    pub history_path: Vec<[u8; 32]>,
}

/// A statement with the engine's signature, as a later frame carries it.
///
/// Field order is format: [`FrameStatement`], then the signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CarriedStatement {
    /// The statement.
    pub statement: RootStatement,
    /// Inclusion path, lowest first.
    pub history_path: Vec<[u8; 32]>,
    /// Over the statement's digest.
    pub signature: Signature,
}

impl FrameStatement {
    /// The statement with the engine's signature over its digest.
    pub fn signed(self, signature: Signature) -> CarriedStatement {
        let Self { statement, history_path } = self;
        CarriedStatement { statement, history_path, signature }
    }
}

impl CarriedStatement {
    /// True when the statement is the same; ignores the signature.
    pub fn carries(&self, stated: &FrameStatement) -> bool {
        self.statement == stated.statement && self.history_path == stated.history_path
    }
}

/// The boot record of a boot frame: in clear, and kept by the machine.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BootRecord {
    /// The public keys of the boot, as its attestation document binds them.
    pub keys: BoundKeys,
    /// The epoch's data key, wrapped by the key service.
    pub wrapped_key: Vec<u8>,
    /// Commitment to the data key, so that wrapped keys cannot be swapped.
    pub key_commitment: Bytes32,
    /// [`document_digest`] of the attestation document; zero while unattested.
    pub document_digest: Bytes32,
    /// Fresh randomness, so that a cosignature over this frame cannot be a replay.
    pub fresh: Bytes32,
}

/// The clear part of a boot frame: the record, and the document that only auditors read.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Boot {
    /// The record that the machine keeps.
    pub record: BootRecord,
    /// The attestation document; empty while unattested. At most `ATTESTATION_BYTES_MAX` bytes.
    pub document: Vec<u8>,
}

impl Boot {
    /// True when the document is within its bound and the record names it.
    pub fn is_consistent(&self) -> bool {
        self.document.len() <= ATTESTATION_BYTES_MAX
            && document_digest(&self.document) == self.record.document_digest
    }
}

/// The digest by which a record names its document; zero for none.
///
/// It identifies the bytes, not the statement in them: one statement has several encodings
/// (`specs/attestation.md`).
pub fn document_digest(document: &[u8]) -> Bytes32 {
    if document.is_empty() {
        return Bytes32::ZERO;
    }
    Bytes32(domains::blake3_in(domains::ATTESTATION_DOCUMENT, &[document]))
}

/// The clear body of a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct ClearBody {
    /// Boot frames only.
    pub boot: Option<Boot>,
    /// Statements of released frames that no frame carried yet, in order.
    pub statements: Vec<CarriedStatement>,
}

/// Initial capacity of a frame's buffer. A full frame never reallocates it.
const FIRST_BYTES: usize = FRAME_BYTES_TARGET + FRAME_BYTES_TARGET / 4;

/// Events of a frame under construction: their bytes, and where each ends.
#[derive(Debug, Default)]
pub struct SealedBody {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl SealedBody {
    /// Appends an event.
    ///
    /// # Panics
    /// Never: an event is far below 4 GiB (`limits`).
    pub fn push(&mut self, event: &Event) {
        if self.bytes.is_empty() {
            // Growing from an empty buffer would copy a full frame twice.
            self.bytes.reserve(FIRST_BYTES);
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        codec::encode_into(event, &mut self.bytes);
        let length = self.bytes.len() - at - 4;
        let length = u32::try_from(length).expect("an event is far below 4 GiB");
        self.bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        self.ends.push(self.bytes.len());
    }

    /// Frees the capacity that a closed frame did not use.
    pub fn close(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// How many events.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Size in bytes.
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }

    /// The encoded events in order.
    pub fn events(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start + 4..*end])
    }

    /// The bytes to seal.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads the body of an opened frame back, checking every length.
    ///
    /// # Errors
    /// `Malformed` when a length leaves the body.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, CodecError> {
        let mut ends = Vec::new();
        let mut at = 0usize;
        while at < bytes.len() {
            let length = bytes.get(at..at + 4).ok_or(CodecError::Malformed)?;
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            let length = usize::try_from(length).map_err(|_| CodecError::Malformed)?;
            let end = (at + 4).checked_add(length).ok_or(CodecError::Malformed)?;
            if end > bytes.len() {
                return Err(CodecError::Malformed);
            }
            ends.push(end);
            at = end;
        }
        Ok(Self { bytes, ends })
    }
}
