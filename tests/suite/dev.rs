//! `mortise-dev dev` as a process: an attested system of three processes on one folder.

use crate::client::block_on;
use mortise_client::attestation::ProofError;
use mortise_client::{Client, ClientError, KeyOrigin, Trust};
use mortise_sim::nsm::Measurements;
use mortise_verify::attestation::{AWS_NITRO_ROOT_G1, PcrPolicy, RootFingerprint};
use mortise_verify::lease::AgeLimit;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mortise-dev-under-test");
/// Longest time for a start or a stop.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running system; killed when dropped, if it was not stopped before.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        // Its children end when their stdin closes.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Dev {
    /// Starts on a folder and waits for the file that it writes when it is ready.
    fn start(folder: &Path) -> (Self, Value) {
        let out = folder.join("out.json");
        let _ = std::fs::remove_file(&out);
        let child = Command::new(PROGRAM)
            .args(["dev", "--http", "0", "--data-dir"])
            .arg(folder.join("data"))
            .arg("--config-out")
            .arg(&out)
            .stdout(Stdio::null())
            .spawn();
        let mut dev = Self(child.expect("our own program starts"));
        let end = Instant::now() + START_TIMEOUT;
        loop {
            let written = std::fs::read(&out).unwrap_or_default();
            if let Ok(config) = serde_json::from_slice(&written) {
                return (dev, config);
            }
            let ended = dev.0.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "mortise-dev dev ended: {ended:?}");
            assert!(Instant::now() < end, "mortise-dev dev was not ready in time");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops it as Ctrl-C does and waits until all its processes have ended.
    fn stop(mut self) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.expect("kill is there").success());
        let end = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child can be waited for") {
                return assert!(status.success(), "{status}");
            }
            assert!(Instant::now() < end, "mortise-dev dev did not stop in time");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn client(config: &Value) -> Client {
    Client::new(config["url"].as_str().expect("a text").parse().expect("an address"))
}

/// The trust anchors of this system.
fn trust(config: &Value) -> Trust {
    let root = config["authority"]["nitroRootSha256"].as_str().expect("a text");
    let mut bytes = [0; 32];
    mortise_format::hex::decode_into(root, &mut bytes).expect("64 digits");
    let Measurements { pcr0, pcr1, pcr2, .. } = Measurements::dev("mortise dev");
    let pcrs = PcrPolicy::one_image(pcr0, pcr1, pcr2).expect("not of debug mode");
    Trust {
        roots: vec![RootFingerprint(bytes)],
        pcrs,
        limit: AgeLimit::DEFAULT,
        origin: KeyOrigin::DrawnInside,
    }
}

#[test]
fn development_system_is_attested_and_restarts_as_the_same_engine() {
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let (dev, config) = Dev::start(folder.path());
    let (first, trust) = (client(&config), trust(&config));
    let proven = block_on(first.prove(&trust)).expect("it is under its own root");
    assert_eq!(config["epoch"], 1);
    assert_eq!(config["engineId"], proven.identity().engine_id.to_string());
    let stranger = Trust { roots: vec![AWS_NITRO_ROOT_G1], ..trust.clone() };
    let refused = block_on(first.prove(&stranger));
    assert!(matches!(refused, Err(ClientError::Proof(ProofError::Document(_)))), "{refused:?}");
    dev.stop();
    let (dev, again) = Dev::start(folder.path());
    assert_eq!(again["epoch"], 2);
    let restarted = block_on(client(&again).prove(&trust)).expect("it is under the same root");
    assert_eq!(restarted.identity(), proven.identity());
    assert_ne!(restarted.keys().channel, proven.keys().channel, "a channel key is made per boot");
    dev.stop();
    calls_are_in_the_trail(&config);
    another_image_gets_no_key(folder.path());
}

/// The key service unwrapped each key of the two boots for the attested image alone.
fn calls_are_in_the_trail(config: &Value) {
    let trail = config["authority"]["kmsTrail"].as_str().expect("a text");
    let trail = std::fs::read_to_string(trail).expect("the key service wrote it");
    let calls: Vec<Value> =
        trail.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let named = |name: &str| calls.iter().filter(|call| call["eventName"] == name).count();
    // Genesis and one epoch; then genesis, the first epoch, and a new one.
    assert!(named("GenerateDataKey") >= 3 && named("Decrypt") >= 2, "{trail}");
    for call in &calls {
        assert!(call.get("errorCode").is_none(), "{call}");
        let recipient = &call["additionalEventData"]["recipient"];
        assert!(recipient["attestationDocumentEnclaveImageDigest"].is_string(), "{call}");
    }
}

/// On the same folder and key service, another image is refused: the key policy names other PCRs.
fn another_image_gets_no_key(folder: &Path) {
    let (dev, config) = Dev::start(folder);
    let data = folder.join("data");
    let platform = std::fs::read_to_string(data.join("platform.json")).expect("it was written");
    let other = platform.replace("\"mortise dev\"", "\"another image\"");
    assert_ne!(other, platform);
    std::fs::write(data.join("other.json"), other).expect("the folder takes it");
    let engine = format!("unix:{}", folder.join("other.sock").display());
    let store = format!("unix:{}", data.join("store.sock").display());
    let child = Command::new(PROGRAM)
        .args(["dev-engine", "--log", "error", "--listen", &engine, "--store", &store])
        .arg("--genesis")
        .arg(data.join("genesis.json"))
        .arg("--platform")
        .arg(data.join("other.json"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut other = Dev(child.expect("our own program starts"));
    let refused = Client::new(engine.parse().expect("an address"));
    let end = Instant::now() + START_TIMEOUT;
    loop {
        if let Ok(health) = block_on(refused.health())
            && let Some(fault) = health.fault
        {
            assert_eq!(fault, "KEY_DENIED");
            break;
        }
        assert!(Instant::now() < end, "the engine did not report the reject");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(other.0.stdin.take());
    // The right image still starts.
    block_on(client(&config).prove(&trust(&config))).expect("it still stands");
    dev.stop();
}
