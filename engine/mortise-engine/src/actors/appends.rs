//! The order of appends: what the result of an append means for the frames in flight.
//!
//! What it is for: results arrive in any order and are reported in the order of the frames. A store
//! whose disk is full refuses a frame before it writes anything. That is certain, so the same bytes
//! are appended again until there is room; frames that were in flight behind it leave a gap and
//! follow it.
//!
//! What it does not do: append, or wait. The ledger does both.
//!
//! Invariant: after every other failure the outcome is unknown, and nothing is appended again.

use crate::store::{Ack, StoreError};
use mortise_format::frame::Frame;
use mortise_format::store::StoreRefusal;
use std::collections::BTreeMap;
use std::time::Duration;

/// The appends in flight.
#[derive(Debug, Default)]
pub(super) struct Appends {
    frames: BTreeMap<u64, InFlight>,
    /// A frame was refused for want of room, so that frames behind it may have left a gap.
    was_full: bool,
    pause: Duration,
}

#[derive(Debug)]
struct InFlight {
    frame: Frame,
    result: Option<Result<Ack, StoreError>>,
    has_filled_gap: bool,
}

/// What the ledger does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The oldest frame is durable.
    Acked(Ack),
    /// Append this frame again after the pause.
    Append(Frame, Duration),
    /// The outcome of an append is unknown.
    Failed(StoreError),
}

impl Appends {
    /// Notes that a frame was appended, for the first time.
    pub fn appended(&mut self, frame: Frame) {
        let seq = frame.header().seq;
        self.frames.insert(seq, InFlight { frame, result: None, has_filled_gap: false });
    }

    /// Notes the result of an append.
    pub fn arrived(&mut self, seq: u64, result: Result<Ack, StoreError>) {
        if let Some(frame) = self.frames.get_mut(&seq) {
            frame.result = Some(result);
        }
    }

    /// What follows from the results so far. Call it until it returns `None`.
    pub fn next(&mut self) -> Option<Next> {
        let mut oldest = self.frames.first_entry()?;
        match oldest.get_mut().result.take()? {
            Ok(ack) => {
                oldest.remove();
                self.pause = Duration::ZERO;
                Some(Next::Acked(ack))
            }
            Err(StoreError::Refused(StoreRefusal::Full)) => {
                let frame = oldest.get().frame.clone();
                if !std::mem::replace(&mut self.was_full, true) {
                    tracing::warn!(seq = frame.header().seq, "the disk of the store is full");
                }
                self.pause = (2 * self.pause).clamp(FULL_PAUSE_MIN, FULL_PAUSE_MAX);
                Some(Next::Append(frame, self.pause))
            }
            Err(StoreError::Refused(StoreRefusal::Gap { .. }))
                if self.was_full && !oldest.get().has_filled_gap =>
            {
                oldest.get_mut().has_filled_gap = true;
                Some(Next::Append(oldest.get().frame.clone(), Duration::ZERO))
            }
            Err(error) => Some(Next::Failed(error)),
        }
    }

    /// A failure of any frame in flight that no later result can change.
    pub fn failure(&self) -> Option<StoreError> {
        let mut results = self.frames.values().filter_map(|frame| frame.result?.err());
        let is_certain = |error: &StoreError| {
            matches!(error, StoreError::Refused(StoreRefusal::Full | StoreRefusal::Gap { .. }))
        };
        results.find(|error| !is_certain(error))
    }
}

/// Pauses before a frame is appended again to a full disk, from and to.
const FULL_PAUSE_MIN: Duration = Duration::from_millis(50);
const FULL_PAUSE_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::frame::{FRAME_VERSION, FrameHeader, FrameKind, FrameLeaf};
    use mortise_format::frame::{cipher_digest, clear_digest};
    use mortise_format::ids::{Bytes32, EngineId, FrameDigest, PolicyHash, Root};
    use mortise_format::rules::RuleSet;

    const FULL: StoreError = StoreError::Refused(StoreRefusal::Full);
    const GAP: StoreError = StoreError::Refused(StoreRefusal::Gap { expected: 3 });

    fn frame(seq: u64) -> Frame {
        let cipher = vec![9; 40];
        let header = FrameHeader {
            version: FRAME_VERSION,
            rules: RuleSet::NEWEST,
            kind: FrameHeader::kind_byte(FrameKind::Events),
            engine_id: EngineId([7; 32]),
            epoch: 1,
            seq,
            time_ms: 1_700_000_000_000,
            previous: FrameDigest([4; 32]),
            event_count: 1,
            event_root: Root([1; 32]),
            state_root: Root([2; 32]),
            policy_hash: PolicyHash([3; 32]),
            clear_bytes: 0,
            cipher_bytes: 40,
        };
        let leaf = FrameLeaf {
            header,
            clear_digest: clear_digest(&[]),
            cipher_digest: cipher_digest(&cipher),
            mac: Bytes32([5; 32]),
        };
        Frame::new(leaf, vec![], cipher).unwrap()
    }

    fn ack(seq: u64) -> Ack {
        Ack { seq, digest: frame(seq).digest() }
    }

    fn in_flight(seqs: std::ops::Range<u64>) -> Appends {
        let mut appends = Appends::default();
        seqs.for_each(|seq| appends.appended(frame(seq)));
        appends
    }

    #[test]
    fn acks_are_reported_in_the_order_of_the_frames() {
        let mut appends = in_flight(3..5);
        appends.arrived(4, Ok(ack(4)));
        assert_eq!(appends.next(), None);
        appends.arrived(3, Ok(ack(3)));
        assert_eq!(appends.next(), Some(Next::Acked(ack(3))));
        assert_eq!(appends.next(), Some(Next::Acked(ack(4))));
        assert_eq!(appends.next(), None);
    }

    #[test]
    fn frame_that_a_full_disk_refused_is_appended_again_with_the_same_bytes() {
        let mut appends = in_flight(3..5);
        appends.arrived(3, Err(FULL));
        appends.arrived(4, Err(GAP));
        for pause in [50, 100, 200, 400, 800, 1600, 2000, 2000] {
            let again = Next::Append(frame(3), Duration::from_millis(pause));
            assert_eq!((appends.next(), appends.next()), (Some(again), None));
            appends.arrived(3, Err(FULL));
        }
        appends.next();
        appends.arrived(3, Ok(ack(3)));
        assert_eq!(appends.next(), Some(Next::Acked(ack(3))));
        // The frame behind it left a gap and follows at once.
        assert_eq!(appends.next(), Some(Next::Append(frame(4), Duration::ZERO)));
        assert_eq!(appends.failure(), None);
        appends.arrived(4, Ok(ack(4)));
        assert_eq!(appends.next(), Some(Next::Acked(ack(4))));
    }

    #[test]
    fn gap_that_stays_or_that_nothing_explains_is_a_failure() {
        let mut appends = in_flight(3..4);
        appends.arrived(3, Err(GAP));
        assert_eq!(appends.next(), Some(Next::Failed(GAP)), "no frame was refused before");
        let mut appends = in_flight(3..5);
        appends.arrived(3, Err(FULL));
        appends.next();
        appends.arrived(3, Ok(ack(3)));
        appends.next();
        appends.arrived(4, Err(GAP));
        assert!(matches!(appends.next(), Some(Next::Append(..))));
        appends.arrived(4, Err(GAP));
        assert_eq!(appends.next(), Some(Next::Failed(GAP)), "the store lost a frame it acked");
    }

    #[test]
    fn unknown_outcome_of_any_frame_is_a_failure_at_once() {
        let silent = StoreError::Silent { answer_ms_max: 1 };
        let failed = StoreError::Refused(StoreRefusal::SyncFailed);
        let taken = StoreError::Refused(StoreRefusal::SeqTaken { expected: 9 });
        for error in [StoreError::Unknown, silent, failed, taken] {
            let mut appends = in_flight(3..5);
            appends.arrived(4, Err(error));
            assert_eq!(appends.failure(), Some(error));
            let mut appends = in_flight(3..4);
            appends.arrived(3, Err(FULL));
            appends.next();
            appends.arrived(3, Err(error));
            assert_eq!(appends.next(), Some(Next::Failed(error)));
        }
    }
}
