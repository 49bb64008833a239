//! Connections of the gateway: how many, for how long, and which one makes room for the next.
//!
//! A half-open connection costs a file descriptor and a small buffer until its time is over. When
//! all slots are taken, the oldest connection that has never completed a request makes room, then
//! the oldest without a request under way: a peer that opens thousands displaces only its own.

use super::routes::Gateway;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// A failing accept is tried again after this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Requests under way when the host stops may take this long.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// A head is not larger than this.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Serves connections until `stop` changes, then lets requests under way finish.
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
        let stream = match accepted {
            Ok((stream, _)) => stream,
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
        gateway.metrics().gateway_connections(slots.taken_count());
        let Some(slot) = slot else { continue };
        connections.spawn(serve_connection(stream, Arc::clone(&gateway), slot, stop.clone()));
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN_TIME, drained).await;
}

/// At most half of the files that this process may open: the other half is for the store and the
/// engine, which a flood of connections must not starve.
fn connections_max(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = open_files_max(&limits).unwrap_or(1024);
    if wanted > files / 2 {
        tracing::warn!(open_files = files, connections = files / 2, "fewer connections: low limit");
    }
    wanted.min(files / 2)
}

/// The soft limit of open files in the kernel's table of limits.
fn open_files_max(limits: &str) -> Option<usize> {
    let row = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match row.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

async fn serve_connection(
    stream: TcpStream,
    gateway: Arc<Gateway>,
    slot: Slot,
    mut stop: watch::Receiver<()>,
) {
    // Answers are whole when they are written; without this, small ones wait for each other.
    let _ = stream.set_nodelay(true);
    let state = Arc::clone(&slot.state);
    let routes = TowerToHyperService::new(gateway.router());
    let service = service_fn(move |request| {
        let under_way = UnderWay::begin(&state);
        let answer = hyper::service::Service::call(&routes, request);
        async move {
            let answer = answer.await;
            drop(under_way);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.limits().head_time)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // How a connection ends is its peer's affair: there is nothing to log.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = slot.state.displaced.notified() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// The slots for connections, by the order in which they were taken.
#[derive(Debug)]
struct ConnectionSlots {
    taken: Mutex<(u64, BTreeMap<u64, Arc<SlotState>>)>,
    max: usize,
}

/// What decides whether a connection makes room for another.
#[derive(Debug, Default)]
struct SlotState {
    under_way: AtomicUsize,
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

    /// A slot, and whether another connection lost its own. None when every connection has a
    /// request under way.
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

/// The oldest connection that was never served, else the oldest that is idle.
fn idlest(taken: &BTreeMap<u64, Arc<SlotState>>) -> Option<u64> {
    let idle = |state: &SlotState| state.under_way.load(Ordering::Relaxed) == 0;
    let fresh = |state: &SlotState| idle(state) && !state.served.load(Ordering::Relaxed);
    let first = |wanted: &dyn Fn(&SlotState) -> bool| {
        taken.iter().find(|(_, state)| wanted(state)).map(|(number, _)| *number)
    };
    first(&fresh).or_else(|| first(&idle))
}

/// A slot that is free again on drop.
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

/// A request under way.
struct UnderWay(Arc<SlotState>);

impl UnderWay {
    fn begin(state: &Arc<SlotState>) -> Self {
        state.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(state))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.served.store(true, Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
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
        drop(UnderWay::begin(&served.state));
        let under_way = UnderWay::begin(&busy.state);
        assert_eq!(idlest(&slots.taken().1), Some(fresh.number));
        let newcomer = take();
        let second = UnderWay::begin(&newcomer.state);
        assert_eq!(idlest(&slots.taken().1), Some(served.number));
        let last = take();
        let third = UnderWay::begin(&last.state);
        assert!(slots.acquire().0.is_none(), "all are busy");
        drop((under_way, second, third, fresh));
    }
}
