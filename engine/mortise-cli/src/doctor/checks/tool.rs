//! The error of nitro-cli when an enclave did not start, and its repair: E19 to E39.
//!
//! The process of the enclave prints the cause, `[ E27 ] ...`. The command that waited for it then
//! exits with `[ E39 ]`, which only refers to the first error. The script of the unit prints a line
//! at the start of every attempt, so that errors of earlier attempts are not mixed in.

use super::super::machine::Machine;
use super::super::report::Finding;

const LOG: &str = "/var/log/nitro_enclaves/nitro_enclaves.log";
/// Start of an attempt: in the journal by our script, in the log by nitro-cli.
const BEGINS: [&str; 2] = ["mortise-enclave-run: starting", "Run args = "];
/// The enclave started: errors after this line are not failures to start.
const STARTED: [&str; 2] = ["Started enclave with enclave-cid", "Enclave ID = "];
/// Printed by the command that waited for the process that failed.
const CONSEQUENCES: [&str; 2] = ["E38", "E39"];

/// Codes of a failed start: code, meaning, repair.
const ERRORS: &[(&str, &str, &str)] = &[
    ("E07", "the socket folder /run/nitro_enclaves is missing", "sudo systemd-tmpfiles --create"),
    (
        "E19",
        "the image file cannot be read",
        "ls -l $(sed -n s/^MORTISE_EIF=//p /etc/mortise/mortise.env)",
    ),
    (
        "E20",
        "a CPU was named twice",
        "set MORTISE_ENCLAVE_CPUS in /etc/mortise/mortise.env to a number, not to names",
    ),
    (
        "E21",
        "a requested CPU is not in the pool",
        "sudoedit /etc/nitro_enclaves/allocator.yaml   (add the CPU to cpu_pool)",
    ),
    (
        "E22",
        "the pool has fewer free CPUs than the enclave needs; another enclave may hold them",
        "nitro-cli terminate-enclave --all, or raise cpu_count in \
         /etc/nitro_enclaves/allocator.yaml",
    ),
    (
        "E26",
        "the enclave gets less memory than 4 times its image",
        "raise MORTISE_ENCLAVE_MEMORY_MIB in /etc/mortise/mortise.env and memory_mib in \
         /etc/nitro_enclaves/allocator.yaml, then: sudo systemctl restart \
         nitro-enclaves-allocator.service",
    ),
    (
        "E27",
        "less memory is free than the enclave needs; another enclave may hold it",
        "nitro-cli terminate-enclave --all, or raise memory_mib in \
         /etc/nitro_enclaves/allocator.yaml, then: sudo systemctl restart \
         nitro-enclaves-allocator.service",
    ),
    (
        "E35",
        "the image could not be loaded: it is damaged, or there are too few huge pages",
        "mortise image describe FILE.eif",
    ),
    (
        "E36",
        "the image started and did not report ready: it exited early, or is not an image for \
         this machine",
        "mortise doctor --last-crash; mortise image describe FILE.eif",
    ),
    (
        "E39",
        "the process that manages the enclave is gone",
        "sudo rm -f /run/nitro_enclaves/*.sock",
    ),
];

/// Why the last attempt failed, if nitro-cli printed an error.
pub(super) fn failure_to_start(machine: &dyn Machine) -> Option<Finding> {
    let line = error_line(machine)?;
    let code = code(&line).unwrap_or_default();
    let unknown = format!("nitro-cli explain --error-code {code}");
    let (meaning, repair) = match ERRORS.iter().find(|(known, ..)| *known == code) {
        Some((_, meaning, repair)) => (*meaning, *repair),
        None => ("an error of nitro-cli that doctor does not know", unknown.as_str()),
    };
    let saw = format!("no enclave runs; nitro-cli printed: {line}");
    let steps = [repair, "sudo systemctl start mortise-enclave.service"];
    Some(Finding::fail("enclave.running", saw, meaning, &steps))
}

/// Reads it from the journal of the unit, which marks attempts, or from the log of nitro-cli.
fn error_line(machine: &dyn Machine) -> Option<String> {
    let args = ["-u", "mortise-enclave.service", "-n", "100", "-o", "cat", "--no-pager"];
    let journal = machine.run("journalctl", &args).map(|ran| ran.stdout).unwrap_or_default();
    if STARTED.iter().any(|mark| last_attempt(&journal).contains(mark)) {
        return None;
    }
    cause(&journal).or_else(|| cause(&machine.tail(LOG).unwrap_or_default()))
}

/// The last line of the last attempt with a cause; without one, the last with a consequence.
fn cause(text: &str) -> Option<String> {
    let attempt = last_attempt(text);
    if STARTED.iter().any(|mark| attempt.contains(mark)) {
        return None;
    }
    let errors = || attempt.lines().rev().filter_map(|line| Some((code(line)?, line.trim())));
    let cause = errors().find(|(code, _)| !CONSEQUENCES.contains(code)).or_else(|| errors().next());
    cause.map(|(_, line)| line.to_owned())
}

/// The text after the last start of an attempt; all of it if there is none.
fn last_attempt(text: &str) -> &str {
    let begins = BEGINS.iter().filter_map(|mark| text.rfind(mark)).max();
    &text[begins.unwrap_or(0)..]
}

/// The code of `[ E26 ] ...`. Ignores the code in the link to the help page of nitro-cli.
fn code(line: &str) -> Option<&str> {
    let (code, _) = line.split_once("[ ")?.1.split_once(" ]")?;
    let digits = code.strip_prefix('E')?;
    let is_code = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nitro-cli 1.5 prints a failure: the cause, its page, then the one that waited.
    fn failed(cause: &str) -> String {
        let page = "For more details, please visit https://docs.aws.amazon.com/enclaves/latest/user\
                    /cli-errors.html#";
        format!(
            "mortise-enclave-run: starting mortise\nStart allocating memory...\n[ {cause} ] x\n\n\
             {page}{cause}\n\nFailed connections: 1\n[ E39 ] Enclave process connection \
             failure.\n\n{page}E39\n"
        )
    }

    #[test]
    fn codes_are_those_in_brackets() {
        for (line, found) in [
            ("[ E26 ] Insufficient memory requested. User provided `memory`", Some("E26")),
            ("[enc-1:2][ERROR][2026-11-22T13:00:00.000Z][src/x.rs:9] [ E36 ] Boot", Some("E36")),
            ("Start allocating memory...", None),
            ("please visit https://docs.aws.amazon.com/enclaves/cli-errors.html#E27", None),
            ("[ E2 ] [ E260 ] [ Exy ]", None),
        ] {
            assert_eq!(code(line), found, "{line}");
        }
    }

    #[test]
    fn cause_goes_before_the_complaint_of_whoever_waited_for_it() {
        assert_eq!(cause(&failed("E27")).unwrap(), "[ E27 ] x");
        let alone = "[ E39 ] Enclave process connection failure.\n";
        assert_eq!(cause(alone).unwrap(), alone.trim());
    }

    #[test]
    fn only_the_last_attempt_counts_and_none_that_came_to_an_enclave() {
        let twice = failed("E27") + &failed("E22");
        assert_eq!(cause(&twice).unwrap(), "[ E22 ] x");
        let ran = failed("E27")
            + "mortise-enclave-run: starting mortise\nStart allocating memory...\nStarted enclave \
               with enclave-cid: 16, memory: 1024 MiB, cpu-ids: [1, 3]\n[ E39 ] later\n";
        assert_eq!(cause(&ran), None);
    }

    #[test]
    fn each_code_has_its_own_advice() {
        for (at, (code, meaning, repair)) in ERRORS.iter().enumerate() {
            for (other, same_meaning, same_repair) in &ERRORS[..at] {
                assert!(code != other && meaning != same_meaning, "{code} {other}");
                assert!(repair != same_repair, "{code} and {other} have one advice");
            }
        }
    }
}
