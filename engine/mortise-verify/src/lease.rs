//! How old an answer about now is, by the witnesses' clocks (`specs/durability-and-recovery.md`).
//!
//! What it is for: an engine that another one superseded still has its keys, its state and a parent
//! that serves it. Only witnesses know that its head is not the newest any more. Each cosignature
//! says "at this time this was the largest head that I know", so a quorum of recent cosignatures
//! bounds how long an old head passes for the newest.
//!
//! ```text
//! the checkpoint is the statement's head       as of the k-th newest time of the witnesses
//! the checkpoint is later, a path leads there  as of the statement's own time
//! ```
//! In the second case the checkpoint alone would let yesterday's answer pass under today's
//! cosignatures; the time of the statement keeps it out.
//!
//! What it does not do: read a clock (the caller's time is a parameter), check the answer that the
//! statement belongs to, fetch anything.

use crate::checkpoint::{CheckpointError, VerifiedCosignature, Witnesses, verify_cosigned};
use crate::history::{TreeHead, verify_consistency};
use crate::statement::VerifiedStatement;
use alloc::vec::Vec;
use mortise_format::note::NoteKey;

/// What an answer carries beside its statement. Nothing in it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// The signed note of a checkpoint, with cosignatures.
    pub note: &'a [u8],
    /// The consistency path from the statement's history to the checkpoint; empty if the checkpoint
    /// is about the same history.
    pub path: &'a [[u8; 32]],
}

/// The log and the witnesses that a verifier relies on.
#[derive(Debug, Clone, Copy)]
pub struct LogTrust<'a> {
    /// First line of the log's checkpoints.
    pub origin: &'a str,
    /// The key of the log.
    pub log: &'a NoteKey,
    /// The witnesses, and how many of them must have cosigned.
    pub witnesses: &'a Witnesses,
}

/// The ages that a verifier accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgeLimit {
    /// The oldest answer to accept, seconds.
    pub max_age: u64,
    /// How far the clocks of witnesses and engine may be ahead of the verifier's, seconds.
    pub skew: u64,
}

impl AgeLimit {
    /// The lease and the skew of a policy that names none.
    pub const DEFAULT: Self = Self { max_age: 60, skew: 5 };

    /// The bounds at a time, seconds since the Unix epoch.
    pub fn at(self, now: u64) -> LeaseBounds {
        LeaseBounds { now, max_age: self.max_age, skew: self.skew }
    }
}

/// The verifier's clock, and what it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseBounds {
    /// The verifier's time when it received the answer, seconds since the Unix epoch.
    pub now: u64,
    /// The oldest answer to accept, seconds.
    pub max_age: u64,
    /// How far the clocks of witnesses and engine may be ahead of the verifier's, seconds.
    pub skew: u64,
}

/// Why an answer is not about now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The note is not a checkpoint of the log, or no quorum cosigned it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is neither the statement's head nor shown to extend it.
    #[error("the checkpoint of {size} frames does not contain the history of {stated} frames")]
    HeadMismatch {
        /// Frames of the statement's history.
        stated: u64,
        /// Frames of the checkpoint.
        size: u64,
    },
    /// The answer is too old.
    #[error("the answer is {age} seconds old; at most {max_age} are accepted")]
    LeaseOld {
        /// Seconds between its time and the verifier's.
        age: u64,
        /// The bound.
        max_age: u64,
    },
    /// Witnesses or engine name a time that the verifier's clock has not reached: one of the clocks
    /// is wrong.
    #[error("the answer is from {ahead} seconds in the future; at most {skew} are accepted")]
    LeaseFromTheFuture {
        /// Seconds beyond the verifier's time.
        ahead: u64,
        /// The bound.
        skew: u64,
    },
}

/// What the time of an answer rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseGround {
    /// A quorum cosigned exactly this head, at this time or later.
    Cosigned,
    /// A quorum cosigned a later head that contains this one; the time is the statement's.
    Contained,
    /// The log has no witnesses: there is no lease, and the time is the statement's alone. Another
    /// engine may have continued the log since.
    NoLease,
}

/// The time as of which an answer holds.
///
/// What it proves, with [`LeaseGround::Cosigned`] or [`LeaseGround::Contained`]: at
/// [`Self::as_of`] the statement's frame was part of the log that a quorum of the verifier's
/// witnesses follows, and it was the newest frame of its engine. If at most as many witnesses lie
/// as the quorum allows for, and clocks agree within the skew, an engine that another one
/// superseded passes this check for at most `max_age + skew` seconds after that, whatever the
/// parent does.
///
/// What it does not prove: that nothing happened since [`Self::as_of`]; with
/// [`LeaseGround::NoLease`], anything about witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedLease {
    as_of: u64,
    ground: LeaseGround,
}

impl VerifiedLease {
    /// Seconds since the Unix epoch: the answer was the newest state then.
    pub fn as_of(&self) -> u64 {
        self.as_of
    }

    /// What that time rests on.
    pub fn ground(&self) -> LeaseGround {
        self.ground
    }
}

/// Checks that a statement was the newest of its log not long ago.
///
/// Success proves what [`VerifiedLease`] states.
///
/// # Errors
/// `Checkpoint`, `HeadMismatch`, `LeaseFromTheFuture`, `LeaseOld`, in this order.
pub fn verify(
    statement: &VerifiedStatement,
    evidence: &Evidence<'_>,
    trust: &LogTrust<'_>,
    bounds: &LeaseBounds,
) -> Result<VerifiedLease, LeaseError> {
    verify_head(&statement.head(), statement.time(), evidence, trust, bounds)
}

/// The time of a statement of a log without witnesses. Nothing bounds its age: such a log has no
/// lease, and an idle engine makes no new statement.
pub fn without_witnesses(statement: &VerifiedStatement) -> VerifiedLease {
    VerifiedLease { as_of: statement.time(), ground: LeaseGround::NoLease }
}

fn verify_head(
    stated: &TreeHead,
    stated_at: u64,
    evidence: &Evidence<'_>,
    trust: &LogTrust<'_>,
    bounds: &LeaseBounds,
) -> Result<VerifiedLease, LeaseError> {
    let LogTrust { origin, log, witnesses } = trust;
    let cosigned = verify_cosigned(evidence.note, origin, log, witnesses)?;
    let head = cosigned.checkpoint().head();
    let quorum = witnesses.quorum();
    let lease = match head == stated {
        true => VerifiedLease {
            as_of: cosigned_at(cosigned.cosignatures(), quorum, bounds),
            ground: LeaseGround::Cosigned,
        },
        false => {
            let mismatch = LeaseError::HeadMismatch { stated: stated.size, size: head.size };
            verify_consistency(stated, head, evidence.path).map_err(|_| mismatch)?;
            VerifiedLease { as_of: stated_at, ground: LeaseGround::Contained }
        }
    };
    check_age(lease.as_of, bounds)?;
    Ok(lease)
}

/// Checks a time against the verifier's clock.
///
/// # Errors
/// `LeaseFromTheFuture`, `LeaseOld`.
pub fn check_age(as_of: u64, bounds: &LeaseBounds) -> Result<(), LeaseError> {
    let LeaseBounds { now, max_age, skew } = *bounds;
    let ahead = as_of.saturating_sub(now);
    if ahead > skew {
        return Err(LeaseError::LeaseFromTheFuture { ahead, skew });
    }
    let age = now.saturating_sub(as_of);
    if age > max_age {
        return Err(LeaseError::LeaseOld { age, max_age });
    }
    Ok(())
}

/// The k-th newest time, among the witnesses whose clock is not ahead of the verifier's by more
/// than the skew. Two quorums share an honest witness, and its time is not below this one; a liar
/// raises only its own. If too few are left, a time in the future, which is refused.
fn cosigned_at(cosignatures: &[VerifiedCosignature], quorum: usize, bounds: &LeaseBounds) -> u64 {
    let latest = bounds.now.saturating_add(bounds.skew);
    let mut times: Vec<u64> = cosignatures.iter().map(|cosignature| cosignature.time).collect();
    times.sort_unstable();
    let usable = times.iter().copied().filter(|time| *time <= latest);
    let beyond = quorum.checked_sub(1).and_then(|at| times.get(at)).copied();
    kth_newest(usable, quorum).or(beyond).unwrap_or(u64::MAX)
}

/// The k-th newest of some times; `None` if there are fewer than `k`.
pub fn kth_newest(times: impl Iterator<Item = u64>, k: usize) -> Option<u64> {
    let mut times: Vec<u64> = times.collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    times.get(k.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests;
