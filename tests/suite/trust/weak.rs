//! Insecure modes: the module of an emulator, which signs nothing, and the module of an enclave in
//! debug mode. The engine runs over both and reports the mode in every answer about itself, and
//! every verifier refuses its documents.

use super::measured::config;
use crate::client::{block_on, over_socket};
use mortise_client::attestation::ProofError;
use mortise_client::{ClientError, KeyOrigin, Trust};
use mortise_enclave::platform;
use mortise_engine::attest::{Attestation, InsecureMode};
use mortise_engine::ports::{AttestRequest, ModuleDescription, Nsm, NsmError, PcrState, Vault};
use mortise_rpc::params::GetBootAttestation;
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use mortise_testkit::system::threads::Platform;
use mortise_testkit::system::{Options, System};
use mortise_testkit::vault::TestVault;
use mortise_verify::attestation::{AttestationError, PcrPolicy, RootFingerprint};
use mortise_verify::lease::AgeLimit;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Like QEMU's module: complete, but its documents are unsigned.
pub(super) struct Unsigned(SoftwareNsm);

impl Unsigned {
    pub(super) fn boot(folder: &Path) -> Self {
        let module = SoftwareNsm::boot(folder, &Measurements::dev("engine"));
        Self(module.expect("the folder can be written"))
    }
}

impl Nsm for Unsigned {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        self.0.describe()
    }

    fn describe_pcr(&self, index: u16) -> Result<PcrState, NsmError> {
        self.0.describe_pcr(index)
    }

    fn extend_pcr(&self, index: u16, data: &[u8]) -> Result<Vec<u8>, NsmError> {
        self.0.extend_pcr(index, data)
    }

    fn lock_pcr(&self, index: u16) -> Result<(), NsmError> {
        self.0.lock_pcr(index)
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        self.0.random()
    }

    /// Algorithm -1 in place of ES384, 64 zeros in place of 96 bytes.
    fn attest(&self, request: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        let signed = self.0.attest(request)?;
        let rest = signed.strip_prefix(&[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22]);
        let rest = rest.expect("it is signed with ES384");
        let (payload, _) = rest.split_at(rest.len() - 98);
        Ok([&[0x84, 0x43, 0xa1, 0x01, 0x20], payload, &[0x58, 64], &[0; 64]].concat())
    }
}

/// A running engine, the result of `prove`, and the modes that it reports.
fn asked(attestation: Attestation, root: RootFingerprint) -> (AttestationError, [String; 3]) {
    let vault: Arc<dyn Vault> = Arc::new(TestVault::new(93));
    let platform = Some(Platform::new(vault, attestation));
    let system = System::with(Options { platform, ..Options::default() });
    let client = over_socket(&system.engine_socket());
    let pcrs = PcrPolicy::any_image();
    let trust =
        Trust { roots: vec![root], pcrs, limit: AgeLimit::DEFAULT, origin: KeyOrigin::DrawnInside };
    let error = match block_on(client.prove(&trust)) {
        Err(ClientError::Proof(ProofError::Document(error))) => error,
        other => panic!("{other:?}"),
    };
    let boot = block_on(client.boot_attestation(GetBootAttestation { nonce: None }));
    let health = block_on(client.health()).expect("it answers");
    let info = block_on(client.engine_info()).expect("it answers");
    (error, [health.mode, info.mode, boot.expect("it answers").mode])
}

#[test]
fn engine_on_an_emulated_module_reports_it_and_its_documents_are_refused() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let module = Unsigned::boot(folder.path());
    let root = module.0.root();
    let (error, modes) =
        asked(Attestation::Refused(Arc::new(module), InsecureMode::Emulated), root);
    assert!(matches!(error, AttestationError::Unsigned { algorithm: -1 }), "{error}");
    assert_eq!(modes, ["emulated"; 3]);
}

#[test]
fn engine_in_debug_mode_reports_it_and_its_documents_are_refused() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let module = SoftwareNsm::boot_debug(folder.path(), "engine");
    let module = module.expect("the folder can be written");
    let root = module.root();
    let (error, modes) = asked(Attestation::Refused(Arc::new(module), InsecureMode::Debug), root);
    assert!(matches!(error, AttestationError::DebugMode), "{error}");
    assert_eq!(modes, ["debug"; 3]);
}

#[test]
fn image_for_an_emulated_module_uses_the_time_of_its_documents() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let module: Arc<dyn Nsm> = Arc::new(Unsigned::boot(folder.path()));
    let config = config("module = \"emulated\"\n");
    let ports = block_on(async { platform::ports(&config, module) }).expect("it is composed");
    assert_eq!(ports.attestation.mode(), "emulated");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let by_module = u128::from(ports.clock.now_ms().expect("it was anchored a moment ago"));
    assert!(by_module.abs_diff(since.as_millis()) < 60_000);
}

#[test]
fn image_and_module_of_different_kinds_have_no_time() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let signed = SoftwareNsm::boot(folder.path(), &Measurements::dev("engine"));
    let signed: Arc<dyn Nsm> = Arc::new(signed.expect("the folder can be written"));
    let unsigned: Arc<dyn Nsm> = Arc::new(Unsigned::boot(folder.path()));
    for (more, module) in [("module = \"emulated\"\n", signed), ("", unsigned)] {
        let stop = block_on(async { platform::ports(&config(more), module) });
        let stop = stop.err().expect("there is no time");
        assert_eq!((stop.name(), stop.exit()), ("CLOCK", 14), "{more}{stop}");
    }
}

#[test]
fn debug_mode_is_detected_from_the_registers() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let module = SoftwareNsm::boot_debug(folder.path(), "engine");
    let module = Arc::new(module.expect("the folder can be written"));
    let ports = block_on(async { platform::ports(&config(""), module) }).expect("it is composed");
    assert_eq!(ports.attestation.mode(), "debug");
}
