//! An engine's promise about one lock, against what was asked of it.
//!
//! What it is for: a solver that is about to fill, or whoever he shows the promise to, checks every
//! signed field. What it does not do: look at the log (that takes the receipt of the same place) or
//! at a chain (custody and condition are what they say).

use crate::engine::{Engine, SignerError, canonical};
use crate::mark::{self, Marked};
use crate::receipt::VerifiedReceipt;
use mortise_format::domains::keccak256;
use mortise_format::eip712::{Domain, LockCommitment};
use mortise_format::ids::{Bytes32, LockId, PolicyHash, Signature};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::lock::{Custody, Durability, LockTerms};

/// A commitment as somebody handed it over: nothing of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCommitment {
    /// The fields.
    pub commitment: LockCommitment,
    /// The mark of a promise that binds no one, which names the domain of the digest.
    pub mark: Option<InsecureMode>,
    /// The engine's signature over their digest.
    pub signature: Signature,
}

/// What the verifier expects of it.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// The terms that the owner signed, with the expiry now in force.
    pub terms: &'a LockTerms,
    /// The lock, when the terms are those of a prolonged lock, whose id is that of the first ones.
    pub lock_id: Option<LockId>,
    /// The owner's signature, when the verifier has it.
    pub user_signature: Option<&'a Signature>,
    /// The custody class, when only one will do.
    pub custody: Option<Custody>,
    /// The durability mode, when only one will do.
    pub durability: Option<Durability>,
    /// The policy, when only one will do: it names the observers whose facts count.
    pub policy_hash: Option<PolicyHash>,
    /// The one mark that is taken, to look at what an engine in that mode signs; it is no promise.
    /// `None` refuses every mark.
    pub mark: Option<InsecureMode>,
    /// The verifier's time, whole seconds, when the promise is to be good for a fill now; `None`
    /// for one that is looked at afterwards.
    pub now: Option<u64>,
}

impl<'a> Expected<'a> {
    /// These terms and no mark; everything else may be anything.
    pub fn terms(terms: &'a LockTerms) -> Self {
        Self {
            terms,
            lock_id: None,
            user_signature: None,
            custody: None,
            durability: None,
            policy_hash: None,
            mark: None,
            now: None,
        }
    }
}

/// A field of the terms that a commitment has too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the terms")]
pub enum TermsField {
    Owner,
    Beneficiary,
    Arbiter,
    Assets,
    Condition,
    Expires,
}

/// Why a commitment is not the one expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitmentError {
    /// It carries a mark that the verifier does not take.
    #[error(transparent)]
    Marked(#[from] Marked),
    /// A field is not that of the terms.
    #[error("the commitment is to another {0:?} than the terms")]
    Terms(TermsField),
    /// The lock is not the one of engine and terms (or the one named).
    #[error("the commitment is to lock {found}, not {expected}")]
    LockId {
        /// The one of engine and terms.
        expected: LockId,
        /// The one named.
        found: LockId,
    },
    /// It answers another signature of the owner.
    #[error("the commitment names another signature of the owner")]
    UserSignature,
    /// Another custody class.
    #[error("the custody is {found:?}")]
    Custody {
        /// The class named.
        found: Custody,
    },
    /// Another durability mode.
    #[error("the durability is {found:?}")]
    Durability {
        /// The mode named.
        found: Durability,
    },
    /// Another policy.
    #[error("the policy is {found}")]
    Policy {
        /// The policy named.
        found: PolicyHash,
    },
    /// `issuedAt < expires <= claimBy <= settleBy` does not hold.
    #[error("the times are out of order")]
    TimeOrder,
    /// It was issued after the verifier's time by more than engines and verifiers may differ.
    #[error("issued at {issued_at}, {now} here")]
    FromTheFuture {
        /// Its time.
        issued_at: u64,
        /// The verifier's.
        now: u64,
    },
    /// Fills do not count any more.
    #[error("fills ended at {expires}, {now} here")]
    Expired {
        /// End of fills.
        expires: u64,
        /// The verifier's time.
        now: u64,
    },
    /// The signature is not the engine's over these fields.
    #[error("the commitment is not signed by the engine: {0}")]
    Signature(#[from] SignerError),
}

/// Seconds by which a commitment may be ahead of the verifier's clock.
pub const COMMITMENT_SKEW_S_MAX: u64 = 60;

/// A promise of the pinned engine to exactly the expected terms.
///
/// What it proves: the holder of the engine's signing key promised to hold what the terms name
/// until the times named, under the named custody, durability and policy, and to sign nothing that
/// breaks it - unless [`VerifiedCommitment::mark`] says that it binds no one, which only whoever
/// asked for it by name gets. What it does not prove: that the event is in the log
/// ([`VerifiedCommitment::is_in`] with its receipt), that the lock is still held, that the assets
/// exist (custody `escrow` and the observers of the policy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCommitment {
    engine: Engine,
    commitment: LockCommitment,
    mark: Option<InsecureMode>,
    signature: Signature,
}

impl VerifiedCommitment {
    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Every field.
    pub fn fields(&self) -> &LockCommitment {
        &self.commitment
    }

    /// The mark that the verifier took by name; `None` for a promise that binds.
    pub fn mark(&self) -> Option<InsecureMode> {
        self.mark
    }

    /// The commitment and its signature, v 27 or 28, to be handed on.
    pub fn to_signed(&self) -> SignedCommitment {
        let (mark, signature) = (self.mark, self.signature);
        SignedCommitment { commitment: self.commitment.clone(), mark, signature }
    }

    /// True when a verified receipt is for the very event that this commitment says it is of: same
    /// engine, frame, index, roots and policy.
    pub fn is_in(&self, receipt: &VerifiedReceipt) -> bool {
        let (place, stated) = (&self.commitment.place, receipt.statement().fields());
        self.engine.id == stated.engine_id
            && place.epoch == stated.epoch
            && place.seq == stated.seq
            && place.index == receipt.position().index
            && place.event_root == stated.event_root
            && place.state_root == stated.state_root
            && place.policy_hash == stated.policy_hash
    }
}

/// Checks a commitment against the pinned engine and what is expected of it.
///
/// Success proves what [`VerifiedCommitment`] says.
///
/// # Errors
/// `Marked`, `Terms`, `LockId`, `UserSignature`, `Custody`, `Durability`, `Policy`, `TimeOrder`,
/// `FromTheFuture`, `Expired`, `Signature`, in this order.
pub fn verify(
    engine: &Engine,
    signed: &SignedCommitment,
    expected: &Expected<'_>,
) -> Result<VerifiedCommitment, CommitmentError> {
    let commitment = &signed.commitment;
    mark::check(signed.mark, expected.mark)?;
    check_terms(commitment, expected.terms)?;
    let lock_id = expected.lock_id.unwrap_or_else(|| expected.terms.lock_id(&engine.id));
    if commitment.lock_id != lock_id {
        let found = commitment.lock_id;
        return Err(CommitmentError::LockId { expected: lock_id, found });
    }
    check_choices(commitment, expected)?;
    check_times(commitment, expected.now)?;
    let digest = Domain::of_promises(&engine.id, signed.mark).digest(&commitment.hash());
    engine.signed(&digest, &signed.signature)?;
    let (mark, signature) = (signed.mark, canonical(signed.signature));
    Ok(VerifiedCommitment { engine: *engine, commitment: commitment.clone(), mark, signature })
}

fn check_terms(commitment: &LockCommitment, terms: &LockTerms) -> Result<(), CommitmentError> {
    let same = [
        (TermsField::Owner, commitment.owner == terms.owner),
        (TermsField::Beneficiary, commitment.beneficiary == terms.beneficiary),
        (TermsField::Arbiter, commitment.arbiter == terms.arbiter),
        (TermsField::Assets, commitment.assets == terms.assets_hash()),
        (TermsField::Condition, commitment.condition == terms.condition.hash()),
        (TermsField::Expires, commitment.expires == terms.expires),
    ];
    let other = same.into_iter().find(|(_, same)| !same);
    other.map_or(Ok(()), |(field, _)| Err(CommitmentError::Terms(field)))
}

fn check_choices(
    commitment: &LockCommitment,
    expected: &Expected<'_>,
) -> Result<(), CommitmentError> {
    if let Some(signature) = expected.user_signature
        && commitment.user_signature_hash != Bytes32(keccak256(&[&signature.0]))
    {
        return Err(CommitmentError::UserSignature);
    }
    let (custody, durability) = (commitment.custody, commitment.durability);
    if expected.custody.is_some_and(|wanted| wanted != custody) {
        return Err(CommitmentError::Custody { found: custody });
    }
    if expected.durability.is_some_and(|wanted| wanted != durability) {
        return Err(CommitmentError::Durability { found: durability });
    }
    let policy = commitment.place.policy_hash;
    if expected.policy_hash.is_some_and(|wanted| wanted != policy) {
        return Err(CommitmentError::Policy { found: policy });
    }
    Ok(())
}

fn check_times(commitment: &LockCommitment, now: Option<u64>) -> Result<(), CommitmentError> {
    let (issued_at, expires) = (commitment.issued_at, commitment.expires);
    let ordered = issued_at < expires
        && expires <= commitment.claim_by
        && commitment.claim_by <= commitment.settle_by;
    if !ordered {
        return Err(CommitmentError::TimeOrder);
    }
    let Some(now) = now else { return Ok(()) };
    if issued_at > now.saturating_add(COMMITMENT_SKEW_S_MAX) {
        return Err(CommitmentError::FromTheFuture { issued_at, now });
    }
    if expires <= now {
        return Err(CommitmentError::Expired { expires, now });
    }
    Ok(())
}
