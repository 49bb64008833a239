//! The position of an event in the log.

use bincode::{Decode, Encode};

/// The position of an event in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct LogPosition {
    /// The frame.
    pub seq: u64,
    /// The event in the frame.
    pub index: u32,
}
