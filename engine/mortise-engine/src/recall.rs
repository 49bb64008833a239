//! Answers from the log: a repeated request gets its first answer again, byte for byte (INV-07).

use crate::api::Reply;
use crate::keyring::{Identity, KeyRing};
use crate::released::{CommitmentSigner, ReleasedFrame};
use crate::store::{LogStore, StoreError};
use mortise_core::body::{CarriedStatement, ClearBody, SealedBody};
use mortise_core::machine::EpochRecord;
use mortise_core::seal;
use mortise_format::codec;
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::Frame;
use mortise_format::limits::{FRAME_STATEMENTS_MAX, FRAMES_IN_FLIGHT_MAX};
use mortise_format::secp256k1::recover;
use std::sync::Arc;

/// An answer could not be read back: the log is not the one that was replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecallError {
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The store returned no frame, another frame, or one that does not open.
    #[error("frame {seq} is not the one that was replayed")]
    Frame { seq: u64 },
    /// No later frame carries the statement about the frame.
    #[error("no frame carries the statement about frame {seq}")]
    Statement { seq: u64 },
}

/// Rebuilds the answer at a position.
///
/// # Errors
/// [`RecallError`]. The caller stops the engine: the log is not the one that it replayed.
pub async fn recall(
    store: &dyn LogStore,
    identity: &Identity,
    ring: &KeyRing,
    epochs: &[EpochRecord],
    at: LogPosition,
    statement: Option<CarriedStatement>,
) -> Result<Reply, RecallError> {
    let found = recall_event(store, identity, ring, epochs, at, statement).await?;
    let (released, event) = found.ok_or(RecallError::Frame { seq: at.seq })?;
    Ok(match event {
        Event::CommandRefused { reject, .. } => Reply::Refused(reject),
        _ => Reply::Logged(Arc::new(released), at.index),
    })
}

/// Reads an event back with all parts of its receipt. `None` if the frame is in the log but has no
/// such event.
///
/// # Errors
/// As [`recall`].
pub async fn recall_event(
    store: &dyn LogStore,
    identity: &Identity,
    ring: &KeyRing,
    epochs: &[EpochRecord],
    at: LogPosition,
    statement: Option<CarriedStatement>,
) -> Result<Option<(ReleasedFrame, Event)>, RecallError> {
    let wrong = || RecallError::Frame { seq: at.seq };
    let frame = read_one(store, at.seq).await?;
    let signed = match statement {
        Some(statement) => statement,
        None => find_statement(store, at.seq, identity).await?,
    };
    // The engine signed this digest, so the frame is the one that it wrote.
    if signed.statement.frame_digest != frame.digest() {
        return Err(wrong());
    }
    let record = epochs.iter().find(|r| r.epoch == frame.header().epoch).ok_or_else(wrong)?;
    let keys = ring.keys_of(record).await.map_err(|_| wrong())?;
    let plain = seal::open(&keys, &frame).map_err(|_| wrong())?;
    let body = SealedBody::parse(plain).map_err(|_| wrong())?;
    let index = usize::try_from(at.index).map_err(|_| wrong())?;
    let Some(bytes) = body.events().nth(index) else { return Ok(None) };
    let event: Event = codec::decode(bytes).map_err(|_| wrong())?;
    let statement = &signed.statement;
    let promises = CommitmentSigner::new(identity).sign(statement, at.index, &event);
    let leaf = frame.leaf().clone();
    let released = ReleasedFrame::new(signed, leaf, body, keys, vec![(at.index, promises)]);
    Ok(Some((released, event)))
}

async fn read_one(store: &dyn LogStore, seq: u64) -> Result<Frame, RecallError> {
    let frames = store.read(seq, 1).await?;
    let frame = frames.into_iter().next().filter(|frame| frame.header().seq == seq);
    frame.ok_or(RecallError::Frame { seq })
}

/// Finds the frame that carries a statement. It is one of the next frames: no further away than the
/// frames in flight, plus a few after a restart.
async fn find_statement(
    store: &dyn LogStore,
    seq: u64,
    identity: &Identity,
) -> Result<CarriedStatement, RecallError> {
    let mut next = seq + 1;
    for _ in 0..FRAME_STATEMENTS_MAX * FRAMES_IN_FLIGHT_MAX {
        let frames = store.read(next, SEARCH_BYTES).await?;
        for frame in &frames {
            next = frame.header().seq + 1;
            let clear: Result<ClearBody, _> = codec::decode(frame.clear());
            let clear = clear.map_err(|_| RecallError::Frame { seq: frame.header().seq })?;
            let about = |s: &&CarriedStatement| s.statement.seq == seq;
            if let Some(found) = clear.statements.iter().find(about) {
                let signer = recover(&found.statement.digest(), &found.signature);
                let is_ours = signer == Ok(identity.signer.address());
                return if is_ours {
                    Ok(found.clone())
                } else {
                    Err(RecallError::Statement { seq })
                };
            }
        }
        if frames.is_empty() {
            break;
        }
    }
    Err(RecallError::Statement { seq })
}

/// Bytes of each read while searching for a statement.
const SEARCH_BYTES: u32 = 512 * 1024;
