//! A key service on a loopback port, its client in an enclave, and an engine over both.

use super::line::{Line, WireFault};
use mortise_config::{KmsConfig, Timeouts, TrustRoots};
use mortise_engine::app::AppConfig;
use mortise_engine::attest::Attestation;
use mortise_engine::ports::{Clock, Nsm, Vault};
use mortise_format::ids::EngineId;
use mortise_key_policy::compose::{Plan, Service, compose};
use mortise_nitro::kms::{CredentialStore, KmsAppKeys, KmsClient, KmsPlatform, KmsVault};
use mortise_rpc::credentials::Credentials;
use mortise_sim::kms::{ENCLAVE, LocalKms, LocalKmsConfig, system_time};
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use mortise_sim::{SystemClock, SystemEntropy};
use mortise_testkit::system::threads::Platform;
use mortise_testkit::system::{Options, System};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

const REGION: &str = "eu-central-1";
const ACCOUNT: &str = "000000000000";
/// The image that the key policies name.
pub const IMAGE: &str = "engine";
/// The id of an engine that does not run.
pub const ENGINE: EngineId = EngineId([0x4d; 32]);

/// A running key service, and the enclave's folder.
pub struct Rig {
    pub kms: LocalKms,
    engine_key: String,
    app_key: String,
    server: Server,
    // Dropped last: keys, principals and trail lie in it.
    folder: tempfile::TempDir,
}

struct Server {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Rig {
    /// A service with both keys, under the key policies that `mortise key-policy aws` writes.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("the system gives a folder");
        Self::open(folder)
    }

    fn open(folder: tempfile::TempDir) -> Self {
        let module = module(&folder, IMAGE);
        let config = LocalKmsConfig::new(REGION, ACCOUNT, vec![module.root()], system_time());
        let kms = LocalKms::open(&folder.path().join("kms"), config).expect("the folder is whole");
        let key = |alias: &str, service| {
            let policy = policy(&kms, service, &[IMAGE]).to_string();
            kms.ensure_key(alias, &policy).expect("the service accepts the policy")
        };
        let engine_key = key("mortise-engine", Service::Engine);
        let app_key = key("mortise-app", Service::App);
        let server = Server::start(kms.clone());
        Self { kms, engine_key, app_key, server, folder }
    }

    /// The same folder under a new service.
    pub fn restarted(self) -> Self {
        let Self { server, folder, kms, .. } = self;
        drop((server, kms));
        Self::open(folder)
    }

    /// Replaces the policy of the engine's key, as its administrator can.
    pub fn open_engine_key_to(&self, images: &[&str]) {
        let policy = policy(&self.kms, Service::Engine, images).to_string();
        self.kms.ensure_key("mortise-engine", &policy).expect("the service accepts the policy");
    }

    /// The client of an enclave of this image, on an honest line.
    pub fn client(&self, image: &str) -> Arc<KmsClient> {
        self.client_over(image, &self.line(WireFault::Honest))
    }

    /// The parent's line to the service.
    pub fn line(&self, fault: WireFault) -> Arc<Line> {
        Arc::new(self.line_of(fault))
    }

    pub fn line_of(&self, fault: WireFault) -> Line {
        Line::new(self.server.port, fault)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn client_over(&self, image: &str, line: &Arc<Line>) -> Arc<KmsClient> {
        let nsm: Arc<dyn Nsm> = Arc::new(module(&self.folder, image));
        let credentials = self.kms.credentials(ENCLAVE).expect("the service has made them");
        self.client_of(nsm, line, &credentials)
    }

    pub fn client_of(
        &self,
        nsm: Arc<dyn Nsm>,
        line: &Arc<Line>,
        credentials: &Credentials,
    ) -> Arc<KmsClient> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let platform = KmsPlatform {
            dialer: line.clone(),
            credentials: CredentialStore::fixed(credentials).expect("well formed"),
            nsm,
            clock,
            entropy: Arc::new(SystemEntropy),
        };
        Arc::new(KmsClient::new(self.config(), platform).expect("TLS can be set up"))
    }

    pub fn config(&self) -> KmsConfig {
        let arn = |text: &String| text.parse().expect("the service gives ARNs");
        let roots = TrustRoots::only_pem(self.kms.tls_root_pem().as_bytes()).expect("PEM");
        let config = KmsConfig::new(arn(&self.engine_key), arn(&self.app_key)).expect("two keys");
        config.with_roots(roots).with_timeouts(TIMEOUTS).expect("no bound is zero")
    }

    /// A module of this image, for an engine.
    pub fn module(&self, image: &str) -> Arc<SoftwareNsm> {
        Arc::new(module(&self.folder, image))
    }

    /// An engine in an enclave of the approved image, with keys and application from this service.
    pub fn system(&self, app_config: AppConfig) -> System {
        let platform = Some(self.platform(app_config));
        System::with(Options { platform, ..Options::default() })
    }

    /// A new enclave for a boot: a locked register stays locked.
    pub fn platform(&self, app_config: AppConfig) -> Platform {
        let nsm = self.module(IMAGE);
        let credentials = self.kms.credentials(ENCLAVE).expect("the service has made them");
        let client = self.client_of(nsm.clone(), &self.line(WireFault::Honest), &credentials);
        let vault: Arc<dyn Vault> = Arc::new(KmsVault::new(client.clone()));
        let app = Some(Arc::new(KmsAppKeys::new(client)) as _);
        Platform { app, app_config, ..Platform::new(vault, Attestation::Module(nsm)) }
    }

    /// The lines of the trail.
    pub fn trail(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.trail_path()).expect("the service writes a trail");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    pub fn trail_path(&self) -> PathBuf {
        self.folder.path().join("kms/trail.jsonl")
    }
}

impl Server {
    fn start(kms: LocalKms) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("loopback has a free port");
                let address = listener.local_addr().expect("it is bound");
                sender.send(address.port()).expect("the test waits for it");
                let stopped = async { drop(stopped.await) };
                kms.serve(listener, stopped).await.expect("TLS can be set up");
            });
        });
        let port = receiver.recv().expect("the service starts");
        Self { port, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the service fails the request of its caller.
            let _ = thread.join();
        }
    }
}

fn module(folder: &tempfile::TempDir, image: &str) -> SoftwareNsm {
    let module = SoftwareNsm::boot(&folder.path().join("nsm"), &Measurements::dev(image));
    module.expect("the folder can be written")
}

fn policy(kms: &LocalKms, service: Service, images: &[&str]) -> Value {
    let pcr0 = |image: &&str| Measurements::dev(image).pcr0.to_string();
    compose(&Plan {
        service,
        role: kms.enclave_role_arn(),
        admins: vec![format!("arn:aws:iam::{ACCOUNT}:root")],
        images: images.iter().map(pcr0).collect(),
        registers: Vec::new(),
        engine_id: None,
    })
}

/// Long enough for a busy machine; two attempts, so that retries are visible.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(20),
    answer: Duration::from_secs(20),
    overall: Duration::from_secs(60),
    credentials: Duration::from_millis(10),
    attempts_max: 2,
    pause_first: Duration::from_millis(1),
    pause_max: Duration::from_millis(2),
};
