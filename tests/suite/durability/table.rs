//! The table, and that the page has exactly its rows.

use super::cells::run;
use mortise_testkit::driver::AppendFault;

/// What the start after a failure says, and what became of the second lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The engine starts; the second lock is not there, and is granted when asked for again.
    StartsWithout,
    /// The engine starts; the second lock is there, and asked for again it is answered as done.
    StartsWith,
    /// The engine does not start: the log has a frame that is none.
    RefusesBrokenFrame,
    /// The engine does not start: a snapshot is younger than the log.
    RefusesSnapshotAhead,
    /// The engine does not start: the store's head is not that of its frames.
    RefusesHead,
    /// The engine does not start: witnesses know a longer log.
    RefusesWitnessAhead,
    /// The engine does not start: what witnesses know is no beginning of the log.
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

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The append of the frame with the second lock.
    Append(AppendFault),
    /// The engine is killed before the frame is written or after it is synced, its ack unread.
    Killed,
    /// Power goes while the frame is written and not synced: lost or kept.
    PowerLost,
    /// The host acks without keeping, or keeps and forgets later.
    HostForgets,
    /// A snapshot is stored although the store said that it was not, or the other way round.
    SnapshotFails,
    /// The newest snapshot is cut, or is another engine's.
    SnapshotBroken,
    /// The newest snapshot is gone, or an older one is served.
    SnapshotOld,
    /// Frames are gone behind a snapshot.
    SnapshotAhead,
    /// The store claims a longer log than it has, or serves a shorter one.
    HeadLies,
    /// Witnessed: the engine is killed before a durable frame is shown to witnesses, or after they
    /// cosigned it and before it learns that.
    KilledUnwitnessed,
    /// Witnessed: the power is lost before the sync, as above.
    PowerLostWitnessed,
    /// Witnessed: an older copy of the log is put back, without or with its answers given out.
    WitnessedRewound,
    /// Witnessed: an older copy is put back and another engine of these keys went on from it, the
    /// log being of the same length or longer.
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

/// One row: a failure, what follows when it did not happen, what when it did.
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
fn every_failure_has_the_stated_outcome_both_ways() {
    for (seed, Row(failure, without, with)) in (1..).zip(TABLE) {
        assert_eq!(run(seed, *failure, false), *without, "{} did not happen", failure.name());
        assert_eq!(run(seed, *failure, true), *with, "{} happened", failure.name());
    }
}

#[test]
fn page_has_the_rows_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/durability-and-recovery.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let rows = page_rows();
    assert!(
        page.contains(&rows),
        "specs/durability-and-recovery.md must have exactly these rows:\n{rows}"
    );
    let found = page.lines().filter(|line| line.ends_with(" |") && line.contains("start"));
    assert_eq!(found.count(), TABLE.len(), "and no others");
}
