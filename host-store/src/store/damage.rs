//! Stored frames that are damaged: which ones are known, and the slow search for them.
//!
//! What it is for: a bit that rots in an old frame is found and named before someone needs the
//! frame. The store goes on: other frames are served, and an append needs no old frame.
//!
//! What it does not do: repair. `mortise-host repair` takes a frame from a copy.

use super::condition::{Condition, StoreState};
use super::disk::{DiskStore, lock};
use super::segment::record_bytes;
use mortise_format::store::StoreRefusal;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes that the search reads in a second.
pub const SCRUB_BYTES_PER_SECOND: u64 = 1024 * 1024;
/// Most damaged frames that are remembered by seq.
const KNOWN_MAX: usize = 1024;

/// Damaged frames that were met so far. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Damage(Arc<Mutex<BTreeSet<u64>>>);

impl Damage {
    /// Names a damaged frame; logs it once.
    pub(super) fn found(&self, seq: u64) {
        let mut known = lock(&self.0);
        if known.len() < KNOWN_MAX && known.insert(seq) {
            tracing::error!(
                seq,
                "FRAME_BROKEN: a stored frame is damaged; others are served. Stop the host and run \
                 mortise-host repair"
            );
        }
    }

    /// The first damaged frame, and their number as far as known.
    pub(super) fn summary(&self) -> Option<(u64, usize)> {
        let known = lock(&self.0);
        known.first().map(|first| (*first, known.len()))
    }
}

/// Reads the whole log from the start, slowly, then begins again.
#[derive(Debug, Default)]
pub struct Scrub {
    next_seq: u64,
}

impl Scrub {
    /// Checks the next frame and returns how long to wait for the one after it.
    pub fn step(&mut self, store: &DiskStore) -> Duration {
        let head = store.scrub_end();
        self.next_seq = self.next_seq.max(store.first_frame());
        if self.next_seq >= head {
            self.next_seq = 0;
            return IDLE;
        }
        let length = store.check_frame(self.next_seq);
        self.next_seq += 1;
        let bytes = record_bytes(length.unwrap_or_default());
        // At most 16 MiB of a frame: a second has 10^9 nanoseconds.
        Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / SCRUB_BYTES_PER_SECOND)
    }

    /// The frame that is checked next.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }
}

/// Pause between two passes.
const IDLE: Duration = Duration::from_secs(60);

/// A read that found a damaged frame is answered with its name. A poisoned store is no damage.
pub(super) fn refuse(damage: &Damage, condition: &Condition, seq: u64) -> StoreRefusal {
    if condition.now() == StoreState::Poisoned {
        return StoreRefusal::Io;
    }
    damage.found(seq);
    StoreRefusal::FrameBroken { seq }
}
