//! Keys of the log for readers with a right to them.
//!
//! What it is for: content keys of frames and epochs, and receipts by place, sealed to the X25519
//! key of a reader.
//!
//! What it does not do: decide who may read (the state holds the rights), or read frames
//! ([`crate::reader`] does).
//!
//! Invariant: of keys only content roots, content keys of frames and the state-salt key leave
//! ([`mortise_format::release`]), and only sealed to a reader.

use crate::keyring::{Identity, IdentityError, KeyRing};
use crate::ports::Entropy;
use mortise_channel::{SealError, seal_to_reader};
use mortise_core::keys::EpochKeys;
use mortise_core::machine::EpochRecord;
use mortise_format::domains;
use mortise_format::event::LogPosition;
use mortise_format::frame::Frame;
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::reading::{frames_context, keys_context};
use mortise_format::release::{ReleasedEpochs, ReleasedFrames};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Keys were not sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadingError {
    /// The keys of an epoch were not unwrapped.
    #[error("the keys of epoch {epoch}: {error}")]
    Keys { epoch: u64, error: IdentityError },
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

/// Seals keys to readers. See the module.
pub struct ReadingKeys {
    ring: Arc<KeyRing>,
    identity: Arc<Identity>,
    entropy: Arc<dyn Entropy>,
}

impl ReadingKeys {
    pub fn new(ring: Arc<KeyRing>, identity: Arc<Identity>, entropy: Arc<dyn Entropy>) -> Self {
        Self { ring, identity, entropy }
    }

    pub fn engine_id(&self) -> &EngineId {
        &self.identity.engine_id
    }

    async fn keys_of(&self, record: &EpochRecord) -> Result<EpochKeys, ReadingError> {
        let keys = self.ring.keys_of(record).await;
        keys.map_err(|error| ReadingError::Keys { epoch: record.epoch, error })
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
        epochs: &[&EpochRecord],
    ) -> Result<ToReader, ReadingError> {
        let mut released = ReleasedEpochs::new(self.identity.log_keys.state_salt());
        for record in epochs {
            released.push(record.epoch, self.keys_of(record).await?.content_root());
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
    ) -> Result<ToReader, ReadingError> {
        let mut released = ReleasedFrames::default();
        for frame in frames {
            let (seq, epoch) = (frame.header().seq, frame.header().epoch);
            let record = epochs.iter().find(|record| record.epoch == epoch);
            let record = record.ok_or(ReadingError::NoEpoch { seq })?;
            released.push(seq, self.keys_of(record).await?.content_root());
        }
        let from = frames.first().map_or(0, |frame| frame.header().seq);
        let next = frames.last().map_or(0, |frame| frame.header().seq.saturating_add(1));
        let context = frames_context(self.engine_id(), from, next);
        self.seal(reader, domains::READING_FRAMES, &context, &released.encode())
    }

    /// Seals the answer about the event at a place for a reader.
    ///
    /// # Errors
    /// `Reader` for an invalid key of the reader.
    pub fn seal_receipt(
        &self,
        reader: &Bytes32,
        at: LogPosition,
        answer: &[u8],
    ) -> Result<ToReader, ReadingError> {
        let context = keys_context(self.engine_id(), at);
        self.seal(reader, domains::READING_RECEIPT, &context, answer)
    }

    fn seal(
        &self,
        reader: &Bytes32,
        info: &[u8],
        context: &[u8],
        plain: &[u8],
    ) -> Result<ToReader, ReadingError> {
        let mut ephemeral = Zeroizing::new([0; 32]);
        self.entropy.fill(&mut ephemeral[..]);
        let (encapsulated_key, ciphertext) =
            seal_to_reader(&reader.0, &ephemeral, info, context, plain)?;
        Ok(ToReader { encapsulated_key, ciphertext })
    }
}
