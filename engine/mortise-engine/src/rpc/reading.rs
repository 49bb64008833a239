//! The log for readers: rights, keys, frames.
//!
//! Any caller gets sealed frames. Keys of frames or of whole epochs are sealed to the X25519 key of
//! a reader with the right to them: any caller can request them, only the reader can open them.
//!
//! The engine buffers nothing for a reader, so a slow reader costs nothing.

use super::history;
use super::reply::{Answered, closed, cost, json, read, read_log, to_text, unexpected, unread};
use crate::handle::{EngineHandle, SubmitError};
use crate::phase::Phase;
use crate::query::FindReadings;
use crate::reader::{Reader, Readers};
use crate::reading::ReadingError;
use mortise_core::machine::EpochRecord;
use mortise_core::state::GrantedReading;
use mortise_format::errors::Code;
use mortise_format::event::LogPosition;
use mortise_format::frame::Frame;
use mortise_format::ids::Bytes32;
use mortise_format::limits::{EVENTS_BYTES_MAX, EVENTS_FRAMES_MAX, READING_EPOCHS_MAX};
use mortise_rpc::params::{GetEvents, GetReadingKeys};
use mortise_rpc::results::{
    EventsResult, FrameKeysView, FrameView, ReadingGrantView, ReadingKeysResult, SealedReceipt,
};
use mortise_rpc::{Base64, ErrorObject, HexBytes};
use std::time::Duration;

pub(super) async fn keys(handle: &EngineHandle, params: GetReadingKeys) -> Answered {
    let readings = readings(handle, params.reader).await?;
    read_log(handle, cost::KEYS, move |reader| async move {
        let wanted =
            |r: &&GrantedReading| params.request_id.is_none_or(|id| id == r.grant.request.id);
        let granted = readings.iter().rfind(wanted).ok_or_else(not_granted)?;
        let from = params.from_epoch.unwrap_or(0);
        let is_inside =
            |record: &EpochRecord| granted.grant.covers(record.epoch) && record.epoch >= from;
        let inside = reader.epochs().iter().filter(|record| is_inside(record));
        let (inside, next) = page(inside);
        let next_epoch = next.map(|record| record.epoch);
        let reading = reader.reading();
        let sealed = reading.seal_epochs(&params.reader, granted.at, &inside).await;
        let sealed = sealed.map_err(refused)?;
        Ok(json(&ReadingKeysResult {
            engine_id: *reading.engine_id(),
            reader: params.reader,
            grant: view(granted),
            grants: readings.iter().map(view).collect(),
            epochs: inside.iter().map(|record| record.epoch).collect(),
            next_epoch,
            encapsulated_key: Bytes32(sealed.encapsulated_key),
            ciphertext: HexBytes(sealed.ciphertext),
        }))
    })
    .await
}

/// The epochs of one answer, and the first that is left out.
fn page<T>(mut epochs: impl Iterator<Item = T>) -> (Vec<T>, Option<T>) {
    let page = epochs.by_ref().take(READING_EPOCHS_MAX).collect();
    (page, epochs.next())
}

/// The receipt of the event at a place, sealed to a reader whose rights cover its epoch.
pub(super) async fn receipt(handle: &EngineHandle, at: LogPosition, to: Bytes32) -> Answered {
    let readings = readings(handle, to).await?;
    read_log(handle, cost::RECEIPT, move |reader| async move {
        let (answer, frame, _) = history::receipt_at(&reader, Some(at)).await?;
        let epoch = frame.signed().statement.epoch;
        if !readings.iter().any(|granted| granted.grant.covers(epoch)) {
            return Err(not_granted());
        }
        let sealed = reader.reading().seal_receipt(&to, at, &answer.result).map_err(refused)?;
        Ok(json(&SealedReceipt {
            reader: to,
            encapsulated_key: Bytes32(sealed.encapsulated_key),
            ciphertext: Base64(sealed.ciphertext),
        }))
    })
    .await
}

pub(super) async fn events(handle: &EngineHandle, params: GetEvents) -> Answered {
    // Refuse a reader without the right before it waits.
    let readings = match params.reader {
        Some(reader) => Some((reader, readings(handle, reader).await?)),
        None => None,
    };
    let readers = readers(handle)?;
    let view = readers.reader().view();
    if params.wait_ms > 0 && params.from >= view.size() {
        let _waiter =
            readers.waiter(handle.caller()).ok_or_else(|| closed(SubmitError::Overloaded))?;
        view.wait_for(params.from, Duration::from_millis(params.wait_ms)).await;
    }
    // The phase is checked again: the engine may have stopped during the wait.
    let units = cost_of_frames(params.from, view.size(), params.count);
    read_log(handle, units, move |reader| async move {
        let count = usize::try_from(params.count).unwrap_or(usize::MAX);
        let mut frames = frames(&reader, params.from, count).await?;
        let keys = match readings {
            Some((to, readings)) => open(&reader, to, &readings, &mut frames).await?,
            None => None,
        };
        Ok(json(&result(params.from, reader.view().size(), &frames, keys)))
    })
    .await
}

/// The read plane, while the engine serves.
///
/// # Errors
/// NOT_READY, FAULT.
pub fn readers(handle: &EngineHandle) -> Result<&Readers, ErrorObject> {
    match handle.phase() {
        Phase::Ready => super::reply::serving(handle).map(|serving| &*serving.readers),
        Phase::Fault { .. } => Err(ErrorObject::new(Code::Fault)),
        phase => Err(ErrorObject::not_ready(phase.name())),
    }
}

/// The parameters of one notification, as JSON text, and the frame that follows. They are made in
/// the room of the handle.
///
/// # Errors
/// As `getEvents`.
pub async fn notified_frames(
    handle: &EngineHandle,
    from: u64,
) -> Result<(Vec<u8>, u64), ErrorObject> {
    let count = u32::try_from(EVENTS_FRAMES_MAX).unwrap_or(u32::MAX);
    let units = cost_of_frames(from, readers(handle)?.reader().view().size(), count);
    let read = handle.read_log(units, move |reader| async move {
        let frames = frames(&reader, from, EVENTS_FRAMES_MAX).await?;
        let result = result(from, reader.view().size(), &frames, None);
        Ok((to_text(&result), result.next))
    });
    read.await.map_err(closed)?
}

/// Reads released frames, as many as fit into one answer.
async fn frames(reader: &Reader, from: u64, count: usize) -> Result<Vec<Frame>, ErrorObject> {
    let bytes_max = u32::try_from(EVENTS_BYTES_MAX).unwrap_or(u32::MAX);
    reader.frames(from, count, bytes_max).await.map_err(|error| unread(&error))
}

/// Units of a read of frames: for those that are there.
fn cost_of_frames(from: u64, released: u64, count: u32) -> u32 {
    let there = u32::try_from(released.saturating_sub(from)).unwrap_or(u32::MAX);
    count.min(there).saturating_mul(cost::FRAME).clamp(cost::FRAME, cost::FRAMES_MAX)
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
    reader: &Reader,
    to: Bytes32,
    readings: &[GrantedReading],
    frames: &mut Vec<Frame>,
) -> Result<Option<FrameKeysView>, ErrorObject> {
    let covered = |frame: &Frame| {
        let epoch = frame.header().epoch;
        readings.iter().any(|granted| granted.grant.covers(epoch))
    };
    let open_count = frames.iter().take_while(|frame| covered(frame)).count();
    if open_count == 0 && !frames.is_empty() {
        return Err(not_granted());
    }
    frames.truncate(open_count);
    if frames.is_empty() {
        return Ok(None);
    }
    let sealed = reader.reading().seal_frames(&to, frames, reader.epochs()).await;
    let sealed = sealed.map_err(refused)?;
    Ok(Some(FrameKeysView {
        reader: to,
        encapsulated_key: Bytes32(sealed.encapsulated_key),
        ciphertext: HexBytes(sealed.ciphertext),
    }))
}

/// The durable rights of a reader.
async fn readings(
    handle: &EngineHandle,
    reader: Bytes32,
) -> Result<Vec<GrantedReading>, ErrorObject> {
    let readings = read(handle, FindReadings(reader)).await?;
    if readings.is_empty() { Err(not_granted()) } else { Ok(readings) }
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

fn refused(error: ReadingError) -> ErrorObject {
    match error {
        ReadingError::Reader(_) => ErrorObject::new(Code::Validation).with("field", "reader"),
        ReadingError::Keys { epoch, error } => {
            tracing::error!(epoch, %error, "the key of an epoch was not unwrapped");
            ErrorObject::new(Code::KeysUnavailable).with("epoch", epoch)
        }
        ReadingError::NoEpoch { .. } => unexpected(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_has_a_bounded_number_of_epochs_and_names_the_next() {
        for (count, next) in [
            (READING_EPOCHS_MAX - 1, None),
            (READING_EPOCHS_MAX, None),
            (READING_EPOCHS_MAX + 1, Some(READING_EPOCHS_MAX)),
            (READING_EPOCHS_MAX + 9, Some(READING_EPOCHS_MAX)),
        ] {
            let within = (0..count.min(READING_EPOCHS_MAX)).collect();
            assert_eq!(page(0..count), (within, next), "{count}");
        }
    }
}
