//! One connection of the request protocol, one request at a time: bytes out, bytes back.
//!
//! The client parses what it gets; here the bytes themselves matter, and who was answered what.

use bytes::Bytes;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_transport::{Address, MessageReader, MessageWriter, REQUEST_MAGIC, Stream, connect};
use std::io;
use std::time::Duration;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::time::timeout;

/// How long an answer may take before the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that is made when it is needed and made anew when it is lost.
#[derive(Debug)]
pub(super) struct Line {
    address: Address,
    open: Option<Halves>,
    next: u64,
}

/// Both directions of a connection.
type Halves = (MessageReader<ReadHalf<Stream>>, MessageWriter<WriteHalf<Stream>>);

impl Line {
    pub fn new(address: Address) -> Self {
        Self { address, open: None, next: 0 }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The connection could not be made or was lost: what became of the request is unknown.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Bytes> {
        let asked = timeout(PATIENCE, self.ask_once(request)).await;
        let answer = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if answer.is_err() {
            self.open = None;
        }
        answer
    }

    async fn ask_once(&mut self, request: &[u8]) -> io::Result<Bytes> {
        let number = self.next;
        self.next += 1;
        let (reader, writer) = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(dial(&self.address).await?),
        };
        writer.queue(number, request).map_err(io::Error::other)?;
        writer.flush().await?;
        let answer = reader.read().await.map_err(io::Error::other)?;
        let answer = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
        match answer.correlation == number {
            true => Ok(answer.payload),
            false => Err(io::Error::other("the answer has another number than the request")),
        }
    }
}

/// Connects and says which protocol is spoken.
pub(super) async fn dial(address: &Address) -> io::Result<Halves> {
    let (read, write) = tokio::io::split(connect(address).await?);
    let mut writer = MessageWriter::new(write, REQUEST_BYTES_MAX);
    writer.queue_magic(REQUEST_MAGIC);
    Ok((MessageReader::new(read, RESPONSE_BYTES_MAX), writer))
}
