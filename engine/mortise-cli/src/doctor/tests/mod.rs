//! Each problem of the guides for enclaves on a simulated machine; compares the whole report.
//!
//! A machine is a folder of files, the outputs of its programs and the answers of its sockets.
//! Expected reports are in `tests/expected`. After a deliberate change of a text, write them again
//! with `MORTISE_WRITE_EXPECTED=1` and read the diff.

mod recorded;

use super::checks;
use super::facts::Facts;
use super::report::{Report, Status};
use super::{last_crash_text, read_last_lines, read_last_stop};
use crate::doctor::machine::Trouble;
use recorded::{DEBUG_ENCLAVE, OUR_ENCLAVE, Recorded};
use std::path::Path;

const ENGINE: &str = "vsock:16:5000";

fn examine(machine: &Recorded) -> Report {
    checks::run(machine, &Facts::gather(machine))
}

/// No two checks of a report advise the same.
fn advice_is_unique(report: &Report) {
    for (at, finding) in report.findings.iter().enumerate() {
        for other in report.findings[..at].iter().filter(|other| !other.repair.is_empty()) {
            assert_ne!(finding.repair, other.repair, "{} and {}", finding.id, other.id);
        }
    }
}

/// Compares text and JSON with the expected report, and checks the failures.
fn expect(name: &str, machine: &Recorded, failures: &[&str]) {
    let report = examine(machine);
    advice_is_unique(&report);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/doctor/tests/expected");
    let json = format!("{:#}\n", report.json());
    for (extension, found) in [("txt", report.text()), ("json", json)] {
        let path = folder.join(format!("{name}.{extension}"));
        if std::env::var_os("MORTISE_WRITE_EXPECTED").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, expected, "{} differs", path.display());
    }
    let failed: Vec<_> =
        report.findings.iter().filter(|f| f.status == Status::Fail).map(|f| f.id).collect();
    assert_eq!(failed, failures, "{name}");
}

/// Removes the enclave and its answers.
fn without_enclave(machine: &mut Recorded) {
    machine.command("nitro-cli describe-enclaves", "[]\n");
    machine.sockets.insert(ENGINE.into(), Err(Trouble::Refused));
    machine.calls.clear();
    machine.answer("127.0.0.1:8080/readyz", 503, "{}");
}

#[test]
fn healthy_parent_has_no_failure_and_no_warning() {
    let machine = Recorded::healthy();
    expect("healthy", &machine, &[]);
    let report = examine(&machine);
    assert_eq!((report.count(Status::Warn), report.count(Status::Skip)), (0, 2));
}

#[test]
fn enclave_that_failed_to_start_is_explained_by_the_tool_s_own_error() {
    let mut machine = Recorded::healthy();
    without_enclave(&mut machine);
    machine.fails("systemctl is-active mortise-enclave.service", "failed\n");
    machine.command(
        "journalctl -u mortise-enclave.service -n 100 -o cat --no-pager",
        "mortise-enclave-run: starting mortise from /opt/mortise/mortise.eif\nStart allocating \
         memory...\n[ E27 ] Insufficient memory available. User provided `memory` is 1024 MB, \
         which is more than the available hugepage memory.\n\nFailed connections: 1\n[ E39 ] \
         Enclave process connection failure. Such error appears when the enclave manager fails \
         to connect to at least one enclave process for retrieving the description information.\n\
         mortise-enclave-run: nitro-cli did not start the enclave: sudo mortise doctor\n",
    );
    machine.hugepages(256);
    let failures =
        ["service.enclave", "allocator.memory", "enclave.running", "vsock.engine", "host.ready"];
    expect("failed-to-start", &machine, &failures);
}

/// As the guides write the file: the allocator stops at the empty line and reserves nothing.
#[test]
fn allocator_file_of_the_guides_is_named_by_its_line() {
    let mut machine = Recorded::healthy();
    without_enclave(&mut machine);
    machine.fails("systemctl is-active nitro-enclaves-allocator.service", "failed\n");
    machine.file(
        "/etc/nitro_enclaves/allocator.yaml",
        "---\n# memory of the enclave (MB)\nmemory_mib: 4096\n\n# CPUs\ncpu_count: 2\n",
    );
    machine.file("/sys/module/nitro_enclaves/parameters/ne_cpus", "\n");
    machine.hugepages(0);
    let failures =
        ["service.allocator", "allocator.config", "enclave.running", "vsock.engine", "host.ready"];
    expect("allocator-empty-line", &machine, &failures);
}

#[test]
fn image_of_more_than_a_quarter_of_the_memory_is_e26_before_and_after_the_start() {
    let mut machine = Recorded::healthy();
    machine.image_mib(300);
    expect("e26-before", &machine, &["image.memory"]);
    without_enclave(&mut machine);
    machine.file(
        "/var/log/nitro_enclaves/nitro_enclaves.log",
        "[enc-x:i-1][INFO][2026-11-22T13:00:00.000Z][src/enclave_proc/mod.rs:272] Run args = \
         RunEnclavesArgs {}\n[enc-x:i-1][ERROR][2026-11-22T13:00:00.000Z][src/main.rs:99] [ E26 ] \
         Insufficient memory requested. User provided `memory` is 1024 MB, but based on the EIF \
         file size, the minimum memory should be 1200 MB\n",
    );
    let failures = ["image.memory", "enclave.running", "vsock.engine", "host.ready"];
    expect("e26-memory", &machine, &failures);
}

#[test]
fn refused_vsock_connection_names_the_state_of_the_enclave() {
    let mut machine = Recorded::healthy();
    machine.sockets.insert(ENGINE.into(), Err(Trouble::Refused));
    machine.calls.clear();
    machine.answer("127.0.0.1:8080/readyz", 503, "{}");
    expect("vsock-refused", &machine, &["vsock.engine", "host.ready"]);
    let moved = OUR_ENCLAVE.replace("\"EnclaveCID\": 16", "\"EnclaveCID\": 19");
    machine.enclave(&moved, "ab");
    expect("vsock-other-cid", &machine, &["enclave.cid", "vsock.engine", "host.ready"]);
}

#[test]
fn missing_device_says_whether_driver_instance_or_machine_is_wrong() {
    let mut machine = Recorded::healthy();
    without_enclave(&mut machine);
    machine.remove("/dev/nitro_enclaves");
    machine.remove("/sys/module/nitro_enclaves");
    machine.fails("systemctl is-active nitro-enclaves-allocator.service", "failed\n");
    let failures = [
        "service.allocator",
        "device.driver",
        "device.node",
        "enclave.running",
        "vsock.engine",
        "host.ready",
    ];
    expect("no-device", &machine, &failures);
    machine.file("/sys/devices/virtual/dmi/id/sys_vendor", "QEMU\n");
    let node = examine(&machine).findings.into_iter().find(|f| f.id == "device.node").unwrap();
    assert!(node.why.contains("on Nitro") && node.repair[0].contains("mortise-dev dev"));
}

#[test]
fn access_denied_names_image_role_or_debug_mode_as_its_reason() {
    let denied = |machine: &mut Recorded| {
        machine.health("\"phase\":\"fault\",\"fault\":\"KEY_DENIED\",\"mode\":\"attested\"");
        machine.answer("127.0.0.1:8080/readyz", 503, "{}");
    };
    let mut machine = Recorded::healthy();
    denied(&mut machine);
    machine.enclave(OUR_ENCLAVE, "cd");
    let failures = ["engine.health", "host.ready", "policy.access"];
    expect("access-denied-image", &machine, &failures);

    let mut machine = Recorded::healthy();
    denied(&mut machine);
    machine.role("another-role");
    expect("access-denied-role", &machine, &failures);

    let mut machine = Recorded::healthy();
    denied(&mut machine);
    machine.enclave(DEBUG_ENCLAVE, "");
    let failures = ["enclave.debug", "engine.health", "host.ready", "policy.access"];
    expect("access-denied-debug", &machine, &failures);
}

#[test]
fn debug_mode_is_first_even_if_only_the_engine_reports_it() {
    let mut machine = Recorded::healthy();
    machine.health("\"phase\":\"ready\",\"mode\":\"debug\"");
    let report = examine(&machine);
    advice_is_unique(&report);
    assert!(report.is_debug);
    let second = report.text().lines().nth(1).unwrap().to_owned();
    assert!(second.starts_with("*** DEBUG MODE"), "{second}");
    let failed: Vec<_> =
        report.findings.iter().filter(|f| f.status == Status::Fail).map(|f| f.id).collect();
    assert_eq!(failed, ["engine.health", "policy.access"]);
}

#[test]
fn missing_witness_listener_fails_and_missing_diagnostics_listener_warns() {
    let mut machine = Recorded::healthy();
    machine.command(
        "ss --vsock --listening --numeric --no-header",
        "v_str LISTEN 0 0 *:5001 *:*\nv_str LISTEN 0 0 *:5003 *:*\nv_str LISTEN 0 0 *:8000 *:*\n",
    );
    let witness = "MORTISE_HOST_ARGS=--witness \"w+1234+AQ== http://127.0.0.1:9100/w\"\n";
    machine.file("/etc/mortise/mortise.env", &format!("AWS_REGION=eu-west-1\n{witness}"));
    let report = examine(&machine);
    advice_is_unique(&report);
    let of = |id| report.findings.iter().find(|found| found.id == id).unwrap();
    assert_eq!(of("proxy.witness").status, Status::Fail);
    assert!(of("proxy.witness").saw.contains("5004"));
    assert_eq!(of("proxy.diagnostics").status, Status::Warn);
    assert_eq!(of("proxy.store").status, Status::Ok);
}

#[test]
fn proxy_failure_shows_the_port_the_way_and_what_the_host_counted() {
    let mut machine = Recorded::healthy();
    machine.command(
        "ss --vsock --listening --numeric --no-header",
        "v_str LISTEN 0 0 *:5001 *:*\nv_str LISTEN 0 0 *:5002 *:*\nv_str LISTEN 0 0 *:5003 *:*\n",
    );
    machine.tcp.insert("kms.eu-west-1.amazonaws.com:443".into(), Err(Trouble::TimedOut));
    machine.answer(
        "127.0.0.1:8080/metrics",
        200,
        "mortise_host_relay_connections_total{outcome=\"unreachable\"} 7\n",
    );
    machine.health("\"phase\":\"starting\",\"mode\":\"attested\"");
    machine.answer("127.0.0.1:8080/readyz", 503, "{}");
    expect("proxy-failure", &machine, &["host.ready", "proxy.kms", "kms.endpoint"]);
}

#[test]
fn early_exit_is_explained_by_the_recorded_stop() {
    let mut machine = Recorded::healthy();
    without_enclave(&mut machine);
    machine.fails("systemctl is-active mortise-enclave.service", "failed\n");
    machine.file(
        "/var/lib/mortise/diagnostics/last-stop.json",
        "{\"name\":\"CONFIG\",\"exit\":12,\"why\":\"the configuration: line 3\",\
         \"at\":\"2026-11-22T13:00:00Z\",\"receivedMs\":1795352400000}",
    );
    let failures =
        ["service.enclave", "enclave.running", "enclave.exit", "vsock.engine", "host.ready"];
    expect("early-exit", &machine, &failures);
}

#[test]
fn last_crash_shows_stop_meaning_and_last_lines() {
    let machine = Recorded::healthy();
    machine.file(
        "/var/lib/mortise/diagnostics/last-stop.json",
        r#"{"name":"STORE","exit":75,"why":"gone\u001b[31m","at":"T","receivedMs":5}"#,
    );
    let lines: String =
        (0..12).map(|at| format!("{{\"receivedMs\":{at},\"line\":\"line {at}\"}}\n")).collect();
    machine.file("/var/lib/mortise/diagnostics/lines.jsonl", &lines);
    let stop = read_last_stop(&machine, "/var/lib/mortise").unwrap();
    let lines = read_last_lines(&machine, "/var/lib/mortise");
    let text = last_crash_text(&stop, &lines);
    assert!(text.starts_with("STORE (exit 75): gone?[31m\n"), "{text}");
    assert!(text.contains("\n  meaning  the log store closed the connection"), "{text}");
    assert!(text.contains("\n  next     sudo systemctl restart"), "{text}");
    assert!(text.contains("output   line 11\n") && !text.contains("line 1\n"), "{text}");
}

#[test]
fn empty_parent_gets_repairs_and_no_panic() {
    let report = examine(&Recorded::bare());
    advice_is_unique(&report);
    for finding in &report.findings {
        let is_bad = matches!(finding.status, Status::Fail | Status::Warn);
        assert_eq!(is_bad, !finding.why.is_empty(), "{finding:?}");
        assert_eq!(is_bad, !finding.repair.is_empty(), "{finding:?}");
    }
    assert!(report.count(Status::Fail) >= 6, "{}", report.text());
    assert_eq!(report.count(Status::Ok), 0, "{}", report.text());
}

#[test]
fn instance_without_a_role_and_with_open_metadata_is_found() {
    let mut machine = Recorded::healthy();
    machine.answer("169.254.169.254:80/latest/meta-data/iam/security-credentials/", 404, "");
    machine.answer("169.254.169.254:80/latest/meta-data/", 200, "ami-id\n");
    let report = examine(&machine);
    let status = |id: &str| report.findings.iter().find(|f| f.id == id).unwrap().status;
    assert_eq!(status("credentials.role"), Status::Fail);
    assert_eq!(status("credentials.imds"), Status::Warn);
}

#[test]
fn clock_disk_and_policy_troubles_have_their_status() {
    let mut machine = Recorded::healthy();
    machine
        .command("chronyc -c tracking", &recorded::TRACKING.replace("Normal", "Not synchronised"));
    machine.now += 60;
    machine.sync = std::time::Duration::from_millis(80);
    machine.command(
        "df -Pk /var/lib/mortise",
        "Filesystem 1024-blocks Used Available Capacity \
         Mounted on\n/dev/nvme0n1p1 20961280 20900000 61280 100% /\n",
    );
    machine.remove("/var/lib/mortise/index");
    machine.file("/etc/mortise/key-policy.json", include_str!("tutorial-policy.json"));
    let report = examine(&machine);
    let status = |id: &str| report.findings.iter().find(|f| f.id == id).unwrap().status;
    for (id, expected) in [
        ("clock.sync", Status::Warn),
        ("clock.engine", Status::Warn),
        ("disk.space", Status::Fail),
        ("disk.sync", Status::Warn),
        ("disk.log", Status::Fail),
        ("policy.lint", Status::Fail),
    ] {
        assert_eq!(status(id), expected, "{id}\n{}", report.text());
    }
}

#[test]
fn folder_of_another_machine_skips_what_needs_it_running() {
    let mut machine = Recorded::healthy();
    machine.is_live = false;
    let report = examine(&machine);
    let status = |id: &str| report.findings.iter().find(|f| f.id == id).unwrap().status;
    for id in ["vsock.engine", "host.gateway", "enclave.running", "disk.sync", "credentials.imds"] {
        assert_eq!(status(id), Status::Skip, "{id}");
    }
    for id in ["device.node", "allocator.memory", "image.memory", "policy.lint", "disk.log"] {
        assert_eq!(status(id), Status::Ok, "{id}");
    }
    assert_eq!(report.count(Status::Fail), 0, "{}", report.text());
}
