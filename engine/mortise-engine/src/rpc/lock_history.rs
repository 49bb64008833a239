//! The history of a lock: positions from the state, events from the log.
//!
//! What it is for: the writer gives the positions, which the state keeps. The reader reads those
//! frames, checks and opens them, and this module shows of each event what it says of the lock.
//!
//! What it does not do: prove the events, or show what else is in them. `getReceipt` proves the
//! event at a position.

use super::reply::{Answered, cost, json, read_log, rooted, unexpected, unread};
use crate::handle::EngineHandle;
use crate::query::{FindHistory, HistoryAnswer, Rooted};
use crate::reader::{ReadError, Reader};
use mortise_format::event::{Event, LogPosition};
use mortise_format::ids::LockId;
use mortise_format::lock::Status;
use mortise_rpc::results::{LockEventKind, LockEventView, LockHistory, LockStatus};

pub(super) async fn history(handle: &EngineHandle, lock_id: LockId) -> Answered {
    let Rooted { answer, signed } = rooted(handle, FindHistory(lock_id)).await?;
    let Some(history) = answer else { return Ok(json(&()).read_at(signed)) };
    let frames = u32::try_from(frames(&history).count()).unwrap_or(u32::MAX);
    let cost = cost::FRAME.saturating_mul(frames);
    let answer = read_log(handle, cost, move |reader| async move {
        let events = events(&reader, lock_id, &history).await.map_err(|error| unread(&error))?;
        let (status, left_out) = (history.status.into(), history.changes.left_out());
        let events = events.ok_or_else(unexpected)?;
        Ok(json(&LockHistory { lock_id, status, events, left_out }))
    });
    Ok(answer.await?.read_at(signed))
}

fn positions(history: &HistoryAnswer) -> impl Iterator<Item = LogPosition> {
    std::iter::once(history.granted_at).chain(history.changes.kept().iter().copied())
}

/// The frames to read, each once: positions are in order.
fn frames(history: &HistoryAnswer) -> impl Iterator<Item = u64> {
    let mut last = None;
    positions(history).map(|at| at.seq).filter(move |seq| last.replace(*seq) != Some(*seq))
}

/// Reads the events. `None` if one is not about the lock, which the state says it is.
async fn events(
    reader: &Reader,
    lock_id: LockId,
    history: &HistoryAnswer,
) -> Result<Option<Vec<LockEventView>>, ReadError> {
    let mut views = Vec::new();
    for seq in frames(history) {
        let indexes: Vec<_> =
            positions(history).filter(|at| at.seq == seq).map(|at| at.index).collect();
        let (time_ms, events) = reader.events(seq, &indexes).await?;
        for (index, event) in indexes.into_iter().zip(&events) {
            let at = LogPosition { seq, index };
            let Some(view) = view(event, &lock_id, at, time_ms / 1000, history.status) else {
                return Ok(None);
            };
            views.push(view);
        }
    }
    Ok(Some(views))
}

/// What an event says of a lock, whose status now is `now`; `None` if it says nothing.
fn view(
    event: &Event,
    lock_id: &LockId,
    at: LogPosition,
    time: u64,
    now: Status,
) -> Option<LockEventView> {
    let bare = |event, status: Status| LockEventView {
        seq: at.seq,
        index: at.index,
        event,
        time,
        status: LockStatus::from(status),
        expires_at: None,
        claim_by: None,
        settle_by: None,
        claim_index: None,
        amounts: Vec::new(),
    };
    let view = match event {
        Event::LocksGranted { locks, .. } => {
            let lock = locks.iter().find(|lock| lock.lock_id == *lock_id)?;
            return Some(LockEventView {
                expires_at: Some(lock.terms.expires),
                claim_by: Some(lock.claim_by),
                settle_by: Some(lock.settle_by),
                amounts: lock.terms.legs.iter().map(|leg| leg.amount).collect(),
                ..bare(LockEventKind::Granted, Status::Active)
            });
        }
        Event::LockExtended { lock_id, terms, claim_by, settle_by, status, .. } => {
            let bare = bare(LockEventKind::Extended, *status);
            let (claim_by, settle_by) = (Some(*claim_by), Some(*settle_by));
            let expires_at = Some(terms.expires);
            (lock_id, LockEventView { expires_at, claim_by, settle_by, ..bare })
        }
        Event::LockClaimed { claim, status, .. } => {
            let (claim_index, amounts) = (Some(claim.claim_index), claim.amounts.clone());
            let bare = bare(LockEventKind::Claimed, *status);
            (&claim.lock_id, LockEventView { claim_index, amounts, ..bare })
        }
        Event::LockReleased { lock_id, freed, .. } => {
            let bare = bare(LockEventKind::Released, Status::Released);
            (lock_id, LockEventView { amounts: freed.clone(), ..bare })
        }
        Event::LockCancelled { lock_id, freed, .. } => {
            let bare = bare(LockEventKind::Cancelled, Status::Cancelled);
            (lock_id, LockEventView { amounts: freed.clone(), ..bare })
        }
        Event::LocksExpired { lock_ids } => {
            let found = lock_ids.iter().find(|id| *id == lock_id)?;
            (found, bare(LockEventKind::Expired, Status::Expired))
        }
        // Nothing changes a lock after that: its status then is its status now.
        Event::LocksSettled { lock_ids } => {
            let found = lock_ids.iter().find(|id| *id == lock_id)?;
            (found, bare(LockEventKind::Settled, now))
        }
        _ => return None,
    };
    (view.0 == lock_id).then_some(view.1)
}
