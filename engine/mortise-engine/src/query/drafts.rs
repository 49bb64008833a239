//! Drafts, and commits that are only simulated.

use super::accounts::{next_nonce, nonce_by_time};
use super::{Context, Query};
use crate::api::Rejected;
use crate::drafts::{Draft, PoolFull};
use mortise_core::admit::check_terms;
use mortise_core::decide::{check_draft, check_draft_terms, failed_checks, times_of};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::ids::{Address, LockId, RequestId};
use mortise_format::lock::{LegTerms, LockTerms};
use mortise_format::reject::{Field, Reject};
use mortise_rpc::params::SimulateLock;

/// Creates a draft. The only query that changes something, and that is outside the state.
#[derive(Debug, Clone)]
pub struct CreateDraft {
    pub owner: Address,
    pub asset: Asset,
    pub amount: U256,
    /// Seconds from now.
    pub expires_in: u64,
    pub condition: Condition,
    /// The id of the request: a repeat returns the same draft.
    pub request_id: Option<RequestId>,
    pub looks_at: DraftLooksAt,
}

/// What a draft is checked against, and what its nonce is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftLooksAt {
    /// The owner's balance, locks and nonces. The answer tells of them.
    Account,
    /// The terms and the policy alone: anyone may have the answer.
    Terms,
}

/// No draft was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftRefused {
    Rejected(Rejected),
    /// The pool is full of others that may not be evicted yet.
    PoolFull,
}

impl Query for CreateDraft {
    type Answer = Result<Draft, DraftRefused>;

    fn read(self, context: Context<'_>) -> Self::Answer {
        let decided = Some(context.decision_time());
        let rejected =
            |reject: Reject| DraftRefused::Rejected(Rejected { decided, ..reject.into() });
        match self.known(&context) {
            Some(known) => return known.map_err(rejected),
            None => context.drafts.forget(context.now_ms),
        }
        let draft = self.checked(&context).map_err(rejected)?;
        let added = context.drafts.insert(context.caller, draft.clone());
        added.map(|()| draft).map_err(|PoolFull| DraftRefused::PoolFull)
    }
}

impl CreateDraft {
    /// The answer to an earlier request with the same id.
    fn known(&self, context: &Context<'_>) -> Option<Result<Draft, Reject>> {
        let (caller, id) = (context.caller, self.request_id.as_ref()?);
        let draft = context.drafts.find_request(caller, &self.owner, id, context.now_ms)?;
        let same = self.is_answered_by(draft).then(|| draft.clone());
        Some(same.ok_or(Reject::RequestIdReused(Field::RequestId)))
    }

    fn is_answered_by(&self, draft: &Draft) -> bool {
        let expires_in = draft.terms.expires.saturating_sub(draft.created_ms / 1000);
        expires_in == self.expires_in
            && draft.terms.condition == self.condition
            && draft.terms.legs == [LegTerms { asset: self.asset, amount: self.amount }]
    }

    fn checked(self, context: &Context<'_>) -> Result<Draft, Reject> {
        let (state, now_ms) = (context.state(), context.now_ms);
        let expires = (now_ms / 1000).checked_add(self.expires_in);
        let terms = LockTerms {
            owner: self.owner,
            beneficiary: Address::ZERO,
            arbiter: Address::ZERO,
            nonce: match self.looks_at {
                DraftLooksAt::Account => next_nonce(context, &self.owner),
                DraftLooksAt::Terms => nonce_by_time(context, &self.owner),
            },
            expires: expires.ok_or(Reject::Validation(Field::ExpiresIn))?,
            condition: self.condition,
            legs: vec![LegTerms { asset: self.asset, amount: self.amount }],
        };
        check_terms(state.rules(), &terms)?;
        match self.looks_at {
            DraftLooksAt::Account => check_draft(state, now_ms, &terms)?,
            DraftLooksAt::Terms => check_draft_terms(state, now_ms, &terms)?,
        }
        let lock_id = terms.lock_id(state.engine_id());
        let until_ms = now_ms.saturating_add(state.policy().draft_ttl_s.saturating_mul(1000));
        Ok(Draft { lock_id, terms, created_ms: now_ms, until_ms, request_id: self.request_id })
    }
}

/// The checks of a commit, without the commit.
#[derive(Debug, Clone)]
pub struct Simulate(pub SimulateLock);

/// The result of a simulated commit.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// The id that the lock would have.
    pub lock_id: LockId,
    /// The complete terms, with nonce and expiry filled in.
    pub terms: LockTerms,
    /// Every check that fails; empty if the lock would be granted.
    pub failures: Vec<Reject>,
    /// `claimBy` and `settleBy`, if the policy has the target chain.
    pub times: Option<(u64, u64)>,
}

impl Query for Simulate {
    /// `None` if the expiry does not fit into 64 bits.
    type Answer = Option<Simulated>;

    fn read(self, context: Context<'_>) -> Self::Answer {
        let Self(params) = self;
        let (state, now_ms) = (context.state(), context.now_ms);
        let terms = params.terms(next_nonce(&context, &params.owner), now_ms / 1000)?;
        Some(Simulated {
            lock_id: terms.lock_id(state.engine_id()),
            failures: failed_checks(state, now_ms, &terms),
            times: times_of(state, &terms),
            terms,
        })
    }
}
