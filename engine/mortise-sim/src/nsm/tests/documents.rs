//! Documents pass the verifier.

use super::*;
use mortise_format::binding::{BoundKeys, KeyBinding};
use mortise_format::ids::{EngineId, PolicyHash, Root};
use mortise_verify::attestation::{
    AWS_NITRO_ROOT_G1, Field, LiveCheck, VerifiedAttestation, read_unverified, verify_live,
};

fn live(
    document: &[u8],
    root: RootFingerprint,
    nonce: &[u8; 32],
    now_ms: u64,
) -> Result<VerifiedAttestation, AttestationError> {
    let (roots, pcrs) = ([root], policy());
    let claims = Claims::unchecked();
    verify_live(document, &LiveCheck { roots: &roots, pcrs: &pcrs, claims, nonce, now_ms })
}

#[test]
fn document_passes_live_and_archived_under_the_modules_own_root() {
    let stage = Stage::new();
    let nsm = stage.boot();
    let document = nsm.attest(&request()).unwrap();
    let verified = live(&document, nsm.root(), &NONCE, stage.now_ms() + 1_000).unwrap();
    let contents = verified.document();
    assert_eq!(contents.module_id(), nsm.describe().unwrap().module_id);
    assert_eq!((contents.timestamp_ms(), contents.pcrs().count()), (START_MS, 16));
    assert_eq!(
        (contents.nonce(), contents.user_data(), contents.public_key()),
        (Some(&NONCE[..]), None, None)
    );
    assert_eq!(contents.pcr(8), Some(&Measurements::dev("engine").pcr8));
    assert!(archived(&document, nsm.root(), Claims::unchecked()).is_ok());
    let read = read_unverified(&document).unwrap();
    assert_eq!((read.timestamp_ms, read.nonce), (START_MS, Some(NONCE.to_vec())));
}

#[test]
fn document_is_refused_under_the_root_of_aws_and_under_another_modules() {
    let (stage, other) = (Stage::new(), Stage::new());
    let nsm = stage.boot();
    let document = nsm.attest(&request()).unwrap();
    for root in [AWS_NITRO_ROOT_G1, other.boot().root()] {
        let refused = AttestationError::RootNotPinned { found: nsm.root() };
        assert_eq!(archived(&document, root, Claims::unchecked()), Err(refused.clone()));
        assert_eq!(live(&document, root, &NONCE, stage.now_ms()), Err(refused));
    }
}

#[test]
fn stale_document_or_another_nonce_or_another_image_is_refused() {
    let stage = Stage::new();
    let nsm = stage.boot();
    let document = nsm.attest(&request()).unwrap();
    let stale = live(&document, nsm.root(), &NONCE, stage.now_ms() + 300_001);
    assert!(matches!(stale, Err(AttestationError::Stale { age_ms: 300_001, .. })));
    let ahead = live(&document, nsm.root(), &NONCE, stage.now_ms() - 300_001);
    assert!(matches!(ahead, Err(AttestationError::FromTheFuture { .. })));
    let other = live(&document, nsm.root(), &[0; 32], stage.now_ms());
    assert!(matches!(other, Err(AttestationError::ClaimMismatch { field: Field::Nonce, .. })));
    let other_image = stage.boot_with(&Measurements::dev("other"));
    let document = other_image.attest(&request()).unwrap();
    let refused = archived(&document, nsm.root(), Claims::unchecked());
    assert!(matches!(refused, Err(AttestationError::PcrNotApproved { index: 0, .. })));
}

#[test]
fn debug_mode_is_refused_by_name_even_when_any_image_passes() {
    let stage = Stage::new();
    let nsm = SoftwareNsm::boot_debug(stage.path(), "engine").unwrap();
    let document = nsm.attest(&request()).unwrap();
    let (roots, pcrs) = ([nsm.root()], PcrPolicy::any_image());
    let (claims, nonce) = (Claims::unchecked(), Expect::Anything);
    let check = ArchivedCheck { roots: &roots, pcrs: &pcrs, claims, nonce };
    assert_eq!(verify_archived(&document, &check), Err(AttestationError::DebugMode));
}

#[test]
fn every_changed_byte_of_a_sample_is_refused() {
    let nsm = Stage::new().boot();
    let document = nsm.attest(&request()).unwrap();
    for at in (0..document.len()).step_by(61) {
        let mut changed = document.clone();
        changed[at] ^= 1;
        assert!(archived(&changed, nsm.root(), Claims::unchecked()).is_err(), "byte {at}");
    }
}

#[test]
fn bound_keys_pass_once_register_16_is_extended_and_locked() {
    let nsm = Stage::new().boot();
    let binding = KeyBinding {
        engine_id: EngineId([1; 32]),
        epoch: 2,
        keys: BoundKeys { signing: [3; 33], checkpoint: None, channel: Some([5; 32]) },
        history_size: 6,
        history_root: Root([7; 32]),
        policy_hash: PolicyHash([8; 32]),
    };
    let user_data = Some(binding.digest().0.to_vec());
    let request = AttestRequest { user_data, ..request() };
    let verdict = || {
        archived(&nsm.attest(&request).unwrap(), nsm.root(), Claims::bound_to(&binding)).map(drop)
    };
    assert_eq!(verdict(), Err(AttestationError::PcrMissing { index: 16 }));
    nsm.extend_pcr(16, &binding.digest().0).unwrap();
    assert_eq!(verdict(), Err(AttestationError::PcrMissing { index: 16 }), "not locked");
    nsm.lock_pcr(16).unwrap();
    assert_eq!(verdict(), Ok(()));
}

#[test]
fn leaf_serves_while_it_has_a_quarter_of_an_hour_left_and_no_longer() {
    let stage = Stage::new();
    let nsm = stage.boot();
    let leaf = |nsm: &SoftwareNsm| nsm.inner().leaf.der.clone();
    let first = leaf(&nsm);
    stage.pass(HOUR_MS * 11 / 4);
    assert_passes(&nsm);
    assert_eq!(leaf(&nsm), first);
    stage.pass(1_000);
    assert_passes(&nsm);
    assert_ne!(leaf(&nsm), first);
}

#[test]
fn time_that_goes_back_gets_a_leaf_of_its_own() {
    let stage = Stage::new();
    let nsm = stage.boot();
    stage.pass(2 * HOUR_MS);
    assert_passes(&nsm);
    stage.set(START_MS - 60_000);
    assert_passes(&nsm);
}
