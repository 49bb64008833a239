//! Reads a body within bounds of size, time and memory.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use mortise_format::limits::{DRAIN_BYTES_MAX, REQUEST_BYTES_MAX};
use mortise_transport::{HINT_BYTES, begin_with_hint};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A sender that is silent for this long waits for the answer.
const DRAIN_IDLE: Duration = Duration::from_millis(500);

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

/// A body with its memory permit, behind the hint of its peer.
#[derive(Debug)]
pub(super) struct CountedBody {
    /// The message to the engine: hint and body.
    pub(super) message: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

impl CountedBody {
    /// The body alone.
    pub(super) fn body(&self) -> &[u8] {
        &self.message[HINT_BYTES..]
    }
}

/// True when the announced length is over the bound.
pub(super) fn is_too_large(body: &Body) -> bool {
    body.size_hint().lower() > REQUEST_BYTES_MAX as u64
}

/// Reads and drops what is left of a body that is refused, up to bounds of bytes and time. Most
/// clients send all of a body before they read the answer. An answer that comes earlier, with a
/// close behind it, resets their connection and is lost.
pub(super) async fn drain(body: &mut Body, time: Duration) {
    let dropping = async {
        let mut dropped = 0;
        while dropped < DRAIN_BYTES_MAX
            && let Ok(Some(Ok(frame))) = tokio::time::timeout(DRAIN_IDLE, body.frame()).await
        {
            dropped += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    let _ = tokio::time::timeout(time, dropping).await;
}

/// Reads a body behind the hint of its peer, so that it is not copied for it. `memory` counts KiB
/// over all bodies, so that many slow ones cannot use all memory.
pub(super) async fn read(
    body: &mut Body,
    hint: u64,
    memory: &Arc<Semaphore>,
    time: Duration,
) -> Result<CountedBody, BodyError> {
    // An announced length above the bound is rejected immediately. Received bytes are counted.
    if is_too_large(body) {
        return Err(BodyError::TooLarge);
    }
    let reading = tokio::time::timeout(time, read_frames(body, hint, memory));
    reading.await.unwrap_or(Err(BodyError::Incomplete))
}

async fn read_frames(
    body: &mut Body,
    hint: u64,
    memory: &Arc<Semaphore>,
) -> Result<CountedBody, BodyError> {
    let mut collected = begin_with_hint(hint);
    let mut counted: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Incomplete)?;
        let Ok(data) = frame.into_data() else { continue };
        if collected.len() + data.len() > HINT_BYTES + REQUEST_BYTES_MAX {
            return Err(BodyError::TooLarge);
        }
        collected.extend_from_slice(&data);
        let have = counted.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = (collected.len() - HINT_BYTES).div_ceil(1024).saturating_sub(have);
        let missing = u32::try_from(missing).map_err(|_| BodyError::TooLarge)?;
        let more = Arc::clone(memory).try_acquire_many_owned(missing);
        let more = more.map_err(|_| BodyError::NoMemory)?;
        match &mut counted {
            Some(counted) => counted.merge(more),
            None => counted = Some(more),
        }
    }
    Ok(CountedBody { message: collected.freeze(), _memory: counted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Frame;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A body of these frames.
    struct Frames(VecDeque<Bytes>);

    impl hyper::body::Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
        }
    }

    /// True if a frame is left of a body of so many MiB, perhaps with a frame of one byte before
    /// the last.
    async fn is_left(mib: usize, has_byte: bool) -> bool {
        let mut frames: VecDeque<_> = vec![Bytes::from(vec![0; 1024 * 1024]); mib].into();
        if has_byte {
            frames.insert(mib - 1, Bytes::from_static(b"x"));
        }
        let mut body = Body::new(Frames(frames));
        drain(&mut body, Duration::MAX).await;
        body.frame().await.is_some()
    }

    #[tokio::test]
    async fn refused_body_is_dropped_up_to_the_bound_and_no_further() {
        const MIB: usize = DRAIN_BYTES_MAX / (1024 * 1024);
        assert!(!is_left(MIB, false).await, "the last byte within the bound is read");
        assert!(!is_left(MIB, true).await, "one byte below the bound another frame is read");
        assert!(is_left(MIB + 1, false).await, "at the bound no frame is");
        assert!(is_left(10 * MIB, false).await);
    }
}
