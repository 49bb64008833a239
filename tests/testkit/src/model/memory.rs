//! Which requests were answered, and which rejects are remembered (INV-07).

use super::shape::address;
use super::{Answer, Content, Model, Quota, Remembered, SignedRequest};
use crate::keys::Asked;
use mortise_format::codec;
use mortise_format::command::{CancelForm, Command, SignedIntent};
use mortise_format::eip712::Request;
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, LockId, Signature};
use mortise_format::lock::{Custody, Status};
use mortise_format::reject::{Field, Limit, NonceFault, Reject};
use mortise_format::rules::RuleSet;

const DAY_S: u64 = 24 * 3600;
/// Logged refusals of one request.
const REFUSALS_MAX: usize = 4;

impl Model {
    pub(super) fn recall(&self, now_s: u64, asked: &Asked) -> Result<Option<LogPosition>, Reject> {
        match &asked.command {
            Command::Approve { terms, signature } => {
                let lock = self.locks.get(&terms.lock_id(&self.engine_id));
                let one_form = |mut signature: Signature| {
                    signature.0[64] += if signature.0[64] < 27 { 27 } else { 0 };
                    signature
                };
                let same = lock.filter(|lock| match self.rules {
                    RuleSet(3..) => lock.approved_with.is_some(),
                    RuleSet(2) => lock.approved_with.map(one_form) == Some(one_form(*signature)),
                    _ => lock.approved_with == Some(*signature),
                });
                Ok(same.map(|lock| lock.granted_at))
            }
            Command::RecordFact { fact, .. } => {
                let known = self.facts.get(&(fact.account, fact.asset));
                Ok(known.filter(|(known, _)| known == fact).map(|(_, at)| *at))
            }
            Command::ApproveImages { approval, .. } => {
                let known = self.approved.as_ref().filter(|(a, _)| a.serial == approval.serial);
                let Some((known, at)) = known else { return Ok(None) };
                let differs = [
                    (Field::Images, known.images != approval.images),
                    (Field::MinimumVersion, known.minimum_version != approval.minimum_version),
                    (Field::Rules, known.rules != approval.rules),
                    (Field::ValidUntil, known.valid_until != approval.valid_until),
                ];
                match differs.iter().find(|(_, differs)| *differs) {
                    Some((field, _)) => Err(Reject::RequestIdReused(*field)),
                    None => Ok(Some(*at)),
                }
            }
            Command::GrantReading { grant, .. } => {
                let Some((known, at)) = self.readings.get(&grant.request.id) else {
                    return Ok(None);
                };
                let differs = [
                    (Field::Reader, known.reader != grant.reader),
                    (Field::FromEpoch, known.from_epoch != grant.from_epoch),
                    (Field::ToEpoch, known.to_epoch != grant.to_epoch),
                    (Field::ValidUntil, known.request != grant.request),
                ];
                match differs.iter().find(|(_, differs)| *differs) {
                    Some((field, _)) => Err(Reject::RequestIdReused(*field)),
                    None => Ok(Some(*at)),
                }
            }
            Command::Commit { .. } => self.recall_all(now_s, &self.signed_requests(asked)),
            _ => {
                for signed_request in self.signed_requests(asked) {
                    if let Some(at) = self.recall_one(now_s, &signed_request)? {
                        return Ok(Some(at));
                    }
                }
                Ok(None)
            }
        }
    }

    /// All ids new, or all answered by one event.
    fn recall_all(
        &self,
        now_s: u64,
        signed_requests: &[SignedRequest],
    ) -> Result<Option<LogPosition>, Reject> {
        let mut answered = None;
        for (i, signed_request) in signed_requests.iter().enumerate() {
            let at = self.recall_one(now_s, signed_request)?;
            let same = |other: &&SignedRequest| {
                other.principal == signed_request.principal
                    && other.request.id == signed_request.request.id
            };
            let twice = signed_requests.iter().filter(same).count() > 1;
            if i == 0 {
                answered = at;
            } else if twice || at != answered {
                return Err(Reject::RequestIdReused(Field::Batch));
            }
        }
        Ok(answered)
    }

    fn recall_one(
        &self,
        now_s: u64,
        signed_request: &SignedRequest,
    ) -> Result<Option<LogPosition>, Reject> {
        let known = self.requests.get(&(signed_request.principal, signed_request.request.id));
        let Some(known) = known.filter(|known| known.valid_until >= now_s) else {
            return Ok(None);
        };
        if known.content == signed_request.content {
            return Ok(known.refusals.is_empty().then_some(known.at));
        }
        let mut pairs = known.content.iter().zip(&signed_request.content);
        let (_, (field, _)) = pairs.find(|(a, b)| a != b).expect("the contents differ");
        Err(Reject::RequestIdReused(*field))
    }

    /// The requests of a command, each with who signed it.
    fn signed_requests(&self, asked: &Asked) -> Vec<SignedRequest> {
        let signer = asked.signers.first().and_then(address);
        let one = |request: &Request, content: Content| {
            let signed_request =
                |principal| SignedRequest { principal, request: *request, content };
            signer.map(signed_request).into_iter().collect()
        };
        match &asked.command {
            Command::Commit { intents } => {
                let ids: Vec<LockId> =
                    intents.iter().map(|i| i.terms.lock_id(&self.engine_id)).collect();
                intents.iter().map(|intent| intent_mark(intent, &ids)).collect()
            }
            Command::Claim { claim, .. } => one(
                &claim.request,
                vec![
                    method(2),
                    (Field::LockId, claim.lock_id.0.to_vec()),
                    (Field::ClaimIndex, claim.claim_index.to_be_bytes().to_vec()),
                    (Field::Claimant, claim.claimant.0.to_vec()),
                    (Field::Amounts, codec::encode(&claim.amounts)),
                    (Field::Evidence, claim.evidence.0.to_vec()),
                ],
            ),
            Command::Release { lock_id, request, .. } => one(request, consent(3, lock_id)),
            Command::Extend { lock_id, new_expires, request, .. } => {
                let mut content = consent(5, lock_id);
                content.push((Field::NewExpires, new_expires.to_be_bytes().to_vec()));
                one(request, content)
            }
            Command::Cancel { lock_id, consents } => {
                let pairs = consents.iter().zip(&asked.signers);
                let of = |(signed, by): (&_, &_)| cancel_mark(lock_id, signed, address(by)?);
                pairs.filter_map(of).collect()
            }
            Command::CancelDraft { terms, consent } => {
                let lock_id = terms.lock_id(&self.engine_id);
                cancel_mark(&lock_id, consent, terms.owner).into_iter().collect()
            }
            Command::Approve { .. }
            | Command::RecordFact { .. }
            | Command::GrantReading { .. }
            | Command::ApproveImages { .. } => Vec::new(),
        }
    }

    /// What is known of a refusal whose request was refused before and can still be granted. The
    /// outer value is none if the refusal may be logged; the inner one if it was not, and is not.
    pub(super) fn refused_before(
        &self,
        now_s: u64,
        asked: &Asked,
        reject: Reject,
    ) -> Option<Option<LogPosition>> {
        let requests = self.signed_requests(asked);
        let [one] = requests.as_slice() else { return None };
        let known = self.requests.get(&(one.principal, one.request.id))?;
        if known.valid_until < now_s || known.refusals.is_empty() || !is_caused_by_state(&reject) {
            return None;
        }
        if check_validity(now_s, &one.request).is_err() {
            return None;
        }
        let same = known.refusals.iter().find(|(code, _)| *code == reject.code());
        match same {
            Some((_, at)) => Some(Some(*at)),
            None if known.refusals.len() >= REFUSALS_MAX && !is_final(&reject) => Some(None),
            None => None,
        }
    }

    /// True when this refusal is logged.
    pub(super) fn remembers(&self, now_ms: u64, asked: &Asked, reject: Reject) -> bool {
        let one_request = match &asked.command {
            Command::Commit { intents } => intents.len() == 1,
            Command::Claim { .. } | Command::Release { .. } | Command::Extend { .. } => true,
            _ => false,
        };
        let signed_requests = self.signed_requests(asked);
        let [signed_request] = signed_requests.as_slice() else { return false };
        let lock = self.lock_of(&asked.command).and_then(|id| self.locks.get(&id));
        let is_party = lock.is_some_and(|lock| {
            let parties = [lock.terms.owner, lock.terms.beneficiary, lock.terms.arbiter];
            lock.status != Status::Settled && parties.contains(&signed_request.principal)
        });
        one_request
            && (is_party || self.known.contains_key(&signed_request.principal))
            && is_caused_by_state(&reject)
            && check_validity(now_ms / 1000, &signed_request.request).is_ok()
            && self.has_room_for_refusal(now_ms, signed_request)
    }

    fn has_room_for_refusal(&self, now_ms: u64, signed: &SignedRequest) -> bool {
        let quota = if self.rules >= RuleSet(3) { Quota::Refusals } else { Quota::Grants };
        let key = (signed.principal, signed.request.id);
        let is_known = self.requests.get(&key).is_some_and(|k| k.valid_until >= now_ms / 1000);
        let more = u32::from(!is_known);
        self.check_quota_of(now_ms, &signed.principal, quota, 0, more).is_ok()
    }

    fn lock_of(&self, command: &Command) -> Option<LockId> {
        match command {
            Command::Commit { intents } => Some(intents.first()?.terms.lock_id(&self.engine_id)),
            Command::Claim { claim, .. } => Some(claim.lock_id),
            Command::Release { lock_id, .. } | Command::Extend { lock_id, .. } => Some(*lock_id),
            _ => None,
        }
    }

    /// Counts a logged answer against its principals, and remembers their requests.
    pub(super) fn remember(&mut self, at: LogPosition, asked: &Asked, answer: &Answer) {
        let ending = if self.rules >= RuleSet(3) { Quota::Endings } else { Quota::Grants };
        match &asked.command {
            Command::RecordFact { .. }
            | Command::GrantReading { .. }
            | Command::ApproveImages { .. } => return,
            // Owners who used a nonce have a record by now.
            Command::Approve { terms, .. } => {
                return self.count(&terms.owner, Quota::Grants, Custody::Open);
            }
            Command::CancelDraft { terms, .. } if self.signed_requests(asked).is_empty() => {
                return self.count(&terms.owner, ending, Custody::Open);
            }
            Command::Cancel { lock_id, consents } if matches!(answer, Answer::Cancelled(_)) => {
                let lock = self.locks.get(lock_id).expect("the lock was there");
                let (owner, class) = (lock.terms.owner, lock.custody);
                // If there are two consents of the owner, the first one counts.
                let by_owner = asked.signers.iter().position(|s| address(s) == Some(owner));
                let consent = &consents[by_owner.expect("the owner consented")];
                match cancel_mark(lock_id, consent, owner) {
                    Some(signed_request) => self.remember_one(at, signed_request, ending, class),
                    None => self.count(&owner, ending, class),
                }
                let terms = &self.locks.get(lock_id).expect("the lock was there").terms;
                let taker = match terms.beneficiary.is_zero() {
                    true => terms.arbiter,
                    false => terms.beneficiary,
                };
                let by_taker = asked.signers.iter().position(|s| address(s) == Some(taker));
                let mark = by_taker.and_then(|at| cancel_mark(lock_id, &consents[at], taker));
                if let Some(mark) = mark.filter(|_| self.rules >= RuleSet(2) && taker != owner) {
                    self.remember_one(at, mark, ending, class);
                }
                return;
            }
            _ => {}
        }
        let lock = self.lock_of(&asked.command).and_then(|lock_id| self.locks.get(&lock_id));
        let class = lock.map_or(Custody::Open, |lock| lock.custody);
        let quota = match (&asked.command, answer) {
            (_, Answer::Remembered(_)) if self.rules >= RuleSet(3) => Quota::Refusals,
            (Command::Claim { .. } | Command::Release { .. }, _) => ending,
            (Command::CancelDraft { .. }, _) => ending,
            _ => Quota::Grants,
        };
        for signed_request in self.signed_requests(asked) {
            let key = (signed_request.principal, signed_request.request.id);
            let mut refusals = Vec::new();
            if let (Answer::Remembered(reject), Quota::Refusals) = (answer, quota)
                && !is_final(reject)
            {
                let now_s = self.time_ms / 1000;
                let known = self.requests.get(&key).filter(|known| known.valid_until >= now_s);
                refusals = known.map(|known| known.refusals.clone()).unwrap_or_default();
                refusals.push((reject.code(), at));
            }
            self.remember_one(at, signed_request, quota, class);
            self.requests.get_mut(&key).expect("it is remembered").refusals = refusals;
        }
    }

    fn remember_one(
        &mut self,
        at: LogPosition,
        signed_request: SignedRequest,
        quota: Quota,
        class: Custody,
    ) {
        self.count(&signed_request.principal, quota, class);
        let (content, valid_until) = (signed_request.content, signed_request.request.valid_until);
        let remembered = Remembered { content, valid_until, at, quota, refusals: Vec::new() };
        self.requests.insert((signed_request.principal, signed_request.request.id), remembered);
    }

    /// Counts a command; a new record counts in the class of the lock that it is about.
    fn count(&mut self, principal: &Address, quota: Quota, class: Custody) {
        self.known.entry(*principal).or_insert(class);
        let minute = self.time_ms / 60_000;
        let rate = self.rates.entry((*principal, quota)).or_insert((minute, 0));
        *rate = if rate.0 == minute { (minute, rate.1 + 1) } else { (minute, 1) };
    }

    /// Rate and memory of a principal for what begins or extends promises, with so many commands of
    /// the same batch before this one.
    pub(super) fn check_quota(
        &self,
        now_ms: u64,
        principal: &Address,
        earlier: u32,
        requests: u32,
    ) -> Result<(), Reject> {
        self.check_quota_of(now_ms, principal, Quota::Grants, earlier, requests)
    }

    /// The same for what ends one.
    pub(super) fn check_endings(
        &self,
        now_ms: u64,
        principal: &Address,
        requests: u32,
    ) -> Result<(), Reject> {
        let quota = if self.rules >= RuleSet(3) { Quota::Endings } else { Quota::Grants };
        self.check_quota_of(now_ms, principal, quota, 0, requests)
    }

    fn check_quota_of(
        &self,
        now_ms: u64,
        principal: &Address,
        quota: Quota,
        earlier: u32,
        requests: u32,
    ) -> Result<(), Reject> {
        let part = |max: u32| match quota {
            Quota::Refusals => max.div_ceil(10),
            Quota::Grants | Quota::Endings => max,
        };
        let rate = self.rates.get(&(*principal, quota));
        let rate = rate.filter(|(minute, _)| *minute == now_ms / 60_000);
        let rate = rate.map_or(0, |(_, count)| *count) + earlier;
        let limit = |which, max: u32| Err(Reject::Limit(which, u64::from(max).into()));
        let commands_max = part(self.policy.commands_per_minute_max);
        if rate >= commands_max {
            return limit(Limit::Rate, commands_max);
        }
        let kept = self.requests.iter();
        let kept = kept.filter(|((whose, _), known)| whose == principal && known.quota == quota);
        let kept = u32::try_from(kept.count()).expect("few requests");
        let requests_max = part(self.policy.requests_max);
        if requests > 0 && kept + requests > requests_max {
            return limit(Limit::Requests, requests_max);
        }
        Ok(())
    }
}

/// A request is valid now, and for a day at most.
pub(super) fn check_validity(now_s: u64, request: &Request) -> Result<(), Reject> {
    if request.valid_until < now_s {
        return Err(Reject::LockExpired);
    }
    if request.valid_until > now_s + DAY_S {
        return Err(Reject::Validation(Field::ValidUntil));
    }
    Ok(())
}

fn is_caused_by_state(reject: &Reject) -> bool {
    match reject {
        Reject::LockExpired
        | Reject::InsufficientAvailable { .. }
        | Reject::NonceUsed
        | Reject::NonceNotFree { .. }
        | Reject::ExpiryWindow { .. }
        | Reject::ExpiryTooEarly { .. }
        | Reject::ResetPeriodTooShort { .. }
        | Reject::ForcedWithdrawal
        | Reject::UnsupportedChain(_)
        | Reject::AlreadyTerminal(_)
        | Reject::ConsentRequired(_)
        | Reject::ClaimExceeds { .. }
        | Reject::StaleFacts { .. } => true,
        Reject::Limit(which, _) => {
            matches!(which, Limit::Single | Limit::Account | Limit::Asset | Limit::Concurrent)
        }
        Reject::LockNotFound
        | Reject::InvalidSignature
        | Reject::Validation(_)
        | Reject::Unauthorized
        | Reject::RequestIdReused(_)
        | Reject::ClaimAhead { .. }
        | Reject::ProofInvalid => false,
    }
}

/// True for a refusal by the state that no later state takes back.
fn is_final(reject: &Reject) -> bool {
    match reject {
        Reject::NonceNotFree { fault, .. } => *fault != NonceFault::FromFuture,
        Reject::LockExpired
        | Reject::NonceUsed
        | Reject::ExpiryTooEarly { .. }
        | Reject::UnsupportedChain(_)
        | Reject::AlreadyTerminal(_)
        | Reject::ConsentRequired(_)
        | Reject::ClaimExceeds { .. }
        | Reject::Limit(Limit::Single, _) => true,
        Reject::InsufficientAvailable { .. }
        | Reject::ExpiryWindow { .. }
        | Reject::ResetPeriodTooShort { .. }
        | Reject::ForcedWithdrawal
        | Reject::StaleFacts { .. }
        | Reject::Limit(..) => false,
        other => panic!("{other:?} is not logged"),
    }
}

fn method(number: u8) -> (Field, Vec<u8>) {
    (Field::Method, vec![number])
}

fn consent(number: u8, lock_id: &LockId) -> Content {
    vec![method(number), (Field::LockId, lock_id.0.to_vec())]
}

fn cancel_mark(
    lock_id: &LockId,
    signed: &mortise_format::command::SignedCancel,
    principal: Address,
) -> Option<SignedRequest> {
    match signed.form {
        CancelForm::Consent(request) => {
            Some(SignedRequest { principal, request, content: consent(4, lock_id) })
        }
        _ => None,
    }
}

fn intent_mark(intent: &SignedIntent, ids: &[LockId]) -> SignedRequest {
    let terms = &intent.terms;
    let batch = if ids.len() == 1 { Vec::new() } else { ids.iter().flat_map(|id| id.0).collect() };
    let content = vec![
        method(1),
        (Field::Batch, batch),
        (Field::Beneficiary, terms.beneficiary.0.to_vec()),
        (Field::Arbiter, terms.arbiter.0.to_vec()),
        (Field::Nonce, terms.nonce.to_be_bytes().to_vec()),
        (Field::Expires, terms.expires.to_be_bytes().to_vec()),
        (Field::Condition, codec::encode(&terms.condition)),
        (Field::Assets, codec::encode(&terms.legs)),
    ];
    SignedRequest { principal: terms.owner, request: intent.request, content }
}
