//! Reads a body within bounds of size, time and memory.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use mortise_format::limits::REQUEST_BYTES_MAX;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Why a body was not read completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than `REQUEST_BYTES_MAX`.
    TooLarge,
    /// The timeout passed, or the connection broke.
    Incomplete,
    /// All bodies in memory together are above their bound.
    NoMemory,
}

/// A body with its memory permit.
#[derive(Debug)]
pub(super) struct CountedBody {
    pub(super) bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Reads a body. `memory` counts KiB over all bodies, so that many slow ones cannot use all memory.
pub(super) async fn read(
    body: Body,
    memory: &Arc<Semaphore>,
    time: Duration,
) -> Result<CountedBody, BodyError> {
    // An announced length above the bound is rejected immediately. Received bytes are counted.
    if body.size_hint().lower() > REQUEST_BYTES_MAX as u64 {
        return Err(BodyError::TooLarge);
    }
    let reading = tokio::time::timeout(time, read_frames(body, memory));
    reading.await.unwrap_or(Err(BodyError::Incomplete))
}

async fn read_frames(mut body: Body, memory: &Arc<Semaphore>) -> Result<CountedBody, BodyError> {
    let mut collected = BytesMut::new();
    let mut counted: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Incomplete)?;
        let Ok(data) = frame.into_data() else { continue };
        if collected.len() + data.len() > REQUEST_BYTES_MAX {
            return Err(BodyError::TooLarge);
        }
        collected.extend_from_slice(&data);
        let have = counted.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = collected.len().div_ceil(1024).saturating_sub(have);
        let missing = u32::try_from(missing).map_err(|_| BodyError::TooLarge)?;
        let more = Arc::clone(memory).try_acquire_many_owned(missing);
        let more = more.map_err(|_| BodyError::NoMemory)?;
        match &mut counted {
            Some(counted) => counted.merge(more),
            None => counted = Some(more),
        }
    }
    Ok(CountedBody { bytes: collected.freeze(), _memory: counted })
}
