//! The connection to a store: requests and answers of the store protocol, and its errors.
//!
//! The connection ends once: when the stream ends or fails, or on an answer that an honest store
//! never gives. Then every open request ends with the same error and every later one is
//! `Unreachable`. A request that the store accepts and does not answer ends by its own timeout.
//!
//! Requests in flight are bounded. Reads on behalf of callers wait for room within their timeout.
//! The engine's own requests do not wait, and reads do not take their room.

use super::error::{Garbage, StoreError};
use futures_util::future::{Either, ready};
use mortise_format::codec::{self, CodecError};
use mortise_format::limits::{
    FRAMES_IN_FLIGHT_MAX, IN_FLIGHT_MAX, SNAPSHOT_PARTS_IN_FLIGHT, STORE_ANSWER_MS_MAX,
    STORE_MESSAGE_BYTES_MAX,
};
use mortise_format::store::{StoreRequest, StoreResponse};
use mortise_transport::{
    Address, NoAnswer, NotSent, PipelinedClient, PipelinedOptions, STORE_MAGIC, Stream, Unasked,
    connect,
};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::time::timeout;

/// Most requests in flight, for reads and for others each. An admitted request of a caller makes
/// one read at a time; `getEvents` is not an admitted request, and waits for room.
const REQUESTS_MAX: usize = IN_FLIGHT_MAX;

// The engine's own requests: frames and parts of a snapshot. They never reach this bound.
const _: () = assert!(FRAMES_IN_FLIGHT_MAX + SNAPSHOT_PARTS_IN_FLIGHT < REQUESTS_MAX / 2);

type Answer = Result<StoreResponse, StoreError>;

/// A handle. The connection closes when the last handle is dropped and no answer is awaited.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    client: PipelinedClient<StoreResponse, CodecError>,
    answer_ms_max: u64,
}

impl Connection {
    pub(super) async fn open(address: &Address) -> Result<Self, StoreError> {
        let stream = connect(address).await.map_err(|e| StoreError::Unreachable(e.kind()))?;
        Ok(Self::over(stream, REQUESTS_MAX))
    }

    fn over(stream: Stream, in_flight_max: usize) -> Self {
        let options = PipelinedOptions {
            magic: STORE_MAGIC,
            request_bytes_max: STORE_MESSAGE_BYTES_MAX,
            answer_bytes_max: STORE_MESSAGE_BYTES_MAX,
            in_flight_max,
            unasked: Unasked::End,
        };
        let client = PipelinedClient::decoding(stream, options, |bytes| codec::decode(&bytes));
        Self { client, answer_ms_max: STORE_ANSWER_MS_MAX }
    }

    /// A connection with other bounds.
    #[cfg(test)]
    pub(super) async fn with_bounds(address: &Address, max: usize, answer_ms_max: u64) -> Self {
        Self { answer_ms_max, ..Self::over(connect(address).await.unwrap(), max) }
    }

    /// Queues the request now, or a read as soon as there is room. The future returns the answer or
    /// a timeout, and keeps the connection open.
    pub(super) fn call(
        &self,
        request: &StoreRequest,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let payload = codec::encode(request).into();
        let sent = match request {
            StoreRequest::Read { .. } | StoreRequest::Leaves { .. } => {
                Either::Left(self.client.call_when_room(payload))
            }
            _ => Either::Right(ready(self.client.call(payload))),
        };
        let answer_ms_max = self.answer_ms_max;
        async move {
            let answering = async {
                let answer = sent.await.map_err(StoreError::from)?;
                answer.await.map_err(StoreError::from)
            };
            let answer = timeout(Duration::from_millis(answer_ms_max), answering).await;
            answer.unwrap_or(Err(StoreError::Silent { answer_ms_max }))
        }
    }

    /// False when the connection has died.
    pub(super) fn is_alive(&self) -> bool {
        !self.client.is_closed()
    }
}

impl From<NotSent> for StoreError {
    fn from(error: NotSent) -> Self {
        match error {
            NotSent::Disconnected => Self::Unreachable(ErrorKind::NotConnected),
            NotSent::Full { .. } => Self::Unreachable(ErrorKind::ResourceBusy),
            NotSent::Oversized { found, .. } => Self::TooLarge { bytes: found },
        }
    }
}

impl From<NoAnswer<CodecError>> for StoreError {
    fn from(error: NoAnswer<CodecError>) -> Self {
        match error {
            NoAnswer::Lost => Self::Unknown,
            NoAnswer::Framing => Garbage::Framing.into(),
            NoAnswer::Unasked => Garbage::Unasked.into(),
            NoAnswer::Undecodable(error) => Garbage::Undecodable(error).into(),
        }
    }
}
