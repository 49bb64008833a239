//! Connections of the gateway: how many, for how long, and which one makes room for the next.
//!
//! A half-open connection costs a file descriptor and a small buffer until its time is over. When
//! all places are taken, the oldest connection that has never completed a request makes room, then
//! the oldest without a request under way: whoever opens thousands of them displaces only his own.

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
    let places = Arc::new(Places::new(connections_max(gateway.limits().connections_max)));
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
        let (place, displaced) = places.take();
        if displaced {
            gateway.metrics().gateway_shed();
        }
        gateway.metrics().gateway_connections(places.taken());
        let Some(place) = place else { continue };
        connections.spawn(serve_connection(stream, Arc::clone(&gateway), place, stop.clone()));
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
    place: Place,
    mut stop: watch::Receiver<()>,
) {
    // Answers are whole when they are written; without this, small ones wait for each other.
    let _ = stream.set_nodelay(true);
    let guest = Arc::clone(&place.guest);
    let routes = TowerToHyperService::new(gateway.router());
    let service = service_fn(move |request| {
        let visit = Visit::begin(&guest);
        let answer = hyper::service::Service::call(&routes, request);
        async move {
            let answer = answer.await;
            drop(visit);
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
        () = place.guest.displaced.notified() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// The places for connections, by the order in which they were taken.
#[derive(Debug)]
struct Places {
    guests: Mutex<(u64, BTreeMap<u64, Arc<Guest>>)>,
    max: usize,
}

/// One connection, as those who look for room see it.
#[derive(Debug, Default)]
struct Guest {
    under_way: AtomicUsize,
    served: AtomicBool,
    displaced: Notify,
}

impl Places {
    fn new(max: usize) -> Self {
        Self { guests: Mutex::default(), max: max.max(1) }
    }

    fn guests(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<Guest>>)> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self) -> usize {
        self.guests().1.len()
    }

    /// A place, and whether another connection lost its own. None when every connection has a
    /// request under way.
    fn take(self: &Arc<Self>) -> (Option<Place>, bool) {
        let mut guests = self.guests();
        let mut displaced = false;
        if guests.1.len() >= self.max {
            let Some(number) = idlest(&guests.1) else { return (None, false) };
            if let Some(guest) = guests.1.remove(&number) {
                guest.displaced.notify_one();
                displaced = true;
            }
        }
        guests.0 += 1;
        let number = guests.0;
        let guest = Arc::new(Guest::default());
        guests.1.insert(number, Arc::clone(&guest));
        (Some(Place { number, guest, places: Arc::clone(self) }), displaced)
    }
}

/// The oldest connection that was never served, else the oldest that is idle.
fn idlest(guests: &BTreeMap<u64, Arc<Guest>>) -> Option<u64> {
    let idle = |guest: &Guest| guest.under_way.load(Ordering::Relaxed) == 0;
    let fresh = |guest: &Guest| idle(guest) && !guest.served.load(Ordering::Relaxed);
    let first = |wanted: &dyn Fn(&Guest) -> bool| {
        guests.iter().find(|(_, guest)| wanted(guest)).map(|(number, _)| *number)
    };
    first(&fresh).or_else(|| first(&idle))
}

/// A place that is free again on drop.
struct Place {
    number: u64,
    guest: Arc<Guest>,
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.guests().1.remove(&self.number);
    }
}

/// A request under way.
struct Visit(Arc<Guest>);

impl Visit {
    fn begin(guest: &Arc<Guest>) -> Self {
        guest.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(guest))
    }
}

impl Drop for Visit {
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
        let places = Arc::new(Places::new(3));
        let take = || places.take().0.unwrap();
        let (served, fresh, busy) = (take(), take(), take());
        drop(Visit::begin(&served.guest));
        let visit = Visit::begin(&busy.guest);
        assert_eq!(idlest(&places.guests().1), Some(fresh.number));
        let newcomer = take();
        let second = Visit::begin(&newcomer.guest);
        assert_eq!(idlest(&places.guests().1), Some(served.number));
        let last = take();
        let third = Visit::begin(&last.guest);
        assert!(places.take().0.is_none(), "all are busy");
        drop((visit, second, third, fresh));
    }
}
