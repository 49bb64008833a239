//! An audit compares the log with the checkpoints that witnesses cosigned, and with recoveries.

use super::{audit, keys_of, log_of, named, subject};
use mortise_audit::{CheckpointVerdict, Fact, Report, Subject};
use mortise_engine::pipeline::Settings;
use mortise_format::genesis::Genesis;
use mortise_format::ids::Bytes32;
use mortise_format::note::{KeyUse, NoteKey};
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};
use mortise_testkit::witness::Bench;
use mortise_verify::checkpoint::Witnesses;
use mortise_verify::succession::witnesses_of;

/// An engine under witnesses, and a cosigned checkpoint after each of its locks.
pub(super) fn engine(bench: &Bench, seed: u64) -> (Driver, Vec<String>) {
    let mut driver = Driver::witnessed(seed, Settings::default(), bench, 2, 0);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    let mut kept = Vec::new();
    for nonce in 0..3 {
        let terms = terms(Party::Owner, nonce, 10);
        let asked = driver.signer().commit(Party::Owner, &terms, request(nonce));
        drop(driver.answer(&asked));
        kept.extend(driver.cosigned());
    }
    driver.settle();
    (driver, kept)
}

fn with(driver: &Driver, kept: &[String]) -> Subject {
    let checkpoints = kept.iter().map(|note| note.clone().into_bytes()).collect();
    Subject { checkpoints, ..subject(driver) }
}

fn verdicts(report: &Report) -> Vec<CheckpointVerdict> {
    report.checkpoints.iter().map(|kept| kept.verdict).collect()
}

#[test]
fn cosigned_checkpoints_show_how_far_the_witnesses_saw_the_log() {
    let (driver, kept) = engine(&Bench::new(3), 80);
    let log = log_of(&driver);
    for keys in [None, Some(&keys_of(&driver))] {
        let report = audit(&log, with(&driver, &kept), keys);
        assert_eq!(named(&report), []);
        assert_eq!(verdicts(&report), [CheckpointVerdict::Cosigned; 3]);
        let newest = report.checkpoints[2].head.unwrap();
        assert_eq!(report.cosigned_to(), newest.size);
        assert!(report.checkpoints.iter().all(|kept| kept.cosigned_by.len() >= 2));
        let without = audit(&log, subject(&driver), keys);
        assert_eq!(without.cosigned_to(), 0);
    }
}

#[test]
fn log_that_ends_before_a_checkpoint_is_reported() {
    let (driver, kept) = engine(&Bench::new(3), 81);
    let log = log_of(&driver);
    let whole = audit(&log, with(&driver, &kept), None);
    let size = whole.cosigned_to();
    let cut = usize::try_from(size).unwrap() - 1;
    let report = audit(&log[..cut], with(&driver, &kept), None);
    assert_eq!(named(&report), [(size - 1, None, "CheckpointAhead")]);
    assert_eq!(report.findings[0].fact, Fact::CheckpointAhead { size });
    let verdicts = verdicts(&report);
    assert_eq!(verdicts[2], CheckpointVerdict::Ahead);
    assert_eq!(verdicts[0], CheckpointVerdict::Cosigned);
}

/// Two engines with one id: the log of one is cosigned, the log of the other is audited.
#[test]
fn root_other_than_the_cosigned_one_is_a_fork() {
    let bench = Bench::new(3);
    let (mut driver, kept) = engine(&bench, 82);
    let size = audit(&log_of(&driver), with(&driver, &kept), None).cosigned_to();
    let first = log_of(&driver).into_iter().next().unwrap();
    driver.crash(0);
    // the same keys continue from the first frame under new witnesses
    let disk = driver.disk.copy();
    disk.edit(|content| {
        content.frames = vec![first];
        content.synced = 1;
        content.snapshots.clear();
    });
    let mut forked = driver.beside(disk, 83);
    forked.bench = Some(Bench::new(3));
    forked.boot().expect("these witnesses have seen no checkpoint");
    forked.settle();
    while u64::try_from(log_of(&forked).len()).unwrap() < size {
        forked.restart();
    }
    let report = audit(&log_of(&forked), with(&forked, &kept[2..]), None);
    assert_eq!(named(&report), [(size - 1, None, "CheckpointFork")]);
    assert_eq!(verdicts(&report), [CheckpointVerdict::OtherRoot]);
}

#[test]
fn checkpoint_of_another_log_or_below_the_quorum_is_refused_by_name() {
    let bench = Bench::new(3);
    let (driver, kept) = engine(&bench, 84);
    let (_, foreign) = engine(&bench, 85);
    let log = log_of(&driver);
    let refused = |subject: Subject, why: &str| {
        let report = audit(&log, subject, None);
        assert_eq!(named(&report), [(0, None, "Checkpoint")]);
        let text = report.findings[0].text();
        assert!(text.contains(why), "{text}");
        assert_eq!(verdicts(&report), [CheckpointVerdict::Refused]);
        assert_eq!(report.cosigned_to(), 0);
    };
    refused(with(&driver, &foreign[2..]), "Origin");
    let (text, lines) = kept[2].split_once("\n\n").unwrap();
    let few: Vec<&str> = lines.lines().take(2).collect();
    let few = format!("{text}\n\n{}\n", few.join("\n"));
    refused(with(&driver, &[few]), "Quorum");
    refused(with(&driver, &[kept[2].replacen('\n', "\n1", 1)]), "LogSignature");
    // the caller names other witnesses
    let stranger = NoteKey::new(KeyUse::Witness, "stranger.example", [7; 32]).unwrap();
    let witnesses = Some(Witnesses::new(vec![stranger], 1).unwrap());
    refused(Subject { witnesses, ..with(&driver, &kept[2..]) }, "Quorum");
    let genesis = subject(&driver).genesis.unwrap();
    let set = witnesses_of(&genesis.policy).unwrap();
    let all = Witnesses::new(set.keys().to_vec(), 3).unwrap();
    let report = audit(&log, Subject { witnesses: Some(all), ..with(&driver, &kept[2..]) }, None);
    let by = report.checkpoints[0].cosigned_by.len();
    assert!(by == 0 || by == 3, "three of three, or refused: {by}");
}

#[test]
fn without_witnesses_the_checkpoint_signature_of_the_log_suffices() {
    let driver = Driver::booted(86);
    let identity = driver.identity();
    let log = log_of(&driver);
    let report = audit(&log, subject(&driver), None);
    let head = mortise_verify::history::TreeHead { size: 1, root: report.history_root };
    assert_eq!(report.frames, 1);
    let note = mortise_engine::checkpoint::note(identity, &head).unwrap();
    let report = audit(&log, with(&driver, &[note]), None);
    assert_eq!(named(&report), []);
    assert_eq!(verdicts(&report), [CheckpointVerdict::Signed]);
    assert_eq!(report.cosigned_to(), 0);
}

#[test]
fn without_genesis_or_its_keys_no_checkpoint_is_checked() {
    let (driver, kept) = engine(&Bench::new(3), 87);
    let log = log_of(&driver);
    let report = audit(&log, Subject { genesis_keys: None, ..with(&driver, &kept[2..]) }, None);
    assert_eq!(named(&report), [(0, None, "MissingGenesis")]);
    assert_eq!(verdicts(&report), [CheckpointVerdict::NotChecked]);
    assert_eq!(report.unjudged().checkpoints, 1);
}

#[test]
fn genesis_without_its_signatures_is_a_finding() {
    let (driver, kept) = engine(&Bench::new(3), 88);
    let old = subject(&driver);
    let (genesis, (keys, log_secret_commitment)) =
        (old.genesis.unwrap(), old.genesis_keys.unwrap());
    let predecessor = mortise_format::genesis::Predecessor {
        engine_id: driver.identity().engine_id,
        keys,
        log_secret_commitment,
        base: genesis.base(),
        before: Bytes32::ZERO,
        checkpoint: kept[2].clone(),
        signatures: Vec::new(),
    };
    let forged = Genesis { predecessor: Some(predecessor), ..genesis };
    let report =
        audit(&log_of(&driver), Subject { genesis: Some(forged), ..subject(&driver) }, None);
    let names: Vec<_> = named(&report).into_iter().map(|(_, _, name)| name).collect();
    assert_eq!(names, ["Succession", "Identity"]);
    assert!(report.findings[0].text().contains("TooFewOperators"));
    let recovery = report.recovery.unwrap();
    assert!(recovery.verified.is_none());
    assert_eq!(recovery.predecessor, driver.identity().engine_id);
}
