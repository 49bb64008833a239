//! Goal: a carrier can neither read nor change the messages of a client; it can only drop them.
//!
//! Method: the real system over a software security module, with a relay in place of the parent.
//! The relay records every message and changes those that a test chooses.

mod carried;
mod command;
mod hidden;
mod interop;
mod lies;
mod raw;
mod reads;
mod relay;
mod restart;

use crate::client::block_on;
use mortise_client::{Channel, Client, ClientError, Endpoint, KeyOrigin, RetryPolicy, Trust};
use mortise_engine::attest::Attestation;
use mortise_engine::ports::Vault;
use mortise_format::genesis::Genesis;
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use mortise_testkit::system::parties::Parties;
use mortise_testkit::system::threads::Platform;
use mortise_testkit::system::{Options, System};
use mortise_testkit::vault::TestVault;
use mortise_transport::Address;
use mortise_verify::attestation::PcrPolicy;
use mortise_verify::lease::AgeLimit;
use relay::Relay;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An attested system with a relay in front of its request port.
struct Carried {
    system: System,
    relay: Relay,
    trust: Trust,
    vault: Arc<dyn Vault>,
    /// The folder of the security module's authority.
    authority: tempfile::TempDir,
}

/// An engine in a new enclave, and the trust anchors that match it.
fn enclave(authority: &Path, vault: &Arc<dyn Vault>) -> (Platform, Trust) {
    let measured = Measurements::dev("engine");
    let module = SoftwareNsm::boot(authority, &measured).expect("the folder can be written");
    let Measurements { pcr0, pcr1, pcr2, .. } = measured;
    let pcrs = PcrPolicy::one_image(pcr0, pcr1, pcr2).expect("not of debug mode");
    let trust = Trust {
        roots: vec![module.root()],
        pcrs,
        limit: AgeLimit::DEFAULT,
        origin: KeyOrigin::DrawnInside,
    };
    (Platform::new(Arc::clone(vault), Attestation::Module(Arc::new(module))), trust)
}

impl Carried {
    fn start() -> Self {
        Self::of(Options::default().genesis)
    }

    fn of(genesis: Genesis) -> Self {
        let authority = tempfile::tempdir().expect("the system gives a folder");
        let vault: Arc<dyn Vault> = Arc::new(TestVault::new(131));
        let (platform, trust) = enclave(authority.path(), &vault);
        let options = Options { genesis, platform: Some(platform), ..Options::default() };
        let system = System::with(options);
        let relay = Relay::start(system.folder().join("relay.sock"), system.engine_socket());
        Self { system, relay, trust, vault, authority }
    }

    /// The engine boots again, in a new enclave of the same image.
    fn boot_again(&mut self) {
        self.system.stop_engine().expect("an engine that is asked to stop stops");
        let (platform, trust) = enclave(self.authority.path(), &self.vault);
        assert_eq!(trust.roots, self.trust.roots);
        self.system.options_mut().platform = Some(platform);
        self.system.start_engine();
    }

    fn parties(&self) -> Parties {
        Parties::of(&self.system.engine_socket())
    }

    /// A client through the relay that requires a proof.
    fn client(&self, channel: Channel) -> Client {
        self.unproven_client().attested(self.trust.clone(), channel)
    }

    fn unproven_client(&self) -> Client {
        let retry = RetryPolicy {
            attempts_max: 4,
            wait_first: Duration::from_millis(1),
            ..RetryPolicy::default()
        };
        let address = Address::Unix(self.relay.socket().to_owned());
        Client::new(Endpoint::Stream(address)).with_retry(retry)
    }

    fn sealed_client(&self) -> Client {
        self.client(Channel::Sealed)
    }

    /// The error of a health call through the relay.
    fn health_error(&self, client: &Client) -> ClientError {
        block_on(client.health()).expect_err("the relay lies")
    }
}
