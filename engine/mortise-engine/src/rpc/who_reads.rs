//! Who may read an answer: the one place where the policy's `reads` is applied.
//!
//! What it is for: [`mortise_rpc::WhoReads`] says for each method who may read its answer. This
//! module checks the `ReadRequest` that comes with a call, and refuses, before anything is read,
//! what does not depend on the state. The rest ([`Viewer::sees`]) is for the methods: what they
//! found names its parties.
//!
//! What it does not do: remember or log a read. A `ReadRequest` can be shown again until it ends.
//! Inside the channel that is worth nothing to a carrier: the answer to a repeated message is
//! sealed to its first sender.
//!
//! Invariants: a refusal here depends on the request alone, never on the state, so that it tells
//! nothing. A signature is recovered in the queue of admission, at the caller's cost.

use super::reply::{closed, read, serving, unexpected};
use crate::handle::{EngineHandle, Serving};
use crate::query::{FindTerms, FoundTerms, TermsOf};
use mortise_format::errors::Code;
use mortise_format::event::Event;
use mortise_format::ids::{Address, LockId};
use mortise_format::limits::READ_VALID_S_MAX;
use mortise_format::lock::LockTerms;
use mortise_format::policy::Reads;
use mortise_rpc::{Asked, ErrorObject, SignedRead, WhoReads};

/// What a refused read has to sign.
const TYPE: &str = "ReadRequest";

/// Who reads, checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Viewer {
    reads: Reads,
    reader: Option<Address>,
}

impl Viewer {
    pub(super) fn is_public(&self) -> bool {
        self.reads == Reads::Public
    }

    fn is_one_of(&self, parties: &[Address]) -> bool {
        self.reader.is_some_and(|reader| parties.contains(&reader))
    }

    /// Whether an entry with these parties is shown.
    pub(super) fn sees(&self, parties: &[Address]) -> bool {
        self.is_public() || self.is_one_of(parties)
    }

    /// An error as this caller may see it: the owner's balance is not in it. Who wants the numbers
    /// asks `simulateLock` with a `ReadRequest`.
    pub(super) fn shown(&self, mut error: ErrorObject) -> ErrorObject {
        if !self.is_public() && error.entry() == Some(Code::InsufficientAvailable) {
            for name in ["total", "held", "available"] {
                error.data.remove(name);
            }
        }
        error
    }

    /// Refuses what is for the parties of a lock to others. A lock that is not in the state has no
    /// parties: its answer says no more than that.
    pub(super) async fn check_lock(
        &self,
        handle: &EngineHandle,
        lock_id: LockId,
    ) -> Result<(), ErrorObject> {
        if self.is_public() {
            return Ok(());
        }
        match of_lock(handle, lock_id).await? {
            Some(terms) if !self.is_one_of(&parties_of(&terms)) => Err(unauthorized()),
            _ => Ok(()),
        }
    }

    /// Refuses the event at a place, or the grant of a lock, to those who are no party of it.
    pub(super) async fn check_event(
        &self,
        handle: &EngineHandle,
        event: &Event,
    ) -> Result<(), ErrorObject> {
        let Concerned { parties, lock } = concerned(event);
        if self.is_one_of(&parties) {
            return Ok(());
        }
        let Some(lock_id) = lock else { return Err(unauthorized()) };
        match of_lock(handle, lock_id).await? {
            Some(terms) if self.is_one_of(&parties_of(&terms)) => Ok(()),
            _ => Err(unauthorized()),
        }
    }
}

/// The terms of a lock in the state.
async fn of_lock(handle: &EngineHandle, lock_id: LockId) -> Result<Option<LockTerms>, ErrorObject> {
    let found = read(handle, FindTerms(lock_id)).await?;
    let is_lock = |found: &FoundTerms| found.of == TermsOf::Lock;
    Ok(found.filter(is_lock).map(|found| found.terms))
}

/// Checks who asks, and refuses what is not for them.
///
/// # Errors
/// UNAUTHORIZED, READ_IN_CLEAR, VALIDATION of `read.validUntil`, INVALID_SIGNATURE; OVERLOADED,
/// NOT_READY, FAULT.
pub(super) async fn viewer(handle: &EngineHandle, asked: &Asked) -> Result<Viewer, ErrorObject> {
    let Some(serving) = handle.serving() else {
        // Nothing is read before the engine serves.
        return Ok(Viewer { reads: Reads::Parties, reader: None });
    };
    let reader = match &asked.read {
        Some(read) => Some(checked(handle, asked, read).await?),
        None => None,
    };
    let viewer = Viewer { reads: reads(serving), reader };
    let is_allowed = match asked.call.who_reads() {
        WhoReads::Anyone | WhoReads::Signer | WhoReads::Lock(_) | WhoReads::Draft(_) => true,
        WhoReads::OneOf(parties) => viewer.sees(&parties),
        // Who is a party is known when the lock or the event is found.
        WhoReads::Parties(_) => viewer.is_public() || reader.is_some(),
        WhoReads::Event => reader.is_some(),
    };
    if is_allowed { Ok(viewer) } else { Err(unauthorized()) }
}

fn reads(serving: &Serving) -> Reads {
    serving.identity.genesis.policy.service().reads
}

/// The address that signed the `ReadRequest` of this call.
async fn checked(
    handle: &EngineHandle,
    asked: &Asked,
    read: &SignedRead,
) -> Result<Address, ErrorObject> {
    let serving = serving(handle)?;
    let service = serving.identity.genesis.policy.service();
    let is_secret = handle.is_inside_channel() || service.clear_reads;
    if service.reads == Reads::Parties && !is_secret {
        return Err(ErrorObject::new(Code::ReadInClear));
    }
    let now_s = serving.clock.now_ms().map_err(|_| unexpected())? / 1000;
    if read.valid_until < now_s || read.valid_until > now_s.saturating_add(READ_VALID_S_MAX) {
        return Err(ErrorObject::new(Code::Validation).with("field", "read.validUntil"));
    }
    let request = asked.read_request().ok_or_else(unexpected)?;
    let digest = request.digest(&serving.identity.engine_id);
    match handle.recover(digest, read.signature).await.map_err(closed)? {
        Ok(signer) if signer == read.reader => Ok(signer),
        recovered => {
            let why = match recovered {
                Ok(signer) => format!("recovers to {signer}, not to read.reader {}", read.reader),
                Err(error) => format!("does not recover: {error}"),
            };
            let digest = mortise_format::ids::to_hex(&digest.0);
            let message = format!("read.signature {why}. Digest checked: {digest}");
            Err(ErrorObject::new(Code::InvalidSignature).with_message(message))
        }
    }
}

fn unauthorized() -> ErrorObject {
    ErrorObject::new(Code::Unauthorized).with("sign", TYPE).with_message(
        "this answer is for the parties of what it shows: sign a ReadRequest as one of them, and \
         send it as the parameter read",
    )
}

/// Owner, beneficiary and arbiter.
pub(super) fn parties_of(terms: &LockTerms) -> [Address; 3] {
    [terms.owner, terms.beneficiary, terms.arbiter]
}

/// Those that an event is about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Concerned {
    /// Those that the event names.
    parties: Vec<Address>,
    /// The lock whose parties may see it too, as long as it is in the state.
    lock: Option<LockId>,
}

/// Those that an event is about. No one, if it is about the engine, or about locks of many: a
/// reading right shows it. No wildcard: a new event has to choose.
fn concerned(event: &Event) -> Concerned {
    let named = |parties: Vec<Address>| Concerned { parties, lock: None };
    let about = |parties, lock_id: &LockId| Concerned { parties, lock: Some(*lock_id) };
    match event {
        // All of the event is shown: a party of one lock of a batch need not be one of the next.
        Event::LocksGranted { locks, .. } => {
            let is_in_all =
                |party: &Address| locks.iter().all(|lock| parties_of(&lock.terms).contains(party));
            let first = locks.first().map(|lock| parties_of(&lock.terms));
            named(first.into_iter().flatten().filter(is_in_all).collect())
        }
        Event::LockClaimed { claim, request_key, .. } => {
            about(vec![claim.claimant, request_key.principal], &claim.lock_id)
        }
        Event::LockReleased { lock_id, request_key, .. } => {
            about(vec![request_key.principal], lock_id)
        }
        Event::LockCancelled { lock_id, principal, request_keys, .. } => {
            let others = request_keys.iter().map(|key| key.principal);
            about(std::iter::once(*principal).chain(others).collect(), lock_id)
        }
        Event::DraftCancelled { terms, .. } | Event::LockExtended { terms, .. } => {
            named(parties_of(terms).to_vec())
        }
        Event::FactRecorded { fact, .. } => named(vec![fact.account]),
        Event::CommandRefused { request_key, .. } => named(vec![request_key.principal]),
        Event::EpochStarted { .. }
        | Event::TimeAdvanced { .. }
        | Event::LocksExpired { .. }
        | Event::LocksSettled { .. }
        | Event::LocksPruned { .. }
        | Event::SnapshotTaken { .. }
        | Event::ReadingGranted { .. }
        | Event::ImagesApproved { .. }
        | Event::EpochEnded { .. } => Concerned::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::U256;
    use mortise_format::asset::{Asset, Condition};
    use mortise_format::event::{Authority, Content, GrantedLock, RequestKey};
    use mortise_format::ids::{Bytes32, RequestId, Signature};
    use mortise_format::lock::{Custody, LegTerms};
    use std::sync::Arc;

    fn terms(owner: u8, beneficiary: u8) -> LockTerms {
        LockTerms {
            owner: Address([owner; 20]),
            beneficiary: Address([beneficiary; 20]),
            arbiter: Address([9; 20]),
            nonce: 0,
            expires: 0,
            condition: Condition {
                target_chain_id: 1,
                target_asset: Asset::native(1),
                target_amount: U256::ZERO,
                recipient: Address::ZERO,
                execution_data: None,
            },
            legs: vec![LegTerms { asset: Asset::native(1), amount: U256::ZERO }],
        }
    }

    fn granted(locks: &[(u8, u8)]) -> Event {
        let lock = |(owner, beneficiary): &(u8, u8)| GrantedLock {
            lock_id: LockId([*owner; 32]),
            terms: Arc::new(terms(*owner, *beneficiary)),
            authority: Authority::Approval,
            signature: Signature::ZERO,
            claim_by: 0,
            settle_by: 0,
            custody: Custody::Open,
        };
        let (locks, request_keys) = (locks.iter().map(lock).collect(), Arc::default());
        Event::LocksGranted { locks, batch: Bytes32::ZERO, request_keys }
    }

    fn parties(event: &Event) -> Vec<u8> {
        concerned(event).parties.iter().map(|party| party.0[0]).collect()
    }

    #[test]
    fn grant_is_about_those_who_are_a_party_of_each_of_its_locks() {
        assert_eq!(parties(&granted(&[(1, 2)])), [1, 2, 9]);
        assert_eq!(parties(&granted(&[(1, 2), (1, 3)])), [1, 9]);
        assert_eq!(parties(&granted(&[(1, 2), (3, 2)])), [2, 9]);
        assert_eq!(parties(&granted(&[(1, 2), (2, 1)])), [1, 2, 9]);
    }

    #[test]
    fn release_is_about_its_signer_and_the_lock_and_time_is_about_no_one() {
        let request_key = RequestKey {
            principal: Address([2; 20]),
            id: RequestId([1; 32]),
            valid_until: 0,
            content: Content { digest: Bytes32::ZERO, tags: [0; 8] },
        };
        let (lock_id, signature, freed) = (LockId([1; 32]), Signature::ZERO, Vec::new());
        let released = Event::LockReleased { lock_id, signature, request_key, freed };
        let lock = Some(lock_id);
        assert_eq!(concerned(&released), Concerned { parties: vec![Address([2; 20])], lock });
        let expired = Event::LocksExpired { lock_ids: vec![lock_id] };
        assert_eq!(concerned(&expired), Concerned::default());
        assert_eq!(concerned(&Event::TimeAdvanced { time_ms: 1 }), Concerned::default());
    }

    #[test]
    fn balance_is_shown_in_a_reject_under_public_alone() {
        let error = || {
            let error = ErrorObject::new(Code::InsufficientAvailable).with("requested", "5");
            error.with("total", "1").with("held", "2").with("available", "3")
        };
        let shown = |reads| Viewer { reads, reader: Some(Address([1; 20])) }.shown(error());
        assert_eq!(shown(Reads::Public), error());
        let hidden = shown(Reads::Parties);
        assert_eq!(hidden.text("requested"), Some("5"));
        let told = ["total", "held", "available"].map(|name| hidden.data.contains_key(name));
        assert_eq!(told, [false; 3]);
        let other = ErrorObject::new(Code::ClaimExceeds).with("available", "3");
        let viewer = Viewer { reads: Reads::Parties, reader: None };
        assert_eq!(viewer.shown(other.clone()), other);
    }
}
