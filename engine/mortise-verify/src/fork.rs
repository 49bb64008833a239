//! Fork evidence: two statements of one engine that cannot both be true (`specs/receipts.md`).
//!
//! What it is for: turning a kept statement and a newer one into a proof that anyone can check. The
//! engine's log has one leaf per index, and its time never goes back, across epochs too. If the
//! parent keeps what it acks and runs one enclave, the engine never signs such a pair.
//!
//! | rule | the two statements |
//! |---|---|
//! | `SameSizeOtherRoot` | name the same history size and different history roots |
//! | `SameFrameOtherContent` | name the same history and differ about its last frame |
//! | `LaterTimeSmallerSize` | the later one, by its signed time, names the smaller history |
//! | `OtherLeaf` | contain different leaves at one index, each shown by an inclusion path |
//! | `OtherFrame` | the second contains another frame at the seq of the first |
//!
//! What it does not do: assign blame (the parent may have rewound the log, or someone may hold the
//! key), or search for evidence. Not evidence: a missing answer, a bad proof, a frame that was
//! shipped and whose ack was withheld. Statements leave an engine only after the ack, so a parent
//! that withholds acks holds no signature that an honest engine could contradict later.

use crate::engine::Engine;
use crate::history::verify_inclusion;
use crate::receipt::{FrameError, decode_leaf};
use crate::statement::{self, SignedStatement, StatementError, VerifiedStatement};
use alloc::vec::Vec;
use mortise_format::merkle::history::HistoryProofError;

/// A frame's leaf in a history, as received. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafProof {
    /// The 297 bytes.
    pub leaf: Vec<u8>,
    /// RFC 6962 inclusion path, from the leaf up.
    pub path: Vec<[u8; 32]>,
}

/// The leaves that accompany the two statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForkLeaves {
    /// None: the statements alone contradict each other.
    None,
    /// A leaf at the same index under each of the two statements.
    Both {
        /// The index.
        index: u64,
        /// Under the first statement.
        first: LeafProof,
        /// Under the second statement.
        second: LeafProof,
    },
    /// The leaf under the second statement at the seq of the first statement's frame.
    AtFirst(LeafProof),
}

/// Fork evidence as received. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkEvidence {
    /// One statement.
    pub first: SignedStatement,
    /// Another.
    pub second: SignedStatement,
    /// Leaves, where the statements alone do not show the contradiction.
    pub leaves: ForkLeaves,
}

/// How the two statements contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForkRule {
    /// One size, two roots.
    SameSizeOtherRoot {
        /// The size.
        size: u64,
    },
    /// One history, two descriptions of its last frame.
    SameFrameOtherContent {
        /// The frame.
        seq: u64,
    },
    /// The later statement names a smaller history.
    LaterTimeSmallerSize {
        /// Seconds between the two.
        seconds: u64,
        /// Frames of the earlier statement that the later one no longer has.
        frames: u64,
    },
    /// Two leaves at one index.
    OtherLeaf {
        /// The index.
        index: u64,
    },
    /// The second history has another frame at the seq of the first statement.
    OtherFrame {
        /// The frame.
        seq: u64,
    },
}

/// Why the input is not fork evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The first statement is not the engine's.
    #[error("the first statement: {0}")]
    First(StatementError),
    /// The second statement is not the engine's.
    #[error("the second statement: {0}")]
    Second(StatementError),
    /// Both statements are the same.
    #[error("both statements are the same")]
    SameStatement,
    /// One log can have both statements.
    #[error("both statements can be true of one log")]
    NoContradiction,
    /// The first leaf does not decode.
    #[error("the first leaf: {0}")]
    FirstLeaf(FrameError),
    /// The second leaf does not decode.
    #[error("the second leaf: {0}")]
    SecondLeaf(FrameError),
    /// The first leaf is not under the first statement.
    #[error("the first leaf is not in the first history: {0}")]
    FirstPath(HistoryProofError),
    /// The second leaf is not under the second statement.
    #[error("the second leaf is not in the second history: {0}")]
    SecondPath(HistoryProofError),
    /// Both histories have the same leaf at this index.
    #[error("both histories have the same leaf at index {index}")]
    SameLeaf {
        /// The index.
        index: u64,
    },
}

/// Two statements of one engine that no single log can have.
///
/// What it proves: the holder of the engine's signing key signed both, and they contradict each
/// other by the named rule; so the log was forked or rewound, or two enclaves ran on it. What it
/// does not prove: which of the two is the log that others see, or who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedFork {
    first: VerifiedStatement,
    second: VerifiedStatement,
    rule: ForkRule,
}

impl VerifiedFork {
    /// One statement.
    pub fn first(&self) -> &VerifiedStatement {
        &self.first
    }

    /// The other.
    pub fn second(&self) -> &VerifiedStatement {
        &self.second
    }

    /// How the two contradict each other.
    pub fn rule(&self) -> ForkRule {
        self.rule
    }
}

/// Checks evidence against the pinned engine.
///
/// Success proves what [`VerifiedFork`] states. The order of the two statements matters only for
/// leaves, which belong to one of them. Leaves are always checked when present.
///
/// # Errors
/// `First`, `Second`, `SameStatement`, then for leaves `FirstLeaf`, `FirstPath`, `SecondLeaf`,
/// `SecondPath`, `SameLeaf`, or without leaves `NoContradiction`.
pub fn verify(engine: &Engine, evidence: &ForkEvidence) -> Result<VerifiedFork, ForkError> {
    let first = statement::verify(engine, &evidence.first).map_err(ForkError::First)?;
    let second = statement::verify(engine, &evidence.second).map_err(ForkError::Second)?;
    if first.fields() == second.fields() {
        return Err(ForkError::SameStatement);
    }
    let rule = match &evidence.leaves {
        ForkLeaves::None => between(&first, &second).ok_or(ForkError::NoContradiction)?,
        ForkLeaves::Both { index, first: a, second: b } => both(&first, &second, *index, a, b)?,
        ForkLeaves::AtFirst(proof) => at_first(&first, &second, proof)?,
    };
    Ok(VerifiedFork { first, second, rule })
}

/// The rule that two verified statements of one engine break, if any.
pub fn between(first: &VerifiedStatement, second: &VerifiedStatement) -> Option<ForkRule> {
    let (a, b) = (first.fields(), second.fields());
    if a.engine_id != b.engine_id || a == b {
        return None;
    }
    if a.history_size == b.history_size {
        return Some(match a.history_root == b.history_root {
            false => ForkRule::SameSizeOtherRoot { size: a.history_size },
            true => ForkRule::SameFrameOtherContent { seq: a.seq },
        });
    }
    let (small, large) = match a.history_size < b.history_size {
        true => (first, second),
        false => (second, first),
    };
    let seconds = small.time().checked_sub(large.time()).filter(|seconds| *seconds > 0)?;
    let frames = large.head().size - small.head().size;
    Some(ForkRule::LaterTimeSmallerSize { seconds, frames })
}

fn both(
    first: &VerifiedStatement,
    second: &VerifiedStatement,
    index: u64,
    a: &LeafProof,
    b: &LeafProof,
) -> Result<ForkRule, ForkError> {
    decode_leaf(&a.leaf).map_err(ForkError::FirstLeaf)?;
    let path = verify_inclusion(&first.head(), index, &a.leaf, &a.path);
    path.map_err(ForkError::FirstPath)?;
    decode_leaf(&b.leaf).map_err(ForkError::SecondLeaf)?;
    let path = verify_inclusion(&second.head(), index, &b.leaf, &b.path);
    path.map_err(ForkError::SecondPath)?;
    match a.leaf == b.leaf {
        true => Err(ForkError::SameLeaf { index }),
        false => Ok(ForkRule::OtherLeaf { index }),
    }
}

fn at_first(
    first: &VerifiedStatement,
    second: &VerifiedStatement,
    proof: &LeafProof,
) -> Result<ForkRule, ForkError> {
    let seq = first.seq();
    let leaf = decode_leaf(&proof.leaf).map_err(ForkError::SecondLeaf)?;
    let path = verify_inclusion(&second.head(), seq, &proof.leaf, &proof.path);
    path.map_err(ForkError::SecondPath)?;
    match leaf.digest() == first.fields().frame_digest {
        true => Err(ForkError::SameLeaf { index: seq }),
        false => Ok(ForkRule::OtherFrame { seq }),
    }
}
