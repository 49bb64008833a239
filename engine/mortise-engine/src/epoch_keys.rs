//! The keys of epochs: unwrapped when first needed, and kept.
//!
//! What it is for: readers of old frames share one unwrap of an epoch key, and its result.
//!
//! Invariants:
//! - At most one call of the key service is in flight for an epoch.
//! - A failure is kept for a short time, so that a lost key service is not asked once a request.
//! - The number of keys in memory is bounded. The key of the newest epoch is never dropped, so that
//!   serving needs no key service.

use crate::keyring::IdentityError;
use mortise_core::keys::EpochKeys;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Mutex as AsyncMutex;

/// Keys by epoch. See the module.
#[derive(Default)]
pub(crate) struct EpochCache(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    by_epoch: BTreeMap<u64, Slot>,
    uses: u64,
}

struct Slot {
    content: Arc<AsyncMutex<Content>>,
    last_use: u64,
}

/// What is known about an epoch. Its lock is held while the key service is asked.
#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    Keys(EpochKeys),
    Failed(IdentityError, Instant),
}

impl EpochCache {
    /// The keys of an epoch, from memory or else from `unwrap`.
    ///
    /// # Errors
    /// That of `unwrap`, now or shortly before.
    pub async fn keys_of(
        &self,
        epoch: u64,
        unwrap: impl Future<Output = Result<EpochKeys, IdentityError>>,
    ) -> Result<EpochKeys, IdentityError> {
        let slot = self.slot(epoch);
        let mut content = slot.lock().await;
        match &*content {
            Content::Keys(keys) => return Ok(keys.clone()),
            Content::Failed(error, at) if at.elapsed() < FAILURE_KEPT => return Err(error.clone()),
            Content::Failed(..) | Content::Nothing => {}
        }
        let unwrapped = unwrap.await;
        *content = match &unwrapped {
            Ok(keys) => Content::Keys(keys.clone()),
            Err(error) => Content::Failed(error.clone(), Instant::now()),
        };
        unwrapped
    }

    /// Keeps the keys of a new epoch.
    pub fn insert(&self, epoch: u64, keys: EpochKeys) {
        let mut slots = self.slots();
        let content = Arc::new(AsyncMutex::new(Content::Keys(keys)));
        let last_use = slots.uses;
        slots.by_epoch.insert(epoch, Slot { content, last_use });
    }

    /// The slot of an epoch, which is the last one used from now on.
    fn slot(&self, epoch: u64) -> Arc<AsyncMutex<Content>> {
        let mut slots = self.slots();
        slots.uses += 1;
        let uses = slots.uses;
        let slot = slots.by_epoch.entry(epoch);
        let slot = slot.or_insert_with(|| Slot { content: Arc::default(), last_use: uses });
        slot.last_use = uses;
        let content = Arc::clone(&slot.content);
        if slots.by_epoch.len() > EPOCHS_MAX {
            slots.drop_oldest();
        }
        content
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().expect("no holder of the epoch keys panics")
    }
}

impl Slots {
    /// Drops the epoch that was not used for the longest time, but not the newest epoch.
    fn drop_oldest(&mut self) {
        let newest = self.by_epoch.last_key_value().map(|(epoch, _)| *epoch);
        let older = self.by_epoch.iter().filter(|(epoch, _)| Some(**epoch) != newest);
        let oldest = older.min_by_key(|(_, slot)| slot.last_use).map(|(epoch, _)| *epoch);
        if let Some(oldest) = oldest {
            self.by_epoch.remove(&oldest);
        }
    }
}

/// Epochs whose keys are in memory.
const EPOCHS_MAX: usize = 64;
/// Time for which a failure of the key service answers for the epoch.
const FAILURE_KEPT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::VaultError;
    use mortise_core::keys::LogKeys;
    use mortise_format::ids::EngineId;
    use mortise_format::secret::Secret;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn keys(epoch: u64) -> EpochKeys {
        let id = EngineId([1; 32]);
        LogKeys::new(Secret::new([2; 32]), &id).epoch(&Secret::new([3; 32]), &id, epoch)
    }

    fn unavailable() -> IdentityError {
        VaultError::Unavailable("stopped".into()).into()
    }

    #[tokio::test]
    async fn concurrent_readers_of_an_epoch_share_one_unwrap() {
        let (cache, calls) = (EpochCache::default(), AtomicUsize::new(0));
        let ask = || {
            cache.keys_of(1, async {
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(keys(1))
            })
        };
        let (first, second) = tokio::join!(ask(), ask());
        assert!(first.is_ok() && second.is_ok() && ask().await.is_ok());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn failure_answers_for_its_epoch_alone_and_is_not_for_ever() {
        let cache = EpochCache::default();
        assert!(cache.keys_of(1, async { Err(unavailable()) }).await.is_err());
        assert!(cache.keys_of(1, async { Ok(keys(1)) }).await.is_err(), "the failure is kept");
        assert!(cache.keys_of(2, async { Ok(keys(2)) }).await.is_ok());
        let slot = cache.slot(1);
        let long_ago = Instant::now().checked_sub(FAILURE_KEPT).unwrap();
        *slot.lock().await = Content::Failed(unavailable(), long_ago);
        assert!(cache.keys_of(1, async { Ok(keys(1)) }).await.is_ok());
    }

    #[tokio::test]
    async fn keys_in_memory_are_bounded_and_the_newest_epoch_stays() {
        let cache = EpochCache::default();
        cache.insert(1000, keys(1000));
        for epoch in 0..3 * EPOCHS_MAX as u64 {
            cache.keys_of(epoch, async { Ok(keys(epoch)) }).await.unwrap();
            assert!(cache.slots().by_epoch.len() <= EPOCHS_MAX);
        }
        assert!(cache.keys_of(1000, async { Err(unavailable()) }).await.is_ok());
    }
}
