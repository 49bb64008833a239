//! Whether the store can append: read by the gateway, the metrics and the process around the host.
//!
//! ```text
//! Appending <--> Full        room came or went; nothing is in doubt
//! Appending, Full --> Poisoned    a write or a sync failed; only a restart leads out of it
//! ```

use tokio::sync::watch;

/// What the store can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreState {
    /// It takes frames.
    Appending,
    /// The disk is full. Frames are refused before anything is written; the store goes on as soon
    /// as there is room.
    Full,
    /// A write or a sync failed. What the disk holds beyond the last ack is unknown.
    Poisoned,
}

/// The state of one store. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Condition(watch::Sender<StoreState>);

impl Condition {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(StoreState::Appending))
    }

    pub(super) fn now(&self) -> StoreState {
        *self.0.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<StoreState> {
        self.0.subscribe()
    }

    /// Enters a state, and logs a change. A poisoned store stays so.
    pub(super) fn enter(&self, state: StoreState) {
        let enter = |now: &mut StoreState| {
            let changes = *now != state && *now != StoreState::Poisoned;
            if changes {
                *now = state;
            }
            changes
        };
        if !self.0.send_if_modified(enter) {
            return;
        }
        match state {
            StoreState::Appending => tracing::info!("there is room again; frames are stored"),
            StoreState::Full => {
                tracing::error!("DISK_FULL: frames are refused until there is room");
            }
            StoreState::Poisoned => tracing::error!("STORE_POISONED: only a restart helps"),
        }
    }
}
