//! Snapshots: when one begins, how far it is, and what becomes of its parts.
//!
//! ```text
//! begin (between frames) -> SnapshotSlice ... -> SnapshotPart out -> stored ... -> manifest out
//!       -> stored: whole -> SnapshotTaken in the next frame -> released: the next may begin
//! ```
//! What it does not do: seal, store, read a clock. Slices come as inputs, and each encodes a
//! bounded number of values.
//!
//! Invariants: no part leaves before the last frame of the snapshot is released, so a snapshot is
//! never ahead of the log; at most `SNAPSHOT_PARTS_IN_FLIGHT` parts are being sealed or stored, and
//! while they are, no slice is encoded; beyond `snapshot_bytes_max` the snapshot is given up;
//! none begins before the event of the last one is durable, so that the host, which keeps two,
//! never drops the only one that the log names.

use super::{Output, Pipeline};
use mortise_core::machine::SnapshotKeys;
use mortise_format::ids::Bytes32;
use mortise_format::limits::{
    SNAPSHOT_PARTS_IN_FLIGHT, SNAPSHOT_RETRY_MS, SNAPSHOT_SLICE_BYTES, SNAPSHOT_SLICE_VALUES,
};
use mortise_format::store::SNAPSHOT_PARTS_MAX;

/// A part of a snapshot, to be sealed and stored.
#[derive(Debug, Clone)]
pub struct SnapshotPart {
    /// The snapshot, among those of this boot.
    pub attempt: u64,
    /// The last frame in the snapshot.
    pub seq: u64,
    /// Which part, from 0.
    pub part: u32,
    /// True for the last part.
    pub is_manifest: bool,
    /// What seals it.
    pub keys: SnapshotKeys,
    /// The bytes to seal.
    pub plain: Vec<u8>,
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPart {
    pub attempt: u64,
    pub part: u32,
    /// Digest of the sealed part; `None` if it was not stored, which drops the snapshot.
    pub digest: Option<Bytes32>,
}

/// The state of snapshots.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Number of frames that the newest whole snapshot covers.
    covered: u64,
    /// Size of the last snapshot.
    bytes: usize,
    /// Bytes of frames since the last snapshot began.
    log_bytes: usize,
    current: Option<Current>,
    attempts: u64,
    /// Whole; its event is not logged yet.
    unlogged: Option<(u64, Bytes32)>,
    /// The frame with that event, until it is released.
    logged_in: Option<u64>,
    /// A damaged frame of the log, from which the next boot must not depend.
    damaged: Option<u64>,
    /// None begins before this time.
    not_before_ms: u64,
}

/// A snapshot that is being taken.
#[derive(Debug)]
struct Current {
    attempt: u64,
    seq: u64,
    keys: SnapshotKeys,
    is_released: bool,
    in_flight: usize,
    /// Digests of the parts that left, once they are stored.
    digests: Vec<Option<Bytes32>>,
    bytes: usize,
    /// Bytes of frames before it began, for the case that it is given up.
    log_bytes: usize,
    has_manifest: bool,
}

impl Snapshots {
    /// Those of a machine that was loaded from a snapshot of this many frames. `unlogged` is that
    /// snapshot if no frame can name it yet.
    pub fn after_boot(covered: u64, unlogged: Option<(u64, Bytes32)>) -> Self {
        Self { covered, unlogged, ..Self::default() }
    }

    pub fn frame_shipped(&mut self, bytes: usize) {
        self.log_bytes = self.log_bytes.saturating_add(bytes);
    }

    /// Notes a damaged frame of a log of `next_seq` frames.
    pub fn frame_damaged(&mut self, seq: u64, next_seq: u64) {
        self.damaged = self.damaged.max(Some(seq).filter(|seq| *seq < next_seq));
    }

    /// The snapshot to name in frame `seq`, if one is whole and not named yet.
    pub fn log_in(&mut self, seq: u64) -> Option<(u64, Bytes32)> {
        let unlogged = self.unlogged.take()?;
        self.logged_in = Some(seq);
        Some(unlogged)
    }

    pub fn frame_released(&mut self, seq: u64) {
        self.logged_in.take_if(|logged_in| *logged_in <= seq);
        if let Some(current) = self.current.as_mut() {
            current.is_released |= current.seq <= seq;
        }
    }

    /// True if the last one is whole and durably named, and none is being taken.
    fn is_settled(&self) -> bool {
        self.current.is_none() && self.unlogged.is_none() && self.logged_in.is_none()
    }

    /// True if a snapshot of the first `next_seq` frames is due.
    fn is_due(&self, now_ms: u64, next_seq: u64, every: u64) -> bool {
        if !self.is_settled() || now_ms < self.not_before_ms || next_seq <= self.covered {
            return false;
        }
        // The next boot must not need a damaged frame.
        let mends = self.damaged.is_some_and(|seq| seq >= self.covered);
        // Wait until the log has grown by a few times the size of the snapshot, so that the cost
        // per event stays a small constant.
        let is_costly = self.log_bytes / LOG_PER_SNAPSHOT < self.bytes;
        mends || next_seq - self.covered >= every && !is_costly
    }

    fn give_up(&mut self, now_ms: u64) {
        if let Some(current) = self.current.take() {
            self.log_bytes = self.log_bytes.saturating_add(current.log_bytes);
            self.not_before_ms = now_ms.saturating_add(SNAPSHOT_RETRY_MS);
        }
    }
}

impl Pipeline {
    /// Moves snapshots on, between two frames.
    pub(super) fn snapshot_turn(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.machine.gather_snapshot();
        let held = self.machine.snapshot().map_or(0, |taking| taking.bytes_held());
        if held > self.settings.snapshot_bytes_max {
            self.drop_snapshot(now_ms);
        }
        let next_seq = self.machine.head().next_seq;
        let every = self.settings.snapshot_frames;
        // The end of an epoch is found by replaying its last frame.
        let may_begin = self.is_open && !self.has_ended;
        if may_begin && self.snapshots.is_due(now_ms, next_seq, every) {
            self.begin_snapshot();
        }
        self.send_parts(now_ms, out);
    }

    /// Begins the snapshot of a graceful stop, so that the next start is fast. Afterwards
    /// [`Pipeline::is_snapshotting`] says whether it is still being taken.
    pub fn begin_last_snapshot(&mut self) {
        let is_new = self.machine.head().next_seq > self.snapshots.covered;
        if self.fault.is_none() && self.is_idle() && is_new && self.snapshots.is_settled() {
            self.begin_snapshot();
        }
    }

    /// True while a snapshot is being taken.
    pub fn is_snapshotting(&self) -> bool {
        self.fault.is_none() && self.snapshots.current.is_some()
    }

    /// True if there is something to encode and room for it.
    pub fn wants_slice(&self) -> bool {
        let Some(current) = self.snapshots.current.as_ref().filter(|_| self.fault.is_none()) else {
            return false;
        };
        let taking = self.machine.snapshot().filter(|taking| !taking.is_whole());
        taking.is_some_and(|taking| {
            taking.parts_waiting() + current.in_flight < SNAPSHOT_PARTS_IN_FLIGHT
        })
    }

    pub(super) fn encode_slice(&mut self) {
        if self.wants_slice() {
            self.machine.encode_snapshot(SNAPSHOT_SLICE_VALUES, SNAPSHOT_SLICE_BYTES);
        }
    }

    fn begin_snapshot(&mut self) {
        let next_seq = self.machine.head().next_seq;
        let Some(seq) = next_seq.checked_sub(1) else { return };
        let is_released = self.in_flight.front().is_none_or(|frame| frame.seq > seq);
        let engine_id = *self.machine.state().engine_id();
        self.machine.begin_snapshot();
        let snapshots = &mut self.snapshots;
        snapshots.attempts += 1;
        snapshots.current = Some(Current {
            attempt: snapshots.attempts,
            seq,
            keys: SnapshotKeys::new(engine_id, next_seq, &self.log_keys),
            is_released,
            in_flight: 0,
            digests: Vec::new(),
            bytes: 0,
            log_bytes: std::mem::take(&mut snapshots.log_bytes),
            has_manifest: false,
        });
    }

    fn drop_snapshot(&mut self, now_ms: u64) {
        self.machine.abandon_snapshot();
        self.snapshots.give_up(now_ms);
    }

    fn send_parts(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        while let Some(part) = self.next_part() {
            match part {
                Ok(part) => out.push(Output::SnapshotPart(part)),
                Err(TooLarge) => return self.drop_snapshot(now_ms),
            }
        }
    }

    /// The next part that may leave now.
    fn next_part(&mut self) -> Option<Result<SnapshotPart, TooLarge>> {
        let (machine, current) = (&mut self.machine, self.snapshots.current.as_mut()?);
        if !current.is_released || current.in_flight >= SNAPSHOT_PARTS_IN_FLIGHT {
            return None;
        }
        let mut is_manifest = false;
        let plain = match machine.take_snapshot_part() {
            Some(plain) => plain,
            None => {
                let is_whole = machine.snapshot().is_some_and(|taking| taking.is_whole());
                if !is_whole || current.in_flight > 0 {
                    return None;
                }
                is_manifest = true;
                let digests = current.digests.iter().copied().collect::<Option<Vec<_>>>()?;
                match machine.finish_snapshot(digests) {
                    Ok(plain) => plain,
                    Err(_) => return Some(Err(TooLarge)),
                }
            }
        };
        let part = u32::try_from(current.digests.len()).unwrap_or(u32::MAX);
        if part >= SNAPSHOT_PARTS_MAX {
            return Some(Err(TooLarge));
        }
        current.in_flight += 1;
        current.bytes = current.bytes.saturating_add(plain.len());
        current.digests.push(None);
        current.has_manifest = is_manifest;
        let (attempt, seq, keys) = (current.attempt, current.seq, current.keys.clone());
        Some(Ok(SnapshotPart { attempt, seq, part, is_manifest, keys, plain }))
    }

    pub(super) fn part_stored(&mut self, now_ms: u64, stored: StoredPart) {
        let current = self.snapshots.current.as_mut();
        let Some(current) = current.filter(|current| current.attempt == stored.attempt) else {
            return;
        };
        let at = usize::try_from(stored.part).unwrap_or(usize::MAX);
        let (Some(digest), Some(slot)) = (stored.digest, current.digests.get_mut(at)) else {
            return self.drop_snapshot(now_ms);
        };
        *slot = Some(digest);
        current.in_flight -= 1;
        if current.has_manifest {
            let (seq, bytes) = (current.seq, current.bytes);
            let snapshots = &mut self.snapshots;
            snapshots.current = None;
            snapshots.unlogged = Some((seq, digest));
            (snapshots.covered, snapshots.bytes) = (seq + 1, bytes);
        }
    }
}

/// The snapshot has more parts than the store protocol numbers.
#[derive(Debug)]
struct TooLarge;

/// Bytes of log for each byte of a snapshot.
const LOG_PER_SNAPSHOT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::limits::SNAPSHOT_FRAMES;

    #[test]
    fn snapshot_is_due_after_its_frames_and_not_one_before() {
        let every = super::super::Settings::default().snapshot_frames;
        let mut snapshots = Snapshots::after_boot(100, None);
        assert!(!snapshots.is_due(0, 100 + SNAPSHOT_FRAMES - 1, every));
        assert!(snapshots.is_due(0, 100 + SNAPSHOT_FRAMES, every));
        snapshots.bytes = 1_000_000;
        snapshots.log_bytes = LOG_PER_SNAPSHOT * snapshots.bytes - 1;
        assert!(!snapshots.is_due(0, 100 + SNAPSHOT_FRAMES, every), "the log is still short");
        snapshots.frame_shipped(1);
        assert!(snapshots.is_due(0, 100 + SNAPSHOT_FRAMES, every));
    }
}
