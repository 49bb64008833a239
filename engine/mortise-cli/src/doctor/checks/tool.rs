//! What nitro-cli complained of when an enclave did not start, and what helps: E19 to E39.
//!
//! Its own process prints the cause, `[ E27 ] ...`; the command that waited for it then ends with
//! `[ E39 ]`, which says only that something else was said. Every attempt of the unit begins with a
//! line of its script, so that the complaint of an older attempt is not taken for this one's.

use super::super::machine::Machine;
use super::super::report::Finding;

const LOG: &str = "/var/log/nitro_enclaves/nitro_enclaves.log";
/// An attempt begins: in the journal by our script, in the log by nitro-cli.
const BEGINS: [&str; 2] = ["mortise-enclave-run: starting", "Run args = "];
/// It came to an enclave: what is complained of later is no failure to start.
const STARTED: [&str; 2] = ["Started enclave with enclave-cid", "Enclave ID = "];
/// Said by whoever waited for the process that failed.
const CONSEQUENCES: [&str; 2] = ["E38", "E39"];

/// Codes that a start fails with: what it means, what helps.
const ERRORS: &[(&str, &str, &str)] = &[
    (
        "E07",
        "the folder of the sockets, /run/nitro_enclaves, is missing",
        "sudo systemd-tmpfiles --create",
    ),
    (
        "E19",
        "the image file cannot be read",
        "ls -l $(sed -n s/^MORTISE_EIF=//p /etc/mortise/mortise.env)",
    ),
    (
        "E20",
        "a CPU was named twice",
        "give a number in place of names: MORTISE_ENCLAVE_CPUS in /etc/mortise/mortise.env",
    ),
    (
        "E21",
        "a CPU that was asked for is not in the pool",
        "sudoedit /etc/nitro_enclaves/allocator.yaml   (cpu_pool: with that CPU)",
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

/// Why the last attempt came to nothing, as far as nitro-cli said so.
pub(super) fn failure_to_start(machine: &dyn Machine) -> Option<Finding> {
    let said = complaint(machine)?;
    let code = code(&said).unwrap_or_default();
    let unknown = format!("nitro-cli explain --error-code {code}");
    let (meaning, repair) = match ERRORS.iter().find(|(known, ..)| *known == code) {
        Some((_, meaning, repair)) => (*meaning, *repair),
        None => ("nitro-cli explains its codes", unknown.as_str()),
    };
    let saw = format!("no enclave runs; nitro-cli said: {said}");
    let steps = [repair, "sudo systemctl start mortise-enclave.service"];
    Some(Finding::fail("enclave.running", saw, meaning, &steps))
}

/// From the unit's journal, which names the attempts, or from the log of nitro-cli.
fn complaint(machine: &dyn Machine) -> Option<String> {
    let args = ["-u", "mortise-enclave.service", "-n", "100", "-o", "cat", "--no-pager"];
    let journal = machine.run("journalctl", &args).map(|ran| ran.stdout).unwrap_or_default();
    if STARTED.iter().any(|mark| last_attempt(&journal).contains(mark)) {
        return None;
    }
    cause(&journal).or_else(|| cause(&machine.tail(LOG).unwrap_or_default()))
}

/// The last line with a cause, or the last with a consequence, of the last attempt.
fn cause(text: &str) -> Option<String> {
    let attempt = last_attempt(text);
    if STARTED.iter().any(|mark| attempt.contains(mark)) {
        return None;
    }
    let said = || attempt.lines().rev().filter_map(|line| Some((code(line)?, line.trim())));
    let cause = said().find(|(code, _)| !CONSEQUENCES.contains(code)).or_else(|| said().next());
    cause.map(|(_, line)| line.to_owned())
}

/// What stands behind the last beginning; all of it when none is seen.
fn last_attempt(text: &str) -> &str {
    let begins = BEGINS.iter().filter_map(|mark| text.rfind(mark)).max();
    &text[begins.unwrap_or(0)..]
}

/// The code of `[ E26 ] ...`; the help page that nitro-cli names beside it does not count.
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
