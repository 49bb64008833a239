//! Whether the enclave runs, with which CID, and why not: "Enclave failed to start", early exit,
//! debug mode.

use super::super::facts::{Enclave, Facts};
use super::super::machine::{Machine, Trouble};
use super::super::report::Finding;
use super::super::stops::LAST_STOP;
use super::tool;

const START: &str = "sudo systemctl start mortise-enclave.service";
const JOURNAL: &str = "journalctl -u mortise-enclave.service -n 50";

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    let running = facts.enclave();
    vec![
        match running {
            Some(enclave) => state(enclave),
            None => absent(machine, facts),
        },
        running.map_or_else(|| none("enclave.debug"), debug),
        running.map_or_else(|| none("enclave.cid"), |enclave| cid(enclave, facts)),
        last_stop(facts),
    ]
}

fn none(id: &'static str) -> Finding {
    Finding::skip(id, "no enclave runs")
}

fn state(enclave: &Enclave) -> Finding {
    let Enclave { id: name, state, cpus, memory_mib, .. } = enclave;
    let saw = format!("{name} is {state}: {cpus} CPUs, {memory_mib} MiB");
    if state == "RUNNING" {
        return Finding::ok("enclave.running", saw);
    }
    let why = "it is starting or stopping; if the state does not change, it hangs";
    Finding::warn("enclave.running", saw, why, &["nitro-cli describe-enclaves", JOURNAL])
}

/// Reports that no enclave runs, with the reason of nitro-cli if there is one.
fn absent(machine: &dyn Machine, facts: &Facts) -> Finding {
    let id = "enclave.running";
    match &facts.enclaves {
        Err(Trouble::NotLive) => return Finding::skip(id, Trouble::NotLive.to_string()),
        Err(Trouble::Missing) => {
            let install = "sudo dnf install -y aws-nitro-enclaves-cli";
            let why = "it starts, lists and stops enclaves";
            return Finding::fail(id, "there is no nitro-cli", why, &[install]);
        }
        Err(trouble) => {
            let saw = format!("nitro-cli describe-enclaves: {trouble}");
            let why = "doctor cannot tell whether an enclave runs";
            let group = "run doctor as root, or as a user of the group ne";
            return Finding::fail(id, saw, why, &[group, "nitro-cli describe-enclaves"]);
        }
        Ok(all) if !all.is_empty() => {
            let names: Vec<_> = all.iter().map(|one| one.enclave_name.as_str()).collect();
            let saw = format!(
                "{} enclaves run, none of them is this engine: {}",
                all.len(),
                names.join(", ")
            );
            let why = "they hold memory and CPUs of the pool";
            let stop = "nitro-cli terminate-enclave --enclave-name NAME";
            return Finding::fail(id, saw, why, &[stop, START]);
        }
        Ok(_) => {}
    }
    tool::failure_to_start(machine).unwrap_or_else(|| {
        Finding::fail(id, "no enclave runs", "no engine answers requests", &[START, JOURNAL])
    })
}

fn debug(enclave: &Enclave) -> Finding {
    if !enclave.is_debug() {
        return Finding::ok("enclave.debug", format!("flags {}: not in debug mode", enclave.flags));
    }
    Finding::fail(
        "enclave.debug",
        "DEBUG MODE: nitro-cli shows the console of the enclave",
        "its measurements are zero: the key service answers AccessDenied, and every verifier \
         refuses its documents",
        &[
            "sudo rm -f /etc/systemd/system/mortise-enclave.service.d/debug.conf && sudo systemctl \
             daemon-reload",
            "sudo systemctl restart mortise-enclave.service",
        ],
    )
}

fn cid(enclave: &Enclave, facts: &Facts) -> Finding {
    let wanted = facts.settings.enclave_cid;
    let saw = format!("CID {}; ENCLAVE_CID is {wanted}", enclave.cid);
    if enclave.cid == wanted {
        return Finding::ok("enclave.cid", saw);
    }
    let set = format!("sudoedit /etc/mortise/mortise.env   (ENCLAVE_CID={})", enclave.cid);
    let why = "the host connects to a CID without an enclave, and refuses this one";
    let restart = "sudo systemctl restart mortise-host.service";
    Finding::fail("enclave.cid", saw, why, &[&set, restart])
}

fn last_stop(facts: &Facts) -> Finding {
    let id = "enclave.exit";
    let stop = match &facts.last_stop {
        Ok(stop) => stop,
        Err(Trouble::Missing) => return Finding::skip(id, "no stop was recorded"),
        Err(trouble) => return Finding::skip(id, format!("{LAST_STOP}: {trouble}")),
    };
    let at = stop.at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
    let saw = format!("last stop{at}: {} (exit {}): {}", stop.name, stop.exit_text(), stop.why);
    if facts.enclave().is_some() || stop.exit == Some(0) {
        return Finding::ok(id, saw);
    }
    let advice = stop.advice();
    Finding::fail(id, saw, advice.meaning, advice.next)
}
