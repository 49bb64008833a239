//! The heartbeat of an enclave's init (port 9000): one byte, and the same byte back.
//!
//! What it is for: where no `nitro-cli` boots the enclave, this answers its init
//! (`specs/diagnostics.md`, section 3).
//!
//! What it does not do: show that the enclave works. `GET /readyz` does.
//!
//! Invariants: it reads one byte within a timeout; connections are bounded.

use crate::metrics::Metrics;
use crate::port;
use mortise_transport::{Listener, Stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

/// The byte that Nitro's init sends and expects.
const HEARTBEAT: u8 = 0xb7;
/// Most connections at once.
const CONNECTIONS_MAX: usize = 8;
/// Timeout of the exchange.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// The result of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    Answered,
    /// The first byte was another one.
    Garbage,
    /// No byte arrived, or the answer could not be sent.
    Silent,
}

/// Configuration of the listener.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    pub(crate) metrics: Arc<Metrics>,
    /// The only context id that may connect.
    pub(crate) only_cid: Option<u32>,
}

/// Answers heartbeats until `stop` changes.
pub(crate) async fn serve(listener: Listener, pulse: Pulse, stop: watch::Receiver<()>) {
    let options = port::options(pulse.only_cid, CONNECTIONS_MAX);
    let handler = move |stream| answer(stream, Arc::clone(&pulse.metrics));
    let report = |event| port::log_event("heartbeat", &event);
    mortise_transport::serve(listener, options, stop, handler, report).await;
}

async fn answer(stream: Stream, metrics: Arc<Metrics>) {
    let answered = tokio::time::timeout(ANSWER_TIME, exchange(stream)).await;
    let outcome = answered.unwrap_or(Heartbeat::Silent);
    match outcome {
        Heartbeat::Answered => tracing::info!("the init of an enclave reported that it runs"),
        Heartbeat::Garbage => tracing::warn!("a byte at the heartbeat port is not a heartbeat"),
        Heartbeat::Silent => tracing::warn!("a connection to the heartbeat port sent nothing"),
    }
    metrics.heartbeat(outcome);
}

async fn exchange(mut stream: Stream) -> Heartbeat {
    match stream.read_u8().await {
        Ok(HEARTBEAT) => {}
        Ok(_) => return Heartbeat::Garbage,
        Err(_) => return Heartbeat::Silent,
    }
    let sent = async {
        stream.write_u8(HEARTBEAT).await?;
        stream.shutdown().await
    };
    if sent.await.is_ok() { Heartbeat::Answered } else { Heartbeat::Silent }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_transport::{Address, connect};

    async fn exchange_with(address: &Address, bytes: &[u8]) -> Vec<u8> {
        let mut stream = connect(address).await.unwrap();
        // The host closes after a first byte that is not a heartbeat; the rest may not arrive.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        // A reset is an end too: the host left bytes unread.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn a_heartbeat_comes_back_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Hybrid { path: folder.path().join("v.sock"), port: 9000 };
        let listener = Listener::bind(&address).await.unwrap();
        let metrics = Arc::new(Metrics::new());
        let (_stop, stopped) = watch::channel(());
        let pulse = Pulse { metrics: Arc::clone(&metrics), only_cid: None };
        tokio::spawn(serve(listener, pulse, stopped));
        // the enclave's connection to the port arrives at this socket
        let address = Address::Unix(folder.path().join("v.sock_9000"));
        assert_eq!(exchange_with(&address, &[0xb7]).await, [0xb7]);
        assert_eq!(exchange_with(&address, &[0xb7, 0xb7, 1]).await, [0xb7]);
        assert_eq!(exchange_with(&address, b"GET / HTTP/1.1\r\n\r\n").await, b"");
        assert_eq!(exchange_with(&address, &[0; 100_000]).await, b"");
        assert_eq!(exchange_with(&address, b"").await, b"");
        let text = metrics.render();
        for line in [
            "mortise_host_heartbeats_total{outcome=\"answered\"} 2",
            "mortise_host_heartbeats_total{outcome=\"garbage\"} 2",
            "mortise_host_heartbeats_total{outcome=\"silent\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
