//! Logs that an honest engine wrote.

use super::{audit, busy, genesis_and_keys, keys_of, log_of, named, subject};
use mortise_audit::{AuditKeys, EngineIdBasis, Level, Subject};
use mortise_format::event::Event;
use mortise_format::frame::Frame;
use std::collections::BTreeSet;

fn kind(event: &Event) -> String {
    let debug = format!("{event:?}");
    debug.split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// Goal: a log with every kind of event, restarts from snapshots, rejects and expiries has no
/// finding, and the auditor ends at the engine's own roots.
#[test]
fn honest_logs_of_many_epochs_have_no_finding() {
    let (mut kinds, mut refusals, mut timed, mut snapshots) = (BTreeSet::new(), 0, 0, 0);
    for seed in 1..6 {
        let driver = busy(seed, 900);
        let (log, keys) = (log_of(&driver), keys_of(&driver));
        let report = audit(&log, subject(&driver), Some(&keys));
        assert_eq!(named(&report), [], "seed {seed}");
        assert_eq!(report.level(), Level::Replayed);
        assert_eq!(report.engine_id_basis, EngineIdBasis::Proven);
        assert_eq!(report.engine, Some(driver.identity().signer.address()));
        let machine = driver.pipeline().machine();
        assert_eq!(report.state_root, machine.state_root());
        assert_eq!(report.history_root.0, machine.history().root());
        assert_eq!(report.frames, machine.head().next_seq);
        assert_eq!(report.epochs.len(), machine.epochs().len());
        assert_eq!(report.gaps.len() + 1, report.epochs.len());
        assert_eq!(report.unattested().count(), report.epochs.len());
        assert_eq!(report.replayed_events, report.events);
        let carried = report.frames - u64::try_from(machine.uncarried().count()).unwrap();
        assert_eq!((report.statements, report.signed_to), (carried, carried));
        let events = log.iter().flat_map(|b| driver.events(&Frame::decode(b).unwrap()));
        kinds.extend(events.map(|event| kind(&event)));
        refusals += report.refusals;
        timed += report.timed;
        snapshots += report.snapshots;
    }
    assert!(refusals > 50 && timed > 50 && snapshots > 5, "{refusals} {timed} {snapshots}");
    let all = [
        "CommandRefused",
        "DraftCancelled",
        "EpochStarted",
        "FactRecorded",
        "LockCancelled",
        "LockClaimed",
        "LockExtended",
        "LockReleased",
        "LocksExpired",
        "LocksGranted",
        "LocksPruned",
        "LocksSettled",
        "SnapshotTaken",
        "TimeAdvanced",
    ];
    let missing: Vec<_> = all.iter().filter(|kind| !kinds.contains(**kind)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}

#[test]
fn without_keys_the_log_is_audited_from_outside() {
    let driver = busy(11, 400);
    let log = log_of(&driver);
    let report = audit(&log, subject(&driver), None);
    assert_eq!(named(&report), []);
    assert_eq!(report.level(), Level::Outside);
    assert_eq!((report.opened_frames, report.replayed_to, report.commands), (0, 0, 0));
    assert_eq!(report.state_root, driver.pipeline().machine().state_root());
    assert!(report.statements > 10 && report.signed_to > 10);
    let nothing_known = audit(&log, Subject::default(), None);
    assert_eq!(named(&nothing_known), []);
    assert_eq!(nothing_known.engine_id_basis, EngineIdBasis::BootFrames);
    assert_eq!(nothing_known.engine, report.engine);
}

#[test]
fn keys_of_the_first_epochs_replay_those_epochs_alone() {
    let driver = (12..40)
        .map(|seed| busy(seed, 500))
        .find(|driver| driver.pipeline().machine().epochs().len() >= 3);
    let driver = driver.expect("one of them crashed twice");
    let (log, all) = (log_of(&driver), keys_of(&driver));
    let epochs = driver.pipeline().machine().epochs();
    let with = |wanted: &[u64]| {
        let keys = AuditKeys::new(*all.engine_id(), all.state_salt().clone());
        let add = |keys: AuditKeys, epoch: &u64| {
            keys.with_epoch(*epoch, all.content_root(*epoch).expect("it booted").clone())
        };
        wanted.iter().fold(keys, add)
    };
    let report = audit(&log, subject(&driver), Some(&with(&[1, 2])));
    assert_eq!(named(&report), []);
    assert_eq!(report.replayed_to, epochs[2].first_seq);
    assert_eq!(report.level(), Level::Outside);
    let report = audit(&log, subject(&driver), Some(&with(&[2])));
    assert_eq!(named(&report), []);
    assert_eq!(report.replayed_to, 0, "the state before epoch 2 is not known");
    assert_eq!(report.opened_frames, epochs[2].first_seq - epochs[1].first_seq);
    let no_genesis = Subject { genesis: None, ..subject(&driver) };
    let report = audit(&log, no_genesis, Some(&all));
    let missing = vec![(0, None, "MissingGenesis")];
    assert_eq!((named(&report), report.level()), (missing, Level::Opened));
    let no_one = Subject { engine_id: None, genesis: None, ..subject(&driver) };
    assert_eq!(named(&audit(&log, no_one, Some(&all))), [], "no engine was named");
}

#[test]
fn receipt_extends_the_signed_part_and_one_beyond_the_log_reveals_a_dropped_tail() {
    let driver = busy(13, 300);
    let (log, keys) = (log_of(&driver), keys_of(&driver));
    let last = u64::try_from(log.len()).unwrap() - 1;
    let kept = driver.statement(last).expect("it was released");
    let kept = mortise_verify::statement::SignedStatement {
        statement: kept.statement.clone(),
        signature: kept.signature,
    };
    let with = || Subject { kept: vec![kept.clone()], ..subject(&driver) };
    for keys in [Some(&keys), None] {
        let report = audit(&log, with(), keys);
        assert_eq!((named(&report), report.signed_to), (vec![], last + 1));
        let cut = &log[..log.len() - 2];
        let report = audit(cut, with(), keys);
        assert_eq!(named(&report), [(last - 1, None, "LogEndsEarly")]);
        assert_eq!(named(&audit(cut, subject(&driver), keys)), [], "nothing else reveals it");
    }
    let (other_genesis, _) = genesis_and_keys(&driver);
    let genesis = Some(mortise_format::genesis::Genesis { name: "other".into(), ..other_genesis });
    let report = audit(&log, Subject { genesis, ..subject(&driver) }, Some(&keys));
    assert_eq!(named(&report), [(0, None, "Identity")]);
}
