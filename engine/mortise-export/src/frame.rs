//! A frame with checked digests.

use mortise_format::frame::{Frame, FrameError};
use mortise_format::ids::{EngineId, FrameDigest};

/// A frame whose lengths and digests match its leaf, with the fields that a log needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFrame {
    bytes: Vec<u8>,
    seq: u64,
    engine_id: EngineId,
    previous: FrameDigest,
    digest: FrameDigest,
}

impl CheckedFrame {
    /// Parses a frame and checks its digests.
    ///
    /// # Errors
    /// As [`Frame::decode`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, FrameError> {
        let frame = Frame::decode(&bytes)?;
        let header = frame.header();
        let (seq, engine_id, previous) = (header.seq, header.engine_id, header.previous);
        Ok(Self { seq, engine_id, previous, digest: frame.digest(), bytes })
    }

    /// The bytes of the frame.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its position in the log.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The engine that made it.
    pub fn engine_id(&self) -> EngineId {
        self.engine_id
    }

    /// The digest of the frame before it.
    pub fn previous(&self) -> FrameDigest {
        self.previous
    }

    /// Its digest.
    pub fn digest(&self) -> FrameDigest {
        self.digest
    }
}
