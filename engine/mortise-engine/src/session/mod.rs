//! One connection of the request port.
//!
//! ```text
//! first byte { or [  JSON values, each answered as soon as it is complete, until half-close
//!   subscribe          an answer, then notifications until the end
//!   an object without jsonrpc  a request of the second document's form, one answer, a close
//! MRT1               length-prefixed messages, pipelined, answered in any order
//! GET, POST, ...     one named error that points at the gateway, and a close
//! ```
//! Invariants: a buffer never grows past the request bound; a value that is not complete in time
//! ends the connection; a socket is not read while the connection has its share under way.

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

/// Serves a connection to its end. An error is the peer's business: it is logged, nothing more.
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

/// Reads until it is clear which protocol this is; false when the peer said nothing.
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

/// Reads and drops what the peer is still sending, for a moment. Closing over unread bytes resets
/// the connection, and an answer that was just written may go with it.
async fn linger(stream: &mut (impl AsyncRead + Unpin)) {
    let mut dropped = [0; 16 * 1024];
    let drain = async { while matches!(stream.read(&mut dropped).await, Ok(1..)) {} };
    let _ = timeout(LINGER, drain).await;
}

/// Room for the first read.
const FIRST_BYTES: usize = 1024;
/// How long a peer may take to complete what it has begun to send.
const SLOW_READER: Duration = Duration::from_secs(30);
/// How long a refused peer may go on sending before it is cut off.
const LINGER: Duration = Duration::from_secs(1);
