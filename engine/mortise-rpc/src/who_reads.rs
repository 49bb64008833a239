//! Who may read the answer of a call.
//!
//! What it is for: one place that says it for every method ([`Call::who_reads`]), and what a
//! `ReadRequest` for the call must name. Engines enforce it, clients sign by it.
//!
//! What it does not do: check a signature, or know the policy. Under `public` everything but
//! [`WhoReads::Event`] is for anyone.
//!
//! Invariant: no function here has a wildcard, so a new method has to choose.

use crate::call::{Call, Method};
use crate::params::{GetReceipt, ListLocks, ProofKey};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use mortise_format::ids::{Address, LockId};
use mortise_format::read_request::{ReadRequest, scope};

/// Who may read the answer of a call, where the policy says `parties`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhoReads {
    /// Anyone: it shows nothing of locks, balances and nonces, or is sealed to a reader's key.
    Anyone,
    /// Anyone who shows a command that its principal signed. A reject names no balance.
    Signer,
    /// One of these alone, known without the state. No one if there are none.
    OneOf(Vec<Address>),
    /// Anyone who knows the id sees the status, times and legs of the lock; its owner, beneficiary
    /// and arbiter see the rest.
    Lock(LockId),
    /// Anyone, without a look at the owner's balance and nonces; the owner with it.
    Draft(Address),
    /// The parties of this lock.
    Parties(LockId),
    /// The parties of the event at a place of the log. **Under `public` too.**
    Event,
}

impl Method {
    /// Whether the method has the parameter `read`: its answer is, or can be, for some alone.
    pub const fn takes_read(self) -> bool {
        match self {
            Self::CreateLock
            | Self::GetLock
            | Self::GetLockHistory
            | Self::GetActiveLocks
            | Self::ListLocks
            | Self::GetLockedBalance
            | Self::GetBalance
            | Self::SuggestNonce
            | Self::SimulateLock
            | Self::GetProof
            | Self::GetReceipt => true,
            Self::Health
            | Self::GetBootAttestation
            | Self::GetAttestation
            | Self::SignLock
            | Self::CommitLock
            | Self::CommitBatch
            | Self::ClaimLock
            | Self::ReleaseLock
            | Self::CancelLock
            | Self::ExtendLock
            | Self::VerifyFulfillment
            | Self::GetStateRoot
            | Self::SubmitChainFact
            | Self::CleanupExpiredLocks
            | Self::GetPolicy
            | Self::GetEngineInfo
            | Self::GetEnclaveId
            | Self::GetEnclavePublicKey
            | Self::GetCheckpoint
            | Self::GetConsistencyProof
            | Self::GrantReading
            | Self::ApproveImages
            | Self::GetReadingKeys
            | Self::GetEvents
            | Self::Subscribe
            | Self::KmsEncrypt
            | Self::KmsDecrypt
            | Self::KmsGenerateDataKey
            | Self::KmsGenerateRandom => false,
        }
    }
}

impl Call {
    /// Who may read the answer, where the policy says `parties`.
    pub fn who_reads(&self) -> WhoReads {
        match self {
            Self::GetActiveLocks(params) => WhoReads::OneOf(vec![params.owner]),
            // The list is that of the first party that is named. So nothing has to be left out of a
            // page, and neither pages nor cursors tell of locks that the reader is no party of.
            Self::ListLocks(params) => {
                let first = params.owner.or(params.beneficiary).or(params.arbiter);
                WhoReads::OneOf(first.into_iter().collect())
            }
            Self::GetLockHistory(params) => WhoReads::Parties(params.lock_id),
            Self::GetLockedBalance(params) => WhoReads::OneOf(vec![params.owner]),
            Self::GetBalance(params) => WhoReads::OneOf(vec![params.owner]),
            Self::SuggestNonce(params) => WhoReads::OneOf(vec![params.owner]),
            Self::SimulateLock(params) => WhoReads::OneOf(vec![params.owner]),
            Self::CreateLock(params) => WhoReads::Draft(params.owner),
            Self::GetLock(params) => WhoReads::Lock(params.lock_id),
            Self::GetProof(params) => match params.key {
                ProofKey::Account { owner, .. } | ProofKey::Owner(owner) => {
                    WhoReads::OneOf(vec![owner])
                }
                // The value of a lock is its status, times and legs.
                ProofKey::Lock(_) | ProofKey::Images => WhoReads::Anyone,
            },
            Self::GetReceipt(params) => match *params {
                GetReceipt::At(_) => WhoReads::Event,
                GetReceipt::ForReader { .. } => WhoReads::Anyone,
                GetReceipt::Lock(lock_id) => WhoReads::Parties(lock_id),
                GetReceipt::Request(principal, _) => WhoReads::OneOf(vec![principal]),
            },
            Self::SignLock(_)
            | Self::CommitLock(_)
            | Self::CommitBatch(_)
            | Self::ClaimLock(_)
            | Self::ReleaseLock(_)
            | Self::CancelLock(_)
            | Self::ExtendLock(_)
            | Self::SubmitChainFact(_)
            | Self::GrantReading(_)
            | Self::ApproveImages(_) => WhoReads::Signer,
            Self::Health(_)
            | Self::GetBootAttestation(_)
            | Self::GetAttestation(_)
            | Self::VerifyFulfillment(_)
            | Self::GetStateRoot(_)
            | Self::CleanupExpiredLocks(_)
            | Self::GetPolicy(_)
            | Self::GetEngineInfo(_)
            | Self::GetEnclaveId(_)
            | Self::GetEnclavePublicKey(_)
            | Self::GetCheckpoint(_)
            | Self::GetConsistencyProof(_)
            | Self::GetReadingKeys(_)
            | Self::GetEvents(_)
            | Self::Subscribe(_)
            | Self::KmsEncrypt(_)
            | Self::KmsDecrypt(_)
            | Self::KmsGenerateDataKey(_)
            | Self::KmsGenerateRandom(_) => WhoReads::Anyone,
        }
    }

    /// What `reader` signs to read the answer; `None` for a method without the parameter `read`.
    pub fn read_request(&self, reader: Address, valid_until: u64) -> Option<ReadRequest> {
        let Selected { owner, lock_id, named } = self.selected()?;
        let (owner, lock_id) = (owner.unwrap_or_default(), lock_id.unwrap_or(LockId([0; 32])));
        let scope = scope(self.method().name(), &named);
        Some(ReadRequest { reader, owner, lock_id, scope, valid_until })
    }

    /// What the parameters select; `None` for a method without the parameter `read`.
    fn selected(&self) -> Option<Selected> {
        Some(match self {
            Self::CreateLock(params) => Selected::of_owner(params.owner),
            Self::GetLock(params) => Selected::of_lock(params.lock_id),
            Self::GetLockHistory(params) => Selected::of_lock(params.lock_id),
            Self::GetActiveLocks(params) => Selected::of_owner(params.owner),
            Self::ListLocks(params) => Selected::of_list(params),
            Self::GetLockedBalance(params) => {
                Selected::of_owner(params.owner).and("asset", &params.asset.hash())
            }
            Self::GetBalance(params) => {
                Selected::of_owner(params.owner).and("asset", &params.asset.hash())
            }
            Self::SuggestNonce(params) => Selected::of_owner(params.owner),
            Self::SimulateLock(params) => Selected::of_owner(params.owner),
            Self::GetProof(params) => Selected::of_entry(&params.key),
            Self::GetReceipt(params) => Selected::of_event(params),
            Self::Health(_)
            | Self::GetBootAttestation(_)
            | Self::GetAttestation(_)
            | Self::SignLock(_)
            | Self::CommitLock(_)
            | Self::CommitBatch(_)
            | Self::ClaimLock(_)
            | Self::ReleaseLock(_)
            | Self::CancelLock(_)
            | Self::ExtendLock(_)
            | Self::VerifyFulfillment(_)
            | Self::GetStateRoot(_)
            | Self::SubmitChainFact(_)
            | Self::CleanupExpiredLocks(_)
            | Self::GetPolicy(_)
            | Self::GetEngineInfo(_)
            | Self::GetEnclaveId(_)
            | Self::GetEnclavePublicKey(_)
            | Self::GetCheckpoint(_)
            | Self::GetConsistencyProof(_)
            | Self::GrantReading(_)
            | Self::ApproveImages(_)
            | Self::GetReadingKeys(_)
            | Self::GetEvents(_)
            | Self::Subscribe(_)
            | Self::KmsEncrypt(_)
            | Self::KmsDecrypt(_)
            | Self::KmsGenerateDataKey(_)
            | Self::KmsGenerateRandom(_) => return None,
        })
    }
}

/// What the parameters of a read select.
#[derive(Debug, Default)]
struct Selected {
    owner: Option<Address>,
    lock_id: Option<LockId>,
    /// Names and values of the scope, ascending by name.
    named: Vec<(&'static str, String)>,
}

impl Selected {
    fn of_owner(owner: Address) -> Self {
        Self { owner: Some(owner), ..Self::default() }.and("owner", &owner)
    }

    fn of_lock(lock_id: LockId) -> Self {
        Self { lock_id: Some(lock_id), ..Self::default() }.and("lockId", &lock_id)
    }

    /// Cursor and limit are in no filter: one signature reads all pages.
    fn of_list(list: &ListLocks) -> Self {
        let named = [
            list.arbiter.map(|arbiter| ("arbiter", arbiter.to_string())),
            list.beneficiary.map(|beneficiary| ("beneficiary", beneficiary.to_string())),
            list.open.map(|open| ("open", open.to_string())),
            list.owner.map(|owner| ("owner", owner.to_string())),
            list.status.map(|status| ("status", status.name().to_string())),
        ];
        Self { owner: list.owner, lock_id: None, named: named.into_iter().flatten().collect() }
    }

    fn of_entry(key: &ProofKey) -> Self {
        match key {
            ProofKey::Lock(lock_id) => Self::of_lock(*lock_id),
            ProofKey::Account { owner, asset } => {
                Self::of_owner(*owner).and("asset", &asset.hash())
            }
            ProofKey::Owner(owner) => Self::of_owner(*owner),
            ProofKey::Images => Self::default().and("images", &true),
        }
    }

    fn of_event(of: &GetReceipt) -> Self {
        match of {
            GetReceipt::At(at) => Self::default().and("index", &at.index).and("seq", &at.seq),
            GetReceipt::ForReader { at, reader } => {
                Self::default().and("index", &at.index).and("reader", reader).and("seq", &at.seq)
            }
            GetReceipt::Lock(lock_id) => Self::of_lock(*lock_id),
            GetReceipt::Request(principal, id) => Self {
                owner: Some(*principal),
                ..Self::default().and("principal", principal).and("requestId", id)
            },
        }
    }

    fn and(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.named.push((name, value.to_string()));
        self.named.sort_unstable();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request(method: Method, params: &Value) -> Option<ReadRequest> {
        Call::parse(method, params).unwrap().read_request(Address([1; 20]), 9)
    }

    #[test]
    fn a_read_request_names_what_the_parameters_select() {
        let (owner, lock) = (Address([0xab; 20]), LockId([0xcd; 32]));
        let asset = json!({"chainId": 1, "assetType": "native"});
        let text = "listLocks?owner=0xabababababababababababababababababababab&status=ACTIVE";
        let hash = mortise_format::domains::keccak256(&[text.as_bytes()]);
        let params = json!({"owner": owner, "status": "ACTIVE", "limit": 7});
        let listed = request(Method::ListLocks, &params).unwrap();
        assert_eq!((listed.owner, listed.lock_id), (owner, LockId([0; 32])));
        assert_eq!((listed.scope.0, listed.valid_until), (hash, 9));
        let next_page = json!({"owner": owner, "status": "ACTIVE"});
        assert_eq!(request(Method::ListLocks, &next_page), Some(listed));
        let found = request(Method::GetLock, &json!({"lockId": lock})).unwrap();
        assert_eq!((found.owner, found.lock_id), (Address::ZERO, lock));
        let all = [
            (Method::ListLocks, json!({})),
            (Method::ListLocks, json!({"owner": owner})),
            (Method::ListLocks, json!({"beneficiary": owner})),
            (Method::ListLocks, json!({"arbiter": owner})),
            (Method::ListLocks, json!({"arbiter": owner, "open": true})),
            (Method::GetLockHistory, json!({"lockId": lock})),
            (Method::GetLock, json!({"lockId": lock})),
            (Method::GetProof, json!({"lockId": lock})),
            (Method::GetProof, json!({"owner": owner})),
            (Method::GetProof, json!({"owner": owner, "asset": asset})),
            (Method::GetReceipt, json!({"lockId": lock})),
            (Method::GetReceipt, json!({"seq": 1, "index": 2})),
            (Method::GetReceipt, json!({"seq": 2, "index": 1})),
            (Method::GetReceipt, json!({"principal": owner, "requestId": lock})),
            (Method::GetBalance, json!({"owner": owner, "asset": asset})),
            (Method::GetLockedBalance, json!({"owner": owner, "asset": asset})),
            (Method::SuggestNonce, json!({"owner": owner})),
            (Method::GetActiveLocks, json!({"owner": owner})),
        ];
        let scopes: Vec<_> = all.iter().map(|(m, p)| request(*m, p).unwrap().scope).collect();
        for (at, scope) in scopes.iter().enumerate() {
            assert!(!scopes[at + 1..].contains(scope), "{:?}", all[at]);
        }
    }
}
