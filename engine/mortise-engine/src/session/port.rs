//! The request port: accepts connections, and ends idle ones for newcomers.
//!
//! At the bound the longest idle connection makes room: one without a request in work, an unread
//! answer or a half-read message. If there is none, the newcomer is told OVERLOADED and closed.

use super::budget::RETRY_AFTER_MS;
use super::{FIRST_BYTES, Guarded, first_bytes, guarded, linger, serve};
use crate::handle::EngineHandle;
use bytes::BytesMut;
use mortise_format::limits::RESPONSE_BYTES_MAX;
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Id, failure};
use mortise_transport::{
    ConnectionSlots, HEADER_BYTES, Listener, MessageWriter, Peer, RELAY_MAGIC, REQUEST_MAGIC,
};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// What tells peers of the port apart: the context id of a virtual machine, none on this machine.
pub(super) type PeerKey = Option<u32>;

/// Accepts connections until it is dropped, and serves `connections_max` of them at once.
pub async fn accept(listener: Listener, handle: EngineHandle, connections_max: usize) {
    let slots = ConnectionSlots::new(connections_max);
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_MAX));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match slots.take(key(peer)).0 {
                Some(slot) => {
                    let handle = handle.for_connection();
                    actix::spawn(serve(stream, handle, slot));
                }
                None => {
                    // With more of them at once, the others are closed without a word.
                    let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() else { continue };
                    actix::spawn(async move {
                        let _ = timeout(TURN_AWAY_TIME, turn_away(guarded(stream))).await;
                        drop(permit);
                    });
                }
            },
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn key(peer: Peer) -> PeerKey {
    match peer {
        Peer::Vsock { cid } => Some(cid),
        _ => None,
    }
}

/// Answers OVERLOADED in the protocol that the peer speaks, then closes.
async fn turn_away(mut stream: Guarded) -> io::Result<()> {
    let refusal = failure(&Id::Null, &ErrorObject::overloaded(RETRY_AFTER_MS));
    let mut buffer = BytesMut::with_capacity(FIRST_BYTES);
    if !first_bytes(&mut stream, &mut buffer).await? {
        return Ok(());
    }
    if buffer.starts_with(&REQUEST_MAGIC) || buffer.starts_with(&RELAY_MAGIC) {
        let (number, magic) = (REQUEST_MAGIC.len() + 4, REQUEST_MAGIC.len());
        while buffer.len() < magic + HEADER_BYTES {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let number = buffer[number..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let mut writer = MessageWriter::new(&mut stream, RESPONSE_BYTES_MAX);
        writer.queue(number, &refusal).map_err(io::Error::other)?;
        writer.flush().await?;
    } else {
        stream.write_all(&[&refusal[..], b"\n"].concat()).await?;
    }
    stream.shutdown().await?;
    linger(&mut stream).await;
    Ok(())
}

/// Newcomers that are told so at once.
const TURNED_AWAY_MAX: usize = 64;
/// Time that this takes at most.
const TURN_AWAY_TIME: Duration = Duration::from_secs(2);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::{Bounds, PhaseCell};
    use mortise_transport::Address;
    use tokio::net::UnixStream;

    const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"getEnclaveId"}"#;

    /// Runs a story against a port with this many connections, of an engine that does not serve.
    fn with_port<F: Future<Output = ()>>(
        connections_max: usize,
        story: impl FnOnce(std::path::PathBuf) -> F,
    ) {
        actix::System::new().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("engine.sock");
            let listener = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
            let phase = Arc::new(PhaseCell::default());
            let handle = EngineHandle::new(phase, Bounds::default(), "attested");
            let accepting = actix::spawn(accept(listener, handle, connections_max));
            story(path).await;
            accepting.abort();
        });
    }

    /// A connection that got one answer.
    async fn served(path: &std::path::Path) -> UnixStream {
        let mut stream = UnixStream::connect(path).await.unwrap();
        assert!(ask(&mut stream).await.contains("NOT_READY"));
        stream
    }

    /// The answer to a call; empty if the connection was closed.
    async fn ask(stream: &mut UnixStream) -> String {
        let _ = stream.write_all(CALL).await;
        answered(stream).await
    }

    async fn answered(stream: &mut UnixStream) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\n") && stream.read_buf(&mut answer).await.unwrap_or(0) > 0 {}
        String::from_utf8(answer).unwrap()
    }

    async fn is_closed(stream: &mut UnixStream) -> bool {
        stream.read(&mut [0; 1]).await.unwrap_or(0) == 0
    }

    #[test]
    fn at_the_bound_the_longest_idle_connection_ends_for_the_newcomer() {
        with_port(3, |path| async move {
            let mut first = served(&path).await;
            let mut second = served(&path).await;
            let mut third = served(&path).await;
            assert!(ask(&mut first).await.contains("NOT_READY"));
            let mut newcomer = served(&path).await;
            assert!(is_closed(&mut second).await, "it was idle longest");
            for stream in [&mut first, &mut third, &mut newcomer] {
                assert!(ask(stream).await.contains("NOT_READY"));
            }
        });
    }

    #[test]
    fn connection_that_never_spoke_ends_before_one_that_was_served() {
        with_port(2, |path| async move {
            let mut first = served(&path).await;
            let mut silent = UnixStream::connect(&path).await.unwrap();
            let _newcomer = served(&path).await;
            assert!(is_closed(&mut silent).await);
            assert!(ask(&mut first).await.contains("NOT_READY"));
        });
    }

    /// Goal: no half-read message is cut off, and the newcomer is told so in its own protocol.
    #[test]
    fn without_an_idle_connection_the_newcomer_is_told_overloaded() {
        with_port(2, |path| async move {
            let mut text = served(&path).await;
            text.write_all(&CALL[..20]).await.unwrap();
            let mut numbered = UnixStream::connect(&path).await.unwrap();
            let length = u32::try_from(CALL.len()).unwrap().to_le_bytes();
            let head = [&REQUEST_MAGIC[..], &length, &7u64.to_le_bytes()].concat();
            numbered.write_all(&[&head[..], &CALL[..1]].concat()).await.unwrap();
            // The sessions are on this thread, and what they read is there: they have their turns.
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            let mut newcomer = UnixStream::connect(&path).await.unwrap();
            assert!(ask(&mut newcomer).await.contains("OVERLOADED"));
            assert!(is_closed(&mut newcomer).await);
            let mut newcomer = UnixStream::connect(&path).await.unwrap();
            newcomer.write_all(&head).await.unwrap();
            let mut answer = Vec::new();
            newcomer.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer[4..12], 7u64.to_le_bytes());
            assert!(String::from_utf8_lossy(&answer[12..]).contains("OVERLOADED"));
            text.write_all(&CALL[20..]).await.unwrap();
            numbered.write_all(&CALL[1..]).await.unwrap();
            let mut answer = vec![0; 12];
            numbered.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer[4..12], 7u64.to_le_bytes());
            let answer = answered(&mut text).await;
            assert!(answer.contains("NOT_READY"), "{answer}");
        });
    }
}
