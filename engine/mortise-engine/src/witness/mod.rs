//! Cosignatures over the history (C2SP tlog-witness), before an answer leaves.
//!
//! What it is for: a quorum of witnesses says that a head is the newest that it knows of this log.
//! So an engine on an older copy of the log, or a second one beside this, cannot get an answer out.
//!
//! What it does not do: trust who carries the bytes, decide when to ask ([`crate::pipeline`]), run
//! a witness.
//!
//! ```text
//! head -> sign -> ask each: old size, path, note -> cosignature        k of n -> Cosigned
//!                   ^                            -> 409, size below ---+
//!                   '--- that size, its path ---------------------------'
//!                                                -> 409 above, 422    n - k + 1 -> Refused
//!                                                -> no answer: again, later
//! ```
//! Invariants: a head is asked about only when its frames are durable; a refusal counts only when
//! fewer than a quorum can still agree, so that liars alone do not stop an engine.

mod quorum;
mod remote;
mod round;

pub use quorum::{Cosigned, WitnessQuorum};
pub use remote::RemoteWitnesses;
pub use round::{Outcome, Paths, WitnessReject, gather};
