//! The log for readers: rights, keys, frames.
//!
//! Any caller gets sealed frames. Keys of frames or of whole epochs are sealed to the X25519 key of
//! a reader with the right to them: any caller can request them, only the reader can open them.

use super::reply::{Answered, closed, json, read, serving, unexpected};
use crate::api::{Answer, Query, ReadingsAnswer};
use crate::handle::{EngineHandle, SubmitError};
use crate::log::{LogError, ReleasedLog};
use crate::phase::Phase;
use mortise_core::machine::EpochRecord;
use mortise_core::state::GrantedReading;
use mortise_format::errors::Code;
use mortise_format::frame::Frame;
use mortise_format::ids::Bytes32;
use mortise_format::limits::{EVENTS_BYTES_MAX, EVENTS_FRAMES_MAX, READING_EPOCHS_MAX};
use mortise_rpc::params::{GetEvents, GetReadingKeys};
use mortise_rpc::results::{
    EventsResult, FrameKeysView, FrameView, ReadingGrantView, ReadingKeysResult,
};
use mortise_rpc::{ErrorObject, HexBytes};
use std::time::Duration;

pub(super) async fn keys(handle: &EngineHandle, params: GetReadingKeys) -> Answered {
    let ReadingsAnswer { readings, epochs } = readings(handle, params.reader).await?;
    let wanted = |r: &&GrantedReading| params.request_id.is_none_or(|id| id == r.grant.request.id);
    let granted = readings.iter().rfind(wanted).ok_or_else(not_granted)?;
    let from = params.from_epoch.unwrap_or(0);
    let is_inside = |epoch: u64| granted.grant.covers(epoch) && epoch >= from;
    let mut inside: Vec<EpochRecord> =
        epochs.into_iter().filter(|record| is_inside(record.epoch)).collect();
    let next_epoch = inside.get(READING_EPOCHS_MAX).map(|record| record.epoch);
    inside.truncate(READING_EPOCHS_MAX);
    let log = &serving(handle)?.log;
    let sealed = log.seal_epochs(&params.reader, granted.at, &inside).await.map_err(refused)?;
    Ok(json(&ReadingKeysResult {
        engine_id: *log.engine_id(),
        reader: params.reader,
        grant: view(granted),
        grants: readings.iter().map(view).collect(),
        epochs: inside.iter().map(|record| record.epoch).collect(),
        next_epoch,
        encapsulated_key: Bytes32(sealed.encapsulated_key),
        ciphertext: HexBytes(sealed.ciphertext),
    }))
}

pub(super) async fn events(handle: &EngineHandle, params: GetEvents) -> Answered {
    // Refuse a reader without the right before it waits.
    let readings = match params.reader {
        Some(reader) => Some((reader, readings(handle, reader).await?)),
        None => None,
    };
    let log = released_log(handle)?;
    if params.wait_ms > 0 && params.from >= log.released() {
        let _waiter = log.waiter().ok_or_else(|| closed(SubmitError::Overloaded))?;
        log.wait_for(params.from, Duration::from_millis(params.wait_ms)).await;
    }
    let count = usize::try_from(params.count).unwrap_or(usize::MAX);
    let mut frames = frames(log, params.from, count).await?;
    let keys = match readings {
        Some((reader, readings)) => open(handle, log, reader, &readings, &mut frames).await?,
        None => None,
    };
    Ok(json(&result(params.from, log.released(), &frames, keys)))
}

/// The released log, while the engine serves.
///
/// # Errors
/// NOT_READY, FAULT.
pub fn released_log(handle: &EngineHandle) -> Result<&ReleasedLog, ErrorObject> {
    match handle.phase() {
        Phase::Ready => serving(handle).map(|serving| &*serving.log),
        Phase::Fault { .. } => Err(ErrorObject::new(Code::Fault)),
        phase => Err(ErrorObject::not_ready(phase.name())),
    }
}

/// The frames of one notification.
///
/// # Errors
/// As `getEvents`.
pub async fn notified_frames(log: &ReleasedLog, from: u64) -> Result<EventsResult, ErrorObject> {
    let frames = frames(log, from, EVENTS_FRAMES_MAX).await?;
    Ok(result(from, log.released(), &frames, None))
}

/// Reads released frames, as many as fit into one answer.
pub(super) async fn frames(
    log: &ReleasedLog,
    from: u64,
    count: usize,
) -> Result<Vec<Frame>, ErrorObject> {
    let bytes_max = u32::try_from(EVENTS_BYTES_MAX).unwrap_or(u32::MAX);
    log.frames(from, count, bytes_max).await.map_err(refused)
}

/// The result of `getEvents` for these frames.
pub(super) fn result(
    from: u64,
    released: u64,
    frames: &[Frame],
    keys: Option<FrameKeysView>,
) -> EventsResult {
    let next = frames.last().map_or(from, |frame| frame.header().seq.saturating_add(1));
    EventsResult { frames: frames.iter().map(FrameView::from).collect(), next, released, keys }
}

/// Truncates the frames at the first that the reader may not open, and seals the keys of the rest.
async fn open(
    handle: &EngineHandle,
    log: &ReleasedLog,
    reader: Bytes32,
    readings: &ReadingsAnswer,
    frames: &mut Vec<Frame>,
) -> Result<Option<FrameKeysView>, ErrorObject> {
    let covered = |frame: &Frame| {
        let epoch = frame.header().epoch;
        readings.readings.iter().any(|granted| granted.grant.covers(epoch))
    };
    let open_count = frames.iter().take_while(|frame| covered(frame)).count();
    if open_count == 0 && !frames.is_empty() {
        return Err(not_granted());
    }
    frames.truncate(open_count);
    if frames.is_empty() {
        return Ok(None);
    }
    // Check the phase again: the engine may have stopped during the wait.
    released_log(handle)?;
    let sealed = log.seal_frames(&reader, frames, &readings.epochs).await.map_err(refused)?;
    Ok(Some(FrameKeysView {
        reader,
        encapsulated_key: Bytes32(sealed.encapsulated_key),
        ciphertext: HexBytes(sealed.ciphertext),
    }))
}

/// The durable rights of a reader.
async fn readings(handle: &EngineHandle, reader: Bytes32) -> Result<ReadingsAnswer, ErrorObject> {
    match read(handle, Query::Readings(reader)).await? {
        Answer::Readings(answer) if answer.readings.is_empty() => Err(not_granted()),
        Answer::Readings(answer) => Ok(*answer),
        _ => Err(unexpected()),
    }
}

fn view(granted: &GrantedReading) -> ReadingGrantView {
    ReadingGrantView {
        request_id: granted.grant.request.id,
        from_epoch: granted.grant.from_epoch,
        to_epoch: granted.grant.to_epoch,
        granted_at: granted.at.into(),
    }
}

fn not_granted() -> ErrorObject {
    ErrorObject::new(Code::ReadingNotGranted)
}

fn refused(error: LogError) -> ErrorObject {
    match error {
        LogError::Reader(_) => ErrorObject::new(Code::Validation).with("field", "reader"),
        error => {
            tracing::error!(%error, "cannot read the released log");
            match error {
                LogError::Keys(_) => ErrorObject::new(Code::Kms).with("operation", "Decrypt"),
                _ => unexpected(),
            }
        }
    }
}
