//! Connections of the gateway: their number, their timeouts, and which one is closed for the next.
//!
//! A half-open connection costs a file descriptor and a small buffer until its timeout. When all
//! slots are taken, an idle connection is closed for the next one ([`ConnectionSlots`]): of the
//! peer that has most, so that a peer that opens thousands of connections displaces only its own.
//! If there is none, the newcomer is told OVERLOADED.

use super::answer::GatewayError;
use super::peer::PeerIp;
use super::proxied::peer_of;
use super::routes::Gateway;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mortise_format::errors::Code;
use mortise_format::limits::WRITE_BYTES_MIN;
use mortise_transport::{ConnectionSlots, Slot, SlowGuard};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Delay after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time that requests in flight have to finish when the host stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// Newcomers that are turned away at once.
const TURNED_AWAY_MAX: usize = 64;
/// Time that this takes at most.
const TURN_AWAY_TIME: Duration = Duration::from_secs(1);
/// The wait that they are asked for.
const RETRY_AFTER_MS: u64 = 200;
/// Most bytes of a request head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Serves connections until `stop` changes, then lets requests in flight finish.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    mut stop: watch::Receiver<()>,
) {
    let slots = ConnectionSlots::new(connections_max(gateway.limits().connections_max));
    let (mut connections, mut turned_away) = (JoinSet::new(), JoinSet::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            Some(_) = turned_away.join_next() => continue,
            _ = stop.changed() => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, address.ip()),
            Err(error) => {
                tracing::warn!(%error, "a connection to the gateway could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (slot, displaced) = slots.take(peer_key(peer));
        if displaced || slot.is_none() {
            gateway.metrics().gateway_shed();
        }
        if gateway.takes_calls() {
            gateway.metrics().gateway_connections(slots.taken_count());
        }
        let Some(slot) = slot else {
            // With more of them at once, the others are closed without a word.
            if turned_away.len() < TURNED_AWAY_MAX {
                turned_away.spawn(turn_away(stream));
            }
            continue;
        };
        let peer = (stream, peer);
        connections.spawn(serve_connection(peer, Arc::clone(&gateway), slot, stop.clone()));
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN_TIME, drained).await;
}

/// At most half of the files that this process may open. The other half is for the store and the
/// engine, which a flood of connections must not starve.
fn connections_max(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = open_files_max(&limits).unwrap_or(1024);
    if wanted > files / 2 {
        tracing::warn!(open_files = files, connections = files / 2, "fewer connections: low limit");
    }
    wanted.min(files / 2)
}

/// Parses the soft limit of open files from `/proc/self/limits`.
fn open_files_max(limits: &str) -> Option<usize> {
    let row = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match row.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

async fn serve_connection(
    (mut stream, address): (TcpStream, IpAddr),
    gateway: Arc<Gateway>,
    slot: Slot<IpAddr>,
    mut stop: watch::Receiver<()>,
) {
    // Answers are written whole; without this, small ones wait for each other.
    let _ = stream.set_nodelay(true);
    let peer = match gateway.peers().trusts(address) {
        // A proxy that breaks its header gets no answer: what follows is no request.
        true => match peer_of(&mut stream, address, gateway.limits().head_time).await {
            Ok(peer) => peer,
            Err(_) => return,
        },
        false => PeerIp(address),
    };
    // A reader that takes nothing would hold its answer for ever.
    let stream = SlowGuard::new(stream, gateway.limits().write_time, WRITE_BYTES_MIN);
    let slot = Arc::new(slot);
    let of_requests = Arc::clone(&slot);
    let routes = TowerToHyperService::new(gateway.router());
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        let busy = of_requests.busy();
        let answer = hyper::service::Service::call(&routes, request);
        async move {
            let answer = answer.await;
            busy.served();
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // A client may close its sending half behind a whole request and wait for the answer.
        .half_close(true)
        .header_read_timeout(gateway.limits().head_time)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // Errors of a connection are the peer's, and are not logged.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = slot.displaced() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// A newcomer while every connection that may make room has a request in work.
async fn turn_away(mut stream: TcpStream) {
    let overloaded = GatewayError::new(Code::Overloaded).with("retryAfterMs", RETRY_AFTER_MS);
    let body = overloaded.object("null");
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let answered = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.shutdown().await?;
        // A close with unread bytes would reset the connection, and the answer would be lost.
        let mut dropped = [0; 4096];
        while stream.read(&mut dropped).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(TURN_AWAY_TIME, answered).await;
}

/// What peers are told apart by: an IPv4 address, or the /64 network of an IPv6 address.
fn peer_key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::V6((u128::from(six) >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read_from_the_kernels_table() {
        let table = "Limit                     Soft Limit           Hard Limit           Units\n\
                     Max open files            1024                 524288               files\n";
        assert_eq!(open_files_max(table), Some(1024));
        assert_eq!(open_files_max("Max open files   unlimited  unlimited files"), Some(usize::MAX));
        assert_eq!(open_files_max(""), None);
    }

    #[test]
    fn addresses_of_one_network_are_one_peer() {
        let key = |text: &str| peer_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
