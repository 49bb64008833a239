//! Fair shares between callers: who is served next, and who may take from a pool.
//!
//! What it is for: one caller that sends a thousand requests must not delay or displace one that
//! sends a single request. Every request carries the [`ShareKey`] of its caller. [`FairQueue`]
//! orders what waits, [`Turns`] bounds what runs and lets the others wait in that order, and
//! [`FairPool`] bounds what is held and refuses the rest, [`FairBytes`] by size. The engine and the
//! gateway use them.
//!
//! What it does not do: authenticate. A key says where a request came from, not who signed it. The
//! parent writes the hints, so a hostile parent can starve any caller; it cannot make a queue
//! larger, because permits bound what is queued before it is queued.
//!
//! Invariants:
//! - While two keys have work, the units served to them differ by at most one for each turn and the
//!   cost of one item each. So a key with work gets at least 1/n of what is served to n keys.
//! - A key without work has no state: nothing is owed to it and it owes nothing.
//! - At most `SHARE_KEYS_MAX` keys have a share; the keys above share one.

mod bytes;
mod pool;
mod queue;
mod turns;

pub use bytes::{FairBytes, ReservedBytes};
pub use pool::{FairPool, PoolPermit, Shares};
pub use queue::FairQueue;
pub use turns::{Turn, Turns};

/// Whose share a request counts against: the connection that it came on, and on a gateway's
/// connection the hint of its peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareKey {
    /// Number of the connection, unique in the process.
    pub connection: u64,
    /// Keyed hash of the peer behind a gateway; 0 without one. Not trusted.
    pub hint: u64,
}

impl ShareKey {
    /// The lowest key.
    pub const MIN: Self = Self { connection: 0, hint: 0 };
    /// The highest key.
    pub const MAX: Self = Self { connection: u64::MAX, hint: u64::MAX };
}

/// The key that all keys above the bound share. No connection has this number.
const REST: ShareKey = ShareKey { connection: u64::MAX, hint: 0 };
