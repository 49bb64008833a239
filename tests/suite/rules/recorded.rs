//! Goal: logs that earlier code recorded replay for ever to the same roots, and no file of them is
//! ever changed (`specs/testing.md`, "Recorded logs").
//!
//! Method: each folder of `specs/vectors/logs` holds a log with its sealed keys. Vault, entropy and
//! work follow from a public seed, so that the log opens here. Nothing in it protects anything.
//!
//! `MORTISE_RECORD=<rules>-<name>` records a log of these rules, `<rules>+<rules>-<name>` one with
//! a switch; with `MORTISE_RECORD_STEPS=<n>` one of so many random steps alone. Record before a
//! change of rules, with the code before it.

use super::story;
use crate::audit::{audit, genesis_and_keys, keys_of, log_of, named};
use mortise_audit::{AuditKeys, Report, Subject};
use mortise_engine::attest::unattested;
use mortise_engine::boot::{self, BootError};
use mortise_engine::keyring::{self, KeyRing};
use mortise_format::codec;
use mortise_format::domains::sha256;
use mortise_format::event::Event;
use mortise_format::frame::{Frame, FrameKind};
use mortise_format::genesis::{Genesis, GenesisKeys};
use mortise_format::ids::{Bytes32, to_hex};
use mortise_format::rules::{RuleSet, RulesUnknown};
use mortise_testkit::driver::Driver;
use mortise_testkit::store::{Disk, now};
use mortise_testkit::vault::{TestEntropy, TestVault};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What this code does with a recorded log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Replays it.
    Replays,
    /// Refuses it by its number. A page in `specs/decisions` says why.
    Retired,
}

/// A recorded log, and the SHA-256 of its list of files: it is here and not beside the files, so
/// that no change of the folder alone goes unnoticed.
struct Recorded {
    name: &'static str,
    fate: Fate,
    list: &'static str,
}

const LOGS: [Recorded; 3] = [
    Recorded {
        name: "0-retired",
        fate: Fate::Retired,
        list: "0135adae45c670922b90fb8508fb1d41d69adafc54cb97b61ece1f6d8168ab8a",
    },
    Recorded {
        name: "1-first",
        fate: Fate::Replays,
        list: "9a62cff61fb2c03af1ef6cd7813673e75b338409f97e38200e165d9930466e3a",
    },
    Recorded {
        name: "1+2-switch",
        fate: Fate::Replays,
        list: "379f46445dbb0ae87cce5721e988e7df6ce09d61f5d6501fadb939e94d4c8899",
    },
];

/// The files of a folder by name.
type Files = BTreeMap<String, Vec<u8>>;

/// The list of files with their SHA-256, in the form of `sha256sum`.
const LIST: &str = "SHA256SUMS";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/vectors/logs").join(name)
}

fn files(name: &str) -> Files {
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder(name)).unwrap_or_else(|e| panic!("{name}: {e}")) {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        files.insert(file, std::fs::read(path).unwrap());
    }
    files
}

fn digest(bytes: &[u8]) -> String {
    to_hex(&sha256(&[bytes])).split_off(2)
}

fn list_of(files: &Files) -> String {
    files.iter().map(|(name, bytes)| format!("{}  {name}\n", digest(bytes))).collect()
}

/// The first thing that differs from the recorded list.
fn check(files: &Files, list: &str) -> Result<(), String> {
    let found = files.get(LIST).ok_or_else(|| format!("{LIST} is missing"))?;
    if digest(found) != list {
        return Err(format!("{LIST} is changed"));
    }
    let text = std::str::from_utf8(found).map_err(|_| format!("{LIST} is not text"))?;
    let mut left: BTreeSet<&str> =
        files.keys().map(String::as_str).filter(|f| *f != LIST).collect();
    for line in text.lines() {
        let (expected, name) = line.split_once("  ").ok_or_else(|| format!("{LIST}: {line}"))?;
        let bytes = files.get(name).ok_or_else(|| format!("{name} is missing"))?;
        if digest(bytes) != expected {
            return Err(format!("{name} is changed"));
        }
        left.remove(name);
    }
    left.first().map_or(Ok(()), |name| Err(format!("{name} is not in the list")))
}

#[test]
fn no_recorded_file_is_changed_removed_or_added() {
    let folders: BTreeSet<String> = std::fs::read_dir(folder(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let known: BTreeSet<String> = LOGS.iter().map(|log| log.name.to_owned()).collect();
    assert_eq!(folders, known, "each folder is a log of this list");
    for log in &LOGS {
        assert_eq!(check(&files(log.name), log.list), Ok(()), "{}", log.name);
    }
}

/// Goal: the check above fails for each way to change a folder.
#[test]
fn changed_removed_or_added_file_is_refused_by_name() {
    for log in &LOGS {
        let kept = files(log.name);
        for name in kept.keys() {
            let mut changed = kept.clone();
            changed.get_mut(name).unwrap()[0] ^= 1;
            assert_eq!(check(&changed, log.list), Err(format!("{name} is changed")));
            let mut removed = kept.clone();
            removed.remove(name);
            assert_eq!(check(&removed, log.list), Err(format!("{name} is missing")));
        }
        let mut added = kept.clone();
        added.insert("more".into(), Vec::new());
        assert_eq!(check(&added, log.list), Err("more is not in the list".into()));
        let without =
            |name: &str| Files::from_iter(kept.clone().into_iter().filter(|f| f.0 != name));
        let mut listed_anew = without("roots.txt");
        let list =
            list_of(&Files::from_iter(listed_anew.clone().into_iter().filter(|f| f.0 != LIST)));
        listed_anew.insert(LIST.into(), list.into_bytes());
        assert_eq!(check(&listed_anew, log.list), Err(format!("{LIST} is changed")));
    }
}

/// A log as it was recorded.
struct Log {
    seed: u64,
    rules: Vec<RuleSet>,
    disk: Disk,
    frames: Vec<Vec<u8>>,
    keys: AuditKeys,
    subject: Subject,
    roots: String,
    report: Value,
}

fn read(name: &str) -> Log {
    let mut files = files(name);
    let mut take = |name: &str| files.remove(name).unwrap_or_else(|| panic!("{name}"));
    let about: Value = serde_json::from_slice(&take("about.json")).unwrap();
    let (genesis, keys) = (take("genesis.blob"), take("keys.blob"));
    let frames = split(&take("frames.bin"));
    let disk = Disk::default();
    disk.edit(|content| {
        content.blobs.insert(keyring::GENESIS_BLOB.into(), genesis.clone());
        content.blobs.insert(keyring::KEYS_BLOB.into(), keys.clone());
        (content.frames, content.synced) = (frames.clone(), frames.len());
    });
    let (genesis, sealed) = keyring::decode_blobs(&genesis, &keys).unwrap();
    let keys = AuditKeys::from_json(&take("audit-keys.json")).unwrap();
    let public: (GenesisKeys, Bytes32) = (sealed.keys, sealed.log_secret_commitment);
    let (engine_id, genesis): (_, Genesis) = (Some(*keys.engine_id()), genesis);
    let subject = Subject {
        engine_id,
        genesis: Some(genesis),
        genesis_keys: Some(public),
        ..Subject::default()
    };
    let number = |value: &Value| RuleSet(u16::try_from(value.as_u64().unwrap()).unwrap());
    Log {
        seed: about["seed"].as_u64().unwrap(),
        rules: about["rules"].as_array().unwrap().iter().map(number).collect(),
        disk,
        frames,
        keys,
        subject,
        roots: String::from_utf8(take("roots.txt")).unwrap(),
        report: serde_json::from_slice(&take("report.json")).unwrap(),
    }
}

/// Frames, each after its length as u32.
fn join(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        out.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
        out.extend(frame);
    }
    out
}

fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (frame, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        frames.push(frame.to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "the last frame is whole");
    frames
}

/// One line a frame: seq, rules, and what of its header a replay reproduces.
fn roots_of(frames: &[Vec<u8>]) -> String {
    let line = |bytes: &Vec<u8>| {
        let frame = Frame::decode(bytes).unwrap();
        let header = frame.header();
        format!(
            "{} {} {} {} {} {}\n",
            header.seq,
            header.rules,
            frame.digest(),
            header.event_root,
            header.state_root,
            header.policy_hash
        )
    };
    frames.iter().map(line).collect()
}

fn report_json(report: &Report) -> Value {
    let epochs = report.epochs.iter().map(|epoch| {
        json!({
            "epoch": epoch.epoch, "firstSeq": epoch.first_seq, "frames": epoch.frames,
            "events": epoch.events, "fromMs": epoch.from_ms, "toMs": epoch.to_ms,
            "rules": epoch.rules.0, "version": epoch.version,
        })
    });
    json!({
        "engineId": report.engine_id, "engine": report.engine, "frames": report.frames,
        "events": report.events, "replayedTo": report.replayed_to,
        "replayedEvents": report.replayed_events, "commands": report.commands,
        "refusals": report.refusals, "timed": report.timed, "snapshots": report.snapshots,
        "statements": report.statements, "signedTo": report.signed_to,
        "epochs": epochs.collect::<Vec<_>>(), "gaps": report.gaps.len(),
        "digest": report.digest, "historyRoot": report.history_root,
        "stateRoot": report.state_root, "policyHash": report.policy_hash,
        "timeMs": report.time_ms,
        "findings": report.findings.iter().map(|f| f.to_string()).collect::<Vec<_>>(),
    })
}

/// A restart of today's engine on the log.
fn replay(log: &Log) -> Result<boot::Replayed, BootError> {
    let vault = Arc::new(TestVault::new(log.seed));
    let entropy = TestEntropy::new(log.seed);
    let identity = now(boot::identity(&log.disk, &*vault, &entropy, None, unattested))?;
    let ring = KeyRing::new(vault, &identity);
    now(boot::replay(&log.disk, &identity, &ring, &entropy, &|_, _| {}))
}

fn of(fate: Fate) -> impl Iterator<Item = &'static Recorded> {
    LOGS.iter().filter(move |log| log.fate == fate)
}

#[test]
fn recorded_log_replays_to_the_same_roots() {
    for Recorded { name, .. } in of(Fate::Replays) {
        let log = read(name);
        let replayed = replay(&log).unwrap_or_else(|error| panic!("{name}: {error}"));
        let machine = &replayed.machine;
        assert_eq!(machine.state().check(), Ok(()), "{name}");
        assert_eq!(machine.head().next_seq, log.frames.len() as u64, "{name}");
        // Every frame before the last was followed, so each header has the roots of the replay.
        assert_eq!(roots_of(&log.frames), log.roots, "{name}");
        let last = Frame::decode(log.frames.last().unwrap()).unwrap();
        assert_eq!(machine.state_root(), last.header().state_root, "{name}");
        assert_eq!(Some(&machine.head().rules), log.rules.last(), "{name}");
        assert_eq!(machine.next_rules(None), Ok(machine.head().rules), "{name} keeps its rules");
    }
}

#[test]
fn recorded_log_is_audited_with_the_same_report() {
    for Recorded { name, .. } in of(Fate::Replays) {
        let log = read(name);
        let report = audit(&log.frames, log.subject, Some(&log.keys));
        assert_eq!(named(&report), [], "{name}");
        assert_eq!(report_json(&report), log.report, "{name}");
    }
}

/// Goal: a number that was retired stays refused by name, and is never used for other rules.
#[test]
fn retired_log_is_refused_by_its_number_and_never_guessed() {
    assert!(of(Fate::Retired).count() > 0, "one retired log stays as proof");
    for Recorded { name, .. } in of(Fate::Retired) {
        let log = read(name);
        let before = log.disk.edit(|content| content.frames.clone());
        let refused = replay(&log).expect_err("its rules are retired");
        assert_eq!(refused.name(), "RULES_UNKNOWN", "{name}: {refused}");
        let (found, newest) = (log.rules[0], RuleSet::NEWEST);
        assert_eq!(found.check(), Err(RulesUnknown { found, newest }));
        assert!(refused.to_string().contains(&format!("rule set {found} is unknown")), "{refused}");
        assert_eq!(log.disk.edit(|content| content.frames.clone()), before);
        let report = audit(&log.frames, log.subject, Some(&log.keys));
        assert!(named(&report).iter().all(|finding| finding.2 == "RulesUnknown"), "{report:?}");
        assert_eq!((report.replayed_to, report.replayed_events), (0, 0), "nothing is judged");
        assert_eq!(roots_of(&log.frames), log.roots, "the chain needs no rules");
    }
}

/// Events that only rules 3 make. Their log is recorded before a change of these rules.
const UNRECORDED: [&str; 1] = ["EpochEnded"];

/// Goal: together the logs hold what a change of rules can break.
#[test]
fn recorded_logs_cover_every_event_refusal_and_restart() {
    let (mut events, mut rejects) = (BTreeSet::new(), BTreeSet::new());
    let name = |debug: String| debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    for Recorded { name: log_name, .. } in of(Fate::Replays) {
        let log = read(log_name);
        let mut boots = 0;
        for bytes in &log.frames {
            let frame = Frame::decode(bytes).unwrap();
            boots += usize::from(frame.header().kind() == Some(FrameKind::Boot));
            for event in opened(&log, &frame) {
                if let Event::CommandRefused { reject, .. } = &event {
                    rejects.insert(match reject {
                        mortise_format::reject::Reject::Limit(which, _) => which.name().to_owned(),
                        reject => name(format!("{reject:?}")),
                    });
                }
                events.insert(name(format!("{event:?}")));
            }
        }
        assert!(boots >= 2, "{log_name}: a restart");
    }
    let every = crate::conformance::samples::events().into_iter();
    let every: BTreeSet<String> = every.map(|(_, event)| name(format!("{event:?}"))).collect();
    let unrecorded = every.difference(&events).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(unrecorded, UNRECORDED, "every other kind of event");
    let expected = [
        "AlreadyTerminal",
        "ClaimExceeds",
        "ExpiryWindow",
        "ForcedWithdrawal",
        "InsufficientAvailable",
        "LockExpired",
        "NonceUsed",
        "ResetPeriodTooShort",
        "StaleFacts",
        "UnsupportedChain",
        "asset",
        "concurrent",
        "single",
    ];
    for expected in expected {
        assert!(rejects.contains(expected), "{expected} is in no log: {rejects:?}");
    }
}

fn opened(log: &Log, frame: &Frame) -> Vec<Event> {
    use mortise_core::machine::{OpenedFrame, Opener};
    let root = log.keys.content_root(frame.header().epoch).expect("the key file has every epoch");
    let opened = OpenedFrame::open(frame, Opener::Auditor(root)).unwrap();
    opened.events().to_vec()
}

/// Records a log; does nothing without `MORTISE_RECORD`. Never overwrites a folder.
#[test]
fn record() {
    let Ok(name) = std::env::var("MORTISE_RECORD") else { return };
    let rules = name.split('-').next().unwrap().split('+');
    let rules: Vec<RuleSet> = rules.map(|n| RuleSet(n.parse().unwrap())).collect();
    let path = folder(&name);
    // A recorded log never changes.
    assert!(!path.exists(), "{name} is recorded already");
    let seed = u64::from_le_bytes(sha256(&[name.as_bytes()])[..8].try_into().unwrap()) >> 16;
    let steps = std::env::var("MORTISE_RECORD_STEPS").ok().map(|steps| steps.parse().unwrap());
    let driver = match steps {
        Some(steps) => story::busy(seed, rules[0], steps),
        None => story::told(seed, &rules),
    };
    let mut files = recorded(&driver, seed, &rules);
    let list = list_of(&files);
    println!("{name}: the list of files has SHA-256 {}", digest(list.as_bytes()));
    files.insert(LIST.into(), list.into_bytes());
    std::fs::create_dir_all(&path).unwrap();
    files.iter().for_each(|(file, bytes)| std::fs::write(path.join(file), bytes).unwrap());
}

fn recorded(driver: &Driver, seed: u64, rules: &[RuleSet]) -> Files {
    let blob = |name: &str| driver.disk.edit(|content| content.blobs[name].clone());
    let (genesis, public) = genesis_and_keys(driver);
    let (frames, keys) = (log_of(driver), keys_of(driver));
    let engine_id = Some(driver.identity().engine_id);
    assert_eq!(codec::encode(&genesis), blob(keyring::GENESIS_BLOB));
    let subject = Subject {
        engine_id,
        genesis: Some(genesis),
        genesis_keys: Some(public),
        ..Subject::default()
    };
    let report = audit(&frames, subject, Some(&keys));
    assert_eq!(named(&report), [], "an honest log");
    let about = json!({
        "about": "A recorded log: specs/testing.md. All keys follow from the seed and are public.",
        "seed": seed,
        "rules": rules.iter().map(|rules| rules.0).collect::<Vec<_>>(),
        "recordedBy": env!("CARGO_PKG_VERSION"),
    });
    let text = |value: &Value| format!("{value:#}\n").into_bytes();
    Files::from([
        ("about.json".into(), text(&about)),
        ("genesis.blob".into(), blob(keyring::GENESIS_BLOB)),
        ("keys.blob".into(), blob(keyring::KEYS_BLOB)),
        ("frames.bin".into(), join(&frames)),
        ("audit-keys.json".into(), keys.to_json().as_bytes().to_vec()),
        ("roots.txt".into(), roots_of(&frames).into_bytes()),
        ("report.json".into(), text(&report_json(&report))),
    ])
}
