//! Checkpoints kept outside the log, and the recovery that a genesis names, checked against the
//! log.
//!
//! What it does not do: find witnesses. They are those of the genesis, or those that the caller
//! trusts instead.

use crate::finding::Fact;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mortise_format::genesis::{Genesis, GenesisKeys};
use mortise_format::ids::{EngineId, Root};
use mortise_format::merkle::history::TreeHead;
use mortise_format::note::{KeyUse, NoteKey};
use mortise_verify::checkpoint::{Witnesses, verify, verify_cosigned};
use mortise_verify::succession::{self, VerifiedSuccession};

/// The engine that this one replaced in a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Its id, as the genesis says.
    pub predecessor: EngineId,
    /// The verified succession; `None` when it does not verify, with a finding that says why.
    pub verified: Option<VerifiedSuccession>,
}

/// The result for a kept checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointVerdict {
    /// The log's head at that size, cosigned by a quorum.
    Cosigned,
    /// The log's head at that size, signed by the log. No witnesses were required.
    Signed,
    /// Not a checkpoint of this log, or too few witnesses cosigned; the finding says which.
    Refused,
    /// The log has another root at that size: a fork.
    OtherRoot,
    /// The log has fewer frames.
    Ahead,
    /// The log broke before it, or genesis and genesis keys did not come with the log.
    NotChecked,
}

/// A kept checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointReport {
    /// Its head, when it is one of this log.
    pub head: Option<TreeHead>,
    /// Names of the witnesses that cosigned, with the time by their clocks, seconds since 1970.
    pub cosigned_by: Vec<(String, u64)>,
    /// The result.
    pub verdict: CheckpointVerdict,
}

/// The kept checkpoints during an audit.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    notes: Vec<Vec<u8>>,
    witnesses: Option<Witnesses>,
    /// In the order of the notes.
    reports: Vec<CheckpointReport>,
}

impl Checkpoints {
    pub fn new(notes: Vec<Vec<u8>>, witnesses: Option<Witnesses>) -> Self {
        let unknown = |_: &Vec<u8>| CheckpointReport {
            head: None,
            cosigned_by: Vec::new(),
            verdict: CheckpointVerdict::NotChecked,
        };
        let reports = notes.iter().map(unknown).collect();
        Self { notes, witnesses, reports }
    }

    /// At the first frame: checks the signatures, for which the keys are now known.
    pub fn begin(&mut self, genesis: &Genesis, keys: &GenesisKeys, id: &EngineId) -> Vec<Fact> {
        let origin = genesis.origin.line(id, &keys.checkpoint);
        let Ok(log) = NoteKey::new(KeyUse::Log, &origin, keys.checkpoint) else {
            return Vec::new();
        };
        if self.witnesses.is_none() {
            self.witnesses = succession::witnesses_of(&genesis.policy).ok();
        }
        let mut facts = Vec::new();
        for (note, report) in self.notes.iter().zip(&mut self.reports) {
            if let Err(error) = read(report, note, &origin, &log, self.witnesses.as_ref()) {
                report.verdict = CheckpointVerdict::Refused;
                facts.push(Fact::Checkpoint(error));
            }
        }
        facts
    }

    /// Compares the head of the log with the kept checkpoints of that size.
    pub fn compare(&mut self, size: u64, root: &Root) -> Vec<Fact> {
        let has_witnesses = self.witnesses.is_some();
        let waits = |report: &&mut CheckpointReport| report.waits_for(size);
        let mut facts = Vec::new();
        for report in self.reports.iter_mut().filter(waits) {
            let is_same = report.head.is_some_and(|head| head.root == *root);
            report.verdict = match (is_same, has_witnesses) {
                (true, true) => CheckpointVerdict::Cosigned,
                (true, false) => CheckpointVerdict::Signed,
                (false, _) => {
                    facts.push(Fact::CheckpointFork { size });
                    CheckpointVerdict::OtherRoot
                }
            };
        }
        facts
    }

    /// Called at the end of a log that did not break.
    pub fn end(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for report in &mut self.reports {
            let CheckpointReport { head: Some(head), verdict, .. } = report else { continue };
            if *verdict == CheckpointVerdict::NotChecked {
                *verdict = CheckpointVerdict::Ahead;
                facts.push(Fact::CheckpointAhead { size: head.size });
            }
        }
        facts
    }

    pub fn into_reports(self) -> Vec<CheckpointReport> {
        self.reports
    }
}

impl CheckpointReport {
    fn waits_for(&self, size: u64) -> bool {
        self.verdict == CheckpointVerdict::NotChecked
            && self.head.is_some_and(|head| head.size == size)
    }
}

/// Reads head and cosignatures of a note that the log and the witnesses signed.
fn read(
    report: &mut CheckpointReport,
    note: &[u8],
    origin: &str,
    log: &NoteKey,
    witnesses: Option<&Witnesses>,
) -> Result<(), mortise_verify::checkpoint::CheckpointError> {
    let Some(witnesses) = witnesses else {
        report.head = Some(*verify(note, origin, log)?.head());
        return Ok(());
    };
    let cosigned = verify_cosigned(note, origin, log, witnesses)?;
    let name = |at: usize| witnesses.keys().get(at).map(|key| key.name().to_string());
    report.head = Some(*cosigned.checkpoint().head());
    report.cosigned_by =
        cosigned.cosignatures().iter().filter_map(|c| Some((name(c.witness)?, c.time))).collect();
    Ok(())
}
