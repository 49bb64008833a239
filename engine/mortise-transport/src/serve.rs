//! The accept loop of every port: access check, bound on connections, stop.
//!
//! What it is for: one place for the access check by context id (CID), for the bound on
//! connections, for the pause after a failed accept and for an orderly stop.
//!
//! What it does not do: authenticate. A CID distinguishes virtual machines of one parent and proves
//! nothing else. The mode of its file protects a unix socket, so every local peer is admitted.
//!
//! Invariants: a peer that is not admitted reaches no handler and its stream is dropped at once; no
//! more than `connections_max` handlers run; when [`serve`] returns, no handler runs.
//!
//! | what happens | effect |
//! |---|---|
//! | a virtual machine other than `only_cid` connects | [`ServeEvent::TurnedAway`] |
//! | all connections are taken | [`AtBound`]: the next one waits, or the oldest is closed |
//! | an accept fails (no file descriptor is free) | [`ServeEvent::AcceptFailed`], pause, retry |
//! | `stop` changes, or its sender is dropped | handlers get `drain` to finish, then are closed |

use crate::listener::Listener;
use crate::stream::{Peer, Stream};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Options of a served port.
#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    /// The only virtual machine that is admitted; none admits all. Local peers are admitted.
    pub only_cid: Option<u32>,
    /// Most connections at once; one is always allowed.
    pub connections_max: usize,
    /// What happens at that bound.
    pub at_bound: AtBound,
    /// Time that connections get to finish at a stop; zero closes them at once.
    pub drain: Duration,
}

/// What happens when all connections are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtBound {
    /// The next one is accepted when one ends.
    Wait,
    /// The oldest is closed to make room, so that dead connections cannot block new ones.
    CloseOldest,
}

/// An event for the operator's log.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeEvent {
    /// A virtual machine that is not admitted was turned away.
    TurnedAway {
        /// Its context id.
        cid: u32,
    },
    /// The operating system gave no connection.
    AcceptFailed(io::Error),
    /// The oldest connection was closed to make room.
    OldestClosed,
    /// Connections did not finish within the drain time of a stop.
    CutOff {
        /// Number of connections that were closed.
        connections: usize,
    },
}

/// Serves connections with `handler` until `stop` changes.
pub async fn serve<H, F>(
    listener: Listener,
    options: ServeOptions,
    stop: watch::Receiver<()>,
    handler: H,
    report: impl Fn(ServeEvent) + Send,
) where
    H: Fn(Stream) -> F + Send,
    F: Future<Output = ()> + Send + 'static,
{
    serve_from(&listener, options, stop, handler, report).await;
}

/// A future that is ready at SIGINT or SIGTERM. The process catches both from the call on, not only
/// while the future is polled.
///
/// # Errors
/// The operating system's error.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The source of connections; tests script it.
trait Accept {
    fn accept(&self) -> impl Future<Output = io::Result<(Stream, Peer)>> + Send;
}

impl Accept for Listener {
    fn accept(&self) -> impl Future<Output = io::Result<(Stream, Peer)>> + Send {
        self.accept()
    }
}

async fn serve_from<H, F>(
    listener: &impl Accept,
    options: ServeOptions,
    mut stop: watch::Receiver<()>,
    handler: H,
    report: impl Fn(ServeEvent),
) where
    H: Fn(Stream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let connections_max = options.connections_max.max(1);
    let mut connections = JoinSet::new();
    let mut by_age = VecDeque::new();
    loop {
        let has_room =
            options.at_bound == AtBound::CloseOldest || connections.len() < connections_max;
        let accepted = tokio::select! {
            // In this order: a stop is not delayed, and a flood does not keep finished tasks alive.
            biased;
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if has_room => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match refused_cid(peer, options.only_cid) {
                Some(cid) => report(ServeEvent::TurnedAway { cid }),
                None => {
                    if options.at_bound == AtBound::CloseOldest {
                        close_oldest(&mut by_age, connections_max, &report);
                    }
                    let connection = connections.spawn(handler(stream));
                    if options.at_bound == AtBound::CloseOldest {
                        by_age.push_back(connection);
                    }
                }
            },
            Err(error) => {
                report(ServeEvent::AcceptFailed(error));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drain(connections, options.drain, report).await;
}

/// The access check: the CID of a peer that is not admitted.
fn refused_cid(peer: Peer, only_cid: Option<u32>) -> Option<u32> {
    match peer {
        Peer::Local => None,
        Peer::Vsock { cid } => only_cid.filter(|only| *only != cid).map(|_| cid),
    }
}

/// Closes the oldest connections until there is room for one more.
fn close_oldest(
    by_age: &mut VecDeque<AbortHandle>,
    connections_max: usize,
    report: impl Fn(ServeEvent),
) {
    by_age.retain(|connection| !connection.is_finished());
    while by_age.len() >= connections_max {
        if let Some(oldest) = by_age.pop_front() {
            report(ServeEvent::OldestClosed);
            oldest.abort();
        }
    }
}

/// Lets connections finish within `time`, then closes them.
async fn drain(mut connections: JoinSet<()>, time: Duration, report: impl Fn(ServeEvent)) {
    if !time.is_zero() {
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(time, finished).await.is_err() {
            report(ServeEvent::CutOff { connections: connections.len() });
        }
    }
    connections.shutdown().await;
}

#[cfg(test)]
mod tests;
