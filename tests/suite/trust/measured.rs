//! The composition of the measured binary, over the software module instead of the device.
//!
//! Not tested here: vsock, which this machine may not have. The key service is reached over vsock,
//! so a request for a key fails with its named error.

use crate::client::block_on;
use mortise_config::EnclaveConfig;
use mortise_enclave::platform;
use mortise_engine::ports::{AttestRequest, ModuleDescription, Nsm, NsmError, PcrState};
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn config(more: &str) -> EnclaveConfig {
    let arn = "arn:aws:kms:eu-west-1:123456789012:key";
    let least = "region = \"eu-west-1\"\n";
    let keys = format!("engine_key_arn = \"{arn}/a\"\napp_key_arn = \"{arn}/b\"\n");
    EnclaveConfig::parse(&format!("{least}{keys}{more}")).expect("it is a configuration")
}

#[test]
fn measured_composition_has_time_randomness_and_attestation_of_the_module() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let nsm = SoftwareNsm::boot(folder.path(), &Measurements::dev("engine"));
    let nsm = Arc::new(nsm.expect("the folder can be written"));
    let ports = block_on(async { platform::ports(&config(""), nsm) }).expect("it is composed");
    assert_eq!(ports.attestation.mode(), "attested");
    assert!(ports.app.is_some());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let by_module = u128::from(ports.clock.now_ms().expect("it was anchored a moment ago"));
    assert!(by_module.abs_diff(since.as_millis()) < 60_000);
    let mut bytes = [[0; 32]; 2];
    bytes.iter_mut().for_each(|bytes| ports.entropy.fill(bytes));
    assert!(bytes[0] != bytes[1] && bytes[0] != [0; 32]);
}

/// Answers as an emulator does, with unsigned bytes.
struct Emulated;

impl Nsm for Emulated {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn describe_pcr(&self, _: u16) -> Result<PcrState, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn extend_pcr(&self, _: u16, _: &[u8]) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn lock_pcr(&self, _: u16) -> Result<(), NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn attest(&self, _: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        Ok(vec![0x84, 0x40, 0xa0, 0x40, 0x40])
    }
}

#[test]
fn module_without_time_ends_the_measured_binary_with_a_named_error() {
    let stop = block_on(async { platform::ports(&config(""), Arc::new(Emulated)) });
    let stop = stop.err().expect("there is no time");
    assert_eq!((stop.name(), stop.exit()), ("CLOCK", 14));
}

#[test]
fn image_without_a_genesis_ends_the_measured_binary_with_a_named_error() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let path = folder.path().join("genesis.json");
    let config = config(&format!("release_plaintext = true\ngenesis = \"{}\"", path.display()));
    let name = || platform::engine(&config).err().map(|stop| (stop.name(), stop.exit()));
    assert_eq!(name(), Some(("GENESIS", 13)));
    std::fs::write(&path, "{}").expect("the folder can be written");
    assert_eq!(name(), Some(("GENESIS", 13)));
    let genesis = mortise_rpc::genesis::print(&mortise_testkit::system::genesis());
    std::fs::write(&path, genesis).expect("the folder can be written");
    let engine = platform::engine(&config).expect("it is a genesis");
    assert_eq!(engine.genesis, Some(mortise_testkit::system::genesis()));
    assert!(engine.app.release_plaintext);
}
