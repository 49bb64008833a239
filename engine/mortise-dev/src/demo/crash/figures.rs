//! The figures of a crash run.

use super::super::processes::Victim;
use super::reader::Reads;
use super::record::Record;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a running run.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub rounds: u32,
    pub kills_of_host: u32,
    pub kills_of_engine: u32,
    pub kills_while_starting: u32,
    pub stalls: u32,
    pub statements_equal: u32,
    pub locks_checked: u64,
    pub repeats: u64,
    starts: Vec<u64>,
}

impl Figures {
    pub fn killed(&mut self, victim: Victim) {
        match victim {
            Victim::Host => self.kills_of_host += 1,
            Victim::Engine => self.kills_of_engine += 1,
        }
    }

    /// Records the duration of a start.
    pub fn started(&mut self, ms: u64) {
        self.starts.push(ms);
    }

    /// A progress line.
    pub fn progress(&self, record: &Record) -> String {
        let (acked, locks) = (record.acked_count(), record.lock_count());
        format!("round {}: {acked} requests acknowledged, {locks} locks, none lost", self.rounds)
    }

    /// The figures of a complete run. The first failed check ends a run, so nothing is lost here.
    pub fn complete(&self, seed: u64, record: &Record, reads: &Reads) -> Complete {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let count = u64::try_from(self.starts.len()).unwrap_or(u64::MAX).max(1);
        Complete {
            seed,
            rounds: self.rounds,
            kills_of_host: self.kills_of_host,
            kills_of_engine: self.kills_of_engine,
            kills_while_starting: self.kills_while_starting,
            stalls: self.stalls,
            faults: 0,
            acked_requests: record.acked_count(),
            acked_locks: record.lock_count(),
            lost: 0,
            reads_answered: read(&reads.answered),
            reads_refused: reads.later(),
            reads_without_connection: read(&reads.lost),
            locks_checked: self.locks_checked,
            statements_equal: self.statements_equal,
            repeats_identical: self.repeats,
            restart_ms_mean: self.starts.iter().sum::<u64>() / count,
            restart_ms_max: self.starts.iter().copied().max().unwrap_or_default(),
        }
    }
}

/// The figures of a run without a violation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Complete {
    seed: u64,
    rounds: u32,
    kills_of_host: u32,
    kills_of_engine: u32,
    kills_while_starting: u32,
    stalls: u32,
    /// Processes that ended by themselves; one ends the run.
    faults: u32,
    acked_requests: usize,
    acked_locks: usize,
    lost: u32,
    reads_answered: u64,
    /// To be asked again, by name.
    reads_refused: BTreeMap<&'static str, u64>,
    reads_without_connection: u64,
    locks_checked: u64,
    statements_equal: u32,
    repeats_identical: u64,
    restart_ms_mean: u64,
    restart_ms_max: u64,
}

impl Complete {
    fn refused(&self) -> String {
        self.reads_refused.iter().map(|(name, count)| format!("{count} {name}, ")).collect()
    }

    /// The figures for people.
    pub fn text(&self) -> String {
        format!(
            "seed                 {}\n\
             rounds               {}\n\
             kills of the host    {}\n\
             kills of the engine  {}\n\
             of these at start    {}\n\
             stalls of the host   {}\n\
             faults               {}\n\
             requests acked       {}\n\
             locks acked          {}\n\
             locks lost           {}\n\
             reads answered       {}\n\
             reads to ask again   {}{} without a connection\n\
             lock checks          {}\n\
             statements equal     {}\n\
             repeats identical    {}\n\
             restart              mean {} ms, longest {} ms\n",
            self.seed,
            self.rounds,
            self.kills_of_host,
            self.kills_of_engine,
            self.kills_while_starting,
            self.stalls,
            self.faults,
            self.acked_requests,
            self.acked_locks,
            self.lost,
            self.reads_answered,
            self.refused(),
            self.reads_without_connection,
            self.locks_checked,
            self.statements_equal,
            self.repeats_identical,
            self.restart_ms_mean,
            self.restart_ms_max,
        )
    }
}
