//! The environment file and the units.

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
    if let Err(trouble) = &settings.found {
        let repair = "sudo install -D -m 0644 enclave-image/deploy/mortise.env";
        return Finding::warn(
            id,
            format!("{ENVIRONMENT_FILE}: {trouble}"),
            "units and doctor take their defaults: CID 16, port 5000, gateway 8080, no AWS region",
            &[&format!("{repair} {ENVIRONMENT_FILE}")],
        );
    }
    let lines = settings.odd_lines.iter().map(|line| format!("line {line} is not NAME=value"));
    let values = settings.odd_values.iter().map(|name| format!("{name} is no number"));
    let odd: Vec<_> = lines.chain(values).collect();
    if odd.is_empty() {
        let saw = format!("{ENVIRONMENT_FILE}: CID {}", settings.enclave_cid);
        return Finding::ok(id, format!("{saw}, port {}", settings.enclave_port));
    }
    let why = "what cannot be read is taken as its default";
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
        let said = ran.stderr.lines().next().unwrap_or("it says nothing").trim().to_owned();
        return Finding::skip(id, format!("systemctl: {said}"));
    }
    match state.as_str() {
        "active" => Finding::ok(id, format!("{unit} is active")),
        "activating" | "reloading" => Finding::warn(
            id,
            format!("{unit} is {state}"),
            "it has not come up yet, or comes up again and again",
            &[&format!("journalctl -u {unit} -n 50")],
        ),
        _ => Finding::fail(
            id,
            format!("{unit} is {state}"),
            "without it nothing starts by itself, and nothing is started again",
            &[
                &format!("sudo systemctl enable --now {unit}"),
                &format!("journalctl -u {unit} -n 50"),
            ],
        ),
    }
}
