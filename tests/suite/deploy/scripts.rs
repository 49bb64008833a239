//! Runs the two scripts with fake programs that record their calls.

use super::folder;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Describes the enclave as running for as many calls as `looks` holds. Then the enclave is gone,
/// and the host has recorded its stop if there is a `next-stop.json`. Failures are those of
/// nitro-cli 1.5: a refused start exits with the number in `refuses`; a description that does not
/// reach the enclave's process prints an empty list and exits with 39.
const NITRO_CLI: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >>calls
case "$1" in
run-enclave)
    if [ -e refuses ]; then
        printf '[ E%s ] Insufficient.\n\nFailed connections: 1\n' "$(cat refuses)" >&2
        exit "$(cat refuses)"
    fi
    : >running
    echo 'Started enclave with enclave-cid: 16, memory: 1024 MiB, cpu-ids: [1, 3]' >&2 ;;
terminate-enclave) rm -f running ;;
describe-enclaves)
    if [ ! -e running ]; then echo '[]'; exit 0; fi
    asked=$(($(cat asked 2>/dev/null || echo 0) + 1))
    echo "$asked" >asked
    if [ "$asked" = "$(cat breaks 2>/dev/null)" ]; then
        rm breaks
        printf 'Failed connections: 1\n[ E39 ] Enclave process connection failure.\n' >&2
        echo '[]'
        exit 39
    fi
    if [ "$asked" -gt "$(cat looks)" ]; then
        rm running
        if [ -e next-stop.json ]; then mv next-stop.json data/diagnostics/last-stop.json; fi
        echo '[]'
        exit 0
    fi
    cat describe.json ;;
esac
"#;

/// Accepts `--url` after the subcommand only, as the command does. Answers by the URL's scheme:
/// `http.json` and `http.exit`, `vsock.json` and `vsock.exit`.
const MORTISE: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
[ "$1 $2" = "--json health" ] || exit 2
while [ "$1" != --url ]; do shift; done
scheme=${2%%:*}
cat "$scheme.json"
exit "$(cat "$scheme.exit")"
"#;

const SYSTEMCTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
case "$1" in
is-active) [ ! -e inactive ] ;;
*) echo "$*" >>calls ;;
esac
"#;

const DESCRIBE: &str = r#"[
  {
    "EnclaveName": "other",
    "EnclaveID": "i-1-enc2",
    "EnclaveCID": 30,
    "State": "RUNNING",
    "Flags": "DEBUG_MODE"
  },
  {
    "EnclaveName": "mortise",
    "EnclaveID": "i-1-enc1",
    "ProcessID": 4242,
    "EnclaveCID": 16,
    "NumberOfCPUs": 2,
    "CPUIDs": [
      1,
      3
    ],
    "MemoryMiB": 1024,
    "State": "RUNNING",
    "Flags": "NONE",
    "Measurements": {
      "HashAlgorithm": "Sha384 { ... }",
      "PCR0": "ab"
    },
    "ImageName": "mortise",
    "ImageVersion": "1.0.0",
    "Metadata": {
      "CustomMetadata": {
        "State": "EMPTY",
        "Flags": "DEBUG_MODE"
      }
    }
  }
]
"#;

struct Parent {
    folder: tempfile::TempDir,
}

struct Ended {
    exit: Option<i32>,
    stderr: String,
}

impl Parent {
    fn new() -> Self {
        let parent = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(parent.place("data/diagnostics")).unwrap();
        for (name, text) in
            [("nitro-cli", NITRO_CLI), ("mortise", MORTISE), ("systemctl", SYSTEMCTL)]
        {
            parent.write(name, text);
            let program = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(parent.place(name), program).unwrap();
        }
        parent.write("describe.json", DESCRIBE);
        parent.write("looks", "6");
        parent.answers("http", 0, "{\"phase\": \"ready\"}");
        parent.answers("vsock", 0, "{\"phase\": \"ready\", \"mode\": \"attested\"}");
        parent
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.place(name), text).unwrap();
    }

    /// Sets the answer of `mortise health` for a scheme.
    fn answers(&self, scheme: &str, exit: u8, json: &str) {
        self.write(&format!("{scheme}.json"), json);
        self.write(&format!("{scheme}.exit"), &exit.to_string());
    }

    /// The calls of nitro-cli and systemctl, without descriptions.
    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.place("calls")).unwrap_or_default();
        let others = calls.lines().filter(|line| *line != "describe-enclaves");
        others.map(str::to_owned).collect()
    }

    fn run(&self, script: &str, args: &[&str]) -> Ended {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(folder().join("bin").join(script));
        command.args(args).env("PATH", format!("{}:{path}", self.folder.path().display()));
        command.env("MORTISE_DATA_DIR", self.place("data")).env("MORTISE_LOOK_SECONDS", "0");
        command.env("RUNTIME_DIRECTORY", self.folder.path());
        let ran = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        Ended { exit: ran.status.code(), stderr }
    }
}

fn stop(exit: &str, received: u64) -> String {
    format!(
        "{{\"name\":\"X\",\"exit\":{exit},\"why\":\"a \\\"exit\\\": 3\",\"at\":null,\
         \"receivedMs\":{received}}}"
    )
}

#[test]
fn unit_exits_with_the_status_of_the_enclave() {
    let parent = Parent::new();
    parent.write("data/diagnostics/last-stop.json", &stop("75", 1));
    parent.write("next-stop.json", &stop("17", 2));
    let ended = parent.run("mortise-enclave-run", &[]);
    assert_eq!(ended.exit, Some(17), "{}", ended.stderr);
    assert!(ended.stderr.contains("enclave i-1-enc1 runs at CID 16"), "{}", ended.stderr);
    let run = "run-enclave --enclave-name mortise --enclave-cid 16 --eif-path \
               /opt/mortise/mortise.eif --cpu-count 2 --memory 1024";
    assert_eq!(parent.calls(), [run]);
}

#[test]
fn one_failed_call_of_the_tool_does_not_end_the_enclave() {
    let parent = Parent::new();
    parent.write("breaks", "4");
    parent.write("next-stop.json", &stop("75", 2));
    let ended = parent.run("mortise-enclave-run", &[]);
    assert_eq!(ended.exit, Some(75), "{}", ended.stderr);
    assert!(!parent.place("breaks").exists() && !parent.place("running").exists());
}

/// nitro-cli exits with the number of its error, and systemd would not restart a unit after a 22.
#[test]
fn refused_start_exits_with_1_and_not_with_the_tool_s_number() {
    for number in ["22", "17", "39"] {
        let parent = Parent::new();
        parent.write("refuses", number);
        parent.write("data/diagnostics/last-stop.json", &stop("75", 1));
        let ended = parent.run("mortise-enclave-run", &[]);
        assert_eq!(ended.exit, Some(1), "{}", ended.stderr);
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.ends_with("nitro-cli did not start the enclave: sudo mortise doctor"));
        assert!(ended.stderr.contains(&format!("[ E{number} ]")), "{}", ended.stderr);
    }
}

#[test]
fn missing_or_old_stop_is_exit_1() {
    for recorded in [None, Some(stop("17", 1)), Some(stop("null", 1))] {
        let parent = Parent::new();
        if let Some(recorded) = &recorded {
            parent.write("data/diagnostics/last-stop.json", recorded);
        }
        let ended = parent.run("mortise-enclave-run", &[]);
        assert_eq!(ended.exit, Some(1), "{recorded:?}: {}", ended.stderr);
    }
    let parent = Parent::new();
    parent.write("next-stop.json", &stop("null", 2));
    assert_eq!(parent.run("mortise-enclave-run", &[]).exit, Some(1), "a panic has no status");
}

#[test]
fn debug_mode_is_loud_when_requested_and_terminated_otherwise() {
    let parent = Parent::new();
    parent.write("describe.json", &DESCRIBE.replace("NONE", "DEBUG_MODE"));
    let requested = parent.run("mortise-enclave-run", &["--debug-mode"]);
    assert!(requested.stderr.contains("DEBUG MODE: this machine can read"), "{}", requested.stderr);
    assert!(parent.calls()[0].ends_with(" --debug-mode"), "{:?}", parent.calls());

    let parent = Parent::new();
    parent.write("describe.json", &DESCRIBE.replace("NONE", "DEBUG_MODE"));
    let ended = parent.run("mortise-enclave-run", &[]);
    assert_eq!(ended.exit, Some(78), "{}", ended.stderr);
    assert_eq!(parent.calls()[1..], ["terminate-enclave --enclave-name mortise"]);
    assert_eq!(parent.run("mortise-enclave-run", &["--attach-console"]).exit, Some(2));
}

#[test]
fn running_enclave_is_terminated_before_a_new_one_starts() {
    let parent = Parent::new();
    parent.write("running", "");
    parent.run("mortise-enclave-run", &[]);
    let calls = parent.calls();
    assert_eq!(calls[0], "terminate-enclave --enclave-name mortise", "{calls:?}");
    assert!(calls[1].starts_with("run-enclave "), "{calls:?}");
}

#[test]
fn health_gate_restarts_nothing_that_is_ready_or_starting() {
    for (exit, answer) in [
        (0, "{\"phase\": \"ready\"}"),
        (4, "{\"phase\": \"replaying\"}"),
        (4, "{\"phase\": \"witnessing\"}"),
    ] {
        let parent = Parent::new();
        parent.answers("vsock", exit, answer);
        for _ in 0..6 {
            assert_eq!(parent.run("mortise-health-gate", &[]).exit, Some(0), "{answer}");
        }
        assert_eq!(parent.calls(), Vec::<String>::new(), "{answer}");
    }
}

#[test]
fn health_gate_restarts_a_unit_after_enough_missed_checks() {
    for (scheme, unit) in [("vsock", "mortise-enclave.service"), ("http", "mortise-host.service")] {
        let parent = Parent::new();
        parent.answers(scheme, 3, "");
        for check in 1..=3 {
            assert_eq!(parent.run("mortise-health-gate", &[]).exit, Some(0));
            assert_eq!(parent.calls(), Vec::<String>::new(), "check {check}");
        }
        parent.run("mortise-health-gate", &[]);
        assert_eq!(parent.calls(), [format!("restart --no-block {unit}")]);
        // the count starts again
        parent.run("mortise-health-gate", &[]);
        assert_eq!(parent.calls().len(), 1);
    }
}

#[test]
fn answer_resets_the_count_of_missed_checks() {
    let parent = Parent::new();
    for _ in 0..3 {
        parent.answers("vsock", 3, "");
        parent.run("mortise-health-gate", &[]);
        parent.run("mortise-health-gate", &[]);
        parent.answers("vsock", 0, "{\"phase\": \"ready\"}");
        parent.run("mortise-health-gate", &[]);
    }
    assert_eq!(parent.calls(), Vec::<String>::new());
}

#[test]
fn health_gate_restarts_neither_a_fault_nor_a_failed_unit() {
    let parent = Parent::new();
    parent.answers("vsock", 4, "{\"phase\": \"fault\", \"fault\": \"KEY_DENIED\"}");
    for _ in 0..6 {
        let ended = parent.run("mortise-health-gate", &[]);
        assert_eq!(ended.exit, Some(1));
        assert!(
            ended.stderr.contains("fault KEY_DENIED: a restart does not help"),
            "{}",
            ended.stderr
        );
    }
    parent.answers("vsock", 3, "");
    parent.write("inactive", "");
    let exits: Vec<_> = (0..6).map(|_| parent.run("mortise-health-gate", &[]).exit).collect();
    assert_eq!(exits, [Some(0), Some(0), Some(0), Some(1), Some(1), Some(1)]);
    assert_eq!(parent.calls(), Vec::<String>::new());
}

#[test]
fn health_gate_reports_debug_mode_every_time() {
    let parent = Parent::new();
    parent.answers("vsock", 0, "{\"phase\": \"ready\", \"mode\": \"debug\"}");
    let ended = parent.run("mortise-health-gate", &[]);
    assert!(ended.stderr.contains("DEBUG MODE"), "{}", ended.stderr);
}

#[test]
fn scripts_are_executable_and_pass_shellcheck() {
    let scripts =
        ["mortise-enclave-run", "mortise-health-gate"].map(|name| folder().join("bin").join(name));
    for script in &scripts {
        let mode = std::fs::metadata(script).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{}", script.display());
    }
    match Command::new("shellcheck").args(scripts.iter().map(|path| path as &Path)).output() {
        Ok(ran) => assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout)),
        Err(_) => println!("skipped: shellcheck is absent"),
    }
}
