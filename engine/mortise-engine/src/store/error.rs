//! Errors of the log store.

use mortise_format::codec::CodecError;
use mortise_format::frame::FrameError;
use mortise_format::store::StoreRefusal;

/// Why a call of the store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There was no connection, or no room on it, when the call was made: nothing was sent.
    #[error("the log store cannot be reached: {0}")]
    Unreachable(std::io::ErrorKind),
    /// The connection ended before the answer: whether the call took effect is unknown.
    #[error("the connection to the log store ended before the answer")]
    Unknown,
    /// The answer did not come in time: whether the call took effect is unknown.
    #[error("the log store has not answered within {answer_ms_max} ms")]
    Silent {
        /// [`STORE_ANSWER_MS_MAX`](mortise_format::limits::STORE_ANSWER_MS_MAX).
        answer_ms_max: u64,
    },
    /// The store refused, for this reason.
    #[error("the log store refused: {0}")]
    Refused(#[from] StoreRefusal),
    /// The store gave an answer that an honest store never gives.
    #[error("the log store gave an invalid answer: {0}")]
    Garbage(#[from] Garbage),
    /// The value exceeds a limit of the protocol: nothing was sent.
    #[error("a value of {bytes} bytes exceeds the limit of the store protocol")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Why an answer is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Garbage {
    /// The stream is not a stream of bounded messages.
    #[error("a message is larger than its limit")]
    Framing,
    /// No request has this correlation id, or it was answered before.
    #[error("an answer belongs to no request")]
    Unasked,
    /// The payload is not an answer of the protocol.
    #[error("an answer does not decode: {0}")]
    Undecodable(CodecError),
    /// The answer belongs to another kind of request.
    #[error("an answer is of the wrong kind")]
    WrongKind,
    /// The ack names another frame than the one that was sent.
    #[error("an ack names another frame than the one sent")]
    WrongAck,
    /// The head has a digest at seq 0, or none after it.
    #[error("the head contradicts itself")]
    WrongHead,
    /// The bytes are not a frame.
    #[error("frame {seq} is broken: {error}")]
    NotAFrame {
        /// The requested seq.
        seq: u64,
        /// Why it is broken.
        error: FrameError,
    },
    /// A frame is not the requested one, or not the successor of the one before it.
    #[error("expected frame {expected}, found frame {found}")]
    WrongSeq {
        /// The seq asked for.
        expected: u64,
        /// The seq in the frame.
        found: u64,
    },
    /// A frame does not name the one before it: one of the two is not the one that the engine
    /// wrote.
    #[error("frame {seq} does not follow frame {}", .seq.saturating_sub(1))]
    BrokenChain {
        /// The seq of the frame.
        seq: u64,
    },
    /// More frames, parts or bytes than requested or than the protocol allows.
    #[error("an answer is larger than requested")]
    TooMuch,
    /// A snapshot or a part has another size than was stated.
    #[error("a snapshot has another size than was stated")]
    WrongSize,
}
