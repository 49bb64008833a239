//! Freshness and binding: the document answers this caller, now, and binds these keys.

use super::der::{bstr, head};
use super::issuer::{
    Issued, LEAF, LEAF_FROM_S, LEAF_TO_S, NONCE, Plan, TIMESTAMP_MS, pcr, plan, registers,
};
use mortise_format::binding::{BoundKeys, KeyBinding};
use mortise_format::ids::{Bytes32, EngineId, PolicyHash, Root};
use mortise_verify::attestation::{
    ArchivedCheck, AttestationError, Claims, Expect, Field, ImageRule, LeaseClaim, LeaseDigest,
    Link, LiveCheck, PcrPolicy, verify_archived, verify_live,
};
use mortise_verify::lease::{AgeLimit, LeaseError};

/// Five minutes.
const SKEW_MS: u64 = 5 * 60 * 1000;

fn live(issued: &Issued, now_ms: u64, nonce: &[u8; 32]) -> Result<(), AttestationError> {
    let roots = &[issued.root];
    let pcrs = &PcrPolicy::one_image(pcr(0), pcr(1), pcr(2)).unwrap();
    let check = LiveCheck { roots, pcrs, claims: Claims::unchecked(), nonce, now_ms };
    let answer = verify_live(&issued.document, &check);
    if let Ok(attestation) = &answer {
        assert_eq!(attestation.image_rule(), ImageRule::Approved);
        let check =
            ArchivedCheck { roots, pcrs, claims: Claims::unchecked(), nonce: Expect::Bytes(nonce) };
        let archived = verify_archived(&issued.document, &check).expect("live is archived too");
        assert_eq!(archived.document(), attestation.document());
    }
    answer.map(|_| ())
}

fn edited(edit: impl FnOnce(&mut Plan)) -> Issued {
    let mut plan = plan();
    edit(&mut plan);
    plan.issue()
}

#[test]
fn live_document_is_accepted_within_five_minutes_either_way() {
    let issued = plan().issue();
    for now_ms in [TIMESTAMP_MS, TIMESTAMP_MS - SKEW_MS, TIMESTAMP_MS + SKEW_MS] {
        assert_eq!(live(&issued, now_ms, &NONCE), Ok(()));
    }
    let stale = AttestationError::Stale { age_ms_max: SKEW_MS, age_ms: SKEW_MS + 1 };
    assert_eq!(live(&issued, TIMESTAMP_MS + SKEW_MS + 1, &NONCE), Err(stale));
    let ahead = AttestationError::FromTheFuture { ahead_ms_max: SKEW_MS, ahead_ms: SKEW_MS + 1 };
    assert_eq!(live(&issued, TIMESTAMP_MS - SKEW_MS - 1, &NONCE), Err(ahead));
    for far in [0, u64::MAX] {
        assert!(live(&issued, far, &NONCE).is_err());
    }
}

#[test]
fn live_document_needs_the_nonce_that_was_sent() {
    let refused = |issued: &Issued, nonce| {
        let answer = live(issued, TIMESTAMP_MS, nonce);
        matches!(answer, Err(AttestationError::ClaimMismatch { field: Field::Nonce, .. }))
    };
    assert!(refused(&plan().issue(), &[0; 32]));
    assert!(refused(&edited(|plan| plan.set("nonce", vec![0xf6])), &NONCE));
    assert!(refused(&edited(|plan| plan.fields.retain(|(key, _)| *key != "nonce")), &NONCE));
    assert!(refused(&edited(|plan| plan.set("nonce", bstr(&[NONCE, NONCE].concat()))), &NONCE));
    assert!(refused(&edited(|plan| plan.set("nonce", bstr(&NONCE[..31]))), &NONCE));
}

#[test]
fn leaf_start_has_clock_leeway_and_leaf_end_has_none() {
    let first = edited(|plan| plan.set("timestamp", head(0, LEAF_FROM_S * 1000)));
    assert_eq!(live(&first, LEAF_FROM_S * 1000 - SKEW_MS, &NONCE), Ok(()));
    let last_ms = LEAF_TO_S * 1000;
    let last = edited(|plan| plan.set("timestamp", head(0, last_ms)));
    assert_eq!(live(&last, last_ms + 999, &NONCE), Ok(()));
    let (link, not_after_s, at_s) = (Link::Leaf, LEAF_TO_S, LEAF_TO_S + 1);
    let expired = AttestationError::Expired { link, not_after_s, at_s };
    assert_eq!(live(&last, last_ms + 1000, &NONCE), Err(expired));
    // the leeway is for the verifier's clock alone: a document is never older than its leaf
    let early = edited(|plan| {
        plan.certificates[LEAF].validity = ["260101000011Z", "260101030000Z"];
    });
    let (not_before_s, at_s) = (LEAF_FROM_S + 11, TIMESTAMP_MS / 1000);
    let refused = AttestationError::NotYetValid { link, not_before_s, at_s };
    assert_eq!(live(&early, TIMESTAMP_MS, &NONCE), Err(refused));
}

fn binding() -> KeyBinding {
    KeyBinding {
        engine_id: EngineId([1; 32]),
        epoch: 7,
        keys: BoundKeys { signing: [2; 33], checkpoint: Some([3; 32]), channel: Some([4; 32]) },
        history_size: 99,
        history_root: Root([5; 32]),
        policy_hash: PolicyHash([6; 32]),
    }
}

/// A document for this binding: digest in `user_data`, PCR16 extended with it.
fn bound(binding: &KeyBinding) -> Plan {
    let mut plan = plan();
    plan.set("user_data", bstr(&binding.digest().0));
    let image = (0..3).map(|index| (index, pcr(index)));
    plan.set("pcrs", registers(image.chain([(16, binding.pcr16())])));
    plan
}

fn check_bound(plan: &Plan, binding: &KeyBinding) -> Result<(), AttestationError> {
    let issued = plan.issue();
    let check = LiveCheck {
        roots: &[issued.root],
        pcrs: &PcrPolicy::one_image(pcr(0), pcr(1), pcr(2)).unwrap(),
        claims: Claims::bound_to(binding),
        nonce: &NONCE,
        now_ms: TIMESTAMP_MS,
    };
    verify_live(&issued.document, &check).map(|_| ())
}

#[test]
fn document_binds_exactly_keys_engine_epoch_history_and_policy() {
    let right = binding();
    assert_eq!(check_bound(&bound(&right), &right), Ok(()));
    let others: [fn(&mut KeyBinding); 8] = [
        |b| b.engine_id.0[0] ^= 1,
        |b| b.epoch += 1,
        |b| b.keys.signing[32] ^= 1,
        |b| b.keys.checkpoint = None,
        |b| b.keys.channel = Some([0; 32]),
        |b| b.history_size -= 1,
        |b| b.history_root.0[0] ^= 1,
        |b| b.policy_hash.0[0] ^= 1,
    ];
    for edit in others {
        let mut other = right;
        edit(&mut other);
        let refused = check_bound(&bound(&right), &other);
        assert!(matches!(refused, Err(AttestationError::BindingMismatch { .. })), "{refused:?}");
    }
}

/// A document of a caller: binding, statement, lease.
fn leased(parts: &[Bytes32], lease: LeaseClaim) -> Result<(), AttestationError> {
    let (binding, statement) = (binding(), Bytes32([8; 32]));
    let mut plan = bound(&binding);
    let user_data = [&[binding.digest()], parts].concat();
    plan.set("user_data", bstr(&user_data.iter().flat_map(|part| part.0).collect::<Vec<u8>>()));
    let issued = plan.issue();
    let check = LiveCheck {
        roots: &[issued.root],
        pcrs: &PcrPolicy::one_image(pcr(0), pcr(1), pcr(2)).unwrap(),
        claims: Claims { lease: Some(lease), ..Claims::bound_at(&binding, &statement) },
        nonce: &NONCE,
        now_ms: TIMESTAMP_MS,
    };
    verify_live(&issued.document, &check).map(|_| ())
}

#[test]
fn document_covers_the_lease_and_the_lease_held_when_it_was_made() {
    let made = TIMESTAMP_MS / 1000;
    let claim = |as_of| {
        let digest = LeaseDigest { checkpoint: b"note", as_of }.digest();
        LeaseClaim { digest, as_of, limit: AgeLimit::DEFAULT }
    };
    let statement = Bytes32([8; 32]);
    let at = |as_of| leased(&[statement, claim(as_of).digest], claim(as_of));
    for as_of in [made, made - 60, made + 5] {
        assert_eq!(at(as_of), Ok(()), "{as_of}");
    }
    let old = LeaseError::LeaseOld { age: 61, max_age: 60 };
    assert_eq!(at(made - 61), Err(AttestationError::Lease(old)));
    let future = LeaseError::LeaseFromTheFuture { ahead: 6, skew: 5 };
    assert_eq!(at(made + 6), Err(AttestationError::Lease(future)));
    let right = claim(made);
    for wrong in
        [&[statement][..], &[statement, right.digest, right.digest], &[statement, statement]]
    {
        let refused = leased(wrong, right);
        let is_named = matches!(refused, Err(AttestationError::LeaseMismatch { .. }));
        assert!(is_named, "{refused:?}");
    }
    for wrong in [&[][..], &[right.digest, statement]] {
        let refused = leased(wrong, right);
        let is_named = matches!(refused, Err(AttestationError::StatementMismatch { .. }));
        assert!(is_named, "{refused:?}");
    }
}

#[test]
fn register_16_must_be_present_and_extended_with_the_binding_alone() {
    let binding = binding();
    let image = || (0..3).map(|index| (index, pcr(index)));
    let mut lacking = bound(&binding);
    lacking.set("pcrs", registers(image()));
    let missing = AttestationError::PcrMissing { index: 16 };
    assert_eq!(check_bound(&lacking, &binding), Err(missing));
    let expected = binding.pcr16();
    let found = expected.extended(&binding.digest().0);
    let mut twice = bound(&binding);
    twice.set("pcrs", registers(image().chain([(16, found)])));
    let refused = AttestationError::BindingPcrMismatch { expected, found };
    assert_eq!(check_bound(&twice, &binding), Err(refused));
    let mut silent = bound(&binding);
    silent.set("user_data", vec![0xf6]);
    let refused = check_bound(&silent, &binding);
    assert!(matches!(refused, Err(AttestationError::BindingMismatch { found: None, .. })));
}
