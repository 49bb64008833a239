//! Does the enclave run, with which CID, and if not: why. "Enclave failed to start", early exit,
//! debug mode.

use super::super::facts::{Enclave, Facts};
use super::super::machine::{Machine, Trouble};
use super::super::report::Finding;
use super::super::stops::LAST_STOP;

const TOOL_LOG: &str = "/var/log/nitro_enclaves/nitro_enclaves.log";
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
    let why = "it is on its way up or down; if that lasts, it hangs";
    Finding::warn("enclave.running", saw, why, &["nitro-cli describe-enclaves", JOURNAL])
}

/// No enclave runs: with the reason that nitro-cli gave, if it gave one.
fn absent(machine: &dyn Machine, facts: &Facts) -> Finding {
    let id = "enclave.running";
    match &facts.enclaves {
        Err(Trouble::NotLive) => return Finding::skip(id, Trouble::NotLive.to_string()),
        Err(Trouble::Missing) => {
            let install = "sudo dnf install -y aws-nitro-enclaves-cli";
            let why = "enclaves are started, described and ended with it";
            return Finding::fail(id, "there is no nitro-cli", why, &[install]);
        }
        Err(trouble) => {
            let saw = format!("nitro-cli describe-enclaves: {trouble}");
            let why = "whether an enclave runs is not known";
            let group = "run doctor as root, or as a user of the group ne";
            return Finding::fail(id, saw, why, &[group, "nitro-cli describe-enclaves"]);
        }
        Ok(all) if !all.is_empty() => {
            let names: Vec<_> = all.iter().map(|one| one.enclave_name.as_str()).collect();
            let saw = format!("{} enclaves run, none is ours: {}", all.len(), names.join(", "));
            let why = "they hold memory and CPUs of the pool";
            let stop = "nitro-cli terminate-enclave --enclave-name NAME";
            return Finding::fail(id, saw, why, &[stop, START]);
        }
        Ok(_) => {}
    }
    match tool_error(machine) {
        Some(said) => failed_to_start(&said),
        None => Finding::fail(id, "no enclave runs", "nobody answers requests", &[START, JOURNAL]),
    }
}

fn failed_to_start(said: &str) -> Finding {
    let code = error_code(said).unwrap_or_default();
    let (meaning, repair) =
        TOOL_ERRORS.iter().find(|(known, ..)| *known == code).map_or(
            ("nitro-cli explains the code", "nitro-cli explain --error-code CODE"),
            |row| (row.1, row.2),
        );
    let saw = format!("no enclave runs; nitro-cli said: {said}");
    Finding::fail("enclave.running", saw, meaning, &[repair, START])
}

/// Codes of nitro-cli that a start fails with: what it means, what helps.
const TOOL_ERRORS: &[(&str, &str, &str)] = &[
    (
        "E19",
        "the image file cannot be read",
        "ls -l $(sed -n s/^MORTISE_EIF=//p /etc/mortise/mortise.env)",
    ),
    ("E20", "the CPUs asked for do not go together", "sudoedit /etc/nitro_enclaves/allocator.yaml"),
    (
        "E21",
        "a CPU that was asked for is not in the pool",
        "sudoedit /etc/nitro_enclaves/allocator.yaml",
    ),
    (
        "E22",
        "the pool has fewer CPUs than the enclave wants; another enclave may hold them",
        "nitro-cli terminate-enclave --all, or raise cpu_count in \
         /etc/nitro_enclaves/allocator.yaml",
    ),
    (
        "E26",
        "the enclave is given less memory than 4 times its image",
        "raise MORTISE_ENCLAVE_MEMORY_MIB in /etc/mortise/mortise.env and memory_mib in \
         /etc/nitro_enclaves/allocator.yaml, then: sudo systemctl restart \
         nitro-enclaves-allocator.service",
    ),
    (
        "E27",
        "less memory is reserved than the enclave wants; another enclave may hold it",
        "nitro-cli terminate-enclave --all, or raise memory_mib in \
         /etc/nitro_enclaves/allocator.yaml, then: sudo systemctl restart \
         nitro-enclaves-allocator.service",
    ),
    (
        "E35",
        "the image cannot be read whole: damaged, or too few huge pages",
        "mortise image describe FILE.eif",
    ),
    (
        "E36",
        "the image started and did not say that it is ready: it ended early, or is no image for \
         this machine",
        "mortise doctor --last-crash; mortise image describe FILE.eif",
    ),
    (
        "E39",
        "the process that manages the enclave is gone",
        "sudo rm -f /run/nitro_enclaves/*.sock",
    ),
];

/// The last complaint of nitro-cli, from the unit's journal or from its own log.
fn tool_error(machine: &dyn Machine) -> Option<String> {
    let args = ["-u", "mortise-enclave.service", "-n", "50", "-o", "cat", "--no-pager"];
    let journal = machine.run("journalctl", &args).map(|ran| ran.stdout).unwrap_or_default();
    let with_code = |text: &str| {
        let line = text.lines().rev().find(|line| error_code(line).is_some());
        line.map(|line| line.trim().to_owned())
    };
    let log = || machine.read(TOOL_LOG).unwrap_or_default();
    with_code(&journal).or_else(|| with_code(&log()))
}

/// The first `E` with two digits in a line.
fn error_code(line: &str) -> Option<&str> {
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
    words.find(|word| {
        let digits = word.strip_prefix('E').unwrap_or_default();
        digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn debug(enclave: &Enclave) -> Finding {
    if !enclave.is_debug() {
        return Finding::ok("enclave.debug", format!("flags {}: not in debug mode", enclave.flags));
    }
    Finding::fail(
        "enclave.debug",
        "DEBUG MODE: nitro-cli shows its console to this machine",
        "its measurements are all zero: the key service answers AccessDenied, every verifier \
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
    let why = "the host dials a CID at which nobody is, and turns this one away";
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_tool_are_found_in_its_lines() {
        for (line, code) in [
            ("[ E26 ] Insufficient memory requested. User provided `memory` is 64 MB", Some("E26")),
            ("Start allocating memory...", None),
            ("E2E E260 E E1", None),
            ("error: E36 Enclave boot failure", Some("E36")),
        ] {
            assert_eq!(error_code(line), code, "{line}");
        }
    }
}
