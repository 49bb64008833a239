//! Statements kept outside the log, which the log must match.

use crate::finding::Fact;
use crate::statements::differing_field;
use alloc::vec::Vec;
use mortise_format::eip712::RootStatement;
use mortise_verify::Engine;
use mortise_verify::statement::{self, SignedStatement, StatementError};

/// Kept statements about frames that the audit has not reached, by frame.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    /// Sorted by descending frame: the last one is due next.
    ahead: Vec<SignedStatement>,
}

impl Anchors {
    pub fn new(mut kept: Vec<SignedStatement>) -> Self {
        kept.sort_by_key(|kept| core::cmp::Reverse(kept.statement.seq));
        Self { ahead: kept }
    }

    /// How many are still ahead.
    pub fn count(&self) -> u64 {
        u64::try_from(self.ahead.len()).unwrap_or(u64::MAX)
    }

    /// Compares the log's statement about a frame with the kept statements about it. The second
    /// result is how many signatures of the engine agree with the log.
    pub fn compare(&mut self, engine: Engine, stated: &RootStatement) -> (Vec<Fact>, u64) {
        let (mut facts, mut agreeing) = (Vec::new(), 0);
        while let Some(kept) = self.ahead.pop_if(|kept| kept.statement.seq <= stated.seq) {
            match statement::verify(&engine, &kept) {
                Err(error) => facts.push(refused(&kept, &error)),
                Ok(verified) => match differing_field(stated, verified.fields()) {
                    Some(field) => facts.push(Fact::Fork { field }),
                    None => agreeing += 1,
                },
            }
        }
        (facts, agreeing)
    }

    /// Called at the end of the log. Each valid statement that is left shows that the log was
    /// longer. An empty log may name no engine: then no signature can be checked, and each
    /// statement was still asked for and is not there.
    pub fn end(&mut self, engine: Option<Engine>) -> Vec<Fact> {
        let report = |kept: SignedStatement| {
            let about = kept.statement.seq;
            match engine.map(|engine| statement::verify(&engine, &kept)) {
                Some(Err(error)) => refused(&kept, &error),
                Some(Ok(_)) | None => Fact::LogEndsEarly { about },
            }
        };
        core::mem::take(&mut self.ahead).into_iter().rev().map(report).collect()
    }
}

/// A kept statement that the engine did not sign proves nothing about the log. It is reported.
fn refused(kept: &SignedStatement, error: &StatementError) -> Fact {
    let about = kept.statement.seq;
    match error {
        StatementError::Signature(mortise_verify::SignerError::Signer { found, .. }) => {
            Fact::StatementSigner { about, found: Some(*found) }
        }
        StatementError::Signature(_) => Fact::StatementSigner { about, found: None },
        StatementError::EngineId { .. } => Fact::StatementField { about, field: "engineId" },
        StatementError::HistorySize { .. } => Fact::StatementField { about, field: "historySize" },
        // An error that this version does not know has no field name here.
        _ => Fact::StatementField { about, field: "statement" },
    }
}
