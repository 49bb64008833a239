//! An engine's commitment to one lock, checked against what was requested.
//!
//! What it is for: a solver that is about to fill, or any party that receives the commitment,
//! checks every signed field. What it does not do: check the log (that takes the receipt of the
//! same position) or a chain (custody and condition are only what the engine stated).

use crate::engine::{Engine, SignerError};
use crate::insecure::{self, InsecureModeError};
use crate::receipt::VerifiedReceipt;
use mortise_format::domains::keccak256;
use mortise_format::eip712::{Domain, LockCommitment};
use mortise_format::ids::{Bytes32, LockId, PolicyHash, Signature};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::lock::{Custody, Durability, LockTerms, Taker};
use mortise_format::secp256k1::canonical;

/// A commitment as received. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCommitment {
    /// The fields.
    pub commitment: LockCommitment,
    /// The insecure mode in which it is signed, if any. It selects the domain of the digest.
    pub mode: Option<InsecureMode>,
    /// The engine's signature over the digest of the fields.
    pub signature: Signature,
}

/// What the verifier expects of a commitment.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// The terms that the owner signed, with the expiry now in force.
    pub terms: &'a LockTerms,
    /// The lock id of an extended lock, which is derived from its first terms.
    pub lock_id: Option<LockId>,
    /// The owner's signature, if the verifier has it.
    pub user_signature: Option<&'a Signature>,
    /// The required custody class; `None` accepts any.
    pub custody: Option<Custody>,
    /// The required durability mode; `None` accepts any.
    pub durability: Option<Durability>,
    /// The required policy, which names the observers whose facts count; `None` accepts any.
    pub policy_hash: Option<PolicyHash>,
    /// The one insecure mode to accept, for test data: the commitment does not bind the engine.
    /// `None` rejects every insecure mode.
    pub mode: Option<InsecureMode>,
    /// The verifier's time in whole seconds, to check that a fill counts now; `None` to check a
    /// past commitment.
    pub now: Option<u64>,
}

impl<'a> Expected<'a> {
    /// Expects these terms and no insecure mode, and accepts anything else.
    pub fn terms(terms: &'a LockTerms) -> Self {
        Self {
            terms,
            lock_id: None,
            user_signature: None,
            custody: None,
            durability: None,
            policy_hash: None,
            mode: None,
            now: None,
        }
    }
}

/// A field that terms and commitment share.
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

/// Why a commitment is not the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitmentError {
    /// It is signed in an insecure mode that the verifier does not allow.
    #[error(transparent)]
    InsecureMode(#[from] InsecureModeError),
    /// A field differs from the terms.
    #[error("the commitment has another {0:?} than the terms")]
    Terms(TermsField),
    /// The lock id does not follow from engine and terms, or is not the expected one.
    #[error("the commitment is for lock {found}, not {expected}")]
    LockId {
        /// The id that engine and terms give, or the one that the verifier expects.
        expected: LockId,
        /// The id in the commitment.
        found: LockId,
    },
    /// A taker of the lock is its owner, who alone can end it: it promises nothing to others.
    #[error("the owner is the {0} of the lock, and alone can end it")]
    OwnerIsTaker(Taker),
    /// It names another signature of the owner than the verifier's.
    #[error("the commitment names another signature of the owner")]
    UserSignature,
    /// The custody class is not the required one.
    #[error("the custody is {found:?}")]
    Custody {
        /// The class in the commitment.
        found: Custody,
    },
    /// The durability mode is not the required one.
    #[error("the durability is {found:?}")]
    Durability {
        /// The mode in the commitment.
        found: Durability,
    },
    /// The policy is not the required one.
    #[error("the policy is {found}")]
    Policy {
        /// The policy in the commitment.
        found: PolicyHash,
    },
    /// `issuedAt < expires <= claimBy <= settleBy` does not hold.
    #[error("the times are out of order")]
    TimeOrder,
    /// It was issued later than the verifier's time plus the allowed clock skew.
    #[error("the commitment was issued at {issued_at}, after the verifier's time {now}")]
    FromTheFuture {
        /// When the engine issued it.
        issued_at: u64,
        /// The verifier's time.
        now: u64,
    },
    /// The lock has expired: fills no longer count.
    #[error("fills ended at {expires}; the verifier's time is {now}")]
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

/// A commitment of the pinned engine to exactly the expected terms.
///
/// What it proves: the holder of the engine's signing key promised to hold what the terms name
/// until the times named, under the named custody, durability and policy, and to sign nothing that
/// breaks it - unless [`VerifiedCommitment::mode`] names an insecure mode, in which it does not
/// bind the engine; only a verifier that allowed that mode gets such a value. What it does not
/// prove: that the event is in the log ([`VerifiedCommitment::is_in`] with its receipt), that the
/// lock is still held, that the assets exist (custody `escrow` and the observers of the policy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCommitment {
    engine: Engine,
    commitment: LockCommitment,
    mode: Option<InsecureMode>,
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

    /// The insecure mode that the verifier allowed; `None` for a commitment that binds the engine.
    pub fn mode(&self) -> Option<InsecureMode> {
        self.mode
    }

    /// The commitment and its signature, with v 27 or 28, to pass on.
    pub fn to_signed(&self) -> SignedCommitment {
        let (mode, signature) = (self.mode, self.signature);
        SignedCommitment { commitment: self.commitment.clone(), mode, signature }
    }

    /// Returns true when a verified receipt is for the event that this commitment names: same
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

/// Checks a commitment against the pinned engine and what the verifier expects.
///
/// Success proves what [`VerifiedCommitment`] states.
///
/// # Errors
/// `InsecureMode`, `Terms`, `LockId`, `OwnerIsTaker`, `UserSignature`, `Custody`, `Durability`,
/// `Policy`, `TimeOrder`, `FromTheFuture`, `Expired`, `Signature`, in this order.
pub fn verify(
    engine: &Engine,
    signed: &SignedCommitment,
    expected: &Expected<'_>,
) -> Result<VerifiedCommitment, CommitmentError> {
    let commitment = &signed.commitment;
    insecure::check(signed.mode, expected.mode)?;
    check_terms(commitment, expected.terms)?;
    let lock_id = expected.lock_id.unwrap_or_else(|| expected.terms.lock_id(&engine.id));
    if commitment.lock_id != lock_id {
        let found = commitment.lock_id;
        return Err(CommitmentError::LockId { expected: lock_id, found });
    }
    if let Some(taker) = expected.terms.owner_as_taker() {
        return Err(CommitmentError::OwnerIsTaker(taker));
    }
    check_choices(commitment, expected)?;
    check_times(commitment, expected.now)?;
    let digest = Domain::of_promises(&engine.id, signed.mode).digest(&commitment.hash());
    engine.signed(&digest, &signed.signature)?;
    let (mode, signature) = (signed.mode, canonical(signed.signature));
    Ok(VerifiedCommitment { engine: *engine, commitment: commitment.clone(), mode, signature })
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
        && commitment.user_signature_hash != Bytes32(keccak256(&[&canonical(*signature).0]))
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
