//! Boot: from a store and a vault to a machine at the end of its log.
//!
//! ```text
//! blobs -> identity -> snapshot (newest that opens) or empty machine
//!       -> frames from there: chain, MAC, apply, roots -> end of the log
//!       -> new epoch: data key, binding -> (attestation) -> boot record -> Start of the pipeline
//! ```
//! Nothing is served before the end of the log, and nothing is ever deleted. A log that does not
//! follow is a named error with the frame's number, which an operator has to investigate.

mod snapshot;

pub use snapshot::{Skipped, WhySkipped};

use crate::attest::{AttestError, mode_text};
use crate::boot_clock::{self, BootClockError};
use crate::channel::ChannelKey;
use crate::keyring::{self, Identity, IdentityError, KeyRing, SealedKeys};
use crate::pipeline::Start;
use crate::ports::{Clock, Entropy, Vault};
use crate::store::{LogStore, StoreError};
use crate::witness::{Outcome, WitnessQuorum, WitnessReject, consistency, gather};
use mortise_core::Machine;
use mortise_core::body::{Boot, BootRecord, CarriedStatement, ClearBody, document_digest};
use mortise_core::keys::EpochKeys;
use mortise_core::machine::{EpochRecord, FollowError, RulesRefusal};
use mortise_core::state::ImageRefusal;
use mortise_format::binding::{BoundKeys, KeyBinding};
use mortise_format::codec;
use mortise_format::frame::{Frame, FrameKind};
use mortise_format::genesis::{Genesis, GenesisKeys};
use mortise_format::ids::{Bytes32, EngineId, Measurement, Root};
use mortise_format::images::Version;
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::merkle::history::TreeHead;
use mortise_format::rules::RuleSet;
use mortise_format::store::StoreRefusal;
use snapshot::{Loaded, load};
use std::sync::Arc;

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The store failed.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The keys were not created or unsealed.
    #[error("the keys: {0}")]
    Identity(#[from] IdentityError),
    /// The store holds no engine and no genesis was given.
    #[error("the store holds no engine and no genesis was given")]
    NoGenesis,
    /// The store holds a log or a genesis but no sealed keys: they were lost, and with them the
    /// engine (`specs/genesis-and-loss.md`). No engine is created over it.
    #[error("the store holds an engine without its sealed keys")]
    KeysLost,
    /// The store has whole copies of a sealed value that differ. No program chooses between them.
    #[error("the store's copies of the sealed value {name} differ: {refusal}")]
    BlobConflict {
        /// Name of the value.
        name: &'static str,
        /// What the store says.
        refusal: StoreRefusal,
    },
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
    /// The log ends before the frame after which this engine took a snapshot.
    #[error("the log ends before frame {snapshot}, after which a snapshot was taken")]
    SnapshotAhead {
        /// Last frame in the snapshot.
        snapshot: u64,
    },
    /// The log requires newer code or another image.
    #[error("{0}")]
    Image(#[from] ImageRefusal),
    /// The log, its approval or its operator asks for rules under which this code does not boot.
    #[error("{0}")]
    Rules(#[from] RulesRefusal),
    /// The log was written in another mode: debug, emulated, or neither.
    #[error("the log was written {}, and this boot is {}", mode_text(*log), mode_text(*running))]
    OtherMode {
        /// Mode of the boots on the log.
        log: Option<InsecureMode>,
        /// Mode of this boot.
        running: Option<InsecureMode>,
    },
    /// The boot could not be attested.
    #[error("the attestation: {0}")]
    Attest(#[from] AttestError),
    /// The log is far behind the clock, and the time is not agreed on.
    #[error(transparent)]
    Clock(#[from] BootClockError),
    /// The policy has witnesses, but no witness proxy is configured.
    #[error("the policy has witnesses, but no witness proxy is configured")]
    NoWitnesses,
    /// Too many witnesses refuse the log for a quorum: it is an older copy, or another log than the
    /// one that they cosigned.
    #[error("witnesses refuse the log of {size} frames: {refusal:?}")]
    Witness {
        /// Frames of the log.
        size: u64,
        /// Why.
        refusal: WitnessReject,
    },
    /// The store's head is not the end of the frames that it returned.
    #[error("the frames end at {found}, the store's head is {expected}")]
    HeadMismatch {
        /// Next seq by the store's head.
        expected: u64,
        /// Next seq by the frames.
        found: u64,
    },
}

impl BootError {
    /// A stable name, for `health`. The text is for the operator.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Garbage(_)) => "STORE_GARBAGE",
            Self::Store(StoreError::Refused(StoreRefusal::FramePruned { .. })) => "LOG_PRUNED",
            Self::Store(_) => "STORE",
            Self::Identity(error) => error.name(),
            Self::NoGenesis => "NO_GENESIS",
            Self::KeysLost => "KEYS_LOST",
            Self::BlobConflict { .. } => "BLOB_CONFLICT",
            Self::OtherGenesis => "OTHER_GENESIS",
            Self::Frame { error: FollowError::RulesUnknown(_), .. } => "RULES_UNKNOWN",
            Self::Frame { .. } | Self::NoEpoch { .. } => "LOG_DOES_NOT_FOLLOW",
            Self::SnapshotAhead { .. } => "LOG_ENDS_BEFORE_SNAPSHOT",
            Self::HeadMismatch { .. } => "LOG_HEAD_MISMATCH",
            Self::Image(ImageRefusal::TooOld { .. }) => "IMAGE_TOO_OLD",
            Self::Image(_) => "IMAGE_NOT_APPROVED",
            Self::Rules(RulesRefusal::Unknown(_)) => "RULES_UNKNOWN",
            Self::Rules(_) => "RULES_REFUSED",
            Self::OtherMode { .. } => "OTHER_MODE",
            Self::Attest(_) => "ATTESTATION",
            Self::Clock(error) => error.name(),
            Self::NoWitnesses => "NO_WITNESSES",
            Self::Witness { refusal, .. } => refusal.name(),
        }
    }
}

/// Progress of a replay: frames done, and total.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// Loads the identity of the stored engine, or creates one when the store is empty. `attest` is
/// called only when keys are drawn, see [`keyring::create`].
///
/// # Errors
/// `NoGenesis`, `KeysLost`, `BlobConflict`, `OtherGenesis`, `Identity`, `Store`.
pub async fn identity(
    store: &dyn LogStore,
    vault: &dyn Vault,
    entropy: &dyn Entropy,
    genesis: Option<&Genesis>,
    attest: impl AsyncFnOnce(EngineId) -> Result<Vec<u8>, AttestError>,
) -> Result<Identity, BootError> {
    let stored = sealed_value(store, keyring::GENESIS_BLOB).await?;
    let keys = sealed_value(store, keyring::KEYS_BLOB).await?;
    let is_cut_short = stored.is_none() && keys.is_some();
    let (stored, sealed) = match (stored, keys) {
        (Some(stored), Some(keys)) => keyring::decode_blobs(&stored, &keys)?,
        (Some(_), None) => return Err(BootError::KeysLost),
        // The creation stopped between its two blobs: continue with the keys that it stored.
        (None, Some(keys)) => {
            let genesis = genesis.ok_or(BootError::NoGenesis)?;
            keyring::decode_blobs(&codec::encode(genesis), &keys)?
        }
        (None, None) => create(store, vault, entropy, genesis, attest).await?,
    };
    if genesis.is_some_and(|given| given.hash() != stored.hash()) {
        return Err(BootError::OtherGenesis);
    }
    let identity = keyring::unseal(stored, &sealed, vault).await?;
    if is_cut_short {
        store.blob_put(keyring::GENESIS_BLOB, codec::encode(&identity.genesis)).await?;
    }
    Ok(identity)
}

async fn sealed_value(
    store: &dyn LogStore,
    name: &'static str,
) -> Result<Option<Vec<u8>>, BootError> {
    match store.blob_get(name).await {
        Err(StoreError::Refused(refusal @ StoreRefusal::BlobConflict { .. })) => {
            Err(BootError::BlobConflict { name, refusal })
        }
        Err(StoreError::Refused(StoreRefusal::BlobBroken)) => Err(BootError::KeysLost),
        other => Ok(other?),
    }
}

/// Creates an engine on an empty store. Never overwrites anything.
async fn create(
    store: &dyn LogStore,
    vault: &dyn Vault,
    entropy: &dyn Entropy,
    genesis: Option<&Genesis>,
    attest: impl AsyncFnOnce(EngineId) -> Result<Vec<u8>, AttestError>,
) -> Result<(Genesis, SealedKeys), BootError> {
    if store.head().await?.next_seq != 0 {
        return Err(BootError::KeysLost);
    }
    let genesis = genesis.ok_or(BootError::NoGenesis)?;
    let (_, sealed) = keyring::create(genesis, vault, entropy, attest).await?;
    // Store the keys first: keys without a genesis can be recovered, a genesis without keys cannot.
    store.blob_put(keyring::KEYS_BLOB, sealed.encode()).await?;
    store.blob_put(keyring::GENESIS_BLOB, codec::encode(genesis)).await?;
    Ok((genesis.clone(), sealed))
}

/// A machine at the end of its log.
#[derive(Debug)]
pub struct Replayed {
    /// The machine.
    pub machine: Machine,
    /// Frames covered by the snapshot that the replay started from.
    pub covered: u64,
    /// That snapshot, if it covers the whole log, so that no frame can name it yet.
    pub unlogged: Option<(u64, Bytes32)>,
    /// Newer snapshots that were not used.
    pub skipped: Vec<Skipped>,
}

impl Replayed {
    /// Checks that this code may boot on the log (INV-18), before the boot writes or signs
    /// anything.
    ///
    /// # Errors
    /// `Image`.
    pub fn check_image(
        &self,
        running: Version,
        image: Option<&Measurement>,
    ) -> Result<(), BootError> {
        Ok(self.machine.state().check_image(running, image)?)
    }

    /// The rules of the next epoch (INV-19), before the boot writes or signs anything. `asked` is
    /// the setting of a development system.
    ///
    /// # Errors
    /// `Rules`.
    pub fn next_rules(&self, asked: Option<RuleSet>) -> Result<RuleSet, BootError> {
        Ok(self.machine.next_rules(asked)?)
    }

    /// Checks the time (FAULTS D1), before the boot writes or signs anything. An empty log has no
    /// promises that a wrong time could end.
    ///
    /// # Errors
    /// `Clock`.
    pub async fn check_clock(&self, clock: &dyn Clock, vault: &dyn Vault) -> Result<(), BootError> {
        let head = self.machine.head();
        if head.next_seq == 0 {
            return Ok(());
        }
        Ok(boot_clock::check(head.time_ms, clock, vault).await?)
    }

    /// What the next boot binds: its keys, and the end of the log.
    pub fn binding(&self, identity: &Identity, channel: &ChannelKey) -> KeyBinding {
        let GenesisKeys { signing, checkpoint } = identity.genesis_keys();
        let channel = Some(channel.public());
        let history = self.machine.history();
        KeyBinding {
            engine_id: identity.engine_id,
            epoch: self.machine.head().epoch + 1,
            keys: BoundKeys { signing, checkpoint: Some(checkpoint), channel },
            history_size: history.size(),
            history_root: Root(history.root()),
            policy_hash: self.machine.state().policy_hash(),
        }
    }
}

/// Replays the log.
///
/// # Errors
/// Any [`BootError`]; nothing was changed in the store.
pub async fn replay(
    store: &dyn LogStore,
    identity: &Identity,
    ring: &KeyRing,
    entropy: &dyn Entropy,
    progress: Progress<'_>,
) -> Result<Replayed, BootError> {
    let head = store.head().await?;
    let map_seed = random_u64(entropy);
    let Loaded { mut machine, snapshot, skipped } = load(store, identity, map_seed).await;
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
    let unlogged = snapshot.filter(|_| found == first);
    Ok(Replayed { machine, covered: first, unlogged, skipped })
}

/// Gets the replayed log cosigned, before the boot writes or signs anything. The replayed frames
/// are durable, but only witnesses know whether they are the newest.
///
/// An empty log has no head; its boot frame is the first that witnesses see. Their time is a second
/// source for that of a boot on a log that is far behind.
///
/// # Errors
/// `Witness`, `Clock`. Waits without limit for the answers of enough witnesses.
pub async fn check_newest(
    store: &Arc<dyn LogStore>,
    replayed: &Replayed,
    quorum: &WitnessQuorum,
) -> Result<(), BootError> {
    let archive = replayed.machine.archive();
    let (size, root) = (archive.size(), Root(archive.newest_root()));
    if size == 0 {
        return Ok(());
    }
    let paths = |earlier| consistency(store, archive.consistency(earlier, size));
    match gather(quorum, TreeHead { size, root }, &paths).await {
        Outcome::Cosigned(cosigned) => {
            let head_ms = replayed.machine.head().time_ms;
            let (clock, skew_ms) = (quorum.clock(), quorum.terms().skew_ms);
            Ok(boot_clock::check_witnesses(head_ms, clock, cosigned.cosigned_at, skew_ms)?)
        }
        Outcome::Overtaken => Ok(()),
        Outcome::Refused(refusal) => Err(BootError::Witness { size, refusal }),
    }
}

/// A new epoch: its data key, and what its attestation document will bind.
#[derive(Debug)]
pub struct NewEpoch {
    /// What the document binds.
    pub binding: KeyBinding,
    keys: EpochKeys,
    wrapped_key: Vec<u8>,
    key_commitment: Bytes32,
}

impl NewEpoch {
    /// Makes the data key of the epoch after a replay.
    ///
    /// # Errors
    /// `Identity`; nothing was changed in the store.
    pub async fn prepare(
        replayed: &Replayed,
        identity: &Identity,
        ring: &KeyRing,
        channel: &ChannelKey,
    ) -> Result<Self, BootError> {
        let binding = replayed.binding(identity, channel);
        let (keys, wrapped_key, key_commitment) = ring.new_epoch(binding.epoch).await?;
        Ok(Self { binding, keys, wrapped_key, key_commitment })
    }

    /// The start of the pipeline, whose first frame carries `document`, empty while unattested, and
    /// puts `rules` in force. The first frame of a log carries the genesis document too.
    pub fn start(
        self,
        replayed: Replayed,
        rules: RuleSet,
        document: Vec<u8>,
        identity: &Identity,
        entropy: &dyn Entropy,
    ) -> Start {
        let mut fresh = Bytes32::ZERO;
        entropy.fill(&mut fresh.0);
        let record = BootRecord {
            keys: self.binding.keys,
            wrapped_key: self.wrapped_key,
            key_commitment: self.key_commitment,
            document_digest: document_digest(&document),
            fresh,
        };
        let Replayed { machine, covered, unlogged, .. } = replayed;
        let to_carry = resign(&machine, identity);
        let (log_keys, keys) = (identity.log_keys.clone(), self.keys);
        let is_first = machine.head().next_seq == 0 && rules.carries_genesis_document();
        let genesis_document = match is_first {
            true => identity.genesis_document.clone(),
            false => Vec::new(),
        };
        let boot = Boot { record, document, genesis_document };
        let is_continued = machine.state().has_ended();
        Start { machine, rules, log_keys, keys, boot, to_carry, covered, is_continued, unlogged }
    }
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
    // The frame's position in the log, not the seq in its header.
    let seq = machine.head().next_seq;
    let wrong = |error| BootError::Frame { seq, error };
    machine.check_place(frame).map_err(wrong)?;
    let keys = keys_for(machine, frame, ring).await?;
    let signer = identity.signer.address();
    let (_, clear, _) = machine.follow(frame, &keys, &signer).map_err(wrong)?;
    check_genesis_document(frame, &clear, identity).map_err(wrong)?;
    Ok(SignedBodies { clear })
}

/// The first frame carries the document that was sealed with the keys. Frames before rule set 3
/// carry none.
fn check_genesis_document(
    frame: &Frame,
    clear: &ClearBody,
    identity: &Identity,
) -> Result<(), FollowError> {
    let header = frame.header();
    let carried = clear.boot.as_ref().map(|boot| boot.genesis_document.as_slice());
    let is_first = header.seq == 0 && header.rules.carries_genesis_document();
    if is_first && carried != Some(&identity.genesis_document) {
        return Err(FollowError::GenesisDocument);
    }
    Ok(())
}

/// The clear part of a followed frame.
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
        let clear = ClearBody::of(frame)
            .map_err(|error| BootError::Frame { seq, error: FollowError::Codec(error) })?;
        let missing = BootError::Frame { seq, error: FollowError::BootRecord };
        let boot = clear.boot.ok_or(missing)?.record;
        return Ok(ring.keys_of(&EpochRecord { epoch, first_seq: seq, boot }).await?);
    }
    let record = machine.epochs().iter().rev().find(|record| record.epoch == epoch);
    Ok(ring.keys_of(record.ok_or(BootError::NoEpoch { seq })?).await?)
}

/// Signs the statements that no frame carries again. RFC 6979 gives the same bytes.
fn resign(machine: &Machine, identity: &Identity) -> Vec<CarriedStatement> {
    let sign = |stated: &mortise_core::body::FrameStatement| {
        stated.clone().signed(identity.signer.sign(&stated.statement.digest()))
    };
    machine.uncarried().map(sign).collect()
}

/// A random number for seeds that are secret but not keys.
pub fn random_u64(entropy: &dyn Entropy) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Bytes per read of the log.
const READ_BYTES: u32 = 2 * 1024 * 1024;
