//! A boot that must fail reports its error in health and at its end, and serves and changes
//! nothing.

use super::vault::PolicyVault;
use super::{attested, in_a_new_enclave, platform, stored};
use crate::trust::module::TestModule;
use mortise_engine::attest::{AttestError, Attestation};
use mortise_engine::boot::BootError;
use mortise_engine::keyring::IdentityError;
use mortise_engine::ports::{Nsm, Vault, VaultError};
use mortise_engine::server::EngineError;
use mortise_testkit::system::threads::Platform;
use mortise_testkit::system::{Options, System};
use mortise_testkit::vault::TestVault;
use serde_json::{Value, json};
use std::sync::Arc;

/// Asserts that the engine reports this error in health, answers nothing else and ends with it.
fn fails_by_name(system: &mut System, name: &str) -> EngineError {
    system.launch_engine();
    system.wait_phase("fault");
    let health = system.call("health", Value::Null)["result"].clone();
    assert_eq!(health["fault"], name);
    assert_eq!(health["status"], "fault");
    for method in ["getStateRoot", "getBootAttestation", "listLocks", "getEnclaveId"] {
        let answer = system.call(method, Value::Null);
        assert_eq!(answer["error"]["data"]["name"], "FAULT", "{answer}");
    }
    let nonce = json!({ "nonce": format!("0x{}", "6e".repeat(32)) });
    let answer = system.call("getAttestation", nonce);
    assert_eq!(answer["error"]["data"]["name"], "FAULT", "{answer}");
    let error = system.stop_engine().expect_err("it did not serve");
    assert!(!error.is_worth_a_restart());
    assert_eq!(error.name(), name);
    error
}

/// An image outside the key policy gets no key, and the approved image still finds its data.
#[test]
fn image_that_the_key_policy_does_not_name_gets_no_key_and_changes_nothing() {
    let keys: Arc<dyn Vault> = Arc::new(TestVault::new(72));
    let of_image = |image| {
        let module = Arc::new(TestModule::of_image(image));
        let vault: Arc<dyn Vault> = Arc::new(PolicyVault::new(&keys, &module));
        platform(&vault, &module)
    };
    let mut system = System::with(Options { platform: of_image(0), ..Options::default() });
    let who = system.call("getEnclaveId", Value::Null)["result"].clone();
    system.stop_engine().expect("an engine that is asked to stop stops");
    let before = stored(&system);
    system.options_mut().platform = of_image(1);
    let error = fails_by_name(&mut system, "KEY_DENIED");
    let EngineError::Boot(BootError::Identity(IdentityError::Vault(VaultError::Denied(_)))) = error
    else {
        panic!("{error}")
    };
    assert!(stored(&system) == before, "nothing is written, nothing is deleted");
    system.options_mut().platform = of_image(0);
    system.start_engine();
    assert_eq!(system.call("getEnclaveId", Value::Null)["result"], who);
}

#[test]
fn image_outside_the_key_policy_cannot_create_an_engine() {
    let keys: Arc<dyn Vault> = Arc::new(TestVault::new(73));
    let module = Arc::new(TestModule::of_image(1));
    let vault: Arc<dyn Vault> = Arc::new(PolicyVault::new(&keys, &module));
    let options = Options { platform: platform(&vault, &module), ..Options::default() };
    let mut system = System::stopped(options);
    system.start_host();
    fails_by_name(&mut system, "KEY_DENIED");
    let stored = stored(&system);
    assert_eq!((stored.frames.len(), stored.blobs), (0, [None, None]));
}

#[test]
fn second_boot_in_one_enclave_is_refused_and_leaves_the_log_as_it_was() {
    let (mut system, module, vault) = attested();
    system.stop_engine().expect("an engine that is asked to stop stops");
    let before = stored(&system);
    let error = fails_by_name(&mut system, "ATTESTATION");
    let EngineError::Boot(BootError::Attest(AttestError::RegisterUsed)) = error else {
        panic!("{error}")
    };
    assert!(module.describe_pcr(16).unwrap().locked);
    assert!(stored(&system) == before, "the failed boot opened no epoch");
    system.options_mut().platform = platform(&vault, &Arc::new(TestModule::of_image(0)));
    system.start_engine();
    assert_eq!(system.call("health", Value::Null)["result"]["epoch"], 2);
}

#[test]
fn key_service_that_cannot_be_reached_is_worth_a_restart() {
    let error = IdentityError::Vault(VaultError::Unavailable("no route".into()));
    assert_eq!(error.name(), "KEY_SERVICE_UNAVAILABLE");
    assert!(EngineError::Boot(BootError::Identity(error)).is_worth_a_restart());
}

#[test]
fn another_key_service_cannot_unwrap_the_keys() {
    let (mut system, _, vault) = attested();
    system.stop_engine().expect("an engine that is asked to stop stops");
    let other: Arc<dyn Vault> = Arc::new(TestVault::new(74));
    let module = Arc::new(TestModule::of_image(0));
    let attestation = Attestation::Module(module);
    system.options_mut().platform = Some(Platform::new(other, attestation));
    fails_by_name(&mut system, "KEY_REFUSED");
    system.options_mut().platform = platform(&vault, &Arc::new(TestModule::of_image(0)));
    system.start_engine();
    in_a_new_enclave(&mut system, &vault);
}
