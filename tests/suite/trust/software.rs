//! Attestation over the software module of `mortise-dev dev`: real time, documents in the format of
//! AWS, and a root that is refused unless it is pinned.

use crate::client::{block_on, over_http, over_socket};
use mortise_client::attestation::{ProofError, verify_boot};
use mortise_client::{Client, ClientError, KeyOrigin, Trust};
use mortise_engine::attest::Attestation;
use mortise_engine::ports::Vault;
use mortise_rpc::params::GetBootAttestation;
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use mortise_testkit::system::threads::Platform;
use mortise_testkit::system::{Options, System};
use mortise_testkit::vault::TestVault;
use mortise_verify::attestation::{AWS_NITRO_ROOT_G1, AttestationError, PcrPolicy};
use mortise_verify::lease::AgeLimit;
use std::path::Path;
use std::sync::Arc;

/// An engine in a new enclave, and the trust anchors that match it.
fn boot(folder: &Path, vault: &Arc<TestVault>) -> (Platform, Trust) {
    let module = SoftwareNsm::boot(folder, &Measurements::dev("engine"));
    let module = module.expect("the folder can be written");
    let trust = Trust {
        roots: vec![module.root()],
        pcrs: image("engine"),
        limit: AgeLimit::DEFAULT,
        origin: KeyOrigin::DrawnInside,
    };
    let vault: Arc<dyn Vault> = vault.clone();
    (Platform::new(vault, Attestation::Module(Arc::new(module))), trust)
}

fn image(label: &str) -> PcrPolicy {
    let Measurements { pcr0, pcr1, pcr2, .. } = Measurements::dev(label);
    PcrPolicy::one_image(pcr0, pcr1, pcr2).expect("not of debug mode")
}

fn document_error(client: &Client, trust: &Trust) -> AttestationError {
    match block_on(client.prove(trust)) {
        Err(ClientError::Proof(ProofError::Document(error))) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn client_verifies_the_engine_through_socket_and_gateway_with_pinned_root_and_image() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let vault = Arc::new(TestVault::new(91));
    let (platform, trust) = boot(folder.path(), &vault);
    let system = System::with(Options { platform: Some(platform), ..Options::default() });
    for client in [over_socket(&system.engine_socket()), over_http(&system)] {
        let proven = block_on(client.prove(&trust)).expect("it stands");
        let identity = block_on(client.identity()).expect("it answers");
        assert_eq!(proven.identity(), identity);
        let pinned = client.pinned(proven.identity());
        block_on(pinned.check_identity()).expect("it is the verified engine");
        let other_root = Trust { roots: vec![AWS_NITRO_ROOT_G1], ..trust.clone() };
        let error = document_error(&pinned, &other_root);
        assert!(matches!(error, AttestationError::RootNotPinned { .. }), "{error}");
        let other_image = Trust { pcrs: image("another"), ..trust.clone() };
        let error = document_error(&pinned, &other_image);
        assert!(matches!(error, AttestationError::PcrNotApproved { .. }), "{error}");
    }
}

#[test]
fn boots_of_one_log_in_two_enclaves_are_proven_with_one_signing_key() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let vault = Arc::new(TestVault::new(92));
    let (platform, trust) = boot(folder.path(), &vault);
    let mut system = System::with(Options { platform: Some(platform), ..Options::default() });
    let ask = |system: &System| {
        let client = over_socket(&system.engine_socket());
        block_on(client.boot_attestation(GetBootAttestation { nonce: None })).expect("it answers")
    };
    let first = ask(&system);
    system.stop_engine().expect("an engine that is asked to stop stops");
    let (platform, same_root) = boot(folder.path(), &vault);
    assert_eq!(same_root.roots, trust.roots);
    system.options_mut().platform = Some(platform);
    system.start_engine();
    let second = ask(&system);
    let first = verify_boot(&first, &trust).expect("it stands");
    let second = verify_boot(&second, &trust).expect("it stands");
    assert_eq!(first.identity(), second.identity());
    assert_eq!(first.keys().checkpoint, second.keys().checkpoint);
    assert_ne!(first.keys().channel, second.keys().channel);
    assert_eq!((first.binding().epoch, second.binding().epoch), (1, 2));
}
