//! One connection of the request protocol, one request at a time.
//!
//! It returns the bytes of the answer unparsed: the demonstrations compare answers byte for byte.

use bytes::Bytes;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_transport::{
    Address, MessageReader, MessageWriter, PipelinedClient, PipelinedOptions, REQUEST_MAGIC,
    Stream, Unasked, connect,
};
use std::io;
use std::time::Duration;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::time::timeout;

/// Timeout of an answer; after it the connection counts as lost.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// An answer with another number than the request is an error.
const OPTIONS: PipelinedOptions = PipelinedOptions {
    magic: REQUEST_MAGIC,
    request_bytes_max: REQUEST_BYTES_MAX,
    answer_bytes_max: RESPONSE_BYTES_MAX,
    in_flight_max: 1,
    unasked: Unasked::End,
};

/// A connection that opens on demand and reconnects after a loss.
#[derive(Debug)]
pub(super) struct Line {
    address: Address,
    open: Option<PipelinedClient>,
}

/// Both directions of a connection.
type Halves = (MessageReader<ReadHalf<Stream>>, MessageWriter<WriteHalf<Stream>>);

impl Line {
    pub fn new(address: Address) -> Self {
        Self { address, open: None }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// No connection, or a lost one: the outcome of the request is unknown.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Bytes> {
        let asked = timeout(ANSWER_TIME, self.ask_once(request)).await;
        let answer = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if answer.is_err() {
            self.open = None;
        }
        answer
    }

    async fn ask_once(&mut self, request: &[u8]) -> io::Result<Bytes> {
        let client = match &self.open {
            Some(open) => open,
            None => {
                let stream = connect(&self.address).await?;
                self.open.insert(PipelinedClient::new(stream, OPTIONS))
            }
        };
        let answer = client.call(Bytes::copy_from_slice(request)).map_err(io::Error::other)?;
        answer.await.map_err(io::Error::other)
    }
}

/// Connects and sends the magic of the request protocol with the first flush.
pub(super) async fn dial(address: &Address) -> io::Result<Halves> {
    let (read, write) = tokio::io::split(connect(address).await?);
    let mut writer = MessageWriter::new(write, REQUEST_BYTES_MAX);
    writer.queue_magic(REQUEST_MAGIC);
    Ok((MessageReader::new(read, RESPONSE_BYTES_MAX), writer))
}
