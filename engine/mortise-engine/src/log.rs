//! The released log for readers: frames from the store, and keys for readers with a right to them.
//!
//! What it is for: sessions read frames from any seq, at their own pace, without the writer. The
//! engine buffers nothing for a reader, so a slow reader costs nothing.
//!
//! What it does not do:
//! - decide who may read: the state holds the rights;
//! - check that the frames of the store belong to the chain: readers check that against statements
//!   and checkpoints, as an auditor does.
//!
//! Invariants:
//! - A frame leaves only after its release.
//! - Only content roots, content keys of frames and the state-salt key leave
//!   ([`mortise_format::release`]), and only sealed to a reader.

use crate::keyring::{Identity, IdentityError, KeyRing};
use crate::ports::Entropy;
use crate::store::{LogStore, StoreError};
use mortise_channel::{SealError, seal_to_reader};
use mortise_core::machine::EpochRecord;
use mortise_format::domains;
use mortise_format::event::LogPosition;
use mortise_format::frame::Frame;
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::limits::EVENTS_WAITERS_MAX;
use mortise_format::reading::{frames_context, keys_context};
use mortise_format::release::{ReleasedEpochs, ReleasedFrames};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// The log was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The keys of an epoch were not unwrapped.
    #[error("the keys of an epoch: {0}")]
    Keys(#[from] IdentityError),
    /// The reader's key is not valid.
    #[error("the reader's key: {0}")]
    Reader(#[from] SealError),
    /// A frame of an epoch that the machine does not know.
    #[error("frame {seq} names an epoch that has no boot frame")]
    NoEpoch { seq: u64 },
}

/// A message that only one reader can open.
#[derive(Debug)]
pub struct ToReader {
    /// The encapsulated key of HPKE.
    pub encapsulated_key: [u8; 32],
    /// The ciphertext of HPKE.
    pub ciphertext: Vec<u8>,
}

/// The released log. See the module.
pub struct ReleasedLog {
    store: Arc<dyn LogStore>,
    ring: Arc<KeyRing>,
    identity: Arc<Identity>,
    entropy: Arc<dyn Entropy>,
    released: watch::Receiver<u64>,
    waiters: Semaphore,
}

impl std::fmt::Debug for ReleasedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReleasedLog({} frames)", self.released())
    }
}

impl ReleasedLog {
    /// The log in a store. The writer publishes the number of released frames in `released`.
    pub fn new(
        store: Arc<dyn LogStore>,
        ring: Arc<KeyRing>,
        identity: Arc<Identity>,
        entropy: Arc<dyn Entropy>,
        released: watch::Receiver<u64>,
    ) -> Self {
        let waiters = Semaphore::new(EVENTS_WAITERS_MAX);
        Self { store, ring, identity, entropy, released, waiters }
    }

    pub fn engine_id(&self) -> &EngineId {
        &self.identity.engine_id
    }

    /// Number of released frames.
    pub fn released(&self) -> u64 {
        *self.released.borrow()
    }

    /// Notifies of every new release, and of the end of the writer.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.released.clone()
    }

    /// A permit to wait for a release; `None` if too many readers wait.
    pub fn waiter(&self) -> Option<SemaphorePermit<'_>> {
        self.waiters.try_acquire().ok()
    }

    /// Waits until frame `seq` is released, the timeout passes or the writer ends.
    pub async fn wait_for(&self, seq: u64, wait: Duration) {
        let mut released = self.watch();
        let arrived = released.wait_for(|released| *released > seq);
        // In every case the caller checks again.
        let _ = timeout(wait, arrived).await;
    }

    /// Reads released frames, beginning with seq `from`: at most `count` frames and about
    /// `bytes_max` bytes, but at least one frame if there is one.
    ///
    /// # Errors
    /// `Store` if the store fails.
    pub async fn frames(
        &self,
        from: u64,
        count: usize,
        bytes_max: u32,
    ) -> Result<Vec<Frame>, LogError> {
        let released = self.released();
        if from >= released {
            return Ok(Vec::new());
        }
        let mut frames = self.store.read(from, bytes_max).await?;
        // The store may hold frames that are not released. It does not know the difference.
        frames.retain(|frame| frame.header().seq < released);
        frames.truncate(count);
        Ok(frames)
    }

    /// Seals the content roots of epochs, in their order, and the state-salt key for a reader. The
    /// event at `granted_at` gave it the right.
    ///
    /// # Errors
    /// `Keys` if an epoch key is not unwrapped; `Reader` for an invalid key of the reader.
    pub async fn seal_epochs(
        &self,
        reader: &Bytes32,
        granted_at: LogPosition,
        epochs: &[EpochRecord],
    ) -> Result<ToReader, LogError> {
        let mut released = ReleasedEpochs::new(self.identity.log_keys.state_salt());
        for record in epochs {
            released.push(record.epoch, self.ring.keys_of(record).await?.content_root());
        }
        let context = keys_context(self.engine_id(), granted_at);
        self.seal(reader, domains::READING_KEYS, &context, &released.encode())
    }

    /// Seals the content keys of consecutive frames for a reader.
    ///
    /// # Errors
    /// `NoEpoch` for a frame of an unknown epoch; `Keys` if an epoch key is not unwrapped; `Reader`
    /// for an invalid key of the reader.
    pub async fn seal_frames(
        &self,
        reader: &Bytes32,
        frames: &[Frame],
        epochs: &[EpochRecord],
    ) -> Result<ToReader, LogError> {
        let mut released = ReleasedFrames::default();
        for frame in frames {
            let (seq, epoch) = (frame.header().seq, frame.header().epoch);
            let record = epochs.iter().find(|record| record.epoch == epoch);
            let record = record.ok_or(LogError::NoEpoch { seq })?;
            released.push(seq, self.ring.keys_of(record).await?.content_root());
        }
        let from = frames.first().map_or(0, |frame| frame.header().seq);
        let next = frames.last().map_or(0, |frame| frame.header().seq.saturating_add(1));
        let context = frames_context(self.engine_id(), from, next);
        self.seal(reader, domains::READING_FRAMES, &context, &released.encode())
    }

    fn seal(
        &self,
        reader: &Bytes32,
        info: &[u8],
        context: &[u8],
        plain: &[u8],
    ) -> Result<ToReader, LogError> {
        let mut ephemeral = Zeroizing::new([0; 32]);
        self.entropy.fill(&mut ephemeral[..]);
        let (encapsulated_key, ciphertext) =
            seal_to_reader(&reader.0, &ephemeral, info, context, plain)?;
        Ok(ToReader { encapsulated_key, ciphertext })
    }
}
