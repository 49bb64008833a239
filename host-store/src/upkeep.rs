//! The host's own work beside requests: what it knows of its disk, and the search for damage.

use crate::metrics::{DiskFacts, Metrics};
use crate::store::{DiskStore, Scrub, StoreState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Time between two updates.
const UPKEEP: Duration = Duration::from_secs(5);

fn look_at(store: &DiskStore) -> DiskFacts {
    let free_bytes = store.free_bytes().ok();
    let per_day = store.bytes_per_day().filter(|bytes| *bytes > 0);
    let free_days = free_bytes.zip(per_day).map(|(free, per_day)| free / per_day);
    let (broken_frames, first_frame) = (store.broken_frames(), store.first_frame());
    DiskFacts { free_bytes, free_days, broken_frames, first_frame }
}

/// Keeps the histograms, and what is known of the disk.
pub(crate) async fn keep(
    metrics: Arc<Metrics>,
    store: Arc<DiskStore>,
    mut stop: watch::Receiver<()>,
) {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            _ = tick.tick() => metrics.upkeep(),
            _ = stop.changed() => return,
        }
        let (store, metrics) = (Arc::clone(&store), Arc::clone(&metrics));
        let looked = tokio::task::spawn_blocking(move || {
            store.check_room();
            metrics.disk(look_at(&store));
        });
        tokio::select! {
            _ = looked => {}
            _ = stop.changed() => return,
        }
    }
}

/// Searches the log for damaged frames, a mebibyte a second.
pub(crate) async fn scrub(store: Arc<DiskStore>, mut stop: watch::Receiver<()>) {
    let mut scrub = Scrub::default();
    loop {
        let store = Arc::clone(&store);
        let step = tokio::task::spawn_blocking(move || {
            let pause = scrub.step(&store);
            (scrub, pause)
        });
        let pause = tokio::select! {
            stepped = step => match stepped {
                Ok((next, pause)) => {
                    scrub = next;
                    pause
                }
                Err(_) => return,
            },
            _ = stop.changed() => return,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Keeps the metric of the store's state.
pub(crate) async fn show_state(
    mut state: watch::Receiver<StoreState>,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<()>,
) {
    loop {
        metrics.store_state(*state.borrow_and_update());
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            _ = stop.changed() => return,
        }
    }
}
