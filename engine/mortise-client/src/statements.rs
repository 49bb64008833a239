//! The newest statement of the engine, and fork evidence: a statement that contradicts it.

use mortise_format::eip712::RootStatement;
use mortise_format::ids::Signature;
use mortise_rpc::results::StatementView;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A statement with the engine's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedStatementView {
    /// The statement.
    pub statement: StatementView,
    /// Over its digest.
    pub signature: Signature,
}

/// How two statements contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContradictionKind {
    /// Two histories of one size differ: the log was forked.
    Fork,
    /// A later statement covers fewer frames: the log was rewound.
    Rollback,
    /// The newest statement on offer covers fewer frames than one already given out.
    Behind,
}

/// Two statements of one engine that contradict each other. Evidence for anyone: both are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Kind of contradiction.
    pub kind: ContradictionKind,
    /// The one that was kept.
    pub kept: SignedStatementView,
    /// The new one.
    pub shown: SignedStatementView,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ContradictionKind::Fork => "the log was forked",
            ContradictionKind::Rollback => "the log was rewound",
            ContradictionKind::Behind => "the engine is behind what it stated before",
        };
        let (kept, shown) = (&self.kept.statement, &self.shown.statement);
        write!(
            f,
            "{what}: kept size {} root {} time {}, shown size {} root {} time {}",
            kept.history_size,
            kept.history_root,
            kept.time,
            shown.history_size,
            shown.history_root,
            shown.time
        )
    }
}

/// Context in which the engine gave a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShownAs {
    /// With an answer, which may repeat an old one.
    WithAnswer,
    /// As the engine's newest.
    AsNewest,
}

/// Keeps the statement with the longest history.
#[derive(Debug, Default)]
pub(crate) struct Statements(Mutex<Option<SignedStatementView>>);

impl Statements {
    /// The statement that is kept.
    pub fn kept(&self) -> Option<SignedStatementView> {
        self.lock().clone()
    }

    /// Keeps a checked statement if it is newer.
    pub fn take(&self, shown: SignedStatementView, how: ShownAs) -> Result<(), Box<Contradiction>> {
        let mut kept = self.lock();
        if let Some(kept) = kept.as_ref()
            && let Some(kind) = contradiction(&kept.statement, &shown.statement, how)
        {
            return Err(Box::new(Contradiction { kind, kept: kept.clone(), shown }));
        }
        let size = |s: &SignedStatementView| s.statement.history_size;
        if kept.as_ref().is_none_or(|kept| size(kept) < size(&shown)) {
            *kept = Some(shown);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<SignedStatementView>> {
        // a panic elsewhere cannot leave it half-written: it is replaced in one assignment
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn contradiction(
    kept: &StatementView,
    shown: &StatementView,
    how: ShownAs,
) -> Option<ContradictionKind> {
    let digest = |view: &StatementView| RootStatement::from(view).digest();
    if kept.history_size == shown.history_size {
        return (digest(kept) != digest(shown)).then_some(ContradictionKind::Fork);
    }
    let (shorter, longer) =
        if kept.history_size < shown.history_size { (kept, shown) } else { (shown, kept) };
    if shorter.time > longer.time || shorter.epoch > longer.epoch {
        return Some(ContradictionKind::Rollback);
    }
    let behind = how == ShownAs::AsNewest && shown.history_size < kept.history_size;
    behind.then_some(ContradictionKind::Behind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::ids::{Bytes32, EngineId, FrameDigest, PolicyHash, Root};

    fn statement(size: u64, time: u64, root: u8) -> SignedStatementView {
        let statement = RootStatement {
            engine_id: EngineId([1; 32]),
            epoch: 1,
            seq: size - 1,
            time_ms: time * 1000,
            frame_digest: FrameDigest([root; 32]),
            event_root: Root([2; 32]),
            event_count: 1,
            state_root: Root([3; 32]),
            history_root: Root([root; 32]),
            history_size: size,
            policy_hash: PolicyHash(Bytes32([4; 32]).0),
        };
        let statement = StatementView::from(&statement);
        SignedStatementView { statement, signature: Signature([5; 65]) }
    }

    fn kind(
        statements: &Statements,
        shown: SignedStatementView,
        how: ShownAs,
    ) -> ContradictionKind {
        let contradiction = statements.take(shown.clone(), how).unwrap_err();
        assert_eq!(contradiction.shown, shown);
        assert_eq!(Some(&contradiction.kept), statements.kept().as_ref());
        contradiction.kind
    }

    #[test]
    fn longest_history_is_kept_and_old_answers_are_no_contradiction() {
        let statements = Statements::default();
        for (size, time) in [(5, 50), (7, 70), (6, 60), (7, 70), (8, 70)] {
            statements.take(statement(size, time, 1), ShownAs::WithAnswer).unwrap();
        }
        assert_eq!(statements.kept(), Some(statement(8, 70, 1)));
    }

    #[test]
    fn fork_rollback_and_lag_carry_both_statements() {
        let statements = Statements::default();
        statements.take(statement(7, 70, 1), ShownAs::WithAnswer).unwrap();
        let with = ShownAs::WithAnswer;
        assert_eq!(kind(&statements, statement(7, 70, 2), with), ContradictionKind::Fork);
        assert_eq!(kind(&statements, statement(6, 71, 2), with), ContradictionKind::Rollback);
        assert_eq!(kind(&statements, statement(8, 69, 2), with), ContradictionKind::Rollback);
        let newest = ShownAs::AsNewest;
        assert_eq!(kind(&statements, statement(6, 60, 1), newest), ContradictionKind::Behind);
        assert_eq!(statements.kept(), Some(statement(7, 70, 1)));
    }
}
