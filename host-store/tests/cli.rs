//! `mortise-host` as a process: ready line, health, stop by signal, exit status.

use mortise_format::frame::{
    FRAME_VERSION, Frame, FrameHeader, FrameKind, FrameLeaf, cipher_digest, clear_digest,
};
use mortise_format::ids::{Bytes32, EngineId, FrameDigest, PolicyHash, Root};
use mortise_format::rules::RuleSet;
use mortise_host::export::{ExportWriter, Parts};
use mortise_host::store::CheckedFrame;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

const HOST: &str = env!("CARGO_BIN_EXE_mortise-host");

/// A running host, and its log after the line that reports it ready.
struct Running {
    process: Child,
    log: BufReader<ChildStderr>,
    http: String,
}

fn command(folder: &Path) -> Command {
    let unix = |name: &str| format!("unix:{}", folder.join(name).display());
    let mut command = Command::new(HOST);
    command.args(["run", "--log", "json", "--http", "127.0.0.1:0", "--data-dir"]);
    command.arg(folder.join("data"));
    command.args(["--listen-store", &unix("store"), "--engine", &unix("engine")]);
    command
}

impl Running {
    fn start(folder: &Path) -> Self {
        Self::start_with(command(folder))
    }

    fn start_with(mut command: Command) -> Self {
        command.env_remove("RUST_LOG").stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("mortise-host is ready") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the host ended before it was ready");
        }
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let http = ready["fields"]["http"].as_str().unwrap().to_owned();
        Self { process, log, http }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http.strip_prefix("http://").unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a signal; returns the exit status and the rest of the log.
    fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.process.wait().unwrap().code(), rest)
    }
}

fn verify(folder: &Path) -> Output {
    Command::new(HOST).args(["verify", "--json", "--data-dir"]).arg(folder).output().unwrap()
}

#[test]
fn host_forbids_core_dumps_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path());
    let limits = format!("/proc/{}/limits", running.process.id());
    let limits = std::fs::read_to_string(limits).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let values: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(values, ["0", "0"], "{core}");
    assert_eq!(running.stop("-TERM").0, Some(0));
}

#[test]
fn host_logs_that_it_is_ready_and_stops_gracefully_on_either_signal() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let host = Running::start(folder.path());
        assert!(host.get("/healthz").starts_with("HTTP/1.1 200"));
        assert!(host.get("/readyz").starts_with("HTTP/1.1 503"));
        assert!(host.get("/metrics").contains("mortise_host_next_seq 0"));
        let (status, log) = host.stop(signal);
        assert_eq!(status, Some(0), "{signal}");
        assert!(log.contains("mortise-host has stopped"), "{log}");
        assert!(!folder.path().join("store").exists());
    }
}

#[test]
fn a_folder_in_use_is_named_and_is_exit_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let host = Running::start(folder.path());
    let second = command(folder.path()).env_remove("RUST_LOG").output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let log = String::from_utf8(second.stderr).unwrap();
    assert!(log.contains("is in use by another mortise-host"), "{log}");
    host.stop("-TERM");
}

#[test]
fn verify_exits_with_0_for_a_good_log_and_2_for_an_unreadable_one() {
    let folder = tempfile::tempdir().unwrap();
    Running::start(folder.path()).stop("-TERM");
    let good = verify(&folder.path().join("data"));
    assert_eq!(good.status.code(), Some(0));
    let result: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!((&result["ok"], &result["frames"]), (&true.into(), &0.into()));
    assert_eq!(verify(&folder.path().join("none")).status.code(), Some(2));
    let usage = Command::new(HOST).arg("verify").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn verify_names_the_bad_frame_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    Running::start(folder.path()).stop("-TERM");
    let data = folder.path().join("data");
    let segment = data.join("log").join("0000000000.seg");
    let mut file = std::fs::File::options().write(true).open(segment).unwrap();
    file.write_all(b"not a segment").unwrap();
    let bad = verify(&data);
    assert_eq!(bad.status.code(), Some(1));
    let result: serde_json::Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!((&result["ok"], &result["frame"]), (&false.into(), &0.into()));
    assert_eq!(result["fault"], "bytes that are not a record");
}

#[test]
fn one_flag_listens_at_all_sockets_of_a_hybrid_vsock() {
    let folder = tempfile::tempdir().unwrap();
    let socket = |port: u32| folder.path().join(format!("e.vsock_{port}"));
    let mut command = Command::new(HOST);
    command.args(["run", "--log", "json", "--http", "127.0.0.1:0", "--data-dir"]);
    command.arg(folder.path().join("data")).arg("--hybrid").arg(folder.path().join("e.vsock"));
    let host = Running::start_with(command);
    for (port, is_there) in [(5001, true), (5002, true), (9000, true), (8000, false)] {
        assert_eq!(socket(port).exists(), is_there, "{port}");
    }
    let mut heart = UnixStream::connect(socket(9000)).unwrap();
    heart.write_all(&[0xb7]).unwrap();
    let mut beat = Vec::new();
    heart.read_to_end(&mut beat).unwrap();
    assert_eq!(beat, [0xb7]);
    let mut enclave = UnixStream::connect(socket(5002)).unwrap();
    let stop = "{\"name\":\"GENESIS\",\"exit\":13,\"why\":\"\\u001b[1m\"}\n";
    enclave.write_all(stop.as_bytes()).unwrap();
    enclave.shutdown(Shutdown::Write).unwrap();
    enclave.read_to_end(&mut beat).unwrap();
    assert_eq!(beat.len(), 1, "the host sends nothing here");
    let (status, log) = host.stop("-TERM");
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("\"target\":\"enclave\"") && log.contains("GENESIS"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    let kept = std::fs::read(folder.path().join("data/diagnostics/last-stop.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(
        (&kept["name"], &kept["exit"], &kept["why"]),
        (&"GENESIS".into(), &13.into(), &"?[1m".into())
    );
    assert!(!socket(5002).exists());
}

fn repair(folder: &Path, more: &[&str]) -> (Option<i32>, serde_json::Value) {
    let mut command = Command::new(HOST);
    command.args(["repair", "--json", "--data-dir"]).arg(folder).args(more);
    let output = command.output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[test]
fn repair_reports_the_damage_and_writes_only_with_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(repair(&data, &[]).0, Some(2), "no log");
    let host = Running::start(folder.path());
    assert_eq!(repair(&data, &[]).0, Some(2), "in use");
    host.stop("-TERM");
    let (status, report) = repair(&data, &[]);
    assert_eq!((status, &report["ok"]), (Some(0), &true.into()), "{report}");
    let segment = data.join("log").join("0000000000.seg");
    let mut file = std::fs::File::options().write(true).open(segment).unwrap();
    file.write_all(b"not a segment").unwrap();
    std::fs::write(data.join("index/db"), b"no index").unwrap();
    let (status, report) = repair(&data, &[]);
    assert_eq!(status, Some(1), "{report}");
    assert_eq!(report["written"], false);
    assert_eq!(repair(&data, &["--write"]).0, Some(2), "a write needs a backup");
}

/// A boot frame and frames of events.
fn frames(count: u64) -> Vec<CheckedFrame> {
    let mut frames: Vec<CheckedFrame> = Vec::new();
    for seq in 0..count {
        let cipher = vec![9; 1000];
        let kind = if seq == 0 { FrameKind::Boot } else { FrameKind::Events };
        let header = FrameHeader {
            version: FRAME_VERSION,
            rules: RuleSet::NEWEST,
            kind: FrameHeader::kind_byte(kind),
            engine_id: EngineId([7; 32]),
            epoch: 1,
            seq,
            time_ms: 1_700_000_000_000,
            previous: frames.last().map_or(FrameDigest::ZERO, CheckedFrame::digest),
            event_count: 1,
            event_root: Root([1; 32]),
            state_root: Root([2; 32]),
            policy_hash: PolicyHash([3; 32]),
            clear_bytes: 0,
            cipher_bytes: 1000,
        };
        let leaf = FrameLeaf {
            header,
            clear_digest: clear_digest(&[]),
            cipher_digest: cipher_digest(&cipher),
            mac: Bytes32([5; 32]),
        };
        let frame = Frame::new(leaf, vec![], cipher).unwrap();
        frames.push(CheckedFrame::parse(frame.encode()).unwrap());
    }
    frames
}

/// An exported log of three frames, with sealed keys of realistic size.
fn write_export(file: &Path) {
    let keys = [vec![1; 33 + 32 + 32], 0u64.to_le_bytes().to_vec(), 0u64.to_le_bytes().to_vec()];
    let parts = Parts::from([
        ("founding".to_owned(), keys[0].clone()),
        ("genesis".to_owned(), b"rules".to_vec()),
        ("genesis-keys".to_owned(), keys.concat()),
    ]);
    let mut writer = ExportWriter::new(Vec::new(), &parts).unwrap();
    frames(3).iter().for_each(|frame| writer.frame(frame).unwrap());
    std::fs::write(file, writer.finish().unwrap()).unwrap();
}

fn run_in(folder: &Path, arguments: &str) -> (Option<i32>, String, String) {
    let arguments = arguments.split_whitespace();
    let output = Command::new(HOST).current_dir(folder).args(arguments).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
    (output.status.code(), stdout, stderr)
}

fn json_of(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn export_and_import_preserve_the_log_and_include_keys_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_export(&at.join("a.log"));
    let (status, text, _) = run_in(at, "import a.log --data-dir one");
    assert_eq!((status, text.as_str()), (Some(0), "folder  one\nframes  3\n"));
    let (status, text, _) =
        run_in(at, "export --data-dir one --out b.log --with-sealed-keys --json");
    let bytes = std::fs::metadata(at.join("b.log")).unwrap().len();
    let expected = serde_json::json!(
        {"file": "b.log", "frames": 3, "bytes": bytes, "sealedKeys": true}
    );
    assert_eq!((status, json_of(&text)), (Some(0), expected));
    let [a, b] = ["a.log", "b.log"].map(|name| std::fs::read(at.join(name)).unwrap());
    assert_eq!(a, b);
    let (status, text, _) = run_in(at, "export --data-dir one --out c.log");
    let c = std::fs::read(at.join("c.log")).unwrap();
    assert_eq!(
        (status, text),
        (Some(0), format!("file    c.log\nframes  3\nbytes   {}\n", c.len()))
    );
    let has = |file: &[u8], name: &[u8]| file.windows(name.len()).any(|found| found == name);
    assert!(has(&a, b"genesis-keys") && has(&c, b"founding") && !has(&c, b"genesis-keys"));
    let (status, text, _) = run_in(at, "import c.log --data-dir two --json");
    let expected = serde_json::json!({"dataDir": "two", "frames": 3});
    assert_eq!((status, json_of(&text)), (Some(0), expected));
    // No engine starts on a log without its sealed keys, and nothing calls that good.
    let verified = verify(&at.join("two"));
    assert_eq!(verified.status.code(), Some(1));
    assert!(String::from_utf8(verified.stdout).unwrap().contains("KEYS_LOST"));
    let (status, text, _) = run_in(at, "repair --data-dir two");
    assert!(status == Some(1) && text.contains("KEYS_LOST") && text.contains("NOT MENDED"));
    let (status, _, stderr) = run_in(at, "export --data-dir two --out d.log --with-sealed-keys");
    assert_eq!(status, Some(1));
    assert!(stderr.contains("no sealed value genesis-keys"), "{stderr}");
    std::fs::rename(at.join("two"), at.join("data")).unwrap();
    let host = Running::start(at);
    let (status, _, stderr) = run_in(at, "export --data-dir data --out d.log --with-sealed-keys");
    assert!(status == Some(1) && stderr.contains("KEYS_LOST"), "{stderr}");
    assert!(!at.join("d.log").exists());
    host.stop("-TERM");
}

/// Flips a bit of a file.
fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1 << (at % 8);
    std::fs::write(path, bytes).unwrap();
}

/// Where the file of an index has bytes: some of them, spread over all.
fn used(path: &Path, count: usize) -> Vec<usize> {
    let bytes = std::fs::read(path).unwrap();
    let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    (0..count).map(|n| used[n * (used.len() - 1) / (count - 1)]).collect()
}

/// The host ends at most once for a broken index, by name, and never aborts in a loop.
#[test]
fn a_flipped_bit_anywhere_in_the_index_costs_one_restart_at_most_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_export(&at.join("a.log"));
    assert_eq!(run_in(at, "import a.log --data-dir good").0, Some(0));
    for offset in used(&at.join("good/index/db"), 16) {
        let copied = Command::new("cp").args(["-r", "good", "data"]).current_dir(at).status();
        assert!(copied.unwrap().success());
        flip(&at.join("data/index/db"), offset);
        let mut starts = 0;
        let host = loop {
            starts += 1;
            assert!(starts <= 2, "byte {offset}: the host ends again and again");
            let mut process =
                command(at).env_remove("RUST_LOG").stderr(Stdio::piped()).spawn().unwrap();
            let mut log = BufReader::new(process.stderr.take().unwrap());
            let mut line = String::new();
            while !line.contains("mortise-host is ready") {
                line.clear();
                if log.read_line(&mut line).unwrap() == 0 {
                    break;
                }
            }
            if line.is_empty() {
                assert_eq!(process.wait().unwrap().code(), Some(74), "byte {offset}");
                continue;
            }
            let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
            let http = ready["fields"]["http"].as_str().unwrap().to_owned();
            break Running { process, log, http };
        };
        host.stop("-TERM");
        let verified = verify(&at.join("data"));
        assert_eq!(verified.status.code(), Some(0), "byte {offset}: {verified:?}");
        let export = "export --data-dir data --out b.log --with-sealed-keys";
        assert_eq!(run_in(at, export).0, Some(0), "byte {offset}");
        let [a, b] = ["a.log", "b.log"].map(|name| std::fs::read(at.join(name)).unwrap());
        assert!(a == b, "byte {offset}");
        std::fs::remove_file(at.join("b.log")).unwrap();
        std::fs::remove_dir_all(at.join("data")).unwrap();
    }
}

#[test]
fn verify_and_repair_agree_on_a_last_frame_that_was_zeroed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_export(&at.join("a.log"));
    assert_eq!(run_in(at, "import a.log --data-dir data").0, Some(0));
    assert_eq!(verify(&at.join("data")).status.code(), Some(0));
    let segment = at.join("data/log/0000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last - 1000..].fill(0);
    bytes[(last - 1000) / 512 * 512..].fill(0);
    std::fs::write(&segment, bytes).unwrap();
    for command in ["verify", "repair"] {
        let (status, text, _) = run_in(at, &format!("{command} --data-dir data"));
        assert_eq!(status, Some(1), "{command}: {text}");
    }
}

#[test]
fn export_and_import_overwrite_nothing_and_report_each_error() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_export(&at.join("a.log"));
    assert_eq!(run_in(at, "import a.log --data-dir data").0, Some(0));
    let mut torn = std::fs::read(at.join("a.log")).unwrap();
    torn.pop();
    std::fs::write(at.join("torn.log"), torn).unwrap();
    for (arguments, status, reason) in [
        ("export --data-dir data --out a.log", 2, "a.log exists: an export overwrites nothing"),
        ("export --data-dir none --out b.log", 2, "there is no log in none"),
        ("import a.log --data-dir data", 2, "data is not empty"),
        ("import none.log --data-dir new", 2, "none.log: No such file"),
        ("import torn.log --data-dir new", 1, "ends early, after 3 whole frames"),
    ] {
        let (found, stdout, stderr) = run_in(at, arguments);
        assert_eq!(found, Some(status), "{arguments}");
        assert!(stdout.is_empty() && stderr.contains(reason), "{arguments}: {stdout}{stderr}");
        let (found, stdout, _) = run_in(at, &format!("{arguments} --json"));
        let refusal = json_of(&stdout);
        assert_eq!((found, &refusal["exit"]), (Some(status), &status.into()), "{arguments}");
        assert!(refusal["error"]["message"].to_string().contains(reason), "{refusal}");
    }
    assert!(!at.join("new").exists() && !at.join("b.log").exists());
    assert_eq!(run_in(at, "export --data-dir data").0, Some(2), "--out is needed");
}

#[test]
fn export_of_a_running_host_is_the_same_file_as_that_of_a_stopped_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_export(&at.join("a.log"));
    assert_eq!(run_in(at, "import a.log --data-dir data").0, Some(0));
    let host = Running::start(at);
    let (status, text, stderr) =
        run_in(at, "export --data-dir data --out b.log --with-sealed-keys --json");
    assert_eq!((status, &json_of(&text)["frames"]), (Some(0), &3.into()), "{stderr}");
    assert_eq!(run_in(at, "export --data-dir data --out c.log").0, Some(0));
    let (_, log) = host.stop("-TERM");
    assert!(log.contains("the log was exported"), "{log}");
    assert!(!at.join("data/export.sock").exists());
    assert_eq!(run_in(at, "export --data-dir data --out d.log").0, Some(0));
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|n| std::fs::read(at.join(n.to_owned() + ".log")));
    assert_eq!((a.unwrap(), c.unwrap()), (b.unwrap(), d.unwrap()));
}

#[test]
fn export_of_a_running_host_names_what_it_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let host = Running::start(at);
    // A host of an earlier version has no socket.
    std::fs::remove_file(at.join("data/export.sock")).unwrap();
    let (status, stdout, stderr) = run_in(at, "export --data-dir data --out a.log");
    assert_eq!((status, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("no host serves exports at data/export.sock"), "{stderr}");
    assert!(!at.join("a.log").exists());
    host.stop("-TERM");
}
