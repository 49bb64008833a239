//! A document for a caller is fresh and binds the engine's keys and its newest state.

use super::{NONCE, attested};
use crate::client::{block_on, over_socket};
use crate::trust::module::TestModule;
use mortise_client::attestation::{ProofError, verify};
use mortise_client::{Client, ClientError};
use mortise_format::errors::Code;
use mortise_format::ids::Bytes32;
use mortise_format::limits::{ATTESTATIONS_BURST_MAX, ATTESTATIONS_PER_SECOND_MAX};
use mortise_rpc::Method;
use mortise_rpc::results::Attestation;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::{Parties, call};
use mortise_verify::attestation::{AttestationError, Field};
use mortise_verify::verdict::{Claim, Outcome, Tie};
use serde_json::{Value, json};

fn ask(client: &Client) -> Attestation {
    block_on(client.attestation(NONCE)).expect("it answers")
}

fn check(answer: &Attestation) -> Result<mortise_client::Proven, ProofError> {
    verify(answer, &NONCE, TestModule::TIME_MS, &TestModule::trust())
}

#[test]
fn document_with_the_callers_nonce_proves_keys_engine_epoch_and_the_newest_state() {
    let (system, _, _) = attested();
    let client = over_socket(&system.engine_socket());
    let parties = Parties::of(&system.engine_socket());
    let before = ask(&client);
    let mut line = system.line();
    line.say(call(1, Method::CommitLock, &parties.commit(0, 100)));
    assert!(line.hear()["result"]["receipt"].is_object());
    let after = ask(&client);
    assert_eq!(before.binding, after.binding);
    let (before, after) = (check(&before).unwrap(), check(&after).unwrap());
    assert_eq!(before.identity(), after.identity());
    let verdict = after.verdict();
    assert_eq!((verdict.outcome(), verdict.identity().tie), (Outcome::Proven, Tie::Attested));
    assert!([Claim::Fresh, Claim::Image, Claim::Keys].into_iter().all(|claim| verdict.has(claim)));
    let (before, after) = (before.statement().unwrap(), after.statement().unwrap());
    assert_ne!(before.state_root, after.state_root);
    assert!(before.seq < after.seq);
    let newest = &system.statement()["statement"];
    assert_eq!(newest["stateRoot"], json!(after.state_root));
}

#[test]
fn document_for_a_caller_is_refused_if_any_part_of_the_answer_differs() {
    let (system, _, _) = attested();
    let answer = ask(&over_socket(&system.engine_socket()));
    let refused = |change: &dyn Fn(&mut Attestation)| {
        let mut other = answer.clone();
        change(&mut other);
        check(&other).expect_err("it is another")
    };
    let binding = |found: ProofError| {
        let is_named =
            matches!(found, ProofError::Document(AttestationError::BindingMismatch { .. }));
        assert!(is_named, "{found}");
    };
    binding(refused(&|other| other.binding.channel_key = Some(Bytes32([1; 32]))));
    binding(refused(&|other| other.binding.epoch += 1));
    let statement = |found: ProofError| {
        let is_named =
            matches!(found, ProofError::Document(AttestationError::StatementMismatch { .. }));
        assert!(is_named, "{found}");
    };
    statement(refused(&|other| other.statement.state_root.0[0] ^= 1));
    statement(refused(&|other| other.statement.seq += 1));
    let found = refused(&|other| other.statement_signature.0[5] ^= 1);
    assert_eq!(found, ProofError::StatementSignature);
    let found = verify(&answer, &Bytes32([1; 32]), TestModule::TIME_MS, &TestModule::trust());
    let Err(ProofError::Document(AttestationError::ClaimMismatch { field, .. })) = found else {
        panic!("{found:?}")
    };
    assert_eq!(field, Field::Nonce);
    let later = TestModule::TIME_MS + 10 * 60 * 1000;
    let found = verify(&answer, &NONCE, later, &TestModule::trust());
    assert!(matches!(found, Err(ProofError::Document(AttestationError::Stale { .. }))));
    // The document of the boot has no statement and no nonce, so it does not answer a caller.
    let boot = system.call("getBootAttestation", Value::Null)["result"].clone();
    let document = boot["awsAttestationDocument"].clone();
    statement_is_missing(&refused(&|other| {
        other.aws_attestation_document = serde_json::from_value(document.clone()).unwrap();
    }));
}

fn statement_is_missing(found: &ProofError) {
    let ProofError::Document(AttestationError::StatementMismatch { found, .. }) = found else {
        panic!("{found}")
    };
    assert!(found.as_ref().is_none_or(|hex| format!("{hex:?}").len() <= 4), "{found:?}");
}

#[test]
fn client_proves_by_its_own_clock_and_refuses_a_document_of_another_time() {
    let (system, _, _) = attested();
    let client = over_socket(&system.engine_socket());
    let found = block_on(client.prove(&TestModule::trust()));
    let Err(ClientError::Proof(ProofError::Document(error))) = found else { panic!("{found:?}") };
    // The suite's authority uses one fixed time for all its documents.
    let is_named =
        matches!(error, AttestationError::Stale { .. } | AttestationError::FromTheFuture { .. });
    assert!(is_named, "{error}");
}

#[test]
fn flood_of_callers_gets_a_time_to_retry_after() {
    let (system, _, _) = attested();
    let mut line = system.line();
    let params = json!({ "nonce": NONCE.to_string() });
    let most = u64::from(ATTESTATIONS_BURST_MAX) + 60 * ATTESTATIONS_PER_SECOND_MAX;
    let refused = (0..most).find_map(|_| {
        let answer = line.call("getAttestation", params.clone());
        answer.get("error").cloned()
    });
    let error = refused.expect("no more than the rate are made");
    assert_eq!(error["code"], Code::Overloaded.code());
    let wait = error["data"]["retryAfterMs"].as_u64().expect("it says when");
    assert!(wait > 0 && wait <= 1000 / ATTESTATIONS_PER_SECOND_MAX + 1, "{wait}");
    assert_eq!(line.call("health", Value::Null)["result"]["phase"], "ready");
}

#[test]
fn engine_without_a_module_reports_it_and_has_no_proof() {
    let system = System::start();
    let boot = system.call("getBootAttestation", json!({ "nonce": "0x01" }))["result"].clone();
    assert_eq!(boot["mode"], "unattested");
    assert_eq!(boot["awsAttestationDocument"], "0x");
    assert_eq!(boot["pcrs"], json!({}));
    assert_eq!(boot.get("binding"), None);
    let error = system.call("getAttestation", json!({ "nonce": NONCE.to_string() }));
    assert_eq!(error["error"]["code"], Code::Unattested.code());
    assert_eq!(system.call("health", Value::Null)["result"]["mode"], "unattested");
}

#[test]
fn nonce_of_another_length_is_refused_by_name() {
    let (system, _, _) = attested();
    for nonce in ["0x", "0x01", &"0x11".repeat(16)] {
        let error = system.call("getAttestation", json!({ "nonce": nonce }))["error"].clone();
        assert_eq!(error["code"], Code::InvalidParams.code());
        assert_eq!(error["data"]["field"], "nonce");
    }
}
