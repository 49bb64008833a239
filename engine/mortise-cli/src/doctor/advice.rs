//! What a stop or a fault of the enclave means, and what to do next.
//!
//! The names are those of `specs/configuration.md` and `specs/genesis-and-loss.md`. Invariants,
//! held by the tests below: each name has one advice, and no two problems share one.

/// The meaning of a stop, and the steps that fix it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advice {
    /// One sentence for people.
    pub meaning: &'static str,
    /// Commands or steps, in order.
    pub next: &'static [&'static str],
}

/// Returns the advice for a stop or fault: by its name, or by its exit status if the name is
/// unknown.
pub(super) fn advice(name: &str, exit: Option<u8>) -> Advice {
    let by_name = BY_NAME.iter().find(|(names, _)| names.contains(&name));
    let by_exit =
        || BY_EXIT.iter().find(|(known, _)| Some(*known) == exit).map(|(_, advice)| *advice);
    by_name.map(|(_, advice)| *advice).or_else(by_exit).unwrap_or(UNKNOWN)
}

const RESTART: &str = "sudo systemctl restart mortise-enclave.service";
const STOP: &str = "sudo systemctl stop mortise-enclave.service mortise-host.service";

const BY_NAME: &[(&[&str], Advice)] = &[
    (
        &["DISK_FULL"],
        Advice {
            meaning: "the file system of the host's data folder is full; frames are refused before \
                      anything is written, and nothing is lost",
            next: &[
                "df -h /var/lib/mortise",
                "grow the volume, or remove other files; nothing from the data folder by hand",
                "an old log: mortise-host prune --help",
                "curl http://127.0.0.1:8080/healthz: a running host goes on by itself",
            ],
        },
    ),
    (
        &["BLOB_CONFLICT"],
        Advice {
            meaning: "the data folder has whole copies of a sealed value that differ: two folders \
                      were mixed; a restart does not help",
            next: &[
                STOP,
                "sudo mortise-host repair --data-dir /var/lib/mortise: it names the copies",
                "keep all of them; move the ones of the other folder away: sealed, sealed.copy",
            ],
        },
    ),
    (
        &["FRAME_BROKEN"],
        Advice {
            meaning: "a stored frame is damaged on the disk of the host; all others are served, \
                      and commits go on",
            next: &[
                "sudo dmesg",
                STOP,
                "mortise-host repair --data-dir DIR --from COPY: a copy that has the frame",
            ],
        },
    ),
    (
        &["INDEX_LOST"],
        Advice {
            meaning: "the index of the host's store was damaged; it was kept aside and made again \
                      from the log and the files, and nothing is lost",
            next: &["sudo dmesg; mortise health"],
        },
    ),
    (
        &["STORE_POISONED"],
        Advice {
            meaning: "a write or a sync of the host failed, so the host exited (74); no \
                      acknowledged frame is lost, and systemd starts it again",
            next: &[
                "sudo dmesg; df -h /var/lib/mortise",
                "journalctl -u mortise-host.service -n 50",
                "if it exits again: move the volume, and restore from the newest copy",
            ],
        },
    ),
    (
        &["KEY_DENIED"],
        Advice {
            meaning: "the key service answered AccessDenied: the key policy does not name this \
                      image or this role, or the enclave runs in debug mode",
            next: &[
                "compare the policy with the image: see policy.access, and `mortise key-policy \
                 lint`",
                "mortise key-policy aws --account ACCOUNT --role ROLE --pcr0 PCR0 > policy.json",
                "aws kms put-key-policy --key-id KEY --policy-name default --policy \
                 file://policy.json",
            ],
        },
    ),
    (
        &["CLOCK_LEAP"],
        Advice {
            meaning: "the security module says, three times over, a time more than 15 minutes \
                      ahead of the one that the engine counted. No lock was decided by it",
            next: &[
                "the next boot compares the time with the key service's clock, and goes on if they \
                 agree",
                RESTART,
            ],
        },
    ),
    (
        &["CLOCK_DISPUTED"],
        Advice {
            meaning: "the key service rejects the engine's requests, or the log is far behind, and \
                      the two clocks are minutes apart; the stop has both times; nothing was \
                      written",
            next: &[
                "compare both with a third clock; a local key service follows its machine",
                RESTART,
            ],
        },
    ),
    (
        &["KEY_SERVICE_UNAVAILABLE"],
        Advice {
            meaning: "the key service did not answer: network, relay or credentials",
            next: &["see proxy.kms, kms.endpoint and credentials.role", RESTART],
        },
    ),
    (
        &["KEY_REFUSED", "KEY_COMMITMENT", "GENESIS_BLOB", "GENESIS_KEYS_MISMATCH", "KEYS_LOST"],
        Advice {
            meaning: "the sealed keys are missing, or differ from the ones that the engine wrote; \
                      a restart does not help",
            next: &[
                STOP,
                "restore the blobs from an export that was made --with-sealed-keys, or from a \
                 copy of the whole folder, then: mortise-host verify --data-dir DIR",
            ],
        },
    ),
    (
        &["LOG_DOES_NOT_FOLLOW", "LOG_ENDS_BEFORE_SNAPSHOT", "LOG_HEAD_MISMATCH"],
        Advice {
            meaning: "the log differs from the one that the engine wrote; a restart does not help",
            next: &[
                STOP,
                "mortise-host repair --data-dir DIR --from COPY   (a dry run; --write repairs)",
            ],
        },
    ),
    (
        &["WITNESS_AHEAD", "WITNESS_FORK"],
        Advice {
            meaning: "the witnesses have cosigned a newer log: this one is an old copy, or a fork",
            next: &[
                STOP,
                "find the newest copy of the log and import it",
                "if the newest copy is lost: mortise genesis recover --help",
            ],
        },
    ),
    (
        &["FENCED"],
        Advice {
            meaning: "another enclave runs on a copy of this log and was cosigned first",
            next: &["find the other enclave, stop one of the two, keep the log that was extended"],
        },
    ),
    (
        &["OTHER_GENESIS", "NO_GENESIS", "GENESIS_POLICY"],
        Advice {
            meaning: "the genesis in the image differs from the genesis of the stored engine",
            next: &[
                "build the image with the engine's genesis.json, or give the host the engine's \
                 folder",
            ],
        },
    ),
    (
        &["GENESIS_PREDECESSOR"],
        Advice {
            meaning: "the genesis in the image replaces a lost engine, and the operators, \
                      witnesses or keys of that engine did not agree to it",
            next: &[
                "mortise genesis --check genesis.json",
                "mortise genesis recover --help   (the ceremony, starting with the draft)",
            ],
        },
    ),
    (
        &["NO_WITNESSES"],
        Advice {
            meaning: "the policy names witnesses, and the host has no connection to them",
            next: &[
                "sudoedit /etc/mortise/mortise.env   (MORTISE_HOST_ARGS=--witness ...)",
                "sudo systemctl restart mortise-host.service mortise-enclave.service",
            ],
        },
    ),
    (
        &["OTHER_MODE"],
        Advice {
            meaning: "the log was written in a different mode from this boot: in debug mode, on an \
                      emulated module, or in neither",
            next: &[
                "start the enclave in the mode of the log: with --debug-mode, or without",
                "or give it a separate data folder (mortise-host --data-dir): an insecure engine \
                 never becomes a secure one",
            ],
        },
    ),
    (
        &["IMAGE_NOT_APPROVED"],
        Advice {
            meaning: "the operators approved other images, and the log holds that approval",
            next: &[
                "start the image that ran before, or another approved one: this engine answers \
                 no command of approval",
                "or, while that one runs, approve this image (mortise approval submit --help), \
                 then start it again",
            ],
        },
    ),
    (
        &["IMAGE_TOO_OLD"],
        Advice {
            meaning: "the log requires a newer version than that of this image",
            next: &["start an image of that version or newer; the minimum never decreases"],
        },
    ),
    (
        &["RULES_UNKNOWN"],
        Advice {
            meaning: "the log was written under rules that this image does not know, or the \
                      operators approved such rules",
            next: &["start an image that knows them; the rules of a log never decrease"],
        },
    ),
    (
        &["RULES_REFUSED"],
        Advice {
            meaning: "this start asks for rules below those of the log, or for others than the \
                      operators approved",
            next: &["start without --rules: the log keeps its rules, or takes the approved ones"],
        },
    ),
    (
        &["STORE"],
        Advice {
            meaning: "the log store closed the connection, refused, or did not answer for a minute",
            next: &["journalctl -u mortise-host.service -n 50", RESTART],
        },
    ),
    (
        &["STORE_GARBAGE"],
        Advice {
            meaning: "the log store returned a malformed answer, or frames that differ from the \
                      ones it stored: a frame is damaged, or another program listens on its port",
            next: &[
                STOP,
                "mortise-host verify --data-dir DIR, then: mortise-host repair --data-dir DIR",
            ],
        },
    ),
    (
        &["LOG_PRUNED"],
        Advice {
            meaning: "the start needs frames that were pruned, because no snapshot loads",
            next: &[
                STOP,
                "import the export that covers them into a new folder: mortise-host import FILE \
                 --data-dir NEW",
                "add what is newer: mortise-host repair --data-dir NEW --from OLD --write --backup \
                 DIR; then start host and enclave on NEW",
            ],
        },
    ),
    (
        &["CLOCK"],
        Advice {
            meaning: "the security module gave no trusted time: at the start (exit 14), or for a \
                      minute while the engine ran (exit 75). Its time went back, stopped, or came \
                      late. Exit 14 also means an image for local boots on a real module",
            next: &[
                RESTART,
                "exit 14: mortise image describe FILE.eif; module = \"emulated\" in enclave.toml \
                 is for local boots only",
                "if it happens again: stop and start the instance, which moves it to another \
                 machine, then start the enclave",
            ],
        },
    ),
    (
        &["FAULT"],
        Advice {
            meaning: "the outcome of a write is unknown, or the store gave an impossible answer: \
                      the engine stopped instead of guessing, and replays the log at its next \
                      start",
            next: &[
                "wait for the next start; callers retry with the same request IDs",
                "if it happens again: journalctl -u mortise-host.service, and see disk.sync",
            ],
        },
    ),
    (
        &["PARENT"],
        Advice {
            meaning: "nothing listened on the port of the log store",
            next: &["sudo systemctl start mortise-host.service", RESTART],
        },
    ),
    (
        &["LISTEN"],
        Advice {
            meaning: "the engine cannot listen on its request port",
            next: &[
                "compare the port in enclave.toml with ENCLAVE_PORT, then build and start again",
            ],
        },
    ),
    (
        &["PANIC"],
        Advice {
            meaning: "a bug in the engine; it answered nothing that was not durable",
            next: &[RESTART, "report the lines of `mortise doctor --last-crash`"],
        },
    ),
    (
        &["KERNEL_PANIC"],
        Advice {
            meaning: "the enclave's kernel stopped before the engine could report why: the process \
                      crashed, memory ran out, or /init did not run. Only the console shows it \
                      (mortise-dev image boot, debug mode)",
            next: &[
                "raise MORTISE_ENCLAVE_MEMORY_MIB, and memory_mib of the allocator",
                RESTART,
                "report the last lines of the console",
            ],
        },
    ),
    (
        &["BOOT_FRAME"],
        Advice {
            meaning: "the engine could not build its boot frame",
            next: &[
                "compare the version of the host (mortise-host --version) with that of the image",
                "report the lines of `mortise doctor --last-crash`",
            ],
        },
    ),
    (
        &["ATTESTATION"],
        Advice {
            meaning: "PCR16 was already extended, or the security module failed",
            next: &["start a new enclave: only a new enclave has a fresh PCR16", RESTART],
        },
    ),
];

const BY_EXIT: &[(u8, Advice)] = &[
    (
        0,
        Advice {
            meaning: "the enclave was asked to stop",
            next: &["sudo systemctl start mortise-enclave.service"],
        },
    ),
    (
        10,
        Advice {
            meaning: "there is no security module: this is not an enclave",
            next: &[
                "start it with nitro-cli (mortise-enclave.service); on a laptop: mortise-dev dev",
            ],
        },
    ),
    (
        12,
        Advice {
            meaning: "the image has no valid configuration",
            next: &[
                "correct enclave.toml; the stop names the error",
                "mortise image build --out DIR --config enclave.toml --genesis genesis.json ...",
            ],
        },
    ),
    (
        13,
        Advice {
            meaning: "the image has no valid genesis",
            next: &[
                "mortise genesis --check genesis.json",
                "build the image again with a genesis that passes",
            ],
        },
    ),
    (
        14,
        Advice {
            meaning: "the security module gives no trusted time, or an image for local boots runs \
                      on a real module",
            next: &[
                "mortise image describe FILE.eif; module = \"emulated\" in its enclave.toml is \
                 for local boots only",
                "otherwise stop and start the instance, which moves it to another machine, then \
                 start the enclave",
            ],
        },
    ),
    (
        15,
        Advice {
            meaning: "the security module or the kernel provides no randomness",
            next: &[
                "start the enclave again; if it fails again, use another instance and report this \
                 one",
            ],
        },
    ),
    (
        16,
        Advice {
            meaning: "the engine cannot set up TLS: the build is broken",
            next: &["build the image from a clean checkout; report it if that image stops too"],
        },
    ),
    (
        17,
        Advice {
            meaning: "the log or the keys belong to another engine; a restart does not help",
            next: &["look up the name of the stop in specs/genesis-and-loss.md"],
        },
    ),
    (
        18,
        Advice {
            meaning: "the kernel lacks a file system, or the image lacks a folder",
            next: &[
                "mortise image build --kernel BZIMAGE ...   (Amazon's, from the folder blobs; the \
                 build creates the folders)",
            ],
        },
    ),
    (
        19,
        Advice {
            meaning: "a kernel module is truncated, or was built for another kernel",
            next: &[
                "mortise image build --kernel BZIMAGE --module NAME.ko ...   (from one package, in \
                 load order)",
            ],
        },
    ),
    (
        20,
        Advice {
            meaning: "the kernel has no vsock: the image lacks its module",
            next: &[
                "mortise image describe FILE.eif   (lists /modules)",
                "--debian-kernel adds the modules; Amazon's kernel has vsock built in",
            ],
        },
    ),
    (
        21,
        Advice {
            meaning: "the enclave has too little memory",
            next: &[
                "sudoedit /etc/mortise/mortise.env   (MORTISE_ENCLAVE_MEMORY_MIB)",
                "sudoedit /etc/nitro_enclaves/allocator.yaml   (memory_mib)",
                "sudo systemctl restart nitro-enclaves-allocator.service mortise-enclave.service",
            ],
        },
    ),
    (
        22,
        Advice {
            meaning: "the enclave's kernel uses a clock source that the platform does not control",
            next: &["mortise image build --cmdline CMDLINE ...   (Amazon's, without your own \
                 clocksource=)"],
        },
    ),
    (
        23,
        Advice {
            meaning: "the enclave's kernel does not use the security module as entropy source",
            next: &["mortise image build --module nsm.ko ...   (from this kernel: it provides \
                 nsm-hwrng)"],
        },
    ),
    (
        75,
        Advice {
            meaning: "the log store or the key service is unreachable, or an outcome is unknown",
            next: &[RESTART],
        },
    ),
    (
        134,
        Advice { meaning: "a bug in the engine", next: &["report `mortise doctor --last-crash`"] },
    ),
];

/// Exit codes of the measured binary with one name each. 17 and 75 carry a name of the engine.
const EXIT_NAMES: &[(&str, u8)] = &[
    ("NO_NSM", 10),
    ("CONFIG", 12),
    ("GENESIS", 13),
    ("ENTROPY", 15),
    ("KEY_SERVICE", 16),
    ("MOUNT", 18),
    ("MODULE", 19),
    ("VSOCK", 20),
    ("MEMORY", 21),
    ("CLOCK_SOURCE", 22),
    ("ENTROPY_SOURCE", 23),
];

/// Every named stop and fault, with its exit code if it has its own.
pub(crate) fn named() -> impl Iterator<Item = (&'static str, Option<u8>, Advice)> {
    let by_name = BY_NAME
        .iter()
        .flat_map(|(names, advice)| names.iter().map(move |name| (*name, None, *advice)));
    let by_exit =
        EXIT_NAMES.iter().map(|(name, exit)| (*name, Some(*exit), advice("", Some(*exit))));
    by_name.chain(by_exit)
}

const UNKNOWN: Advice = Advice {
    meaning: "this version does not know this stop",
    next: &["journalctl -u mortise-enclave.service -u mortise-host.service -n 100"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_of_the_measured_binary_has_advice_and_the_name_wins() {
        let page = include_str!("../../../../specs/configuration.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
        let exits: Vec<u8> = rows.filter_map(|first| first.parse().ok()).collect();
        assert!(exits.len() >= 9, "{exits:?}");
        for exit in exits {
            assert_ne!(advice("", Some(exit)), UNKNOWN, "exit {exit}");
        }
        assert!(advice("KEY_DENIED", Some(17)).meaning.contains("AccessDenied"));
        assert_eq!(advice("NEW", Some(99)), UNKNOWN);
    }

    #[test]
    fn each_name_has_one_advice() {
        let mut names: Vec<_> = named().map(|(name, _, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    /// One advice for each problem, and one problem for each advice.
    #[test]
    fn no_two_problems_have_one_advice() {
        let names = BY_NAME.iter().map(|(names, advice)| (names.join(", "), advice));
        let exits = BY_EXIT.iter().map(|(exit, advice)| (exit.to_string(), advice));
        let all: Vec<_> = names.chain(exits).collect();
        for (at, (problem, advice)) in all.iter().enumerate() {
            for (other, same) in &all[..at] {
                assert_ne!(advice.meaning, same.meaning, "{problem} and {other}");
                assert_ne!(advice.next, same.next, "{problem} and {other}");
            }
        }
    }

    /// Every check after "see" exists.
    #[test]
    fn advice_refers_to_checks_that_doctor_has() {
        let all = BY_NAME.iter().map(|(_, advice)| advice);
        let all = all.chain(BY_EXIT.iter().map(|(_, advice)| advice));
        let steps = all.flat_map(|advice| advice.next).filter(|step| step.contains("see "));
        let page = include_str!("../../../../specs/doctor.md");
        let areas: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("| `")?.split('.').next()).collect();
        let mut count = 0;
        for word in steps.flat_map(|step| step.split([' ', ','])) {
            let Some((area, _)) = word.split_once('.') else { continue };
            if areas.contains(&area) {
                assert!(crate::explain::is_check(word), "{word}");
                count += 1;
            }
        }
        assert!(count >= 4, "{count}");
    }

    #[test]
    fn every_name_of_the_exits_page_is_known() {
        let page = include_str!("../../../../specs/configuration.md");
        for (name, exit) in EXIT_NAMES {
            assert!(page.contains(&format!("| {exit} | `{name}` |")), "{exit} {name}");
        }
        let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
        let names = rows.filter_map(|row| {
            let (exit, rest) = row.split_once(" | ")?;
            exit.parse::<u8>().ok()?;
            rest.split(" | ").next()
        });
        let names: Vec<&str> = names.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert!(names.len() >= 18 && names.contains(&"FAULT"), "{names:?}");
        for name in names {
            assert!(named().any(|(known, _, _)| known == name), "{name}");
        }
    }

    #[test]
    fn every_name_of_a_fault_has_advice_of_its_own() {
        let page = include_str!("../../../../specs/genesis-and-loss.md");
        let table = page.split("## When a boot fails").nth(1).unwrap().split("\n## ").next();
        let names =
            table.unwrap().lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        let is_name = |name: &&str| {
            name.len() > 3 && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        };
        let names: Vec<&str> = names.flat_map(|cell| cell.split(", ")).filter(is_name).collect();
        assert!(names.len() >= 10, "{names:?}");
        for name in names.into_iter() {
            assert!(BY_NAME.iter().any(|(known, _)| known.contains(&name)), "{name}");
        }
    }
}
