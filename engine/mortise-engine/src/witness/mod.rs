//! Cosignatures over the history (C2SP tlog-witness), before an answer leaves.
//!
//! What it is for: a quorum of witnesses confirms that a head is the newest one of this log. An
//! engine on an older copy of the log, or a second engine on this log, cannot release an answer.
//! The same head is cosigned again while the engine is idle: the times of the cosignatures are its
//! lease ([`crate::lease`]).
//!
//! What it does not do: trust the carrier of the bytes, decide when to ask ([`crate::pipeline`]),
//! run a witness.
//!
//! ```text
//! head -> sign -> ask each: old size, path, note -> cosignature        k of n -> Cosigned
//!                   ^                            -> 409, size below ---+
//!                   '--- that size, its path ---------------------------'
//!                                                -> 409 above, 422    n - k + 1 -> Refused
//!                                                -> no answer: back off, retry
//! ```
//! Invariants:
//! - Witnesses see a head only after its frames are durable.
//! - Refusals count only if fewer than a quorum can still agree, so that a few liars cannot stop an
//!   engine.

mod head;
mod paths;
mod quorum;
mod remote;
mod round;
mod terms;

pub use head::Cosigned;
pub use paths::consistency;
pub use quorum::WitnessQuorum;
pub use remote::RemoteWitnesses;
pub use round::{Outcome, Paths, WitnessReject, gather, renew};
pub use terms::LeaseTerms;
