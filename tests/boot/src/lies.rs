//! A parent that answers late, or garbage: this process is honest about nothing.
//!
//! The machine runs without a host (`--no-host`); the calls of the enclave come to unix sockets
//! beside that of its vsock, and a thread here plays whoever should be there.

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

/// What a lying parent does with who connects.
#[derive(Debug, Clone, Copy)]
pub enum Lie {
    /// Takes everything and says nothing.
    Silence,
    /// Says the beginning of an answer, a byte now and then.
    Trickle,
    /// Hangs up.
    HangUp,
    /// Bytes without a meaning.
    Noise,
    /// Another protocol.
    Other,
    /// A message of the store protocol, about the question that was asked, whose content is none.
    Content,
    /// An answer of the protocol to another question.
    WrongKind,
}

/// Ports of the platform that lies are told at.
const STORE: u32 = 5001;
const CREDENTIALS: u32 = 5003;
const RELAY: u32 = 8000;

/// Answers late: the name of a store that is gone, and a restart. The bound is that of an answer,
/// a minute, and a boot beside others.
const LATE: (&str, u64, u64) = ("STORE", 75, 200);
/// Answers garbage: said at once, and the end after the five minutes in which the engine says so.
const GARBAGE: (&str, u64, u64) = ("STORE_GARBAGE", 17, 300 + 140);

/// A store that takes requests and does not answer.
pub fn silent_store(settings: &Settings) -> Result<String, String> {
    store(settings, "silent", Lie::Silence, LATE)
}

/// A store whose answer never gets whole.
pub fn trickling_store(settings: &Settings) -> Result<String, String> {
    store(settings, "trickle", Lie::Trickle, LATE)
}

/// A store that hangs up.
pub fn store_that_hangs_up(settings: &Settings) -> Result<String, String> {
    store(settings, "hangup", Lie::HangUp, LATE)
}

/// A store that answers with noise.
pub fn noisy_store(settings: &Settings) -> Result<String, String> {
    store(settings, "noise", Lie::Noise, GARBAGE)
}

/// A store that is something else.
pub fn store_of_another_protocol(settings: &Settings) -> Result<String, String> {
    store(settings, "other", Lie::Other, GARBAGE)
}

/// A store whose messages have no content.
pub fn store_of_garbage(settings: &Settings) -> Result<String, String> {
    store(settings, "content", Lie::Content, GARBAGE)
}

/// A store that answers something else than was asked.
pub fn store_that_answers_another_question(settings: &Settings) -> Result<String, String> {
    store(settings, "kind", Lie::WrongKind, GARBAGE)
}

/// An honest store, and nobody who says a word where the credentials are.
pub fn silent_credentials(settings: &Settings) -> Result<String, String> {
    key_service(settings, "credentials-silent", (CREDENTIALS, Lie::Silence))
}

/// The same with noise.
pub fn noisy_credentials(settings: &Settings) -> Result<String, String> {
    key_service(settings, "credentials-noise", (CREDENTIALS, Lie::Noise))
}

/// Honest store and credentials, and nobody behind the relay who says a word.
pub fn silent_relay(settings: &Settings) -> Result<String, String> {
    key_service(settings, "relay-silent", (RELAY, Lie::Silence))
}

/// The same with noise.
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
    let said = ended(settings, &dir, expected);
    liar.stop();
    said
}

fn key_service(settings: &Settings, name: &str, lie: (u32, Lie)) -> Result<String, String> {
    let dir = folder(settings, name)?;
    let liar = Liar::start(&dir, &[lie]);
    let host = thread::spawn({
        let (settings, dir) = (settings.clone(), dir.clone());
        move || Host::start(&settings, &dir, lie.0 == RELAY)
    });
    let said = ended(settings, &dir, ("KEY_SERVICE_UNAVAILABLE", 75, 200));
    liar.stop();
    let host = host.join().map_err(|_| "the thread of the host panicked")?;
    host?.stop();
    said
}

/// A folder of its own, with the files that the image was built with.
fn folder(settings: &Settings, name: &str) -> Result<PathBuf, String> {
    let dir = settings.file(name);
    std::fs::create_dir_all(&dir).map_err(text)?;
    for file in ["enclave.toml", "genesis.json"] {
        std::fs::copy(settings.dir().join(file), dir.join(file)).map_err(text)?;
    }
    Ok(dir)
}

/// The machine's own end: its name, its status, in time.
fn ended(
    settings: &Settings,
    dir: &Path,
    (name, exit, end_s): (&str, u64, u64),
) -> Result<String, String> {
    let boot = Boot::of(settings, dir, &settings.image()).with(&["--no-host"]).within("600");
    let ended = boot.ends()?;
    let said = ended.by_name(name)?;
    let stop = &ended.json["error"]["evidence"]["stop"];
    if stop["exit"].as_u64() != Some(exit) {
        return Err(format!("{exit} expected: {stop}"));
    }
    match ended.took.as_secs() < end_s {
        true => Ok(format!("{said}: {}", stop["why"].as_str().unwrap_or_default())),
        false => Err(format!("the machine stood for {} s", ended.took.as_secs())),
    }
}

/// Listeners at ports of a machine.
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
            // one that panicked lied no more: the case saw that
            let _ = thread.join();
        }
    }
}

/// Rest between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Longest time until the machine is started.
const MACHINE_MAX: Duration = Duration::from_secs(60);

/// Waits until QEMU is started in a new folder: a boot clears the folder of sockets before.
fn has_machine(run: &Path) -> bool {
    let end = Instant::now() + MACHINE_MAX;
    while !run.join("qemu.log").exists() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(LOOK);
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
                Err(_) => thread::sleep(LOOK),
            }
        }
    });
}

/// Until the other side hangs up, or everything is over.
fn lie_to(mut stream: UnixStream, lie: Lie, is_over: &AtomicBool) {
    let set = [stream.set_nonblocking(false), stream.set_read_timeout(Some(LOOK * 20))];
    if set.iter().any(Result::is_err) || matches!(lie, Lie::HangUp) {
        return;
    }
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    let mut told = 0;
    while !is_over.load(Ordering::Relaxed) {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => heard.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        let all = answer(lie, &heard);
        // A byte a second where it trickles, everything at once elsewhere.
        let end = if matches!(lie, Lie::Trickle) { all.len().min(told + 1) } else { all.len() };
        if end > told && stream.write_all(&all[told..end]).is_err() {
            return;
        }
        told = told.max(end);
    }
}

/// What stands before the first question: four bytes, and its length and number.
const OPENING: usize = 4;
const HEADER: usize = 4 + 8;

/// What is said to who has said this; it only grows.
fn answer(lie: Lie, heard: &[u8]) -> Vec<u8> {
    let number = heard.get(OPENING + 4..OPENING + HEADER).unwrap_or_default();
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
    /// With the credentials of the run, where nobody lies about them.
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
            // Its own relay is where nobody asks.
            command
                .args(["--listen-kms", &at(RELAY + 1), "--kms", "127.0.0.1:9"])
                .args(["--listen-credentials", &at(CREDENTIALS), "--credentials"])
                .arg(format!("file={}", file.display()));
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Ok(Self(child.map_err(text)?))
    }

    /// It ends when nobody holds its input any more.
    fn stop(mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
