//! What the enclave said last, and what follows from it.
//!
//! The enclave has no disk and no console: its lines come over vsock port 5002 to `mortise-host`,
//! which keeps the last stop and the lines before it in its data folder (`specs/diagnostics.md`).
//! They are the enclave's word by way of the parent: they help an operator and prove nothing.

use super::machine::{Machine, Trouble};
use serde::Deserialize;

/// Where `mortise-host` keeps the last stop, in its data folder.
pub(super) const LAST_STOP: &str = "diagnostics/last-stop.json";
/// Where it keeps the last lines.
const LINES: &str = "diagnostics/lines.jsonl";
/// Lines that are shown.
const LINES_SHOWN: usize = 10;

/// The line of a stop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LastStop {
    /// Stable name.
    pub name: String,
    /// The exit status; none in a panic.
    pub exit: Option<u8>,
    /// In the enclave's words.
    pub why: String,
    /// When, or where, by the enclave.
    pub at: Option<String>,
    /// When it came, by the host's clock.
    pub received_ms: u64,
}

impl LastStop {
    /// The exit status as a text.
    pub fn exit_text(&self) -> String {
        self.exit.map_or("none".to_owned(), |exit| exit.to_string())
    }

    /// What it means.
    pub fn advice(&self) -> Advice {
        advice(&self.name, self.exit)
    }
}

/// Reads the stop that the host keeps.
pub(super) fn read_last_stop(machine: &dyn Machine, data: &str) -> Result<LastStop, Trouble> {
    let text = machine.read(&format!("{data}/{LAST_STOP}"))?;
    serde_json::from_str(&text)
        .map_err(|error| Trouble::Other(format!("it is not the record of a stop: {error}")))
}

/// The newest lines of the enclave, oldest first, as far as the host has some.
pub(super) fn read_last_lines(machine: &dyn Machine, data: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Kept {
        line: String,
    }
    let text = machine.read(&format!("{data}/{LINES}")).unwrap_or_default();
    let kept = text.lines().filter_map(|line| serde_json::from_str::<Kept>(line).ok());
    let lines: Vec<_> = kept.map(|kept| kept.line).collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].to_vec()
}

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

const REBUILD: &[&str] =
    &["mortise image build --out DIR", "mortise image describe DIR/mortise.eif"];
const RESTART: &[&str] = &["sudo systemctl restart mortise-enclave.service"];
const RESTORE: &[&str] = &[
    "sudo systemctl stop mortise-enclave.service mortise-host.service",
    "restore the data folder from its copy, then: mortise-host verify --data-dir DIR",
];

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
            next: &["see kms.proxy, kms.endpoint and credentials.role", RESTART[0]],
        },
    ),
    (
        &["KEY_REFUSED", "KEY_COMMITMENT", "GENESIS_BLOB", "GENESIS_KEYS_MISMATCH", "KEYS_LOST"],
        Advice {
            meaning: "the sealed keys are not the ones that were written, or are gone; a restart \
                      does not help",
            next: RESTORE,
        },
    ),
    (
        &["LOG_DOES_NOT_FOLLOW", "LOG_ENDS_BEFORE_SNAPSHOT", "LOG_HEAD_MISMATCH"],
        Advice {
            meaning: "the log is not the one that the engine wrote; a restart does not help",
            next: RESTORE,
        },
    ),
    (
        &["WITNESS_AHEAD", "WITNESS_FORK"],
        Advice {
            meaning: "the witnesses know a newer log than this one: it is an old copy, or a fork",
            next: RESTORE,
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
            next: &["journalctl -u mortise-host.service -n 50", RESTART[0]],
        },
    ),
    (
        &["STORE_GARBAGE"],
        Advice {
            meaning: "what answers as the log store gives what no store gives, or frames that it \
                      did not take so: a frame is broken, or another program listens there",
            next: &[
                "sudo systemctl stop mortise-enclave.service mortise-host.service",
                "mortise-host verify --data-dir DIR, then: mortise-host repair --data-dir DIR",
            ],
        },
    ),
    (
        &["CLOCK"],
        Advice {
            meaning: "the security module gives no time that can be trusted: at the start (14), \
                      or, while it served, for a minute (75): its time went back, stood still, or \
                      came late",
            next: &[
                RESTART[0],
                "if it comes back: move to another instance (stop and start it), then the enclave",
            ],
        },
    ),
    (
        &["PARENT"],
        Advice {
            meaning: "nobody listened where the store is",
            next: &["sudo systemctl start mortise-host.service", RESTART[0]],
        },
    ),
    (
        &["PANIC"],
        Advice {
            meaning: "a fault of the program itself; what it had not made durable was not answered",
            next: &[RESTART[0], "report the lines of `mortise doctor --last-crash`"],
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
                RESTART[0],
                "report the last lines of the console",
            ],
        },
    ),
    (
        &["BOOT_FRAME"],
        Advice {
            meaning: "the boot frame could not be made",
            next: &["report the lines of `mortise doctor --last-crash`"],
        },
    ),
    (
        &["ATTESTATION"],
        Advice { meaning: "register 16 was used, or the module failed", next: RESTART },
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
    (12, Advice { meaning: "the image has no valid configuration", next: REBUILD }),
    (13, Advice { meaning: "the image has no valid genesis", next: REBUILD }),
    (
        14,
        Advice {
            meaning: "the security module gives no time that can be trusted",
            next: &["move to another instance: stop and start it, then start the enclave"],
        },
    ),
    (
        15,
        Advice {
            meaning: "module or kernel give no randomness",
            next: &["move to another instance: stop and start it, then start the enclave"],
        },
    ),
    (16, Advice { meaning: "TLS cannot be set up: the build is broken", next: REBUILD }),
    (
        17,
        Advice {
            meaning: "the log or the keys are not this engine's; a restart does not help",
            next: &["look the name up in specs/genesis-and-loss.md"],
        },
    ),
    (
        18,
        Advice { meaning: "the kernel lacks a file system, or the image a folder", next: REBUILD },
    ),
    (19, Advice { meaning: "a kernel module is not for this kernel, or cut", next: REBUILD }),
    (20, Advice { meaning: "the kernel has no vsock: the image lacks its module", next: REBUILD }),
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
            next: REBUILD,
        },
    ),
    (
        23,
        Advice {
            meaning: "the enclave's kernel does not take randomness from the module",
            next: REBUILD,
        },
    ),
    (
        75,
        Advice {
            meaning: "store or key service went away, or an outcome is unknown",
            next: RESTART,
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
    fn record_of_the_host_is_read_and_nothing_else_is() {
        let read = |text: &str| serde_json::from_str::<LastStop>(text).ok();
        let stop = read(r#"{"name":"KEY_DENIED","exit":17,"why":"no","at":"T","receivedMs":5}"#);
        assert_eq!(stop.unwrap().exit, Some(17));
        let panic = r#"{"name":"PANIC","exit":null,"why":"","at":null,"receivedMs":5}"#;
        let panic = read(panic).unwrap();
        assert_eq!((panic.exit_text().as_str(), panic.at.as_deref()), ("none", None));
        assert!(panic.advice().meaning.contains("fault of the program"));
        for wrong in ["", "[]", "{}", r#"{"name":"X","exit":17}"#, "text"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

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

    #[test]
    fn every_name_of_the_exits_page_is_known() {
        let page = include_str!("../../../../specs/configuration.md");
        for (name, exit) in EXIT_NAMES {
            assert!(page.contains(&format!("| {exit} | `{name}` |")), "{exit} {name}");
        }
        let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
        let names = rows.filter_map(|row| {
            let (exit, rest) = row.split_once(" | `")?;
            exit.parse::<u8>().ok()?;
            rest.split('`').next()
        });
        for name in names {
            assert!(named().any(|(known, _, _)| known == name) || name == "FAULT", "{name}");
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
