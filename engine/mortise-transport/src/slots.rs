//! Connections of a port: their number, and which one is closed for the next.
//!
//! What it is for: a port with a bound must not be taken by peers that connect and say nothing. At
//! the bound, a newcomer takes the place of an idle connection: first of one that was never served,
//! then of the one that is idle longest.
//!
//! What it does not do: accept, close a stream, or know when a connection is idle. Its owner holds
//! a [`Busy`] while a request is half read, in work or not yet answered, and ends the connection
//! when [`Slot::displaced`] is ready.
//!
//! Invariants:
//! - No more than `max` slots are taken.
//! - A newcomer displaces only its own peer's connections, or those of a peer that has more than
//!   its own. So a peer with many connections loses its own first, and one with few loses none to
//!   it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The slots of a port. `P` tells peers apart.
#[derive(Debug)]
pub struct ConnectionSlots<P> {
    state: Arc<Mutex<State<P>>>,
    max: usize,
}

/// A slot. Dropping it frees the slot.
#[derive(Debug)]
pub struct Slot<P: Ord + Copy> {
    number: u64,
    displaced: Arc<Notify>,
    state: Arc<Mutex<State<P>>>,
}

/// While it lives, its connection is not idle.
#[derive(Debug)]
#[must_use = "dropping it makes the connection idle"]
pub struct Busy<P: Ord + Copy> {
    number: u64,
    state: Arc<Mutex<State<P>>>,
}

#[derive(Debug)]
struct State<P> {
    /// Counts what happens: numbers of slots, and times of becoming idle.
    clock: u64,
    taken: BTreeMap<u64, Taken<P>>,
    peers: BTreeMap<P, Peer>,
}

#[derive(Debug)]
struct Taken<P> {
    peer: P,
    busy: usize,
    was_served: bool,
    idle_since: u64,
    displaced: Arc<Notify>,
}

/// The connections of one peer.
#[derive(Debug, Default)]
struct Peer {
    count: usize,
    /// The idle ones, in the order in which they make room: whether they were served, since when
    /// they are idle, their number.
    idle: BTreeSet<(bool, u64, u64)>,
}

impl<P: Ord + Copy> ConnectionSlots<P> {
    /// `max` slots, at least one.
    pub fn new(max: usize) -> Self {
        let state = State { clock: 0, taken: BTreeMap::new(), peers: BTreeMap::new() };
        Self { state: Arc::new(Mutex::new(state)), max: max.max(1) }
    }

    /// How many slots are taken.
    pub fn taken_count(&self) -> usize {
        lock(&self.state).taken.len()
    }

    /// Takes a slot for a connection of `peer`. The flag is true when another connection has to end
    /// for it. `None` when no connection is idle that this peer may displace.
    pub fn take(&self, peer: P) -> (Option<Slot<P>>, bool) {
        let mut state = lock(&self.state);
        let is_full = state.taken.len() >= self.max;
        if is_full && !state.displace_for(peer) {
            return (None, false);
        }
        let number = state.tick();
        let displaced = Arc::new(Notify::new());
        let taken = Taken {
            peer,
            busy: 0,
            was_served: false,
            idle_since: number,
            displaced: Arc::clone(&displaced),
        };
        state.insert(number, taken);
        (Some(Slot { number, displaced, state: Arc::clone(&self.state) }), is_full)
    }
}

impl<P: Ord + Copy> State<P> {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Ends an idle connection for a newcomer of `peer`; false if there is none.
    fn displace_for(&mut self, peer: P) -> bool {
        let own = self.peers.get(&peer).map_or(0, |peer| peer.count);
        let may_lose = |(key, of): &(&P, &Peer)| **key == peer || of.count > own;
        let candidates = self.peers.iter().filter(may_lose).filter(|(_, of)| !of.idle.is_empty());
        let victim = candidates.max_by_key(|(_, of)| of.count).and_then(|(_, of)| of.idle.first());
        let Some((_, _, number)) = victim.copied() else { return false };
        if let Some(taken) = self.remove(number) {
            taken.displaced.notify_one();
        }
        true
    }

    fn insert(&mut self, number: u64, taken: Taken<P>) {
        let peer = self.peers.entry(taken.peer).or_default();
        peer.count += 1;
        peer.idle.insert((taken.was_served, taken.idle_since, number));
        self.taken.insert(number, taken);
    }

    fn remove(&mut self, number: u64) -> Option<Taken<P>> {
        let taken = self.taken.remove(&number)?;
        if let Some(peer) = self.peers.get_mut(&taken.peer) {
            peer.count -= 1;
            peer.idle.remove(&(taken.was_served, taken.idle_since, number));
            if peer.count == 0 {
                self.peers.remove(&taken.peer);
            }
        }
        Some(taken)
    }

    /// Changes a connection that is still there, and its place among the idle ones.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Taken<P>, u64)) {
        let now = self.tick();
        let Some(taken) = self.taken.get_mut(&number) else { return };
        let place = |taken: &Taken<P>| (taken.was_served, taken.idle_since, number);
        let before = place(taken);
        change(taken, now);
        if let Some(peer) = self.peers.get_mut(&taken.peer) {
            peer.idle.remove(&before);
            if taken.busy == 0 {
                peer.idle.insert(place(taken));
            }
        }
    }
}

impl<P: Ord + Copy> Slot<P> {
    /// Marks the connection as not idle.
    pub fn busy(&self) -> Busy<P> {
        lock(&self.state).change(self.number, |taken, _| taken.busy += 1);
        Busy { number: self.number, state: Arc::clone(&self.state) }
    }

    /// Ready when the connection has to end for another.
    pub fn displaced(&self) -> impl Future<Output = ()> + 'static {
        let displaced = Arc::clone(&self.displaced);
        async move { displaced.notified().await }
    }
}

impl<P: Ord + Copy> Busy<P> {
    /// The connection was served: what it waited for is done.
    pub fn served(&self) {
        lock(&self.state).change(self.number, |taken, _| taken.was_served = true);
    }
}

impl<P: Ord + Copy> Drop for Busy<P> {
    fn drop(&mut self) {
        lock(&self.state).change(self.number, |taken, now| {
            taken.busy -= 1;
            taken.idle_since = now;
        });
    }
}

impl<P: Ord + Copy> Drop for Slot<P> {
    fn drop(&mut self) {
        lock(&self.state).remove(self.number);
    }
}

fn lock<P>(state: &Mutex<State<P>>) -> MutexGuard<'_, State<P>> {
    // No holder can panic and leave the counts half changed.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    type Slots = ConnectionSlots<u8>;

    fn take(slots: &Slots, peer: u8) -> Slot<u8> {
        slots.take(peer).0.expect("a slot is free or can be made free")
    }

    fn was_displaced(slot: &Slot<u8>) -> bool {
        pin!(slot.displaced()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn never_served_connections_make_room_first_and_then_the_longest_idle() {
        let slots = Slots::new(3);
        let (old, fresh, busy) = (take(&slots, 1), take(&slots, 1), take(&slots, 1));
        old.busy().served();
        let in_work = busy.busy();
        let (newcomer, displaced) = slots.take(1);
        assert!(displaced && was_displaced(&fresh));
        let newcomer = newcomer.unwrap();
        newcomer.busy().served();
        old.busy().served();
        let last = take(&slots, 1);
        assert!(was_displaced(&newcomer), "idle longer than the first one, which was asked since");
        let working = (old.busy(), last.busy());
        assert!(slots.take(1).0.is_none(), "all are busy");
        drop((working, in_work));
        assert!(slots.take(1).0.is_some());
        assert_eq!(slots.taken_count(), 2, "the newest was dropped again");
        drop((old, fresh, busy, last));
        assert_eq!(slots.taken_count(), 0);
    }

    #[test]
    fn peer_with_many_connections_loses_its_own_first() {
        let slots = Slots::new(8);
        let polite: Vec<_> = (0..2).map(|_| take(&slots, 1)).collect();
        let mut flood: Vec<_> = (0..6).map(|_| take(&slots, 2)).collect();
        for _ in 0..20 {
            flood.push(take(&slots, 2));
        }
        assert!(!polite.iter().any(was_displaced), "the flood displaces only itself");
        let third = take(&slots, 3);
        let lost = flood.iter().filter(|slot| was_displaced(slot)).count();
        assert_eq!((lost, slots.taken_count()), (21, 8));
        let busy: Vec<_> = flood.iter().map(Slot::busy).collect();
        assert!(slots.take(2).0.is_none(), "busy with all of its own, it takes none of others");
        drop(busy);
        drop((polite, third));
    }
}
