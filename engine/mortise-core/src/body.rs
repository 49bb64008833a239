//! The two bodies of a frame: the clear one and the sealed one.
//!
//! ```text
//! clear body  = boot record (boot frames), statements of released frames
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
use mortise_format::frame::Frame;
use mortise_format::ids::{Bytes32, Signature};
use mortise_format::limits::{ATTESTATION_BYTES_MAX, FRAME_BYTES_TARGET};
use mortise_format::rules::RuleSet;

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

/// The clear part of a boot frame: the record, and the documents that only auditors read.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Boot {
    /// The record that the machine keeps.
    pub record: BootRecord,
    /// The attestation document; empty while unattested. At most `ATTESTATION_BYTES_MAX` bytes.
    pub document: Vec<u8>,
    /// The document that was made when the engine's keys were drawn: in the first frame of a log
    /// only, empty elsewhere and for none. Not part of a frame before rule set 3. At most
    /// `ATTESTATION_BYTES_MAX` bytes.
    pub genesis_document: Vec<u8>,
}

impl Boot {
    /// True when the document of the boot is within its bound and the record names it.
    pub fn is_consistent(&self) -> bool {
        self.document.len() <= ATTESTATION_BYTES_MAX
            && document_digest(&self.document) == self.record.document_digest
    }

    /// True when a boot frame at this place may carry the genesis document that it has.
    pub fn may_carry_genesis_document(&self, seq: u64) -> bool {
        let bytes = self.genesis_document.len();
        bytes == 0 || seq == 0 && bytes <= ATTESTATION_BYTES_MAX
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

/// The clear body of a frame. Its encoding depends on the frame's rules: from rule set 3 on, a
/// boot has room for a genesis document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClearBody {
    /// Boot frames only.
    pub boot: Option<Boot>,
    /// Statements of released frames that no frame carried yet, in order.
    pub statements: Vec<CarriedStatement>,
}

impl ClearBody {
    /// The clear body of a frame under these rules. Before rule set 3 a genesis document is left
    /// out.
    pub fn encode(&self, rules: RuleSet) -> Vec<u8> {
        let Self { boot, statements } = self;
        if rules.carries_genesis_document() {
            return codec::encode(&(boot, statements));
        }
        let bare = boot.as_ref().map(|boot| (&boot.record, &boot.document));
        codec::encode(&(bare, statements))
    }

    /// Reads the clear body of a frame under these rules.
    ///
    /// # Errors
    /// As [`codec::decode`].
    pub fn decode(bytes: &[u8], rules: RuleSet) -> Result<Self, CodecError> {
        if rules.carries_genesis_document() {
            let (boot, statements) = codec::decode(bytes)?;
            return Ok(Self { boot, statements });
        }
        let (bare, statements): (Option<(BootRecord, Vec<u8>)>, _) = codec::decode(bytes)?;
        let of = |(record, document)| Boot { record, document, genesis_document: Vec::new() };
        Ok(Self { boot: bare.map(of), statements })
    }

    /// Reads the clear body of a frame, without any check of its place.
    ///
    /// # Errors
    /// As [`codec::decode`].
    pub fn of(frame: &Frame) -> Result<Self, CodecError> {
        Self::decode(frame.clear(), frame.header().rules)
    }
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
