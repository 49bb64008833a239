//! Commitments against terms, engine and times.

use super::{Log, START_MS, signer};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::domains::keccak256;
use mortise_format::eip712::{Domain, LockCommitment, Place};
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, PolicyHash, Root, Signature};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::lock::{Custody, Durability, LegTerms, LockTerms};
use mortise_verify::commitment::{
    COMMITMENT_SKEW_S_MAX, CommitmentError, Expected, SignedCommitment, TermsField, verify,
};
use mortise_verify::insecure::InsecureModeError;
use mortise_verify::{Engine, SignerError};

const NOW: u64 = START_MS / 1000 + 10;
const USER: Signature = Signature([5; 65]);

pub fn terms() -> LockTerms {
    LockTerms {
        owner: Address([1; 20]),
        beneficiary: Address([2; 20]),
        arbiter: Address([3; 20]),
        nonce: 4,
        expires: NOW + 100,
        condition: Condition {
            target_chain_id: 10,
            target_asset: Asset::native(10),
            target_amount: U256::from(6u64),
            recipient: Address([4; 20]),
            execution_data: None,
        },
        legs: [LegTerms { asset: Asset::native(1), amount: U256::from(7u64) }].into(),
    }
}

/// The engine's commitment to these terms, as event `index` of frame `seq`.
pub fn promise(log: &Log, terms: &LockTerms, seq: usize, index: u32) -> LockCommitment {
    let stated = &log.frames[seq].signed.statement;
    LockCommitment {
        lock_id: terms.lock_id(&log.engine.id),
        owner: terms.owner,
        beneficiary: terms.beneficiary,
        arbiter: terms.arbiter,
        assets: terms.assets_hash(),
        condition: terms.condition.hash(),
        issued_at: stated.time_ms / 1000,
        expires: terms.expires,
        claim_by: terms.expires + 50,
        settle_by: terms.expires + 90,
        custody: Custody::Escrow,
        durability: Durability::Stored,
        place: Place {
            epoch: stated.epoch,
            seq: stated.seq,
            index,
            event_root: stated.event_root,
            state_root: stated.state_root,
            policy_hash: stated.policy_hash,
        },
        user_signature_hash: Bytes32(keccak256(&[&USER.0])),
    }
}

pub fn sign(log: &Log, commitment: LockCommitment) -> SignedCommitment {
    sign_as(log, None, commitment)
}

pub fn sign_as(
    log: &Log,
    mode: Option<InsecureMode>,
    commitment: LockCommitment,
) -> SignedCommitment {
    let digest = Domain::of_promises(&log.engine.id, mode).digest(&commitment.hash());
    SignedCommitment { commitment, mode, signature: log.signer.sign(&digest) }
}

fn expected(terms: &LockTerms) -> Expected<'_> {
    Expected {
        user_signature: Some(&USER),
        custody: Some(Custody::Escrow),
        durability: Some(Durability::Stored),
        policy_hash: Some(PolicyHash([3; 32])),
        now: Some(NOW),
        ..Expected::terms(terms)
    }
}

fn good() -> (Log, LockTerms, SignedCommitment) {
    let (log, terms) = (Log::of(1, 3), terms());
    let signed = sign(&log, promise(&log, &terms, 2, 1));
    (log, terms, signed)
}

#[test]
fn commitment_to_the_expected_terms_verifies_and_names_its_event() {
    let (log, terms, signed) = good();
    let verified = verify(&log.engine, &signed, &expected(&terms)).unwrap();
    assert_eq!(verified.fields(), &signed.commitment);
    assert_eq!(verified.to_signed(), signed);
    assert_eq!(verify(&log.engine, &signed, &Expected::terms(&terms)), Ok(verified.clone()));
    let receipt = |seq, index| {
        mortise_verify::receipt::verify(&log.engine, &log.receipt(seq, index)).unwrap()
    };
    assert!(verified.is_in(&receipt(2, 1)));
    assert!(!verified.is_in(&receipt(2, 0)) && !verified.is_in(&receipt(1, 1)));
}

#[test]
fn every_changed_field_of_a_commitment_breaks_its_signature_or_an_expectation() {
    type Change = fn(&mut LockCommitment);
    let changes: [Change; 20] = [
        |c| c.lock_id.0[0] ^= 1,
        |c| c.owner.0[0] ^= 1,
        |c| c.beneficiary.0[0] ^= 1,
        |c| c.arbiter.0[0] ^= 1,
        |c| c.assets.0[0] ^= 1,
        |c| c.condition.0[0] ^= 1,
        |c| c.issued_at += 1,
        |c| c.expires += 1,
        |c| c.claim_by += 1,
        |c| c.settle_by += 1,
        |c| c.custody = Custody::Open,
        |c| c.place.epoch += 1,
        |c| c.place.seq += 1,
        |c| c.place.index += 1,
        |c| c.place.event_root = Root([9; 32]),
        |c| c.place.state_root = Root([9; 32]),
        |c| c.place.policy_hash.0[0] ^= 1,
        |c| c.user_signature_hash.0[0] ^= 1,
        |c| core::mem::swap(&mut c.owner, &mut c.beneficiary),
        |c| core::mem::swap(&mut c.claim_by, &mut c.settle_by),
    ];
    let (log, terms, signed) = good();
    for (at, change) in changes.iter().enumerate() {
        let mut bad = signed.clone();
        change(&mut bad.commitment);
        assert!(verify(&log.engine, &bad, &Expected::terms(&terms)).is_err(), "change {at}");
    }
}

/// Genuine commitments that the caller did not expect are refused.
fn refusal(
    change: impl Fn(&mut LockCommitment),
    expect: impl Fn(&mut Expected<'_>),
) -> CommitmentError {
    let (log, terms, mut signed) = good();
    change(&mut signed.commitment);
    let signed = sign(&log, signed.commitment);
    let mut expected = expected(&terms);
    expect(&mut expected);
    verify(&log.engine, &signed, &expected).unwrap_err()
}

#[test]
fn each_field_that_differs_from_the_terms_has_its_error() {
    let named = |field, change: fn(&mut LockCommitment)| {
        assert_eq!(refusal(change, |_| ()), CommitmentError::Terms(field));
    };
    named(TermsField::Owner, |c| c.owner.0[0] ^= 1);
    named(TermsField::Beneficiary, |c| c.beneficiary = Address::ZERO);
    named(TermsField::Arbiter, |c| c.arbiter = Address::ZERO);
    named(TermsField::Assets, |c| c.assets.0[0] ^= 1);
    named(TermsField::Condition, |c| c.condition.0[0] ^= 1);
    named(TermsField::Expires, |c| c.expires += 1);
}

#[test]
fn each_other_expectation_has_its_error() {
    let kept = |_: &mut LockCommitment| ();
    let other = LockId([9; 32]);
    let id = refusal(kept, |e| e.lock_id = Some(other));
    assert!(matches!(id, CommitmentError::LockId { expected, .. } if expected == other));
    let id = refusal(|c| c.lock_id = other, |_| ());
    assert!(matches!(id, CommitmentError::LockId { found, .. } if found == other));
    let user = refusal(|c| c.user_signature_hash.0[0] ^= 1, |_| ());
    assert_eq!(user, CommitmentError::UserSignature);
    let custody = refusal(|c| c.custody = Custody::Open, |_| ());
    assert_eq!(custody, CommitmentError::Custody { found: Custody::Open });
    let policy = refusal(|c| c.place.policy_hash = PolicyHash::ZERO, |_| ());
    assert_eq!(policy, CommitmentError::Policy { found: PolicyHash::ZERO });
    assert_eq!(refusal(|c| c.claim_by = c.expires - 1, |_| ()), CommitmentError::TimeOrder);
    assert_eq!(refusal(|c| c.settle_by = c.claim_by - 1, |_| ()), CommitmentError::TimeOrder);
    assert_eq!(refusal(|c| c.issued_at = c.expires, |_| ()), CommitmentError::TimeOrder);
}

#[test]
fn commitment_is_valid_between_its_issue_and_its_expiry() {
    let (log, terms, signed) = good();
    let at = |now| {
        let expected = Expected { now: Some(now), ..expected(&terms) };
        verify(&log.engine, &signed, &expected).map(|_| ())
    };
    let (issued_at, expires) = (signed.commitment.issued_at, terms.expires);
    assert_eq!(at(issued_at - COMMITMENT_SKEW_S_MAX), Ok(()));
    let now = issued_at - COMMITMENT_SKEW_S_MAX - 1;
    assert_eq!(at(now), Err(CommitmentError::FromTheFuture { issued_at, now }));
    assert_eq!(at(expires - 1), Ok(()));
    assert_eq!(at(expires), Err(CommitmentError::Expired { expires, now: expires }));
    assert!(matches!(at(u64::MAX), Err(CommitmentError::Expired { .. })));
}

#[test]
fn another_key_engine_or_signature_is_refused_by_name() {
    let (log, terms, signed) = good();
    let other = Engine { address: signer(2).address(), ..log.engine };
    let refused = verify(&other, &signed, &expected(&terms));
    let named = SignerError::Signer { expected: other.address, found: log.engine.address };
    assert_eq!(refused, Err(CommitmentError::Signature(named)));
    let other = Engine { id: EngineId([9; 32]), ..log.engine };
    let refused = verify(&other, &signed, &expected(&terms));
    assert!(matches!(refused, Err(CommitmentError::LockId { .. })));
    for at in 0..65 {
        let mut bad = signed.clone();
        bad.signature.0[at] ^= 1;
        let refused = verify(&log.engine, &bad, &expected(&terms));
        assert!(matches!(refused, Err(CommitmentError::Signature(_))), "byte {at}");
    }
    let mut spelled = signed.clone();
    spelled.signature.0[64] -= 27;
    let verified = verify(&log.engine, &spelled, &expected(&terms)).unwrap();
    assert_eq!(verified.to_signed(), signed);
}

#[test]
fn commitment_in_an_insecure_mode_is_refused_first_unless_that_mode_is_allowed() {
    let (log, terms, signed) = good();
    for mode in InsecureMode::ALL {
        let insecure = sign_as(&log, Some(mode), signed.commitment.clone());
        let refused = Err(CommitmentError::InsecureMode(InsecureModeError::from(mode)));
        assert_eq!(verify(&log.engine, &insecure, &expected(&terms)), refused);
        // Before the terms are checked, and before an invalid signature is.
        let mut unlike = insecure.clone();
        (unlike.commitment.owner, unlike.signature) = (Address::ZERO, Signature([0; 65]));
        assert_eq!(verify(&log.engine, &unlike, &expected(&terms)), refused);
        let allowing = |taken| Expected { mode: Some(taken), ..expected(&terms) };
        let verified = verify(&log.engine, &insecure, &allowing(mode)).unwrap();
        assert_eq!((verified.mode(), verified.to_signed()), (Some(mode), insecure.clone()));
        let other = InsecureMode::ALL.into_iter().find(|other| *other != mode).unwrap();
        assert_eq!(verify(&log.engine, &insecure, &allowing(other)), refused);
        let bound = verify(&log.engine, &signed, &allowing(mode)).unwrap();
        assert_eq!(bound.mode(), None);
    }
}

#[test]
fn removing_changing_or_adding_a_mode_invalidates_the_signature() {
    let (log, terms, signed) = good();
    let modes = [None, Some(InsecureMode::Debug), Some(InsecureMode::Emulated)];
    for (mode, allowed) in modes.into_iter().flat_map(|mode| modes.map(|allowed| (mode, allowed))) {
        let mut given = sign_as(&log, mode, signed.commitment.clone());
        given.mode = allowed;
        let verdict = verify(&log.engine, &given, &Expected { mode: allowed, ..expected(&terms) });
        let is_foreign =
            matches!(verdict, Err(CommitmentError::Signature(SignerError::Signer { .. })));
        assert_eq!(is_foreign, mode != allowed, "{mode:?} stated as {allowed:?}");
    }
}
