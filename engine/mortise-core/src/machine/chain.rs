//! The chain of frames, as anyone without a key can check it.
//!
//! What it is for: the position of each frame, the history over all of them, the boots, and the
//! statements that each frame requires. A [`super::Machine`] contains one; an outsider that cannot
//! open frames uses one alone.
//!
//! What it does not do: open a frame, check its MAC or its ciphertext.
//!
//! Invariants: INV-10 (time never goes back), INV-12 (every frame is one leaf of the history, in
//! order), INV-19 (rules are constant in an epoch and never fall). The statements that no frame
//! carries yet are contiguous and end with the newest frame.

use super::{EpochRecord, FollowError, Head};
use crate::body::{ClearBody, FrameStatement};
use crate::history::Frontier;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mortise_format::eip712::RootStatement;
use mortise_format::frame::{Frame, FrameKind, FrameLeaf};
use mortise_format::ids::{Address, EngineId, FrameDigest, Root};
use mortise_format::rules::RuleSet;
use mortise_format::secp256k1::recover;

/// Head, history, boots and uncarried statements of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    engine_id: EngineId,
    pub(super) head: Head,
    pub(super) history: Frontier,
    pub(super) epochs: Vec<EpochRecord>,
    /// Statements about frames that no later frame carries yet, in order.
    pub(super) uncarried: VecDeque<FrameStatement>,
}

impl Chain {
    /// The chain of an empty log.
    pub fn new(engine_id: EngineId) -> Self {
        let head = Head {
            next_seq: 0,
            digest: FrameDigest::ZERO,
            epoch: 0,
            time_ms: 0,
            rules: RuleSet::NONE,
        };
        let (history, epochs, uncarried) = (Frontier::new(), Vec::new(), VecDeque::new());
        Self { engine_id, head, history, epochs, uncarried }
    }

    /// The chain at a point that a snapshot names.
    pub(super) fn at(
        engine_id: EngineId,
        head: Head,
        history: Frontier,
        epochs: Vec<EpochRecord>,
        uncarried: Vec<FrameStatement>,
    ) -> Self {
        Self { engine_id, head, history, epochs, uncarried: uncarried.into() }
    }

    /// The engine that owns the log.
    pub fn engine_id(&self) -> &EngineId {
        &self.engine_id
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The history.
    pub fn history(&self) -> &Frontier {
        &self.history
    }

    /// Every boot so far, in order.
    pub fn epochs(&self) -> &[EpochRecord] {
        &self.epochs
    }

    /// Statements about frames that no later frame carries yet, in order.
    pub fn uncarried(&self) -> impl ExactSizeIterator<Item = &FrameStatement> {
        self.uncarried.iter()
    }

    /// The statement about a frame that no later frame carries yet.
    pub fn uncarried_about(&self, seq: u64) -> Option<&FrameStatement> {
        let first = self.uncarried.front()?.statement.seq;
        let at = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.uncarried.get(at)
    }

    /// Checks the position of a frame in the chain: engine, seq, predecessor, epoch, time, rules.
    /// The rules need not be known to this code.
    ///
    /// # Errors
    /// The first of these facts that is wrong.
    pub fn check_place(&self, frame: &Frame) -> Result<(), FollowError> {
        let (header, head) = (frame.header(), &self.head);
        if header.engine_id != self.engine_id {
            return Err(FollowError::ForeignEngine);
        }
        if header.seq != head.next_seq {
            return Err(FollowError::Seq { expected: head.next_seq, found: header.seq });
        }
        if header.previous != head.digest {
            return Err(FollowError::Previous);
        }
        let epoch = match header.kind() {
            Some(FrameKind::Boot) => head.epoch.saturating_add(1),
            _ => head.epoch,
        };
        if header.epoch != epoch || epoch == 0 {
            return Err(FollowError::Epoch { last: head.epoch, found: header.epoch });
        }
        if header.time_ms < head.time_ms {
            return Err(FollowError::TimeBack);
        }
        let is_boot = header.kind() == Some(FrameKind::Boot);
        if header.rules < head.rules || !is_boot && header.rules != head.rules {
            return Err(FollowError::Rules { last: head.rules, found: header.rules });
        }
        Ok(())
    }

    /// Checks that carried statements are the oldest uncarried ones, in order, each signed by the
    /// engine.
    ///
    /// # Errors
    /// `Statement`, `StatementSignature`, of the first one that is wrong.
    pub fn check_statements(&self, clear: &ClearBody, engine: &Address) -> Result<(), FollowError> {
        let mut expected = self.uncarried.iter();
        for carried in &clear.statements {
            let seq = carried.statement.seq;
            if !expected.next().is_some_and(|stated| carried.carries(stated)) {
                return Err(FollowError::Statement { seq });
            }
            let signer = recover(&carried.statement.digest(), &carried.signature);
            if signer != Ok(*engine) {
                return Err(FollowError::StatementSignature { seq });
            }
        }
        Ok(())
    }

    /// Appends a frame whose position was checked, and returns the statement about it.
    ///
    /// Drops the statements that the frame carries, and those that it overtook.
    pub fn advance(&mut self, frame: &Frame, clear: &ClearBody) -> FrameStatement {
        let header = frame.header();
        let carried = clear.statements.iter().map(|carried| carried.statement.seq);
        if let Some(newest) = carried.filter(|seq| self.uncarried_about(*seq).is_some()).max() {
            let overtaken = self.uncarried.iter().take_while(|s| s.statement.seq <= newest).count();
            self.uncarried.drain(..overtaken);
        }
        if let Some(boot) = &clear.boot {
            let (epoch, first_seq) = (header.epoch, header.seq);
            self.epochs.push(EpochRecord { epoch, first_seq, boot: boot.record.clone() });
        }
        self.history.append(frame.leaf().history_leaf());
        let digest = frame.digest();
        let (next_seq, epoch) = (header.seq + 1, header.epoch);
        let (time_ms, rules) = (header.time_ms, header.rules);
        self.head = Head { next_seq, digest, epoch, time_ms, rules };
        let statement = statement_about(frame.leaf(), Root(self.history.root()));
        let stated = FrameStatement { statement, history_path: self.history.newest_path() };
        self.uncarried.push_back(stated.clone());
        stated
    }
}

/// The statement about a frame of the log. `history_root` is the root over the frames up to it.
pub fn statement_about(leaf: &FrameLeaf, history_root: Root) -> RootStatement {
    let header = &leaf.header;
    RootStatement {
        engine_id: header.engine_id,
        epoch: header.epoch,
        seq: header.seq,
        time_ms: header.time_ms,
        frame_digest: leaf.digest(),
        event_root: header.event_root,
        event_count: header.event_count,
        state_root: header.state_root,
        history_root,
        history_size: header.seq.saturating_add(1),
        policy_hash: header.policy_hash,
    }
}
