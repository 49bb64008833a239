//! A parent that answers late or with garbage.
//!
//! The machine runs without a host (`--no-host`). The enclave's calls arrive at unix sockets beside
//! that of its vsock, and threads here answer them.

use crate::booted::{Boot, text};
use crate::settings::Settings;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How a faulty parent treats a connection.
#[derive(Debug, Clone, Copy)]
pub enum Lie {
    /// Reads everything and answers nothing.
    Silence,
    /// Sends an answer one byte at a time and never completes it.
    Trickle,
    /// Closes the connection.
    HangUp,
    /// Sends random bytes.
    Noise,
    /// Answers in another protocol.
    Other,
    /// Sends a message of the store protocol with the right number and invalid content.
    Content,
    /// Sends a valid answer to another request.
    WrongKind,
}

/// Ports of the platform at which faults are injected.
const STORE: u32 = 5001;
const CREDENTIALS: u32 = 5003;
const RELAY: u32 = 8000;

/// Outcome of late answers: the error of a lost store, and a restart. The time allows for the
/// timeout of an answer, a minute, and for a boot beside others.
const LATE: (&str, u64, u64) = ("STORE", 75, 200);
/// Outcome of garbage: reported at once. The engine ends after it has reported it for five minutes.
const GARBAGE: (&str, u64, u64) = ("STORE_GARBAGE", 17, 300 + 140);

/// A store that reads requests and does not answer.
pub fn silent_store(settings: &Settings) -> Result<String, String> {
    store(settings, "silent", Lie::Silence, LATE)
}

/// A store whose answer is never complete.
pub fn trickling_store(settings: &Settings) -> Result<String, String> {
    store(settings, "trickle", Lie::Trickle, LATE)
}

/// A store that closes the connection.
pub fn store_that_hangs_up(settings: &Settings) -> Result<String, String> {
    store(settings, "hangup", Lie::HangUp, LATE)
}

/// A store that answers with noise.
pub fn noisy_store(settings: &Settings) -> Result<String, String> {
    store(settings, "noise", Lie::Noise, GARBAGE)
}

/// A server of another protocol at the port of the store.
pub fn store_of_another_protocol(settings: &Settings) -> Result<String, String> {
    store(settings, "other", Lie::Other, GARBAGE)
}

/// A store whose messages have no content.
pub fn store_of_garbage(settings: &Settings) -> Result<String, String> {
    store(settings, "content", Lie::Content, GARBAGE)
}

/// A store that answers another request.
pub fn store_that_answers_another_question(settings: &Settings) -> Result<String, String> {
    store(settings, "kind", Lie::WrongKind, GARBAGE)
}

/// An honest store, and a silent credentials service.
pub fn silent_credentials(settings: &Settings) -> Result<String, String> {
    key_service(settings, "credentials-silent", (CREDENTIALS, Lie::Silence))
}

/// An honest store, and a credentials service that answers noise.
pub fn noisy_credentials(settings: &Settings) -> Result<String, String> {
    key_service(settings, "credentials-noise", (CREDENTIALS, Lie::Noise))
}

/// Honest store and credentials, and a silent key service.
pub fn silent_relay(settings: &Settings) -> Result<String, String> {
    key_service(settings, "relay-silent", (RELAY, Lie::Silence))
}

/// Honest store and credentials, and a key service that answers noise.
pub fn noisy_relay(settings: &Settings) -> Result<String, String> {
    key_service(settings, "relay-noise", (RELAY, Lie::Noise))
}

fn store(
    settings: &Settings,
    name: &str,
    lie: Lie,
    expected: (&str, u64, u64),
) -> Result<String, String> {
    let dir = folder(settings, name)?;
    let liar = Liar::start(&dir, &[(STORE, lie)]);
    let outcome = ended(settings, &dir, expected);
    liar.stop();
    outcome
}

fn key_service(settings: &Settings, name: &str, lie: (u32, Lie)) -> Result<String, String> {
    let dir = folder(settings, name)?;
    let liar = Liar::start(&dir, &[lie]);
    let host = thread::spawn({
        let (settings, dir) = (settings.clone(), dir.clone());
        move || Host::start(&settings, &dir, lie.0 == RELAY)
    });
    let outcome = ended(settings, &dir, ("KEY_SERVICE_UNAVAILABLE", 75, 200));
    liar.stop();
    let host = host.join().map_err(|_| "the thread of the host panicked")?;
    host?.stop();
    outcome
}

/// A new folder with the files of the image.
fn folder(settings: &Settings, name: &str) -> Result<PathBuf, String> {
    let dir = settings.file(name);
    std::fs::create_dir_all(&dir).map_err(text)?;
    for file in ["enclave.toml", "genesis.json"] {
        std::fs::copy(settings.dir().join(file), dir.join(file)).map_err(text)?;
    }
    Ok(dir)
}

/// Requires that the machine ends in time, with this error name and exit status.
fn ended(
    settings: &Settings,
    dir: &Path,
    (name, exit, end_s): (&str, u64, u64),
) -> Result<String, String> {
    let boot = Boot::of(settings, dir, &settings.image()).with(&["--no-host"]).within("600");
    let ended = boot.ends()?;
    let outcome = ended.by_name(name)?;
    let stop = &ended.json["error"]["evidence"]["stop"];
    if stop["exit"].as_u64() != Some(exit) {
        return Err(format!("{exit} expected: {stop}"));
    }
    match ended.took.as_secs() < end_s {
        true => Ok(format!("{outcome}: {}", stop["why"].as_str().unwrap_or_default())),
        false => Err(format!("the machine ran for {} s", ended.took.as_secs())),
    }
}

/// Faulty listeners at ports of a machine.
struct Liar {
    is_over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Liar {
    fn start(dir: &Path, lies: &[(u32, Lie)]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let play = |(port, lie): &(u32, Lie)| {
            let (lie, is_over) = (*lie, Arc::clone(&is_over));
            let (run, port) = (dir.join("run"), *port);
            thread::spawn(move || {
                if let Some(listener) = bound(&run, port, &is_over) {
                    lie_to_all(&listener, lie, &is_over);
                }
            })
        };
        let threads = lies.iter().map(play).collect();
        Self { is_over, threads }
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // a listener that panicked fails its case
            let _ = thread.join();
        }
    }
}

/// Polling interval.
const POLL: Duration = Duration::from_millis(50);
/// Longest time until the machine is started.
const MACHINE_MAX: Duration = Duration::from_secs(60);

/// Waits until QEMU is started: before that, a boot clears the folder of sockets.
fn has_machine(run: &Path) -> bool {
    let end = Instant::now() + MACHINE_MAX;
    while !run.join("qemu.log").exists() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

fn bound(run: &Path, port: u32, is_over: &AtomicBool) -> Option<UnixListener> {
    if !has_machine(run) || is_over.load(Ordering::Relaxed) {
        return None;
    }
    let listener = UnixListener::bind(run.join(format!("vsock_{port}"))).ok()?;
    listener.set_nonblocking(true).ok()?;
    Some(listener)
}

fn lie_to_all(listener: &UnixListener, lie: Lie, is_over: &AtomicBool) {
    thread::scope(|scope| {
        while !is_over.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, _)) => drop(scope.spawn(move || lie_to(stream, lie, is_over))),
                Err(_) => thread::sleep(POLL),
            }
        }
    });
}

/// Serves one connection until the other side closes it or the case is over.
fn lie_to(mut stream: UnixStream, lie: Lie, is_over: &AtomicBool) {
    let set = [stream.set_nonblocking(false), stream.set_read_timeout(Some(POLL * 20))];
    if set.iter().any(Result::is_err) || matches!(lie, Lie::HangUp) {
        return;
    }
    let mut received = Vec::new();
    let mut bytes = [0; 4096];
    let mut sent = 0;
    while !is_over.load(Ordering::Relaxed) {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => received.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        let all = answer(lie, &received);
        // One byte a second for `Trickle`, everything at once otherwise.
        let end = if matches!(lie, Lie::Trickle) { all.len().min(sent + 1) } else { all.len() };
        if end > sent && stream.write_all(&all[sent..end]).is_err() {
            return;
        }
        sent = sent.max(end);
    }
}

/// Bytes before the first request: the opening, and the request's length and number.
const OPENING: usize = 4;
const HEADER: usize = 4 + 8;

/// The bytes to send in total after these bytes were received.
fn answer(lie: Lie, received: &[u8]) -> Vec<u8> {
    let number = received.get(OPENING + 4..OPENING + HEADER).unwrap_or_default();
    if number.is_empty() {
        return Vec::new();
    }
    let message = |content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap_or_default().to_le_bytes();
        [&length[..], number, content].concat()
    };
    match lie {
        Lie::Silence | Lie::HangUp => Vec::new(),
        Lie::Trickle => message(&[7; 4096]),
        Lie::Noise => crate::bad::noise(64 * 1024),
        Lie::Other => b"HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n".to_vec(),
        Lie::Content => message(&[0xff; 64]),
        // `BlobKept` of specs/store-protocol.md
        Lie::WrongKind => message(&6u32.to_le_bytes()),
    }
}

/// An honest store, as `mortise-dev image boot` would start it.
struct Host(Child);

impl Host {
    /// Serves the credentials of the run, unless the case injects faults there.
    fn start(settings: &Settings, dir: &Path, has_credentials: bool) -> Result<Self, String> {
        if !has_machine(&dir.join("run")) {
            return Err("no machine was started".into());
        }
        let at = |port: u32| format!("hybrid:{}:{port}", dir.join("run/vsock").display());
        let mut command = Command::new(&settings.mortise_dev);
        command
            .args(["dev-host", "--http", "0", "--log", "warn", "--data-dir"])
            .arg(dir.join("store"))
            .args(["--listen-store", &at(STORE), "--engine", &at(5000)]);
        if has_credentials {
            let file = settings.dir().join("kms/credentials-enclave.json");
            // The host's relay is at a port that the enclave does not use.
            command
                .args(["--listen-kms", &at(RELAY + 1), "--kms", "127.0.0.1:9"])
                .args(["--listen-credentials", &at(CREDENTIALS), "--credentials"])
                .arg(format!("file={}", file.display()));
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Ok(Self(child.map_err(text)?))
    }

    /// Closes its stdin, which ends it.
    fn stop(mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
