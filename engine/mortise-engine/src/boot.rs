//! Boot: from a store and a vault to a machine at the end of its log.
//!
//! ```text
//! blobs -> identity -> snapshot (newest that opens) or empty machine
//!       -> frames from there: chain, MAC, apply, roots -> end of the log
//!       -> new epoch: data key, boot record -> Start of the pipeline
//! ```
//! Nothing is served before the end, and nothing is ever deleted: a log that does not follow is a
//! named error with the frame's number, for people to look at.

use crate::keyring::{self, Identity, IdentityError, KeyRing};
use crate::pipeline::Start;
use crate::ports::Entropy;
use crate::store::{LogStore, StoreError};
use mortise_core::Machine;
use mortise_core::body::{BootRecord, ClearBody, SignedStatement};
use mortise_core::keys::EpochKeys;
use mortise_core::machine::{EpochRecord, FollowError};
use mortise_format::codec;
use mortise_format::domains;
use mortise_format::frame::{Frame, FrameKind};
use mortise_format::ids::Bytes32;
use mortise_format::policy::Genesis;

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The store failed.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The keys were not made or unsealed.
    #[error("the keys: {0}")]
    Identity(#[from] IdentityError),
    /// The store holds no engine and no genesis was given.
    #[error("the store holds no engine and no genesis was given")]
    NoGenesis,
    /// The store holds an engine of another genesis.
    #[error("the store holds an engine with another genesis")]
    OtherGenesis,
    /// A frame does not follow: the log is not the one that this engine wrote.
    #[error("frame {seq}: {error}")]
    Frame {
        /// The frame.
        seq: u64,
        /// Why.
        error: FollowError,
    },
    /// The first frame is not a boot frame, or a frame's epoch was never opened.
    #[error("frame {seq}: its epoch has no boot frame")]
    NoEpoch {
        /// The frame.
        seq: u64,
    },
    /// The log ends before the point that a snapshot of ours was taken at.
    #[error("the log ends before frame {snapshot}, after which a snapshot was taken")]
    SnapshotAhead {
        /// Last frame in the snapshot.
        snapshot: u64,
    },
    /// The store says that the log ends elsewhere than the frames that it gave.
    #[error("the frames end at {found}, the store's head is {expected}")]
    HeadMismatch {
        /// Next seq by the store's head.
        expected: u64,
        /// Next seq by the frames.
        found: u64,
    },
}

/// How far a replay is: frames done, and in all.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// Loads the identity of the stored engine, or founds one when the store is empty.
///
/// # Errors
/// `NoGenesis`, `OtherGenesis`, `Identity`, `Store`.
pub async fn identity(
    store: &dyn LogStore,
    vault: &dyn crate::ports::Vault,
    entropy: &dyn Entropy,
    genesis: Option<&Genesis>,
) -> Result<Identity, BootError> {
    let stored = store.blob_get(keyring::GENESIS_BLOB).await?;
    let keys = store.blob_get(keyring::KEYS_BLOB).await?;
    let (stored, sealed) = match (stored, keys) {
        (Some(stored), Some(keys)) => keyring::decode_blobs(&stored, &keys)?,
        _ => {
            let genesis = genesis.ok_or(BootError::NoGenesis)?;
            let (_, sealed) = keyring::found(genesis, vault, entropy).await?;
            // The keys first: a genesis without keys is founded again, the other way round the
            // engine would be lost.
            store.blob_put(keyring::KEYS_BLOB, codec::encode(&sealed), true).await?;
            store.blob_put(keyring::GENESIS_BLOB, codec::encode(genesis), false).await?;
            (genesis.clone(), sealed)
        }
    };
    if genesis.is_some_and(|given| given.hash() != stored.hash()) {
        return Err(BootError::OtherGenesis);
    }
    Ok(keyring::unseal(stored, &sealed, vault).await?)
}

/// Replays the log and prepares a new epoch.
///
/// # Errors
/// Any [`BootError`]; nothing was changed in the store.
pub async fn replay(
    store: &dyn LogStore,
    identity: &Identity,
    ring: &KeyRing,
    entropy: &dyn Entropy,
    progress: Progress<'_>,
) -> Result<Start, BootError> {
    let head = store.head().await?;
    let map_seed = random_u64(entropy);
    let (mut machine, covered) = from_snapshot(store, identity, map_seed).await?;
    if machine.head().next_seq > head.next_seq {
        return Err(BootError::SnapshotAhead { snapshot: machine.head().next_seq - 1 });
    }
    let first = machine.head().next_seq;
    while machine.head().next_seq < head.next_seq {
        let next = machine.head().next_seq;
        progress(next - first, head.next_seq - first);
        let frames = store.read(next, READ_BYTES).await?;
        if frames.is_empty() {
            break;
        }
        for frame in &frames {
            follow(&mut machine, frame, identity, ring).await?;
        }
    }
    let found = machine.head().next_seq;
    if found != head.next_seq || machine.head().digest != head.digest {
        return Err(BootError::HeadMismatch { expected: head.next_seq, found });
    }
    progress(found - first, found - first);
    let epoch = machine.head().epoch + 1;
    let (keys, wrapped_key, key_commitment) = ring.new_epoch(epoch).await?;
    let mut fresh = Bytes32::ZERO;
    entropy.fill(&mut fresh.0);
    let document_digest = Bytes32::ZERO;
    let boot = BootRecord { wrapped_key, key_commitment, document_digest, fresh };
    let to_carry = resign(&machine, identity);
    let log_keys = identity.log_keys.clone();
    Ok(Start { machine, log_keys, keys, boot, to_carry, covered })
}

/// The newest snapshot that opens, or an empty machine. A snapshot that does not open costs time,
/// not safety: the whole log is replayed.
async fn from_snapshot(
    store: &dyn LogStore,
    identity: &Identity,
    map_seed: u64,
) -> Result<(Machine, u64), BootError> {
    let (engine_id, keys) = (identity.engine_id, &identity.log_keys);
    if let Some(info) = store.snapshot_latest().await? {
        let bytes = store.snapshot_read(info).await?;
        let next_seq = info.seq.saturating_add(1);
        match Machine::open_image(&engine_id, next_seq, &bytes, keys, map_seed) {
            Ok(machine) => return Ok((machine, next_seq)),
            Err(error) => {
                tracing::warn!(seq = info.seq, %error, "snapshot not used, replaying the log");
            }
        }
    }
    let policy = identity.genesis.policy.clone();
    Ok((Machine::new(engine_id, policy, keys, map_seed), 0))
}

/// Follows one frame, taking the keys of a new epoch from its boot frame.
///
/// # Errors
/// `Frame`, `NoEpoch`, `Identity`.
pub async fn follow(
    machine: &mut Machine,
    frame: &Frame,
    identity: &Identity,
    ring: &KeyRing,
) -> Result<SignedBodies, BootError> {
    // The frame's place in the log, whatever it says of itself.
    let seq = machine.head().next_seq;
    let wrong = |error| BootError::Frame { seq, error };
    machine.check_place(frame).map_err(wrong)?;
    let keys = keys_for(machine, frame, ring).await?;
    let signer = identity.signer.address();
    let (_, clear, _) = machine.follow(frame, &keys, &signer).map_err(wrong)?;
    Ok(SignedBodies { clear })
}

/// What a followed frame said in clear.
#[derive(Debug)]
pub struct SignedBodies {
    /// The clear body.
    pub clear: ClearBody,
}

async fn keys_for(
    machine: &Machine,
    frame: &Frame,
    ring: &KeyRing,
) -> Result<EpochKeys, BootError> {
    let header = frame.header();
    let (seq, epoch) = (header.seq, header.epoch);
    if header.kind() == Some(FrameKind::Boot) {
        let clear: ClearBody = codec::decode(frame.clear())
            .map_err(|error| BootError::Frame { seq, error: FollowError::Codec(error) })?;
        let missing = BootError::Frame { seq, error: FollowError::BootRecord };
        let boot = clear.boot.ok_or(missing)?;
        return Ok(ring.keys_of(&EpochRecord { epoch, first_seq: seq, boot }).await?);
    }
    let record = machine.epochs().iter().rev().find(|record| record.epoch == epoch);
    Ok(ring.keys_of(record.ok_or(BootError::NoEpoch { seq })?).await?)
}

/// Signs the statements again that no frame carries: RFC 6979 gives the same bytes.
fn resign(machine: &Machine, identity: &Identity) -> Vec<SignedStatement> {
    let sign = |stated: &mortise_core::body::Statement| SignedStatement {
        signature: identity.signer.sign(&stated.statement.digest()),
        stated: stated.clone(),
    };
    machine.uncarried().map(sign).collect()
}

/// A random number for seeds that are secrets but no keys.
pub fn random_u64(entropy: &dyn Entropy) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// The digest that the log records of a snapshot.
pub fn snapshot_digest(sealed: &[u8]) -> Bytes32 {
    Bytes32(domains::blake3_in(domains::SNAPSHOT_DIGEST, &[sealed]))
}

/// Bytes asked for in one read of the log.
const READ_BYTES: u32 = 2 * 1024 * 1024;
