//! The request protocol on a unix socket or vsock: many calls in flight on one connection.

use super::LinkError;
use bytes::Bytes;
use mortise_format::limits::{IN_FLIGHT_PER_CONNECTION_MAX, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_transport::{
    Address, PipelinedClient, PipelinedOptions, REQUEST_MAGIC, Unasked, connect,
};
use tokio::sync::Mutex;

/// Calls in flight, as many as the engine allows on one connection. Further callers wait. A caller
/// that gives up leaves a late answer behind, so an answer that no one waits for is not an error.
const OPTIONS: PipelinedOptions = PipelinedOptions {
    magic: REQUEST_MAGIC,
    request_bytes_max: REQUEST_BYTES_MAX,
    answer_bytes_max: RESPONSE_BYTES_MAX,
    in_flight_max: IN_FLIGHT_PER_CONNECTION_MAX,
    unasked: Unasked::Ignore,
};

/// One connection at a time, made when it is needed and again when it is lost.
#[derive(Debug)]
pub(crate) struct FramedLink {
    address: Address,
    connection: Mutex<Option<PipelinedClient>>,
}

impl FramedLink {
    pub fn new(address: Address) -> Self {
        Self { address, connection: Mutex::new(None) }
    }

    pub async fn exchange(&self, request: Bytes) -> Result<Bytes, LinkError> {
        let connection = self.connection().await?;
        let answer = connection.call_when_room(request).await.map_err(LinkError::unsent)?;
        answer.await.map_err(LinkError::lost)
    }

    async fn connection(&self) -> Result<PipelinedClient, LinkError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|c| !c.is_closed()) {
            return Ok(connection.clone());
        }
        let stream = connect(&self.address).await.map_err(LinkError::unsent)?;
        let connection = PipelinedClient::new(stream, OPTIONS);
        *kept = Some(connection.clone());
        Ok(connection)
    }
}
