//! The environment file and the systemd units.

use super::super::facts::Facts;
use super::super::machine::{Machine, Trouble};
use super::super::report::Finding;
use super::super::settings::ENVIRONMENT_FILE;

const UNITS: [(&str, &str); 3] = [
    ("service.allocator", "nitro-enclaves-allocator.service"),
    ("service.host", "mortise-host.service"),
    ("service.enclave", "mortise-enclave.service"),
];

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    let units = UNITS.iter().map(|(id, unit)| service(machine, id, unit));
    std::iter::once(environment(facts)).chain(units).collect()
}

fn environment(facts: &Facts) -> Finding {
    let (id, settings) = ("setup.environment", &facts.settings);
    if let Err(trouble) = &settings.file {
        let repair = "sudo install -D -m 0644 enclave-image/deploy/mortise.env";
        return Finding::warn(
            id,
            format!("{ENVIRONMENT_FILE}: {trouble}"),
            "units and doctor use the defaults: CID 16, port 5000, gateway 8080, no AWS region",
            &[&format!("{repair} {ENVIRONMENT_FILE}")],
        );
    }
    let lines = settings.odd_lines.iter().map(|line| format!("line {line} is not NAME=value"));
    let values = settings.odd_values.iter().map(|name| format!("{name} is not a number"));
    let odd: Vec<_> = lines.chain(values).collect();
    if odd.is_empty() {
        let saw = format!("{ENVIRONMENT_FILE}: CID {}", settings.enclave_cid);
        return Finding::ok(id, format!("{saw}, port {}", settings.enclave_port));
    }
    let why = "units and doctor use the default in place of a value that they cannot read";
    Finding::fail(id, odd.join("; "), why, &[&format!("sudoedit {ENVIRONMENT_FILE}")])
}

fn service(machine: &dyn Machine, id: &'static str, unit: &str) -> Finding {
    let ran = match machine.run("systemctl", &["is-active", unit]) {
        Ok(ran) => ran,
        Err(Trouble::Missing) => return Finding::skip(id, "there is no systemctl"),
        Err(trouble) => return Finding::skip(id, format!("systemctl: {trouble}")),
    };
    let state = ran.stdout.lines().next().unwrap_or_default().trim().to_owned();
    if state.is_empty() {
        let line = ran.stderr.lines().next().unwrap_or("no output").trim().to_owned();
        return Finding::skip(id, format!("systemctl: {line}"));
    }
    match state.as_str() {
        "active" => Finding::ok(id, format!("{unit} is active")),
        "activating" | "reloading" => Finding::warn(
            id,
            format!("{unit} is {state}"),
            "it is still starting, or restarts again and again",
            &[&format!("journalctl -u {unit} -n 50")],
        ),
        _ => Finding::fail(
            id,
            format!("{unit} is {state}"),
            "nothing starts it after a boot or a crash",
            &[
                &format!("sudo systemctl enable --now {unit}"),
                &format!("journalctl -u {unit} -n 50"),
            ],
        ),
    }
}
