//! Connections of the gateway: their number, their timeouts, and which one is closed for the next.
//!
//! A half-open connection costs a file descriptor and a small buffer until its timeout. When all
//! slots are taken, the oldest connection that never completed a request is closed first, then the
//! oldest idle one. A peer that opens thousands of connections displaces only its own.

use super::peer::PeerIp;
use super::proxied::peer_of;
use super::routes::Gateway;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mortise_format::limits::WRITE_BYTES_MIN;
use mortise_transport::SlowGuard;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Delay after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time that requests in flight have to finish when the host stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// Most bytes of a request head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Serves connections until `stop` changes, then lets requests in flight finish.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    mut stop: watch::Receiver<()>,
) {
    let slots = Arc::new(ConnectionSlots::new(connections_max(gateway.limits().connections_max)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
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
        let (slot, displaced) = slots.acquire();
        if displaced {
            gateway.metrics().gateway_shed();
        }
        if gateway.takes_calls() {
            gateway.metrics().gateway_connections(slots.taken_count());
        }
        let Some(slot) = slot else { continue };
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
    slot: Slot,
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
    let state = Arc::clone(&slot.state);
    let routes = TowerToHyperService::new(gateway.router());
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        let in_flight = InFlight::begin(&state);
        let answer = hyper::service::Service::call(&routes, request);
        async move {
            let answer = answer.await;
            drop(in_flight);
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
        () = slot.state.displaced.notified() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// The slots of connections, in the order in which they were taken.
#[derive(Debug)]
struct ConnectionSlots {
    taken: Mutex<(u64, BTreeMap<u64, Arc<SlotState>>)>,
    max: usize,
}

/// What decides whether a connection can be closed for another.
#[derive(Debug, Default)]
struct SlotState {
    in_flight: AtomicUsize,
    served: AtomicBool,
    displaced: Notify,
}

impl ConnectionSlots {
    fn new(max: usize) -> Self {
        Self { taken: Mutex::default(), max: max.max(1) }
    }

    fn taken(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<SlotState>>)> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken_count(&self) -> usize {
        self.taken().1.len()
    }

    /// Takes a slot. The flag is true when another connection was closed for it. `None` when every
    /// connection has a request in flight.
    fn acquire(self: &Arc<Self>) -> (Option<Slot>, bool) {
        let mut taken = self.taken();
        let mut displaced = false;
        if taken.1.len() >= self.max {
            let Some(number) = idlest(&taken.1) else { return (None, false) };
            if let Some(state) = taken.1.remove(&number) {
                state.displaced.notify_one();
                displaced = true;
            }
        }
        taken.0 += 1;
        let number = taken.0;
        let state = Arc::new(SlotState::default());
        taken.1.insert(number, Arc::clone(&state));
        (Some(Slot { number, state, slots: Arc::clone(self) }), displaced)
    }
}

/// The oldest connection that never completed a request, else the oldest idle one.
fn idlest(taken: &BTreeMap<u64, Arc<SlotState>>) -> Option<u64> {
    let idle = |state: &SlotState| state.in_flight.load(Ordering::Relaxed) == 0;
    let fresh = |state: &SlotState| idle(state) && !state.served.load(Ordering::Relaxed);
    let first = |wanted: &dyn Fn(&SlotState) -> bool| {
        taken.iter().find(|(_, state)| wanted(state)).map(|(number, _)| *number)
    };
    first(&fresh).or_else(|| first(&idle))
}

/// A slot. Dropping it frees the slot.
struct Slot {
    number: u64,
    state: Arc<SlotState>,
    slots: Arc<ConnectionSlots>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken().1.remove(&self.number);
    }
}

/// A request in flight.
struct InFlight(Arc<SlotState>);

impl InFlight {
    fn begin(state: &Arc<SlotState>) -> Self {
        state.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(state))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.served.store(true, Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
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
    fn connections_that_were_never_served_make_room_before_idle_ones() {
        let slots = Arc::new(ConnectionSlots::new(3));
        let take = || slots.acquire().0.unwrap();
        let (served, fresh, busy) = (take(), take(), take());
        drop(InFlight::begin(&served.state));
        let in_flight = InFlight::begin(&busy.state);
        assert_eq!(idlest(&slots.taken().1), Some(fresh.number));
        let newcomer = take();
        let second = InFlight::begin(&newcomer.state);
        assert_eq!(idlest(&slots.taken().1), Some(served.number));
        let last = take();
        let third = InFlight::begin(&last.state);
        assert!(slots.acquire().0.is_none(), "all are busy");
        drop((in_flight, second, third, fresh));
    }
}
