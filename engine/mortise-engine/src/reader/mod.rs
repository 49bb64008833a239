//! The read plane: answers about the released log, made without the writer.
//!
//! What it is for: receipts, earlier answers, statements, consistency proofs, checkpoints and the
//! frames of `getEvents`. It has threads, a connection to the store and a key cache of its own
//! ([`Readers`]), so that no read delays a commit.
//!
//! What it does not do: read the current state (the writer answers that), or read at or beyond the
//! end of the released log. It never asks the store where the log ends.
//!
//! ```text
//! writer --publish--> ReleasedView {archive, newest statement}
//!                          | plan
//! session --run--> Reader -+-> store: frame, leaves of a tile
//!                          |        checked against the archive
//!                          '-> keys of the epoch -> open, prove, sign the one promise
//! ```
//! Invariants:
//! - Two connections may show two stores. Every frame is used only if its history leaf is the one
//!   that the archive of this engine has, so an answer never rests on another log.
//! - A failed read fails alone: it is an error to its caller, never a fault of the engine.
//! - The statement about a frame and the promises of an event are made again from the frame and the
//!   archive. Signatures are deterministic, so the bytes are those of the first answer (INV-07).

mod damage;
mod error;
mod frames;
mod proofs;
mod threads;
mod tiles;
mod view;

pub use error::ReadError;
pub use frames::ReadStore;
pub use proofs::{ConsistencyProof, EventProof};
pub use threads::Readers;
pub use tiles::{TileError, complete};
pub use view::{Released, ReleasedView};

use crate::api::Rejected;
use crate::keyring::{Identity, KeyRing};
use crate::reading::ReadingKeys;
use crate::released::{CommitmentSigner, ReleasedFrame};
use crate::witness::WitnessQuorum;
use damage::Damage;
use mortise_core::body::{CarriedStatement, SealedBody};
use mortise_core::keys::EpochKeys;
use mortise_core::machine::EpochRecord;
use mortise_core::seal;
use mortise_format::codec;
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::Frame;
use std::sync::{Arc, Mutex};
use tiles::TileCache;

/// Reads the released log. See the module.
pub struct Reader {
    store: ReadStore,
    identity: Arc<Identity>,
    ring: Arc<KeyRing>,
    view: Arc<ReleasedView>,
    /// The epochs of the log. None begins while the process runs.
    epochs: Vec<EpochRecord>,
    quorum: Option<Arc<WitnessQuorum>>,
    reading: ReadingKeys,
    signer: CommitmentSigner,
    tiles: Mutex<TileCache>,
    damage: Damage,
}

/// The parts of a reader.
pub struct ReaderParts {
    /// The reader's own connection.
    pub store: ReadStore,
    pub identity: Arc<Identity>,
    pub ring: Arc<KeyRing>,
    pub view: Arc<ReleasedView>,
    pub epochs: Vec<EpochRecord>,
    /// The witnesses, if the policy has any: the newest checkpoint carries their cosignatures.
    pub quorum: Option<Arc<WitnessQuorum>>,
    pub reading: ReadingKeys,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({} frames)", self.view.size())
    }
}

impl Reader {
    pub fn new(parts: ReaderParts) -> Self {
        let ReaderParts { store, identity, ring, view, epochs, quorum, reading } = parts;
        let signer = CommitmentSigner::new(&identity);
        let (tiles, damage) = (Mutex::default(), Damage::default());
        Self { store, identity, ring, view, epochs, quorum, reading, signer, tiles, damage }
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The released log, as the writer published it last.
    pub fn view(&self) -> &Arc<ReleasedView> {
        &self.view
    }

    /// The keys for readers with a right to them.
    pub fn reading(&self) -> &ReadingKeys {
        &self.reading
    }

    /// The epochs of the log, in order.
    pub fn epochs(&self) -> &[EpochRecord] {
        &self.epochs
    }

    /// A frame that could not be read lately: the log is damaged there, or was.
    pub fn damaged(&self) -> Option<u64> {
        self.damage.newest()
    }

    fn record_of(&self, seq: u64, epoch: u64) -> Result<&EpochRecord, ReadError> {
        let record = self.epochs.iter().find(|record| record.epoch == epoch);
        record.ok_or(ReadError::Damaged { seq })
    }

    /// The answer to a request whose event is at this position, again: the event, as its frame and
    /// its index there, or the refusal that it is.
    ///
    /// # Errors
    /// [`ReadError`]; the request was answered before and is not decided again.
    pub async fn recall(
        &self,
        at: LogPosition,
    ) -> Result<Result<(Arc<ReleasedFrame>, u32), Rejected>, ReadError> {
        let found = self.event(at).await?.ok_or(ReadError::Damaged { seq: at.seq })?;
        Ok(match found {
            (_, Event::CommandRefused { reject, .. }) => Err(Rejected::repeated(reject, at)),
            (released, _) => Ok((Arc::new(released), at.index)),
        })
    }

    /// Reads an event back with all parts of its receipt. `None` if the released log has no such
    /// frame, or the frame has no such event.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn event(
        &self,
        at: LogPosition,
    ) -> Result<Option<(ReleasedFrame, Event)>, ReadError> {
        let Some((frame, keys, body)) = self.opened(at.seq).await? else { return Ok(None) };
        let Some(event) = event_of(&body, at)? else { return Ok(None) };
        let signed = self.statement(frame.leaf()).await?;
        let promises = self.signer.sign(&signed.statement, at.index, &event);
        let leaf = frame.leaf().clone();
        let released =
            ReleasedFrame::new(signed.into(), leaf, body, keys, vec![(at.index, promises)]);
        Ok(Some((released, event)))
    }

    /// Engine time of a frame, and its events at these indexes. The state named each of them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn events(&self, seq: u64, indexes: &[u32]) -> Result<(u64, Vec<Event>), ReadError> {
        let damaged = || ReadError::Damaged { seq };
        let (frame, _, body) = self.opened(seq).await?.ok_or_else(damaged)?;
        let event =
            |index: &u32| event_of(&body, LogPosition { seq, index: *index })?.ok_or_else(damaged);
        let events: Result<_, _> = indexes.iter().map(event).collect();
        Ok((frame.header().time_ms, events?))
    }

    /// A released frame, the keys of its epoch and its body; `None` if it is not released.
    async fn opened(&self, seq: u64) -> Result<Option<(Frame, EpochKeys, SealedBody)>, ReadError> {
        let Some(frame) = self.frame(seq).await? else { return Ok(None) };
        let record = self.record_of(seq, frame.header().epoch)?;
        let keys = self.ring.keys_of(record).await;
        let keys = keys.map_err(|error| ReadError::of_keys(record, error))?;
        // The frame is the one that this engine wrote; what does not open was broken in memory.
        let damaged = || ReadError::Damaged { seq };
        let plain = seal::open(&keys, &frame).map_err(|_| damaged())?;
        let body = SealedBody::parse(plain).map_err(|_| damaged())?;
        Ok(Some((frame, keys, body)))
    }

    /// The signed statement about a frame; `None` if the released log has no such frame.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn statement_at(&self, seq: u64) -> Result<Option<CarriedStatement>, ReadError> {
        match self.leaf(seq).await? {
            Some(leaf) => self.statement(&leaf).await.map(Some),
            None => Ok(None),
        }
    }

    /// The receipt of an event, proven in the newest checkpoint; `None` if there is no such event.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn receipt(&self, at: LogPosition) -> Result<Option<EventProof>, ReadError> {
        let newest = self.newest()?;
        let size = newest.statement.history_size;
        let plan = self.view.archive(|archive| archive.inclusion(at.seq, size));
        let Some(plan) = plan else { return Ok(None) };
        let Some((released, _)) = self.event(at).await? else { return Ok(None) };
        let [path] = self.complete(at.seq, &[plan]).await?;
        Ok(Some(EventProof { newest, path, frame: Arc::new(released), index: at.index }))
    }
}

/// The event at a position of a frame; `None` if the frame has no such event.
fn event_of(body: &SealedBody, at: LogPosition) -> Result<Option<Event>, ReadError> {
    let index = usize::try_from(at.index).unwrap_or(usize::MAX);
    let Some(bytes) = body.events().nth(index) else { return Ok(None) };
    codec::decode(bytes).map(Some).map_err(|_| ReadError::Damaged { seq: at.seq })
}
