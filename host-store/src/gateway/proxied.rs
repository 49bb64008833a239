//! Reads a PROXY v2 header in front of a connection from a trusted proxy.

use super::peer::{PROXY_HEAD_BYTES, PROXY_SIGNATURE, PeerIp, proxy_rest_length, proxy_source};
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Pause between two looks at a header whose first bytes have come.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// The peer of a connection from a trusted proxy: the source of the header, or the proxy itself
/// when there is none. A header is taken off the stream.
///
/// # Errors
/// `InvalidData` for a broken header, `TimedOut`, or the stream's error.
pub(super) async fn peer_of(
    stream: &mut TcpStream,
    proxy: IpAddr,
    time: Duration,
) -> io::Result<PeerIp> {
    let reading = timeout(time, read(stream, proxy));
    reading.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn read(stream: &mut TcpStream, proxy: IpAddr) -> io::Result<PeerIp> {
    if !begins_with_header(stream).await? {
        return Ok(PeerIp(proxy));
    }
    let mut head = [0; PROXY_HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let length = proxy_rest_length(head).ok_or(io::ErrorKind::InvalidData)?;
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    Ok(PeerIp(proxy_source(head, &rest).unwrap_or(proxy)))
}

/// Looks at the first bytes without taking them, until they differ from the signature or are all of
/// it.
async fn begins_with_header(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PROXY_SIGNATURE.len()];
    loop {
        let count = stream.peek(&mut first).await?;
        if count == 0 || first[..count] != PROXY_SIGNATURE[..count] {
            return Ok(false);
        }
        if count == PROXY_SIGNATURE.len() {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}
