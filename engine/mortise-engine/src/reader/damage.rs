//! The frames that were found damaged, for health and the log.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

/// Frames that were not the ones this engine wrote when they were last read.
#[derive(Debug, Default)]
pub(super) struct Damage(Mutex<BTreeSet<u64>>);

impl Damage {
    /// Notes a damaged frame. At the bound, only the newest frames are kept.
    pub fn found(&self, seq: u64) {
        let mut frames = self.frames();
        if frames.insert(seq) {
            tracing::error!(seq, "LOG_DAMAGED: a frame in the store is not the one written");
        }
        if frames.len() > DAMAGED_MAX {
            frames.pop_first();
        }
    }

    /// Notes that a frame was read well.
    pub fn mended(&self, seq: u64) {
        if self.frames().remove(&seq) {
            tracing::info!(seq, "a damaged frame can be read again");
        }
    }

    /// The newest damaged frame.
    pub fn newest(&self) -> Option<u64> {
        self.frames().last().copied()
    }

    fn frames(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().expect("no holder of the damaged frames panics")
    }
}

/// Damaged frames that are remembered.
const DAMAGED_MAX: usize = 1024;
