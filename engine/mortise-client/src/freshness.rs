//! The age of answers about now, checked when they arrive.
//!
//! What it is for: a parent can keep an engine alive that another one superseded, and it can hold
//! an answer back. The engine sees neither. The witnesses' times in the answer show both, against
//! the caller's clock ([`mortise_verify::lease`]).
//!
//! What a success proves: the engine stated the frame whose state it read, and by the caller's
//! witnesses that frame was the newest not long ago. In the channel
//! ([`crate::Channel::Sealed`]) the result beside it is the engine's too. In clear that holds for
//! results that carry their own statement or proof; a relay can write any other.
//!
//! What it does not do: choose witnesses. Without them there is no lease: such a check says so.

use crate::check::{self, CheckError};
use crate::identity::Identity;
use crate::statements::SignedStatementView;
use mortise_format::note::NoteKey;
use mortise_rpc::results::{FreshnessView, StatementView};
use mortise_verify::checkpoint::Witnesses;
use mortise_verify::json;
use mortise_verify::lease::{
    AgeLimit, Evidence, LeaseError, LogTrust, VerifiedLease, verify, without_witnesses,
};
use serde_json::Value;

/// What answers about now must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// First line of the log's checkpoints.
    pub origin: String,
    /// The key of the log.
    pub log: NoteKey,
    /// The witnesses, and how many of them must have cosigned.
    pub witnesses: Witnesses,
    /// The ages to accept.
    pub limit: AgeLimit,
}

/// Why an answer is not about now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FreshnessError {
    /// The answer carries no freshness, or one of another form.
    #[error("the answer does not show how old it is")]
    Missing,
    /// The result names another statement than its freshness.
    #[error("the answer and its freshness are about different statements")]
    OtherStatement,
    /// The statement is not the engine's.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The answer carries no checkpoint: its engine has no witnesses, or none answered.
    #[error("the answer carries no checkpoint, so no witness shows how old it is")]
    NoCheckpoint,
    /// The answer is too old, from the future, or its checkpoint does not show what it must.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

impl Freshness {
    /// Checks what an answer carries beside its result, at the caller's time in seconds.
    ///
    /// # Errors
    /// `Check`, `NoCheckpoint`, `Lease`, in this order.
    pub fn check(
        &self,
        identity: &Identity,
        shown: &FreshnessView,
        now: u64,
    ) -> Result<VerifiedLease, FreshnessError> {
        let statement = check::statement(identity, &signed(shown))?;
        let note = shown.checkpoint.as_deref().ok_or(FreshnessError::NoCheckpoint)?;
        let path = json::hashes(&shown.history_path);
        let evidence = Evidence { note: note.as_bytes(), path: &path };
        let Self { origin, log, witnesses, limit } = self;
        let trust = LogTrust { origin, log, witnesses };
        Ok(verify(&statement, &evidence, &trust, &limit.at(now))?)
    }

    /// Checks the parts of an answer: its freshness, and that a statement in its result is the
    /// same.
    ///
    /// # Errors
    /// `Missing`, `OtherStatement`, then those of [`Self::check`].
    pub(crate) fn check_answer(
        &self,
        identity: &Identity,
        result: &Value,
        freshness: Option<Value>,
        now: u64,
    ) -> Result<VerifiedLease, FreshnessError> {
        let shown = freshness.and_then(|value| serde_json::from_value(value).ok());
        let shown: FreshnessView = shown.ok_or(FreshnessError::Missing)?;
        let inside = result.get("statement");
        let is_same = |inside: &Value| {
            serde_json::from_value::<StatementView>(inside.clone())
                .is_ok_and(|inside| inside == shown.statement)
        };
        if inside.is_some_and(|inside| !is_same(inside)) {
            return Err(FreshnessError::OtherStatement);
        }
        self.check(identity, &shown, now)
    }
}

/// The age of an answer of an engine without witnesses: that of its statement, and no lease.
///
/// # Errors
/// `Check`.
pub fn without_lease(
    identity: &Identity,
    shown: &FreshnessView,
) -> Result<VerifiedLease, FreshnessError> {
    Ok(without_witnesses(&check::statement(identity, &signed(shown))?))
}

fn signed(shown: &FreshnessView) -> SignedStatementView {
    SignedStatementView { statement: shown.statement.clone(), signature: shown.statement_signature }
}
