//! Authentication: from a command to one that can be decided.
//!
//! What it is for: the work that needs no state and costs time: shape checks, hashes, signature
//! recovery, the lock id. Worker threads do it here once, so that the single writer only looks up
//! and compares.
//!
//! What it does not do: look at the state. `decide` checks whether the recovered signer is a party
//! of the lock. Intents and approvals have their owner as a signed field, so they are checked here.
//!
//! Invariants: INV-08 (every digest is rebuilt from full fields), INV-17 (the lock id covers every
//! field). An [`Admitted`] has no other constructor.

mod content;
mod parts;

pub(crate) use content::Kind;
pub use parts::{Admitting, Step};

use alloc::sync::Arc;
use alloc::vec::Vec;
use content::request_key;
use mortise_format::asset::Condition;
use mortise_format::codec;
use mortise_format::command::{CancelForm, Command, SignedCancel};
use mortise_format::eip712::{self, Claim, Digest, Domain, Request};
use mortise_format::event::{Authority, RequestKey};
use mortise_format::fact::BalanceFact;
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, Signature};
use mortise_format::images::ImageApproval;
use mortise_format::limits::{
    BATCH_LOCKS_MAX, EXECUTION_DATA_BYTES_MAX, LOCK_LEGS_MAX, OBSERVERS_MAX,
};
use mortise_format::lock::{LockTerms, Taker};
use mortise_format::reading::ReadingGrant;
use mortise_format::reject::{Field, Reject};
use mortise_format::rules::RuleSet;
use mortise_format::secp256k1::{canonical, recover};
use parts::Intents;

/// An authenticated command.
#[derive(Debug, Clone)]
pub struct Admitted(pub(crate) Inner);

#[derive(Debug, Clone)]
pub(crate) enum Inner {
    Grant {
        locks: Vec<AdmittedLock>,
        batch: Bytes32,
        request_keys: Arc<[RequestKey]>,
    },
    Claim {
        claim: Claim,
        signature: Signature,
        request_key: RequestKey,
    },
    Release {
        lock_id: LockId,
        request: Request,
        signature: Signature,
        request_key: RequestKey,
    },
    Cancel {
        lock_id: LockId,
        consents: Vec<AdmittedConsent>,
    },
    CancelDraft {
        lock_id: LockId,
        terms: LockTerms,
        consent: AdmittedConsent,
    },
    Extend {
        lock_id: LockId,
        new_expires: u64,
        request: Request,
        signature: Signature,
        request_key: RequestKey,
    },
    RecordFact {
        fact: BalanceFact,
        signatures: Vec<Signature>,
        signers: Vec<Address>,
    },
    GrantReading {
        grant: ReadingGrant,
        signatures: Vec<Signature>,
        signers: Vec<Address>,
    },
    ApproveImages {
        approval: ImageApproval,
        signatures: Vec<Signature>,
        signers: Vec<Address>,
    },
}

/// A lock whose owner's signature was checked.
#[derive(Debug, Clone)]
pub(crate) struct AdmittedLock {
    pub lock_id: LockId,
    pub terms: Arc<LockTerms>,
    pub authority: Authority,
    pub signature: Signature,
}

/// A consent whose signer was recovered.
#[derive(Debug, Clone)]
pub(crate) struct AdmittedConsent {
    pub consent: SignedCancel,
    pub signer: Address,
    pub request_key: Option<RequestKey>,
}

impl Admitted {
    /// Promises that the command asks for, at least one: a measure of the work that it is.
    pub fn promises(&self) -> u32 {
        match &self.0 {
            Inner::Grant { locks, .. } => u32::try_from(locks.len()).unwrap_or(u32::MAX).max(1),
            _ => 1,
        }
    }

    /// The lock of the command: the first of a batch; none for a fact, a reading right and an
    /// approval of images.
    pub fn lock_id(&self) -> Option<LockId> {
        match &self.0 {
            Inner::Grant { locks, .. } => locks.first().map(|l| l.lock_id),
            Inner::Claim { claim, .. } => Some(claim.lock_id),
            Inner::Release { lock_id, .. }
            | Inner::Cancel { lock_id, .. }
            | Inner::CancelDraft { lock_id, .. }
            | Inner::Extend { lock_id, .. } => Some(*lock_id),
            Inner::RecordFact { .. } | Inner::GrantReading { .. } | Inner::ApproveImages { .. } => {
                None
            }
        }
    }
}

/// Checks everything about a command that needs no state, under the rules of the epoch.
///
/// A success proves that every signature in it was made over a digest rebuilt from the command's
/// own fields, and by the owner where the owner is one of those fields.
///
/// # Errors
/// `Validation` naming the field that breaks a rule; `InvalidSignature`.
pub fn admit(rules: RuleSet, engine_id: &EngineId, command: Command) -> Result<Admitted, Reject> {
    let domain = Domain::of_engine(engine_id);
    let inner = match one_form(rules, command) {
        Command::Commit { intents } => {
            let mut intents = Intents::begin(rules, engine_id, intents)?;
            intents.check(BATCH_LOCKS_MAX)?;
            return Ok(intents.into_admitted());
        }
        Command::Approve { terms, signature } => {
            admit_approval(rules, engine_id, terms, signature)?
        }
        Command::Claim { claim, signature } => admit_claim(&domain, claim, signature)?,
        Command::Release { lock_id, request, signature } => {
            let hash = eip712::release_consent(&lock_id, &request);
            let principal = signer(&domain.digest(&hash), &signature)?;
            let request_key = request_key(principal, &request, Kind::Release, &[&lock_id.0]);
            Inner::Release { lock_id, request, signature, request_key }
        }
        Command::Cancel { lock_id, consents } => {
            Inner::Cancel { lock_id, consents: admit_cancels(&domain, &lock_id, &consents)? }
        }
        Command::CancelDraft { terms, consent } => {
            check_terms(rules, &terms)?;
            let lock_id = terms.lock_id(engine_id);
            let consents = admit_cancels(&domain, &lock_id, &[consent])?;
            let consent = consents.into_iter().find(|c| c.signer == terms.owner);
            let consent = consent.ok_or(Reject::InvalidSignature)?;
            Inner::CancelDraft { lock_id, terms, consent }
        }
        Command::Extend { lock_id, new_expires, request, signature } => {
            let hash = eip712::extend_consent(&lock_id, new_expires, &request);
            let principal = signer(&domain.digest(&hash), &signature)?;
            let fields: &[&[u8]] = &[&lock_id.0, &new_expires.to_le_bytes()];
            let request_key = request_key(principal, &request, Kind::Extend, fields);
            Inner::Extend { lock_id, new_expires, request, signature, request_key }
        }
        Command::RecordFact { fact, signatures } => admit_fact(&domain, fact, signatures)?,
        Command::GrantReading { grant, signatures } => {
            check_reading(&grant)?;
            let digest = domain.digest(&eip712::grant_reading(engine_id, &grant));
            let signers = signers(&digest, &signatures)?;
            Inner::GrantReading { grant, signatures, signers }
        }
        Command::ApproveImages { approval, signatures } => {
            check_approval(&approval)?;
            let digest = domain.digest(&eip712::approve_images(engine_id, &approval));
            let signers = signers(&digest, &signatures)?;
            Inner::ApproveImages { approval, signatures, signers }
        }
    };
    Ok(Admitted(inner))
}

/// The command with signatures in the form that the rules want.
fn one_form(rules: RuleSet, mut command: Command) -> Command {
    if rules.has_one_form_of_signatures() {
        command.signatures_mut().into_iter().for_each(|s| *s = canonical(*s));
    }
    command
}

fn signer(digest: &Digest, signature: &Signature) -> Result<Address, Reject> {
    recover(digest, signature).map_err(|_| Reject::InvalidSignature)
}

fn admit_approval(
    rules: RuleSet,
    engine_id: &EngineId,
    terms: LockTerms,
    signature: Signature,
) -> Result<Inner, Reject> {
    check_terms(rules, &terms)?;
    // The wallet shows only the lock id and a few fields here. Its owner must not be bound to a
    // party that the wallet did not show (INV-17).
    if !terms.beneficiary.is_zero() {
        return Err(Reject::Validation(Field::Beneficiary));
    }
    if !terms.arbiter.is_zero() {
        return Err(Reject::Validation(Field::Arbiter));
    }
    let lock_id = terms.lock_id(engine_id);
    let digest =
        eip712::lock_approval(&lock_id, &terms).ok_or(Reject::Validation(Field::Assets))?;
    if signer(&digest, &signature)? != terms.owner {
        return Err(Reject::InvalidSignature);
    }
    let (terms, authority) = (Arc::new(terms), Authority::Approval);
    let lock = AdmittedLock { lock_id, terms, authority, signature };
    Ok(Inner::Grant { locks: alloc::vec![lock], batch: Bytes32::ZERO, request_keys: Arc::from([]) })
}

fn admit_claim(domain: &Domain, claim: Claim, signature: Signature) -> Result<Inner, Reject> {
    if claim.amounts.is_empty() || claim.amounts.len() > LOCK_LEGS_MAX {
        return Err(Reject::Validation(Field::Amounts));
    }
    if claim.amounts.iter().all(|a| a.is_zero()) {
        return Err(Reject::Validation(Field::Amounts));
    }
    if claim.claimant.is_zero() {
        return Err(Reject::Validation(Field::Claimant));
    }
    let principal = signer(&domain.digest(&claim.hash()), &signature)?;
    let amounts = codec::encode(&claim.amounts);
    let fields: &[&[u8]] = &[
        &claim.lock_id.0,
        &claim.claim_index.to_le_bytes(),
        &claim.claimant.0,
        &amounts,
        &claim.evidence.0,
    ];
    let request_key = request_key(principal, &claim.request, Kind::Claim, fields);
    Ok(Inner::Claim { claim, signature, request_key })
}

/// Recovers each consent. A consent to a text or server hash has two possible signers: both are
/// kept, and `decide` uses the one that is a party.
fn admit_cancels(
    domain: &Domain,
    lock_id: &LockId,
    consents: &[SignedCancel],
) -> Result<Vec<AdmittedConsent>, Reject> {
    if consents.is_empty() || consents.len() > CONSENTS_MAX {
        return Err(Reject::Validation(Field::Signature));
    }
    let mut admitted = Vec::with_capacity(consents.len() * 2);
    for consent in consents {
        let forms: &[CancelForm] = match consent.form {
            CancelForm::TextOrServerHash => &[CancelForm::Text, CancelForm::ServerHash],
            ref form => core::slice::from_ref(form),
        };
        for form in forms {
            let consent = SignedCancel { form: *form, signature: consent.signature };
            admitted.push(admit_cancel(domain, lock_id, consent)?);
        }
    }
    Ok(admitted)
}

fn admit_cancel(
    domain: &Domain,
    lock_id: &LockId,
    consent: SignedCancel,
) -> Result<AdmittedConsent, Reject> {
    let digest = match &consent.form {
        CancelForm::Consent(request) => domain.digest(&eip712::cancel_consent(lock_id, request)),
        CancelForm::Text => eip712::cancel_text(lock_id),
        CancelForm::ServerHash | CancelForm::TextOrServerHash => {
            eip712::cancel_server_hash(lock_id)
        }
    };
    let signer = signer(&digest, &consent.signature)?;
    let request_key = match &consent.form {
        CancelForm::Consent(request) => {
            Some(request_key(signer, request, Kind::Cancel, &[&lock_id.0]))
        }
        _ => None,
    };
    Ok(AdmittedConsent { consent, signer, request_key })
}

fn admit_fact(
    domain: &Domain,
    fact: BalanceFact,
    signatures: Vec<Signature>,
) -> Result<Inner, Reject> {
    fact.asset.check().map_err(|_| Reject::Validation(Field::Asset))?;
    if fact.account.is_zero() {
        return Err(Reject::Validation(Field::Account));
    }
    if fact.withdrawing > fact.balance {
        return Err(Reject::Validation(Field::Withdrawing));
    }
    let signers = signers(&domain.digest(&eip712::balance_fact(&fact)), &signatures)?;
    Ok(Inner::RecordFact { fact, signatures, signers })
}

/// The signers of one digest, each once.
fn signers(digest: &Digest, signatures: &[Signature]) -> Result<Vec<Address>, Reject> {
    if signatures.is_empty() || signatures.len() > OBSERVERS_MAX {
        return Err(Reject::Validation(Field::Signatures));
    }
    let signers: Result<Vec<Address>, Reject> =
        signatures.iter().map(|s| signer(digest, s)).collect();
    let signers = signers?;
    let mut unique = signers.clone();
    unique.sort_unstable();
    unique.dedup();
    if unique.len() != signers.len() {
        return Err(Reject::Validation(Field::Signatures));
    }
    Ok(signers)
}

/// Checks that the reader is not zero and that the range of epochs is not empty.
fn check_reading(grant: &ReadingGrant) -> Result<(), Reject> {
    if grant.reader == Bytes32::ZERO {
        return Err(Reject::Validation(Field::Reader));
    }
    if grant.from_epoch == 0 {
        return Err(Reject::Validation(Field::FromEpoch));
    }
    if grant.to_epoch != 0 && grant.to_epoch < grant.from_epoch {
        return Err(Reject::Validation(Field::ToEpoch));
    }
    Ok(())
}

/// Checks that the serial is above zero and that the images are in canonical form.
fn check_approval(approval: &ImageApproval) -> Result<(), Reject> {
    if approval.serial == 0 {
        return Err(Reject::Validation(Field::Serial));
    }
    if !approval.has_proper_images() {
        return Err(Reject::Validation(Field::Images));
    }
    Ok(())
}

/// Checks that terms are in canonical form, and that they are a promise: not ended by their owner
/// alone, and satisfied by some fill.
///
/// # Errors
/// `Validation` naming the field.
pub fn check_terms(rules: RuleSet, terms: &LockTerms) -> Result<(), Reject> {
    let wrong = |field| Err(Reject::Validation(field));
    if terms.owner.is_zero() {
        return wrong(Field::Owner);
    }
    if terms.legs.is_empty() || terms.legs.len() > LOCK_LEGS_MAX {
        return wrong(Field::Assets);
    }
    for (i, leg) in terms.legs.iter().enumerate() {
        if leg.amount.is_zero() {
            return wrong(Field::Amount);
        }
        if leg.asset.check().is_err() || terms.legs[..i].iter().any(|l| l.asset == leg.asset) {
            return wrong(Field::Asset);
        }
    }
    if rules.refuses_hollow_terms() {
        check_parties(terms)?;
    }
    check_condition(rules, &terms.condition)
}

/// A taker that is the owner could release or claim at once what others fill against.
fn check_parties(terms: &LockTerms) -> Result<(), Reject> {
    let wrong = |field| Err(Reject::Validation(field));
    match terms.owner_as_taker() {
        None => Ok(()),
        Some(Taker::Beneficiary) => wrong(Field::Beneficiary),
        Some(Taker::Arbiter) => wrong(Field::Arbiter),
    }
}

fn check_condition(rules: RuleSet, condition: &Condition) -> Result<(), Reject> {
    if condition.target_asset.check().is_err() {
        return Err(Reject::Validation(Field::TargetAsset));
    }
    if rules.refuses_hollow_terms() {
        check_fill(condition)?;
    }
    let data_bytes = condition.execution_data.as_ref().map_or(0, Vec::len);
    if data_bytes > EXECUTION_DATA_BYTES_MAX {
        return Err(Reject::Validation(Field::ExecutionData));
    }
    Ok(())
}

/// Checks that some fill satisfies the condition.
fn check_fill(condition: &Condition) -> Result<(), Reject> {
    if condition.target_asset.chain_id != condition.target_chain_id {
        return Err(Reject::Validation(Field::TargetAsset));
    }
    if condition.target_amount.is_zero() {
        return Err(Reject::Validation(Field::TargetAmount));
    }
    if condition.recipient.is_zero() {
        return Err(Reject::Validation(Field::Recipient));
    }
    Ok(())
}

/// Text and server-hash forms may both be tried: owner and beneficiary, or owner and arbiter.
const CONSENTS_MAX: usize = 2;
