//! The machine of the newest snapshot that loads, or an empty one.
//!
//! What it is for: a boot that replays only the end of the log. A snapshot that is damaged, cut,
//! missing or mixed costs time: the older one is tried, then the whole log is replayed. Why each
//! one was not used is logged by name.
//!
//! What it does not do: hold a snapshot in memory. A part is read, opened and dropped, while the
//! next few are on their way.

use crate::keyring::Identity;
use crate::store::{LogStore, StoreError, StoreFuture};
use mortise_core::Machine;
use mortise_core::machine::{SnapshotError, SnapshotLoad};
use mortise_format::ids::Bytes32;
use mortise_format::limits::SNAPSHOT_PARTS_IN_FLIGHT;
use mortise_format::store::SnapshotInfo;
use std::collections::VecDeque;

/// A machine to replay the rest of the log on.
pub(super) struct Loaded {
    pub machine: Machine,
    /// Last frame and manifest digest of the snapshot that it was loaded from.
    pub snapshot: Option<(u64, Bytes32)>,
    pub skipped: Vec<Skipped>,
}

/// A snapshot that the store listed and that was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Its last frame.
    pub seq: u64,
    pub why: WhySkipped,
}

/// Why a snapshot was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhySkipped {
    /// The store did not give a part.
    #[error("part {part} was not read: {error}")]
    NotRead { part: u32, error: StoreError },
    /// A part or the whole is not what this engine made.
    #[error(transparent)]
    Broken(#[from] SnapshotError),
}

impl WhySkipped {
    /// The name that the log of the engine has.
    fn name(&self) -> &'static str {
        match self {
            Self::NotRead { .. } => "SNAPSHOT_NOT_READ",
            Self::Broken(SnapshotError::Layout) => "SNAPSHOT_LAYOUT",
            Self::Broken(SnapshotError::RulesUnknown(_)) => "SNAPSHOT_RULES_UNKNOWN",
            Self::Broken(_) => "SNAPSHOT_BROKEN",
        }
    }
}

pub(super) async fn load(store: &dyn LogStore, identity: &Identity, map_seed: u64) -> Loaded {
    let snapshots = store.snapshots().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "SNAPSHOTS_NOT_LISTED: replaying the log");
        Vec::new()
    });
    let mut skipped = Vec::new();
    for info in snapshots {
        match load_one(store, identity, map_seed, info).await {
            Ok(machine) => {
                return Loaded { machine, snapshot: Some((info.seq, info.digest)), skipped };
            }
            Err(why) => {
                let (seq, name) = (info.seq, why.name());
                tracing::warn!(seq, %why, "{name}: trying an older snapshot, or the log");
                skipped.push(Skipped { seq, why });
            }
        }
    }
    let (engine_id, policy) = (identity.engine_id, identity.genesis.policy.clone());
    let machine = Machine::new(engine_id, policy, &identity.log_keys, map_seed);
    Loaded { machine, snapshot: None, skipped }
}

async fn load_one(
    store: &dyn LogStore,
    identity: &Identity,
    map_seed: u64,
    info: SnapshotInfo,
) -> Result<Machine, WhySkipped> {
    let not_read = |part| move |error| WhySkipped::NotRead { part, error };
    let last = info.parts.saturating_sub(1);
    let manifest = store.snapshot_read(info, last).await.map_err(not_read(last))?;
    let (next_seq, keys) = (info.seq.saturating_add(1), &identity.log_keys);
    let engine_id = &identity.engine_id;
    let mut load = SnapshotLoad::begin(engine_id, next_seq, info.parts, manifest, keys, map_seed)?;
    let mut asked: VecDeque<StoreFuture<Vec<u8>>> = VecDeque::new();
    let mut next = 0;
    for part in 0..load.parts() {
        while next < load.parts() && asked.len() < SNAPSHOT_PARTS_IN_FLIGHT {
            asked.push_back(store.snapshot_read(info, next));
            next += 1;
        }
        let Some(read) = asked.pop_front() else { break };
        load.part(read.await.map_err(not_read(part))?)?;
    }
    Ok(load.finish()?)
}
