//! Queries to the engine, and the errors that all methods share.

use crate::api::{DecisionTime, NotDone, Rejected, Stopped};
use crate::handle::{EngineHandle, Serving, SubmitError};
use crate::phase::Phase;
use crate::query::{Query, Rooted};
use crate::reader::{ReadError, Reader};
use mortise_core::body::CarriedStatement;
use mortise_format::errors::Code;
use mortise_format::event::LogPosition;
use mortise_format::ids::LockId;
use mortise_format::reject::Reject;
use mortise_rpc::ErrorObject;
use std::sync::Arc;

/// A result as JSON text. Large results are serialized once and never parsed again.
#[derive(Debug)]
pub(super) struct Json {
    pub(super) result: Vec<u8>,
    /// The statement about the frame whose state was read, for an answer about now.
    pub(super) read_at: Option<Arc<CarriedStatement>>,
    /// What goes beside the result of an answer about now, as JSON text.
    pub(super) freshness: Option<Vec<u8>>,
}

impl Json {
    /// A result that is JSON text already.
    pub(super) fn text(result: Vec<u8>) -> Self {
        Self { result, read_at: None, freshness: None }
    }

    /// Names the frame whose state was read. Every answer about now does.
    pub(super) fn read_at(self, signed: Arc<CarriedStatement>) -> Self {
        Self { read_at: Some(signed), ..self }
    }
}

pub(super) type Answered = Result<Json, ErrorObject>;

pub(super) fn json<T: serde::Serialize>(value: &T) -> Json {
    Json::text(to_text(value))
}

/// Serializes a part of an answer.
pub(super) fn to_text<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("results have text keys only")
}

pub(super) fn unexpected() -> ErrorObject {
    ErrorObject::new(Code::InternalError)
}

pub(super) fn closed(closed: SubmitError) -> ErrorObject {
    match closed {
        SubmitError::Overloaded => ErrorObject::overloaded(RETRY_AFTER_MS),
        SubmitError::NotReady(phase) => ErrorObject::not_ready(phase),
        SubmitError::Fault => ErrorObject::new(Code::Fault),
    }
}

pub(super) fn serving(handle: &EngineHandle) -> Result<&Serving, ErrorObject> {
    handle.serving().ok_or_else(|| match handle.phase() {
        Phase::Fault { .. } => ErrorObject::new(Code::Fault),
        phase => ErrorObject::not_ready(phase.name()),
    })
}

/// Runs a read of the released log and renders its answer, both on a thread of the read plane.
/// `cost` is what it takes, in units.
pub(super) async fn read_log<F>(
    handle: &EngineHandle,
    cost: u32,
    work: impl FnOnce(Arc<Reader>) -> F + Send + 'static,
) -> Answered
where
    F: Future<Output = Answered> + 'static,
{
    handle.read_log(cost, work).await.map_err(closed)?
}

/// Renders an answer with many locks on a thread of the read plane, when it is the caller's turn:
/// on the thread of the sessions it would delay every other caller.
pub(super) async fn rendered(
    handle: &EngineHandle,
    cost: u32,
    render: impl FnOnce() -> Answered + Send + 'static,
) -> Answered {
    read_log(handle, cost, move |_| async move { render() }).await
}

/// The error of a read that failed. It says nothing about the request that the answer is about.
pub(super) fn unread(error: &ReadError) -> ErrorObject {
    tracing::warn!(%error, "a read failed");
    match error {
        ReadError::Keys { epoch, .. } => {
            ErrorObject::new(Code::KeysUnavailable).with("epoch", *epoch)
        }
        ReadError::Store { seq, .. } | ReadError::Damaged { seq } => {
            ErrorObject::new(Code::ReadFailed).with("seq", *seq)
        }
        ReadError::Pruned { seq, first } => {
            ErrorObject::new(Code::FramePruned).with("seq", *seq).with("first", *first)
        }
        ReadError::NotOpen => ErrorObject::not_ready("starting"),
    }
}

/// Adds the position in the log of what answered.
pub(super) fn at_position(error: ErrorObject, at: LogPosition) -> ErrorObject {
    error.with("at", serde_json::json!({ "seq": at.seq, "index": at.index }))
}

pub(super) fn rejection(rejected: &Rejected) -> ErrorObject {
    let Rejected { reject, is_final, logged, decided } = *rejected;
    let error = ErrorObject::from(reject).with("final", is_final).with("retryable", !is_final);
    let error = match logged {
        Some(at) => at_position(error.with("logged", true), at),
        None => error.with("logged", false),
    };
    match (reject.code(), decided) {
        // What the caller's clock is compared with; the log's time can be far behind.
        (Code::LockExpired | Code::ExpiryWindow, Some(DecisionTime { now_ms, head_ms })) => {
            error.with("time", now_ms / 1000).with("headTime", head_ms / 1000)
        }
        _ => error,
    }
}

/// The error of a command that was not executed.
pub(super) fn refused(why: NotDone) -> ErrorObject {
    match why {
        NotDone::Refused(rejected) => rejection(&rejected),
        NotDone::Stopped(stopped) => unanswered(stopped),
    }
}

pub(super) fn unanswered(stopped: Stopped) -> ErrorObject {
    match stopped {
        Stopped::NotDurable => ErrorObject::new(Code::NotDurable),
        // The writer stopped and the engine restarts: the request had no effect.
        Stopped::Fault => ErrorObject::not_ready("restarting"),
    }
}

/// Asks the writer. The answer rests on the frame that comes with it.
pub(super) async fn rooted<Q: Query>(
    handle: &EngineHandle,
    query: Q,
) -> Result<Rooted<Q::Answer>, ErrorObject> {
    handle.query(query).await.map_err(closed)?.map_err(unanswered)
}

/// The same, for an answer that names no frame.
pub(super) async fn read<Q: Query>(
    handle: &EngineHandle,
    query: Q,
) -> Result<Q::Answer, ErrorObject> {
    Ok(rooted(handle, query).await?.answer)
}

/// The error for an unknown lock id.
pub(super) fn not_found(lock_id: LockId) -> ErrorObject {
    ErrorObject::from(Reject::LockNotFound).with("lockId", lock_id.to_string())
}

/// Units of a read of the log: what a caller pays of its share before the work.
pub(super) mod cost {
    /// A statement, a checkpoint, a path.
    pub const PROOF: u32 = 1;
    /// The typed data of a draft is hashed and written as text.
    pub const DRAFT: u32 = 1;
    /// A page of locks is written as text.
    pub const PAGE: u32 = 2;
    /// All locks of an owner are.
    pub const OWNER_LOCKS: u32 = 8;
    /// A frame is read and opened, and its promises are signed again.
    pub const RECEIPT: u32 = 4;
    /// The key service may be called.
    pub const KEYS: u32 = 200;
    /// One frame of `getEvents`, of average size.
    pub const FRAME: u32 = 4;
    /// An answer of `getEvents` that is full.
    pub const FRAMES_MAX: u32 = 256;
}

/// The wait that an OVERLOADED error asks for.
const RETRY_AFTER_MS: u64 = 50;
