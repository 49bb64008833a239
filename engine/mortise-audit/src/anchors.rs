//! Statements that somebody kept: what the log must lead to.

use crate::finding::Fact;
use crate::statements::differing_field;
use alloc::vec::Vec;
use mortise_format::eip712::RootStatement;
use mortise_verify::Engine;
use mortise_verify::statement::{self, SignedStatement, StatementError};

/// Kept statements that are still ahead, by frame.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    /// The last one is the next one.
    ahead: Vec<SignedStatement>,
}

impl Anchors {
    pub fn new(mut kept: Vec<SignedStatement>) -> Self {
        kept.sort_by_key(|kept| core::cmp::Reverse(kept.statement.seq));
        Self { ahead: kept }
    }

    /// Holds what the log states of a frame against the kept statements about it. True in the
    /// second place when the engine's own signature agrees.
    pub fn meet(&mut self, engine: Engine, stated: &RootStatement) -> (Vec<Fact>, bool) {
        let (mut facts, mut is_signed) = (Vec::new(), false);
        while let Some(kept) = self.ahead.pop_if(|kept| kept.statement.seq <= stated.seq) {
            match statement::verify(&engine, &kept) {
                Err(error) => facts.push(refused(&kept, &error)),
                Ok(verified) => match differing_field(stated, verified.fields()) {
                    Some(field) => facts.push(Fact::Fork { field }),
                    None => is_signed = true,
                },
            }
        }
        (facts, is_signed)
    }

    /// What is left when the log ends: each good one shows that the log was longer.
    pub fn end(&mut self, engine: Engine) -> Vec<Fact> {
        let judge = |kept: SignedStatement| match statement::verify(&engine, &kept) {
            Err(error) => refused(&kept, &error),
            Ok(verified) => Fact::LogEndsEarly { about: verified.seq() },
        };
        core::mem::take(&mut self.ahead).into_iter().rev().map(judge).collect()
    }
}

/// A kept statement that is not the engine's shows nothing about the log, and is said all the same.
fn refused(kept: &SignedStatement, error: &StatementError) -> Fact {
    let about = kept.statement.seq;
    match error {
        StatementError::Signature(mortise_verify::SignerError::Signer { found, .. }) => {
            Fact::StatementSigner { about, found: Some(*found) }
        }
        StatementError::Signature(_) => Fact::StatementSigner { about, found: None },
        StatementError::EngineId { .. } => Fact::StatementField { about, field: "engineId" },
        StatementError::HistorySize { .. } => Fact::StatementField { about, field: "historySize" },
        // A check that is newer than this report has no field of its own here.
        _ => Fact::StatementField { about, field: "statement" },
    }
}
