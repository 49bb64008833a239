//! The name of a request.

use crate::ids::RequestId;
use bincode::{Decode, Encode};

/// The caller's name of a request and how long it is good for; both are signed (INV-07).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// Unique per principal while valid.
    pub id: RequestId,
    /// Whole seconds since the Unix epoch.
    pub valid_until: u64,
}
