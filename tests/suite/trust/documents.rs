//! The document of a boot binds engine, epoch, keys, history and policy, in its user data and in a
//! register. The log keeps it for later audits.

use super::{attested, in_a_new_enclave, stored};
use crate::trust::module::TestModule;
use mortise_client::attestation::{ProofError, verify_boot};
use mortise_core::body::ClearBody;
use mortise_core::history::Frontier;
use mortise_engine::ports::Nsm;
use mortise_format::binding::KeyBinding;
use mortise_format::frame::FrameKind;
use mortise_format::ids::{PolicyHash, Root};
use mortise_rpc::HexBytes;
use mortise_rpc::results::BootAttestation;
use mortise_testkit::system::{System, genesis};
use mortise_verify::attestation::{
    ArchivedCheck, AttestationError, Claims, Expect, verify_archived,
};
use serde_json::{Value, json};

fn boot_attestation(system: &System, params: Value) -> BootAttestation {
    let answer = system.call("getBootAttestation", params);
    serde_json::from_value(answer["result"].clone()).unwrap_or_else(|_| panic!("{answer}"))
}

#[test]
fn document_of_a_boot_proves_its_keys_under_the_pinned_root_and_image() {
    let (system, _, _) = attested();
    let answer = boot_attestation(&system, Value::Null);
    assert_eq!(answer.mode, "attested");
    let trust = TestModule::trust();
    let proven = verify_boot(&answer, &trust).expect("it stands");
    assert_eq!(proven.identity().address, answer.public_key);
    assert_eq!(proven.identity().engine_id, answer.enclave_id);
    assert_eq!(proven.binding().epoch, 1);
    assert_eq!(proven.binding().history_size, 0);
    assert_eq!(proven.binding().policy_hash, genesis().policy.hash());
    let info = system.call("getEngineInfo", Value::Null)["result"].clone();
    let info: mortise_rpc::results::EngineInfo =
        serde_json::from_value(info).expect("the engine knows itself");
    assert_eq!(info.computed_engine_id(), Some(answer.enclave_id));
    assert_eq!(proven.keys().signing.as_slice(), info.public_key.0);
    assert_eq!(proven.keys().checkpoint, Some(info.checkpoint_key.0));
    assert_eq!(proven.keys().channel, Some(info.channel_key.0));
}

#[test]
fn document_of_a_boot_is_refused_with_another_binding_root_image_or_address() {
    let (system, _, _) = attested();
    let answer = boot_attestation(&system, Value::Null);
    let trust = TestModule::trust();
    let refused = |change: &dyn Fn(&mut BootAttestation)| {
        let mut other = answer.clone();
        change(&mut other);
        verify_boot(&other, &trust).expect_err("it is another")
    };
    let changes: [fn(&mut BootAttestation); 5] = [
        |other| other.binding.as_mut().unwrap().epoch += 1,
        |other| other.binding.as_mut().unwrap().engine_id.0[0] ^= 1,
        |other| other.binding.as_mut().unwrap().channel_key = None,
        |other| other.binding.as_mut().unwrap().history_root.0[0] ^= 1,
        |other| other.binding.as_mut().unwrap().policy_hash.0[0] ^= 1,
    ];
    for change in changes {
        let found = refused(&change);
        let is_named =
            matches!(found, ProofError::Document(AttestationError::BindingMismatch { .. }));
        assert!(is_named, "{found}");
    }
    assert_eq!(refused(&|other| other.binding = None), ProofError::Unattested);
    let found = refused(&|other| other.binding.as_mut().unwrap().signing_key.0[1] ^= 1);
    assert!(matches!(
        found,
        ProofError::SigningKey | ProofError::Document(AttestationError::BindingMismatch { .. })
    ));
    let found = refused(&|other| other.public_key.0[0] ^= 1);
    assert!(matches!(found, ProofError::Identity { .. }), "{found}");
    let mut other = trust.clone();
    other.roots = vec![mortise_verify::attestation::AWS_NITRO_ROOT_G1];
    let found = verify_boot(&answer, &other);
    assert!(matches!(found, Err(ProofError::Document(AttestationError::RootNotPinned { .. }))));
    let pcr = crate::attestation::issuer::pcr;
    other = trust.clone();
    other.pcrs = mortise_verify::attestation::PcrPolicy::one_image(pcr(1), pcr(1), pcr(2)).unwrap();
    let found = verify_boot(&answer, &other);
    assert!(matches!(found, Err(ProofError::Document(AttestationError::PcrNotApproved { .. }))));
}

#[test]
fn register_16_is_the_binding_and_locked() {
    let (system, module, _) = attested();
    let answer = boot_attestation(&system, Value::Null);
    let proven = verify_boot(&answer, &TestModule::trust()).expect("it stands");
    let state = module.describe_pcr(16).expect("it has a register 16");
    assert!(state.locked);
    assert_eq!(state.value, proven.binding().pcr16().0);
    assert_eq!(answer.pcrs["16"], HexBytes(state.value));
    assert_eq!(answer.pcrs.len(), 17, "the locked ones");
    assert_eq!(answer.code_hash.0, answer.pcrs["0"].0[..32]);
    assert!(module.extend_pcr(16, b"later").is_err());
}

#[test]
fn boot_attestation_with_a_nonce_is_a_fresh_document_that_repeats_it() {
    let (system, _, _) = attested();
    let boot = boot_attestation(&system, Value::Null);
    let fresh = boot_attestation(&system, json!({ "nonce": "0x0102" }));
    assert_eq!(fresh.binding, boot.binding);
    let trust = TestModule::trust();
    let proven = verify_boot(&boot, &trust).expect("it stands");
    let claims = Claims::bound_to(proven.binding());
    let (roots, pcrs) = (trust.roots.as_slice(), &trust.pcrs);
    let check = ArchivedCheck { roots, pcrs, claims, nonce: Expect::Bytes(&[1, 2]) };
    assert!(verify_archived(&fresh.aws_attestation_document.0, &check).is_ok());
    assert!(verify_archived(&boot.aws_attestation_document.0, &check).is_err());
}

/// Goal: the log alone gives an auditor the document of each epoch and its binding.
#[test]
fn log_alone_gives_each_epochs_document_and_what_it_must_bind() {
    let (mut system, _, vault) = attested();
    for _ in 0..2 {
        in_a_new_enclave(&mut system, &vault);
    }
    let live = boot_attestation(&system, Value::Null);
    system.stop_engine().expect("an engine that is asked to stop stops");
    let trust = TestModule::trust();
    let mut history = Frontier::new();
    let mut policy_hash: PolicyHash = genesis().policy.hash();
    let mut bound = Vec::new();
    for frame in stored(&system).frames {
        let header = frame.header();
        let clear = ClearBody::of(&frame).expect("a clear body decodes");
        assert_eq!(clear.boot.is_some(), header.kind() == Some(FrameKind::Boot));
        if let Some(boot) = clear.boot {
            let binding = KeyBinding {
                engine_id: header.engine_id,
                epoch: header.epoch,
                keys: boot.record.keys,
                history_size: history.size(),
                history_root: Root(history.root()),
                policy_hash,
            };
            let claims = Claims::bound_to(&binding);
            let (roots, pcrs) = (trust.roots.as_slice(), &trust.pcrs);
            let check = ArchivedCheck { roots, pcrs, claims, nonce: Expect::Absent };
            verify_archived(&boot.document, &check).expect("each boot was bound");
            bound.push((binding, boot));
        }
        history.append(frame.leaf().history_leaf());
        policy_hash = header.policy_hash;
    }
    assert_eq!(bound.len(), 3);
    for pair in bound.windows(2) {
        let (before, after) = (&pair[0].0, &pair[1].0);
        assert_eq!(before.keys.signing, after.keys.signing, "it outlives the boot");
        assert_eq!(before.keys.checkpoint, after.keys.checkpoint);
        assert_ne!(before.keys.channel, after.keys.channel, "it is of one boot");
        assert!(before.history_size < after.history_size);
        assert_ne!(pair[0].1.record.wrapped_key, pair[1].1.record.wrapped_key);
    }
    let last = &bound[2].1.document;
    assert_eq!(&live.aws_attestation_document.0, last);
}
