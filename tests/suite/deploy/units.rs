//! Units: systemd accepts them, they are sandboxed, and restarts follow the table of exits.

use super::{files, text};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// Programs that the units start, besides our scripts.
const PROGRAMS: [&str; 3] = ["mortise", "mortise-host", "nitro-cli"];
/// Replaces the unit of Amazon's package, which is not installed here.
const ALLOCATOR: &str = "[Unit]\nDescription=a\n[Service]\nType=oneshot\nExecStart=/usr/bin/true\n";

/// A root folder like that of a parent; `None` if systemd is absent.
fn parent() -> Option<tempfile::TempDir> {
    let analyze = Command::new("systemd-analyze").arg("--version").output();
    if !analyze.is_ok_and(|ran| ran.status.success()) {
        println!("skipped: systemd-analyze is absent");
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let place = root.path().join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, text).unwrap();
        let mode = if path.starts_with("usr/") { 0o755 } else { 0o644 };
        std::fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
    };
    for (name, text) in files("service").into_iter().chain(files("timer")) {
        write(&format!("etc/{}", name.replace("systemd/", "systemd/system/")), &text);
    }
    write("etc/systemd/system/nitro-enclaves-allocator.service", ALLOCATOR);
    for program in PROGRAMS.into_iter().chain(["true"]) {
        write(&format!("usr/bin/{program}"), "#!/bin/sh\n");
    }
    for script in ["mortise-enclave-run", "mortise-health-gate"] {
        write(&format!("usr/libexec/mortise/{script}"), &text(&format!("bin/{script}")));
    }
    // Targets and slices of systemd itself.
    let place = root.path().join("usr/lib/systemd");
    std::fs::create_dir_all(&place).unwrap();
    let copied = Command::new("cp").arg("-r").arg("/usr/lib/systemd/system").arg(place).status();
    assert!(copied.unwrap().success());
    Some(root)
}

fn analyze(root: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.arg(format!("--root={}", root.display())).args(args).output().unwrap()
}

/// The output of `systemd-analyze verify`; empty when it accepts the unit.
fn complaints(root: &Path, unit: &str) -> String {
    let ran = analyze(root, &["verify", "--man=no", unit]);
    let text = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    let ours: Vec<&str> = text.lines().filter(|line| line.contains("mortise")).collect();
    match (ran.status.success(), ours.is_empty()) {
        (true, true) => String::new(),
        _ => text,
    }
}

#[test]
fn systemd_accepts_every_unit_without_a_warning() {
    let Some(root) = parent() else { return };
    let units = files("service").into_iter().chain(files("timer"));
    let names: Vec<_> = units.map(|(path, _)| path.replace("systemd/", "")).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for name in &names {
        assert_eq!(complaints(root.path(), name), "", "{name}");
    }
    let unit = root.path().join("etc/systemd/system/mortise-host.service");
    let planted = text("systemd/mortise-host.service").replace("ProtectHome=yes", "ProtectHom=1");
    std::fs::write(&unit, planted).unwrap();
    assert!(complaints(root.path(), "mortise-host.service").contains("ProtectHom"));
    let planted = text("systemd/mortise-host.service").replace("/usr/bin/", "/usr/sbin/");
    std::fs::write(&unit, planted).unwrap();
    assert!(complaints(root.path(), "mortise-host.service").contains("/usr/sbin/mortise-host"));
}

#[test]
fn units_are_sandboxed() {
    let Some(root) = parent() else { return };
    for (unit, tenths_max) in
        [("mortise-host", 20), ("mortise-enclave", 40), ("mortise-health", 30)]
    {
        let (unit, threshold) = (format!("{unit}.service"), format!("--threshold={tenths_max}"));
        let ran = analyze(root.path(), &["security", "--offline=yes", &threshold, &unit]);
        let report = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{unit} has an exposure over {tenths_max}/10:\n{report}");
    }
}

/// The values of a setting of a unit.
fn setting(unit: &str, name: &str) -> Vec<String> {
    let text = text(&format!("systemd/{unit}"));
    let start = format!("{name}=");
    text.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
}

#[test]
fn systemd_does_not_restart_after_a_stop_that_a_restart_does_not_cure() {
    let page = include_str!("../../../specs/configuration.md");
    let first = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    let mut exits: Vec<u8> = first.filter_map(|cell| cell.parse().ok()).collect();
    assert!(exits.contains(&0) && exits.contains(&17) && exits.contains(&75), "{exits:?}");
    // The script's own status: unrequested debug mode.
    exits.push(78);
    exits.retain(|exit| ![0, 75, 134].contains(exit));
    exits.sort_unstable();
    exits.dedup();
    let prevented = setting("mortise-enclave.service", "RestartPreventExitStatus").join(" ");
    let prevented: Vec<u8> = prevented.split(' ').map(|exit| exit.parse().unwrap()).collect();
    assert_eq!(prevented, exits);
    assert_eq!(setting("mortise-enclave.service", "Restart"), ["on-failure"]);
}

#[test]
fn only_the_drop_in_enables_debug_mode() {
    for (path, text) in files("service") {
        let settings = text.lines().filter(|line| !line.starts_with('#'));
        let debug: Vec<_> = settings.filter(|line| line.to_lowercase().contains("debug")).collect();
        assert!(debug.is_empty(), "{path}: {debug:?}");
    }
    assert!(!text("mortise.env").to_lowercase().contains("debug"));
    let drop_in = text("systemd/debug.conf");
    let lines: Vec<_> = drop_in.lines().filter(|line| !line.starts_with('#')).collect();
    let start = "ExecStart=/usr/libexec/mortise/mortise-enclave-run --debug-mode";
    assert_eq!(lines, ["[Service]", "ExecStart=", start]);
    assert!(drop_in.starts_with("# DEBUG MODE."));
}

#[test]
fn unit_of_the_host_uses_flags_and_variables_that_exist() {
    let source = super::files_of("host-store/src");
    let start = setting("mortise-host.service", "ExecStart").join(" ");
    let flags: Vec<_> = start.split(' ').filter_map(|word| word.strip_prefix("--")).collect();
    assert_eq!(flags, ["data-dir", "log"]);
    for flag in flags {
        let field = flag.replace('-', "_");
        assert!(source.contains(&format!("{field}: ")), "mortise-host has no flag {flag}");
    }
    for name in ["ENCLAVE_CID", "ENCLAVE_PORT", "PROXY_PORT", "AWS_REGION"] {
        assert!(source.contains(&format!("env = \"{name}\"")), "{name}");
        assert!(text("mortise.env").contains(&format!("\n{name}=")), "{name}");
    }
}

#[test]
fn every_variable_of_the_environment_file_is_read() {
    let mut readers = super::files_of("host-store/src");
    readers.push_str(&super::files_of("engine/mortise-cli/src/doctor"));
    readers.push_str(&text("bin/mortise-enclave-run"));
    readers.push_str(&text("bin/mortise-health-gate"));
    readers.push_str(&text("systemd/mortise-host.service"));
    let environment = text("mortise.env");
    let names = environment.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<_> = names.filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        assert!(readers.contains(name), "nothing reads {name}");
    }
}
