//! Queries: reads of the state, and drafts.

use super::Pipeline;
use super::inflight::Pending;
use crate::api::{
    Answer, BalanceAnswer, DraftLooksAt, DraftRequest, HistoryAnswer, HoldsAnswer, LockFilter,
    ProofAnswer, Query, ReadingsAnswer, ReceiptOf, Rejected, Reply, ShareKey, Simulated,
    StatusAnswer, TermsOf,
};
use crate::drafts::{Draft, PoolFull};
use mortise_core::admit::check_terms;
use mortise_core::decide::{check_draft, check_draft_terms, failed_checks, times_of};
use mortise_core::machine::ProvenLeaf;
use mortise_core::state::LeafKey;
use mortise_core::state::locks::Lock;
use mortise_format::asset::Asset;
use mortise_format::ids::{Address, Bytes32, LockId};
use mortise_format::limits::OWNER_LOCKS_MAX;
use mortise_format::lock::{Custody, LegTerms, LockTerms};
use mortise_format::nonce::{HOUR_S, hour_at, nonce_of};
use mortise_format::policy::ChainCustody;
use mortise_format::reject::{Field, Reject};
use mortise_rpc::params::SimulateLock;

impl Pipeline {
    pub(super) fn query(&mut self, now_ms: u64, caller: ShareKey, query: Query) -> Pending {
        let now_ms = now_ms.max(self.machine.head().time_ms);
        let answer = match query {
            Query::Status => return Pending::Rooted(Answer::Status(self.status(now_ms))),
            Query::Lock(lock_id) => return Pending::Rooted(self.find(&lock_id, now_ms)),
            Query::History(lock_id) => return Pending::Rooted(self.history(&lock_id)),
            Query::Terms(lock_id) => self.terms(&lock_id, now_ms),
            Query::Locks(filter) => return Pending::Rooted(self.list(&filter)),
            Query::OpenLocks(owner) => return Pending::Rooted(self.open_locks(owner)),
            Query::Balance(owner, asset) => return Pending::Rooted(self.balance(&owner, &asset)),
            Query::Holds(owner, asset) => return Pending::Rooted(self.holds(&owner, &asset)),
            Query::Statement => return Pending::Rooted(Answer::Statement),
            Query::SuggestNonce(owner) => {
                return Pending::Rooted(Answer::Nonce(self.next_nonce(caller, &owner, now_ms)));
            }
            Query::Draft(request) => match self.draft(now_ms, caller, request) {
                Ok(Ok(draft)) => Answer::Draft(Box::new(draft)),
                Ok(Err(PoolFull)) => Answer::DraftsFull,
                Err(reject) => {
                    let decided = Some(self.decision_time(now_ms));
                    let rejected = Rejected { decided, ..reject.into() };
                    return Pending::Reply(Reply::Refused(rejected));
                }
            },
            Query::Simulate(params) => {
                let simulated = self.simulate(now_ms, caller, &params);
                return Pending::Rooted(Answer::Simulated(simulated));
            }
            Query::Policy => {
                let policy = self.machine.state().policy().clone();
                return Pending::Rooted(Answer::Policy(Box::new(policy)));
            }
            Query::Proof(key) => {
                return Pending::Rooted(Answer::Proof(Box::new(self.proof(key))));
            }
            Query::ProofAt(key, seq) => self.proof_at(key, seq),
            Query::Locate(of) => self.position(of),
            Query::Sweep => Answer::None,
            Query::Readings(reader) => self.readings(reader),
        };
        Pending::Read(answer)
    }

    fn status(&self, now_ms: u64) -> StatusAnswer {
        let (state, head) = (self.machine.state(), self.machine.head());
        StatusAnswer {
            engine_id: *state.engine_id(),
            epoch: head.epoch,
            rules: head.rules,
            seq: head.next_seq.saturating_sub(1),
            state_root: self.machine.state_root(),
            policy_hash: state.policy_hash(),
            now_ms,
            head_time_ms: head.time_ms,
            lock_count: state.lock_count(),
            draft_count: self.drafts.count(),
            approved_images: state.approved_images().cloned(),
            oldest_root_seq: self.machine.proven_window().oldest,
        }
    }

    fn find(&self, lock_id: &LockId, now_ms: u64) -> Answer {
        if let Some(lock) = self.machine.state().lock(lock_id) {
            return Answer::Lock(Box::new(lock.clone()));
        }
        let draft = self.drafts.find(lock_id, now_ms);
        draft.map_or(Answer::None, |draft| Answer::Draft(Box::new(draft.clone())))
    }

    fn history(&self, lock_id: &LockId) -> Answer {
        let history = |lock: &Lock| {
            let (status, changes) = (lock.status, lock.changes.clone());
            Box::new(HistoryAnswer { status, granted_at: lock.granted_at(), changes })
        };
        let lock = self.machine.state().lock(lock_id);
        lock.map_or(Answer::None, |lock| Answer::History(history(lock)))
    }

    fn terms(&self, lock_id: &LockId, now_ms: u64) -> Answer {
        if let Some(lock) = self.machine.state().lock(lock_id) {
            return Answer::Terms(Box::new(lock.terms.as_ref().clone()), TermsOf::Lock);
        }
        let draft = self.drafts.find(lock_id, now_ms);
        draft.map_or(Answer::None, |d| Answer::Terms(Box::new(d.terms.clone()), TermsOf::Draft))
    }

    /// Copies a page. A thread of the read plane renders it.
    fn list(&self, filter: &LockFilter) -> Answer {
        let page = self.machine.state().list(filter);
        Answer::Locks(page.locks.into_iter().cloned().collect(), page.next)
    }

    fn open_locks(&self, owner: Address) -> Answer {
        let (owner, limit) = (Some(owner), OWNER_LOCKS_MAX);
        self.list(&LockFilter { owner, limit, open_only: true, ..LockFilter::default() })
    }

    fn balance(&self, owner: &Address, asset: &Asset) -> Answer {
        let state = self.machine.state();
        let chain = state.policy().chain(asset.chain_id);
        Answer::Balance(Box::new(BalanceAnswer {
            balance: state.balance(owner, asset),
            custody: chain.map(|chain| match chain.custody {
                ChainCustody::Open => Custody::Open,
                ChainCustody::Escrow { .. } => Custody::Escrow,
            }),
            head_time: state
                .account(owner, asset)
                .and_then(|a| a.fact.as_ref())
                .map(|f| f.head_time),
        }))
    }

    fn holds(&self, owner: &Address, asset: &Asset) -> Answer {
        let state = self.machine.state();
        let (locks, is_whole) = state.holds_of(owner, asset, OWNER_LOCKS_MAX);
        let (balance, locks) = (state.balance(owner, asset), locks.into_iter().cloned().collect());
        Answer::Holds(Box::new(HoldsAnswer { balance, locks, is_whole }))
    }

    fn readings(&self, reader: Bytes32) -> Answer {
        let readings: Vec<_> = self.machine.state().readings_of(reader).copied().collect();
        let covers = |epoch| readings.iter().any(|r| r.grant.covers(epoch));
        let epochs = self.machine.epochs().iter().filter(|record| covers(record.epoch));
        let epochs = epochs.cloned().collect();
        Answer::Readings(Box::new(ReadingsAnswer { readings, epochs }))
    }

    /// The position of an event that the state names. What is beyond it is for the reader.
    fn position(&self, of: ReceiptOf) -> Answer {
        let state = self.machine.state();
        match of {
            ReceiptOf::At(at) | ReceiptOf::ForReader { at, .. } => Answer::Located(Some(at)),
            ReceiptOf::Lock(lock_id) => match state.lock(&lock_id) {
                Some(lock) => Answer::Located(Some(lock.granted_at())),
                None => Answer::None,
            },
            ReceiptOf::Request(principal, id) => {
                Answer::Located(state.requests().find(&principal, &id).map(|known| known.at))
            }
        }
    }

    /// Proves a state entry after a recent frame.
    fn proof_at(&self, key: LeafKey, seq: u64) -> Answer {
        match self.machine.prove_at(&key, seq) {
            Ok(ProvenLeaf { held, proof }) => {
                Answer::Proof(Box::new(ProofAnswer { key, value: held, proof }))
            }
            Err(window) => Answer::RootNotKept(window),
        }
    }

    fn next_nonce(&self, caller: ShareKey, owner: &Address, now_ms: u64) -> u64 {
        let state = self.machine.state();
        let nonces = state.principal(owner).map(|p| p.nonces).unwrap_or_default();
        let (rules, now_s) = (state.rules(), now_ms / 1000);
        let next = nonces.next_free(rules, now_s);
        self.drafts.next_nonce(caller, owner, next, |nonce| nonces.is_free(rules, now_s, nonce))
    }

    /// A nonce that is likely to be free and says nothing of those that the owner used: the second
    /// of the hour. Under rules without hours in nonces, the next free one.
    fn nonce_by_time(&self, caller: ShareKey, owner: &Address, now_ms: u64) -> u64 {
        if !self.machine.state().rules().has_hours_in_nonces() {
            return self.next_nonce(caller, owner, now_ms);
        }
        let (hour, second) = (hour_at(now_ms / 1000), now_ms / 1000 % HOUR_S);
        let nonce = nonce_of(hour, u32::try_from(second).unwrap_or_default());
        self.drafts.next_nonce(caller, owner, nonce, |_| true)
    }

    fn draft(
        &mut self,
        now_ms: u64,
        caller: ShareKey,
        request: DraftRequest,
    ) -> Result<Result<Draft, PoolFull>, Reject> {
        let (owner, drafts) = (request.owner, &self.drafts);
        let known = request.request_id.as_ref();
        let known = known.and_then(|id| drafts.find_request(caller, &owner, id, now_ms));
        if let Some(draft) = known {
            let same = same_draft(draft, &request).then(|| Ok(draft.clone()));
            return same.ok_or(Reject::RequestIdReused(Field::RequestId));
        }
        self.drafts.forget(now_ms);
        let state = self.machine.state();
        let policy = state.policy();
        let expires = (now_ms / 1000).checked_add(request.expires_in);
        let terms = LockTerms {
            owner: request.owner,
            beneficiary: Address::ZERO,
            arbiter: Address::ZERO,
            nonce: match request.looks_at {
                DraftLooksAt::Account => self.next_nonce(caller, &request.owner, now_ms),
                DraftLooksAt::Terms => self.nonce_by_time(caller, &request.owner, now_ms),
            },
            expires: expires.ok_or(Reject::Validation(Field::ExpiresIn))?,
            condition: request.condition,
            legs: vec![LegTerms { asset: request.asset, amount: request.amount }],
        };
        check_terms(state.rules(), &terms)?;
        match request.looks_at {
            DraftLooksAt::Account => check_draft(state, now_ms, &terms)?,
            DraftLooksAt::Terms => check_draft_terms(state, now_ms, &terms)?,
        }
        let lock_id = terms.lock_id(state.engine_id());
        let until_ms = now_ms.saturating_add(policy.draft_ttl_s.saturating_mul(1000));
        let (created_ms, request_id) = (now_ms, request.request_id);
        let draft = Draft { lock_id, terms, created_ms, until_ms, request_id };
        Ok(self.drafts.insert(caller, draft.clone()).map(|()| draft))
    }

    fn simulate(
        &self,
        now_ms: u64,
        caller: ShareKey,
        params: &SimulateLock,
    ) -> Option<Box<Simulated>> {
        let state = self.machine.state();
        let terms = params.terms(self.next_nonce(caller, &params.owner, now_ms), now_ms / 1000)?;
        Some(Box::new(Simulated {
            lock_id: terms.lock_id(state.engine_id()),
            failures: failed_checks(state, now_ms, &terms),
            times: times_of(state, &terms),
            terms,
        }))
    }

    fn proof(&self, key: LeafKey) -> ProofAnswer {
        let state = self.machine.state();
        let position = key.position(state.engine_id());
        ProofAnswer {
            key,
            value: state.leaf_value(&key).zip(state.leaf_salt(&key)),
            proof: self.machine.tree().prove(&position),
        }
    }
}

fn same_draft(draft: &Draft, request: &DraftRequest) -> bool {
    let expires_in = draft.terms.expires.saturating_sub(draft.created_ms / 1000);
    expires_in == request.expires_in
        && draft.terms.condition == request.condition
        && draft.terms.legs == [LegTerms { asset: request.asset, amount: request.amount }]
}
