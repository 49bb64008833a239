//! What a stop or a fault of the enclave means, and what to do: one advice for each trouble.
//!
//! The names are those of `specs/configuration.md` and `specs/genesis-and-loss.md`. Invariants:
//! each name has one advice, and no two troubles share one (held by the tests below).

/// What a stop means, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advice {
    /// In a sentence.
    pub meaning: &'static str,
    /// The steps.
    pub next: &'static [&'static str],
}

/// Of a stop or a fault by its name; by the exit status when the name is not known.
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
        &["KEY_DENIED"],
        Advice {
            meaning: "the key service answered AccessDenied: the key's policy does not name this \
                      image or this role, or the enclave runs in debug mode",
            next: &[
                "compare the policy with the image: see policy.access, and `mortise policy lint`",
                "mortise policy aws --account ACCOUNT --role ROLE --pcr0 PCR0 > policy.json",
                "aws kms put-key-policy --key-id KEY --policy-name default --policy \
                 file://policy.json",
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
            meaning: "the sealed keys are not the ones that were written, or are gone; a restart \
                      does not help",
            next: &[
                STOP,
                "restore the blobs from an export --with-sealed-keys or a copy of the whole \
                 folder, then: mortise-host verify --data-dir DIR",
            ],
        },
    ),
    (
        &["LOG_DOES_NOT_FOLLOW", "LOG_ENDS_BEFORE_SNAPSHOT", "LOG_HEAD_MISMATCH"],
        Advice {
            meaning: "the log is not the one that the engine wrote; a restart does not help",
            next: &[
                STOP,
                "mortise-host repair --data-dir DIR --from COPY   (writes nothing without --write)",
            ],
        },
    ),
    (
        &["WITNESS_AHEAD", "WITNESS_FORK"],
        Advice {
            meaning: "the witnesses know a newer log than this one: it is an old copy, or a fork",
            next: &[
                STOP,
                "find the newest copy of the log, and import that one",
                "when it is lost for good: mortise genesis recover --help",
            ],
        },
    ),
    (
        &["FENCED"],
        Advice {
            meaning: "another enclave runs on a copy of this log and was cosigned first",
            next: &["find the other enclave, stop one of the two, keep the log that went on"],
        },
    ),
    (
        &["OTHER_GENESIS", "NO_GENESIS", "GENESIS_POLICY"],
        Advice {
            meaning: "the image's genesis is not that of the stored engine",
            next: &[
                "give the image the engine's own genesis.json, or the host the engine's folder",
            ],
        },
    ),
    (
        &["GENESIS_PREDECESSOR"],
        Advice {
            meaning: "the image's genesis takes the place of a lost engine, and operators, \
                      witnesses or keys of that one did not agree to it",
            next: &[
                "mortise genesis --check genesis.json",
                "mortise genesis recover --help   (the ceremony, from the draft on)",
            ],
        },
    ),
    (
        &["NO_WITNESSES"],
        Advice {
            meaning: "the policy names witnesses, and no way to them is configured",
            next: &[
                "sudoedit /etc/mortise/mortise.env   (MORTISE_HOST_ARGS=--witness ...)",
                "sudo systemctl restart mortise-host.service mortise-enclave.service",
            ],
        },
    ),
    (
        &["OTHER_MODE"],
        Advice {
            meaning: "the log was written in another mode than this boot's: in debug mode, on an \
                      emulated module, or in neither",
            next: &[
                "start the enclave as it was started before: with --debug-mode, or without",
                "or give it a data folder of its own (mortise-host --data): a trial never becomes \
                 an engine that binds",
            ],
        },
    ),
    (
        &["IMAGE_NOT_APPROVED"],
        Advice {
            meaning: "the log lets other images boot, by what the operators approved last",
            next: &[
                "start an image of the approved set (mortise approval show, while one serves)",
                "or approve this one: mortise approval submit --help",
            ],
        },
    ),
    (
        &["IMAGE_TOO_OLD"],
        Advice {
            meaning: "the log asks for newer code than that of this image",
            next: &["start an image of that version or a later one: the version never goes down"],
        },
    ),
    (
        &["STORE"],
        Advice {
            meaning: "the log store went away, refused, or did not answer for a minute",
            next: &["journalctl -u mortise-host.service -n 50", RESTART],
        },
    ),
    (
        &["STORE_GARBAGE"],
        Advice {
            meaning: "what answers as the log store gives what no store gives, or frames that it \
                      did not take so: a frame is broken, or another program listens there",
            next: &[
                STOP,
                "mortise-host verify --data-dir DIR, then: mortise-host repair --data-dir DIR",
            ],
        },
    ),
    (
        &["CLOCK"],
        Advice {
            meaning: "the security module gives no time that can be trusted: at the start (14), \
                      or, while it served, for a minute (75): its time went back, stood still, or \
                      came late. At the start also of an image for local boots on a real module",
            next: &[
                RESTART,
                "at 14: mortise image describe FILE.eif; module = \"emulated\" in its \
                 enclave.toml is for a machine of one's own alone",
                "if it comes back: move to another instance (stop and start it), then the enclave",
            ],
        },
    ),
    (
        &["FAULT"],
        Advice {
            meaning: "the outcome of a write is unknown, or the store answered what cannot be: the \
                      engine ended rather than guess, and replays at its next start",
            next: &[
                "wait for the next start; callers repeat the same requests",
                "when it comes again: journalctl -u mortise-host.service, and see disk.sync",
            ],
        },
    ),
    (
        &["PARENT"],
        Advice {
            meaning: "nobody listened where the store is",
            next: &["sudo systemctl start mortise-host.service", RESTART],
        },
    ),
    (
        &["PANIC"],
        Advice {
            meaning: "a fault of the program itself; what it had not made durable was not answered",
            next: &[RESTART, "report the lines of `mortise doctor --last-crash`"],
        },
    ),
    (
        &["KERNEL_PANIC"],
        Advice {
            meaning: "the enclave's kernel ended it, and the engine had no time to say why: its \
                      process faulted, there was no memory left, or /init could not run. Said by \
                      the console alone (mortise image boot, debug mode)",
            next: &[
                "more memory: MORTISE_ENCLAVE_MEMORY_MIB, and memory_mib of the allocator",
                RESTART,
                "report the last lines of the console",
            ],
        },
    ),
    (
        &["BOOT_FRAME"],
        Advice {
            meaning: "the boot frame could not be made",
            next: &[
                "compare the versions of host and image: mortise-host --version, and the image's",
                "report the lines of `mortise doctor --last-crash`",
            ],
        },
    ),
    (
        &["ATTESTATION"],
        Advice {
            meaning: "register 16 was used, or the module failed",
            next: &["start the enclave anew: a register is fresh in a new one alone", RESTART],
        },
    ),
];

const BY_EXIT: &[(u8, Advice)] = &[
    (
        0,
        Advice {
            meaning: "it was asked to stop",
            next: &["sudo systemctl start mortise-enclave.service"],
        },
    ),
    (
        10,
        Advice {
            meaning: "there is no security module: this was no enclave",
            next: &["start it with nitro-cli (mortise-enclave.service); on a laptop: mortise dev"],
        },
    ),
    (
        12,
        Advice {
            meaning: "the image has no valid configuration",
            next: &[
                "correct enclave.toml: the stop says what is wrong in it",
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
                "build the image again with the genesis that passes",
            ],
        },
    ),
    (
        14,
        Advice {
            meaning: "the security module gives no time that can be trusted, or the image is one \
                      for local boots and the module is real",
            next: &[
                "mortise image describe FILE.eif; module = \"emulated\" in its enclave.toml is \
                 for a machine of one's own alone",
                "else stop and start the instance, which moves it, then start the enclave",
            ],
        },
    ),
    (
        15,
        Advice {
            meaning: "module or kernel give no randomness",
            next: &["start the enclave once more; when it comes again, take another instance and \
                 report this one"],
        },
    ),
    (
        16,
        Advice {
            meaning: "TLS cannot be set up: the build is broken",
            next: &["build the image from a clean checkout, and report it when that stops too"],
        },
    ),
    (
        17,
        Advice {
            meaning: "the log or the keys are not this engine's; a restart does not help",
            next: &["look the name up in specs/genesis-and-loss.md"],
        },
    ),
    (
        18,
        Advice {
            meaning: "the kernel lacks a file system, or the image a folder",
            next: &[
                "mortise image build --kernel BZIMAGE ...   (Amazon's, of the folder blobs; it \
                 makes the folders)",
            ],
        },
    ),
    (
        19,
        Advice {
            meaning: "a kernel module is not for this kernel, or cut",
            next: &[
                "mortise image build --kernel BZIMAGE --module NAME.ko ...   (of one package, in \
                 the order of loading)",
            ],
        },
    ),
    (
        20,
        Advice {
            meaning: "the kernel has no vsock: the image lacks its module",
            next: &[
                "mortise image describe FILE.eif   (what is in /modules?)",
                "with --debian-kernel they come along; Amazon's kernel has vsock built in",
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
            meaning: "the enclave's kernel counts time by something that is not the platform's",
            next: &[
                "mortise image build --cmdline CMDLINE ...   (Amazon's, without a clocksource= of \
                 one's own)",
            ],
        },
    ),
    (
        23,
        Advice {
            meaning: "the enclave's kernel does not take randomness from the module",
            next: &[
                "mortise image build --module nsm.ko ...   (of this kernel: it brings nsm-hwrng)",
            ],
        },
    ),
    (
        75,
        Advice {
            meaning: "store or key service went away, or an outcome is unknown",
            next: &[RESTART],
        },
    ),
    (
        134,
        Advice {
            meaning: "a fault of the program itself",
            next: &["report `mortise doctor --last-crash`"],
        },
    ),
];

/// The exits of the measured binary that have one name each; 17 and 75 have names of the engine's.
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

/// Every stop and fault that has a name, with its exit where it has one of its own.
pub(crate) fn named() -> impl Iterator<Item = (&'static str, Option<u8>, Advice)> {
    let by_name = BY_NAME
        .iter()
        .flat_map(|(names, advice)| names.iter().map(move |name| (*name, None, *advice)));
    let by_exit =
        EXIT_NAMES.iter().map(|(name, exit)| (*name, Some(*exit), advice("", Some(*exit))));
    by_name.chain(by_exit)
}

const UNKNOWN: Advice = Advice {
    meaning: "this version does not know the stop",
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

    /// One advice for each trouble, and one trouble for each advice.
    #[test]
    fn no_two_troubles_have_one_advice() {
        let names = BY_NAME.iter().map(|(names, advice)| (names.join(", "), advice));
        let exits = BY_EXIT.iter().map(|(exit, advice)| (exit.to_string(), advice));
        let all: Vec<_> = names.chain(exits).collect();
        for (at, (trouble, advice)) in all.iter().enumerate() {
            for (other, same) in &all[..at] {
                assert_ne!(advice.meaning, same.meaning, "{trouble} and {other}");
                assert_ne!(advice.next, same.next, "{trouble} and {other}");
            }
        }
    }

    /// "see X" names checks that there are.
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
