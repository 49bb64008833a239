//! One connection of the request port.
//!
//! ```text
//! first byte { or [  JSON values, each answered as soon as it is complete, until half-close
//!   subscribe          an answer, then notifications to the end
//!   an object without jsonrpc  a plain application request: one answer, then close
//! MRT1               length-prefixed messages, pipelined, answered in any order
//! GET, POST, ...     one named error that points at the gateway, then close
//! ```
//! Invariants:
//! - A buffer never grows past the request bound.
//! - A value that is not complete before its timeout ends the connection.
//! - A session does not read its socket while its share of requests is in flight.

mod binary;
mod json_stream;
mod subscription;
mod text;

use crate::handle::EngineHandle;
use bytes::BytesMut;
use mortise_transport::{REQUEST_MAGIC, Stream};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Serves a connection to its end. An error concerns this peer only, so it is just logged.
pub async fn serve(mut stream: Stream, handle: Arc<EngineHandle>) {
    let mut buffer = BytesMut::with_capacity(FIRST_BYTES);
    let served = match timeout(SLOW_READER, first_bytes(&mut stream, &mut buffer)).await {
        Ok(Ok(true)) if buffer.starts_with(&REQUEST_MAGIC) => {
            binary::serve(stream, buffer, handle).await
        }
        Ok(Ok(true)) => text::serve(stream, buffer, handle).await,
        Ok(Ok(false)) => Ok(()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

/// Reads until the protocol is clear; false if the peer sent nothing.
async fn first_bytes(stream: &mut Stream, buffer: &mut BytesMut) -> io::Result<bool> {
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(!buffer.is_empty());
        }
        let shared = buffer.len().min(REQUEST_MAGIC.len());
        let may_be_binary = buffer[..shared] == REQUEST_MAGIC[..shared];
        if !may_be_binary || buffer.len() >= REQUEST_MAGIC.len() {
            return Ok(true);
        }
    }
}

/// Briefly reads and drops input of the peer. A close with unread bytes resets the connection, and
/// the peer could lose the answer that was just written.
async fn linger(stream: &mut (impl AsyncRead + Unpin)) {
    let mut dropped = [0; 16 * 1024];
    let drain = async { while matches!(stream.read(&mut dropped).await, Ok(1..)) {} };
    let _ = timeout(LINGER, drain).await;
}

/// Buffer size of the first read.
const FIRST_BYTES: usize = 1024;
/// Timeout for the rest of a value or message that a peer has begun to send.
const SLOW_READER: Duration = Duration::from_secs(30);
/// Time in which a refused peer may go on sending before the connection closes.
const LINGER: Duration = Duration::from_secs(1);
