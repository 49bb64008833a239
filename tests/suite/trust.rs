//! Goal: any party can verify which code holds the keys, and only that code can recover the keys.
//!
//! Method: the real system over a software security module, with key services that enforce a key
//! policy; then with each part wrong.

mod audited;
mod documents;
pub(crate) mod drawn;
mod insecure;
mod live;
mod measured;
pub(crate) mod module;
mod refused;
mod sealed;
mod software;
mod vault;
pub(crate) mod verified;
mod weak;

use crate::client::block_on;
use module::TestModule;
use mortise_engine::attest::Attestation;
use mortise_engine::keyring::{GENESIS_BLOB, KEYS_BLOB};
use mortise_engine::ports::Vault;
use mortise_engine::store::{LogStore, RemoteLog};
use mortise_format::frame::Frame;
use mortise_format::ids::Bytes32;
use mortise_format::store::SnapshotInfo;
use mortise_testkit::system::threads::Platform;
use mortise_testkit::system::{Options, System};
use mortise_testkit::vault::TestVault;
use std::sync::Arc;

const NONCE: Bytes32 = Bytes32([0x6e; 32]);

/// An engine in its own enclave.
pub(crate) fn platform(vault: &Arc<dyn Vault>, module: &Arc<TestModule>) -> Option<Platform> {
    let (vault, module) = (Arc::clone(vault), Arc::clone(module));
    Some(Platform::new(vault, Attestation::Module(module)))
}

/// An attested system, its enclave's module, its key service.
fn attested() -> (System, Arc<TestModule>, Arc<dyn Vault>) {
    let vault: Arc<dyn Vault> = Arc::new(TestVault::new(71));
    let module = Arc::new(TestModule::of_image(0));
    let options = Options { platform: platform(&vault, &module), ..Options::default() };
    (System::with(options), module, vault)
}

/// Stops the engine and starts it in a new enclave of the same image.
fn in_a_new_enclave(system: &mut System, vault: &Arc<dyn Vault>) -> Arc<TestModule> {
    system.stop_engine().expect("an engine that is asked to stop stops");
    let module = Arc::new(TestModule::of_image(0));
    system.options_mut().platform = platform(vault, &module);
    system.start_engine();
    module
}

/// The frames and blobs of an engine in the store.
#[derive(PartialEq)]
struct Stored {
    frames: Vec<Frame>,
    blobs: [Option<Vec<u8>>; 2],
    snapshots: Vec<SnapshotInfo>,
}

/// Calls the host's store, as an engine does.
fn stored(system: &System) -> Stored {
    block_on(async {
        let log = RemoteLog::connect(&system.store_address()).await.expect("the store listens");
        let (head, mut frames) = (log.head().await.expect("it answers").next_seq, Vec::new());
        while u64::try_from(frames.len()) != Ok(head) {
            let next = u64::try_from(frames.len()).expect("a short log");
            frames.extend(log.read(next, 1024 * 1024).await.expect("it answers"));
        }
        let genesis = log.blob_get(GENESIS_BLOB).await.expect("it answers");
        let keys = log.blob_get(KEYS_BLOB).await.expect("it answers");
        let snapshots = log.snapshots().await.expect("it answers");
        Stored { frames, blobs: [genesis, keys], snapshots }
    })
}
