//! The table of failures and outcomes. The page must have exactly its rows.

use super::cells::run;
use mortise_testkit::driver::AppendFault;

/// How the start after a failure ends, and whether the second lock exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The engine starts without the second lock; a retry of its request is granted.
    StartsWithout,
    /// The engine starts with the second lock; a retry of its request gets the logged answer.
    StartsWith,
    /// The engine does not start: a frame of the log is invalid.
    RefusesBrokenFrame,
    /// The engine does not start: a snapshot is newer than the log.
    RefusesSnapshotAhead,
    /// The engine does not start: the store's head is not its last frame.
    RefusesHead,
    /// The engine does not start: witnesses know a longer log.
    RefusesWitnessAhead,
    /// The engine does not start: the checkpoint of the witnesses is not a prefix of the log.
    RefusesWitnessFork,
}

impl Outcome {
    fn text(self) -> &'static str {
        match self {
            Self::StartsWithout => "starts; the request runs again",
            Self::StartsWith => "starts; the request is answered as done",
            Self::RefusesBrokenFrame => "does not start: broken frame",
            Self::RefusesSnapshotAhead => "does not start: snapshot ahead",
            Self::RefusesHead => "does not start: head mismatch",
            Self::RefusesWitnessAhead => "does not start: WITNESS_AHEAD",
            Self::RefusesWitnessFork => "does not start: WITNESS_FORK",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The append of the frame with the second lock.
    Append(AppendFault),
    /// The engine is killed before the frame is written or after it is synced, its ack unread.
    Killed,
    /// Power fails after the frame is written and before it is synced: the frame is lost or kept.
    PowerLost,
    /// The host acks without storing the frame, or stores it and loses it later.
    HostForgets,
    /// The store reports that a snapshot is not stored although it is, or the reverse.
    SnapshotFails,
    /// The newest snapshot is truncated, or belongs to another engine.
    SnapshotBroken,
    /// The newest snapshot is missing, or the store serves an older one.
    SnapshotOld,
    /// The log lost frames that a snapshot covers.
    SnapshotAhead,
    /// The store claims a longer log than it has, or serves a shorter one.
    HeadLies,
    /// Witnessed: the engine is killed before a durable frame is shown to witnesses, or after they
    /// cosigned it and before it learns that.
    KilledUnwitnessed,
    /// Witnessed: the power is lost before the sync, as above.
    PowerLostWitnessed,
    /// Witnessed: an older copy of the log is restored, before or after its answers left.
    WitnessedRewound,
    /// Witnessed: an older copy is restored and another engine with these keys continued it, to the
    /// same length or longer.
    WitnessedForked,
}

impl Failure {
    fn name(self) -> &'static str {
        match self {
            Self::Append(fault) => fault.name(),
            Self::Killed => "engine killed",
            Self::PowerLost => "power lost before the sync",
            Self::HostForgets => "host acks and forgets",
            Self::SnapshotFails => "snapshot answer wrong",
            Self::SnapshotBroken => "snapshot broken",
            Self::SnapshotOld => "snapshot missing or old",
            Self::SnapshotAhead => "snapshot ahead of the log",
            Self::HeadLies => "head of the log wrong",
            Self::KilledUnwitnessed => "witnessed: engine killed between ack and cosignature",
            Self::PowerLostWitnessed => "witnessed: power lost before the sync",
            Self::WitnessedRewound => "witnessed: older copy of the log put back",
            Self::WitnessedForked => "witnessed: log of another engine with these keys",
        }
    }
}

/// A failure, and its outcomes if the operation had no effect and if it did.
struct Row(Failure, Outcome, Outcome);

const TABLE: &[Row] = &[
    Row(Failure::Append(AppendFault::AckLost), Outcome::StartsWithout, Outcome::StartsWith),
    Row(Failure::Append(AppendFault::WrongDigest), Outcome::StartsWithout, Outcome::StartsWith),
    Row(Failure::Append(AppendFault::OutOfOrder), Outcome::StartsWithout, Outcome::StartsWith),
    Row(Failure::Append(AppendFault::SyncFailed), Outcome::StartsWithout, Outcome::StartsWith),
    Row(Failure::Append(AppendFault::Full), Outcome::StartsWithout, Outcome::StartsWith),
    Row(Failure::Append(AppendFault::Torn), Outcome::StartsWithout, Outcome::RefusesBrokenFrame),
    Row(Failure::Killed, Outcome::StartsWithout, Outcome::StartsWith),
    Row(Failure::PowerLost, Outcome::StartsWithout, Outcome::StartsWith),
    Row(Failure::HostForgets, Outcome::StartsWithout, Outcome::StartsWithout),
    Row(Failure::SnapshotFails, Outcome::StartsWith, Outcome::StartsWith),
    Row(Failure::SnapshotBroken, Outcome::StartsWith, Outcome::StartsWith),
    Row(Failure::SnapshotOld, Outcome::StartsWith, Outcome::StartsWith),
    Row(Failure::SnapshotAhead, Outcome::RefusesSnapshotAhead, Outcome::RefusesSnapshotAhead),
    Row(Failure::HeadLies, Outcome::RefusesHead, Outcome::StartsWithout),
    Row(Failure::KilledUnwitnessed, Outcome::StartsWith, Outcome::StartsWith),
    Row(Failure::PowerLostWitnessed, Outcome::StartsWithout, Outcome::StartsWith),
    Row(Failure::WitnessedRewound, Outcome::RefusesWitnessAhead, Outcome::RefusesWitnessAhead),
    Row(Failure::WitnessedForked, Outcome::RefusesWitnessFork, Outcome::RefusesWitnessFork),
];

fn page_rows() -> String {
    let mut rows = String::new();
    for Row(failure, without, with) in TABLE {
        let (name, without, with) = (failure.name(), without.text(), with.text());
        rows.push_str(&format!("| {name} | {without} | {with} |\n"));
    }
    rows
}

#[test]
fn every_failure_has_its_stated_outcomes() {
    for (seed, Row(failure, without, with)) in (1..).zip(TABLE) {
        assert_eq!(run(seed, *failure, false), *without, "{} did not happen", failure.name());
        assert_eq!(run(seed, *failure, true), *with, "{} happened", failure.name());
    }
}

#[test]
fn page_has_exactly_the_rows_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/durability-and-recovery.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let rows = page_rows();
    assert!(
        page.contains(&rows),
        "specs/durability-and-recovery.md must have exactly these rows:\n{rows}"
    );
    let found = page.lines().filter(|line| line.ends_with(" |") && line.contains("start"));
    assert_eq!(found.count(), TABLE.len(), "the page has no other rows");
}
