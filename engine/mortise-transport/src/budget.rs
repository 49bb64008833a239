//! One sum over the bytes that many connections hold.
//!
//! What it is for: a bound for each connection alone is no bound when there are thousands. Every
//! connection takes its bytes from one budget; when that is used up, the newest is refused.
//!
//! What it does not do: allocate, wait, or divide fairly. The first bytes of a connection are free,
//! so that an empty budget still serves small requests.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of each holder that do not count. The bound of connections bounds them.
const FREE_BYTES: usize = 4 * 1024;

/// A number of bytes that holders share.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Semaphore>);

/// The part of a budget that one holder has. Dropping it gives it back.
#[derive(Debug, Default)]
pub struct HeldBytes(Option<OwnedSemaphorePermit>);

impl ByteBudget {
    /// A budget of `bytes`, counted in KiB.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / 1024).min(Semaphore::MAX_PERMITS))))
    }

    /// Holds `bytes`; `None` when they are not there.
    pub fn hold(&self, bytes: usize) -> Option<HeldBytes> {
        let mut held = HeldBytes::default();
        self.grow(&mut held, bytes).then_some(held)
    }

    /// Grows what is held to `bytes`. False, with nothing changed, when they are not there.
    pub fn grow(&self, held: &mut HeldBytes, bytes: usize) -> bool {
        let missing = units(bytes).saturating_sub(held.units());
        if missing == 0 {
            return true;
        }
        let more = u32::try_from(missing).ok();
        let more = more.and_then(|more| Arc::clone(&self.0).try_acquire_many_owned(more).ok());
        match (more, &mut held.0) {
            (None, _) => return false,
            (Some(more), Some(all)) => all.merge(more),
            (more, none) => *none = more,
        }
        true
    }

    /// Bytes that are not held.
    pub fn free_bytes(&self) -> usize {
        self.0.available_permits() * 1024
    }
}

impl HeldBytes {
    fn units(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Takes the part for `bytes` out, or all if it is less.
    pub fn split(&mut self, bytes: usize) -> Self {
        let count = units(bytes).min(self.units());
        Self(self.0.as_mut().and_then(|permit| permit.split(count)))
    }
}

fn units(bytes: usize) -> usize {
    bytes.saturating_sub(FREE_BYTES).div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_bytes_count_once_and_come_back() {
        let budget = ByteBudget::new(100 * 1024);
        let mut held = budget.hold(50 * 1024).unwrap();
        assert_eq!(budget.free_bytes(), 54 * 1024);
        assert!(budget.grow(&mut held, 50 * 1024) && budget.grow(&mut held, 80 * 1024));
        assert_eq!(budget.free_bytes(), 24 * 1024);
        assert!(budget.hold(30 * 1024).is_none() && !budget.grow(&mut held, 105 * 1024));
        assert!(budget.hold(FREE_BYTES).is_some(), "small ones are free");
        let part = held.split(30 * 1024);
        drop(held);
        assert_eq!(budget.free_bytes(), 74 * 1024);
        drop(part);
        assert_eq!(budget.free_bytes(), 100 * 1024);
    }
}
