//! Turns: a bounded number of things at once, and the rest wait in fair order.
//!
//! A turn is given as soon as one is free and its key is below its window. A key at its window
//! waits without holding up the others. Dropping a [`Turn`] gives it back; a caller that gives up
//! while it waits takes none.

use super::{FairQueue, ShareKey};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// A number of turns. Clones share them.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Most turns of one key.
    window: usize,
    taken: BTreeMap<ShareKey, usize>,
    waiting: FairQueue<Waiter>,
    /// Waiters whose key is at its window, in their order.
    parked: BTreeMap<ShareKey, VecDeque<Waiter>>,
    parked_count: usize,
    /// Number of waiters at which those that gave up are dropped.
    purge_at: usize,
}

#[derive(Debug)]
struct Waiter {
    key: ShareKey,
    cost: u32,
    turn: oneshot::Sender<Turn>,
}

/// One turn. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "dropping the turn gives it back"]
pub struct Turn {
    key: ShareKey,
    /// `None` in a turn that its waiter did not take.
    turns: Option<Turns>,
}

impl Turns {
    /// `count` turns, of which one key has at most `window`; at least one of each. At most
    /// `keys_max` keys have a share of their own.
    pub fn new(count: usize, window: usize, keys_max: usize) -> Self {
        let waiting = FairQueue::new(keys_max);
        let (taken, parked) = (BTreeMap::new(), BTreeMap::new());
        let (free, window) = (count.max(1), window.max(1));
        let (parked_count, purge_at) = (0, PURGE_MIN);
        let state = State { free, window, taken, waiting, parked, parked_count, purge_at };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a turn. The order of calls, not of polls, counts. Dropping the future gives up.
    pub fn turn(&self, key: ShareKey, cost: u32) -> impl Future<Output = Turn> + Send + 'static {
        let (sender, turn) = oneshot::channel();
        let mut state = self.lock();
        state.purge();
        state.waiting.push(key, cost, Waiter { key, cost, turn: sender });
        state.advance(self);
        drop(state);
        let turns = self.clone();
        async move {
            let turn = turn.await.expect("a waiter leaves the queue only with its turn sent");
            drop(turns);
            turn
        }
    }

    /// Number of turns that are free.
    pub fn free(&self) -> usize {
        self.lock().free
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No holder can panic and leave the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives the free turns to those who wait.
    fn advance(&mut self, turns: &Turns) {
        while self.free > 0
            && let Some(waiter) = self.waiting.pop()
        {
            let Waiter { key, cost, turn } = waiter;
            let taken = self.taken.entry(key).or_default();
            if *taken >= self.window {
                let waiter = Waiter { key, cost, turn };
                self.parked.entry(key).or_default().push_back(waiter);
                self.parked_count += 1;
                continue;
            }
            *taken += 1;
            self.free -= 1;
            if let Err(mut untaken) = turn.send(Turn { key, turns: Some(turns.clone()) }) {
                untaken.turns = None;
                self.give_back(key);
            }
        }
    }

    fn give_back(&mut self, key: ShareKey) {
        self.free += 1;
        if let Some(taken) = self.taken.get_mut(&key) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&key);
            }
        }
        if let Some(parked) = self.parked.get_mut(&key) {
            if let Some(waiter) = parked.pop_front() {
                self.parked_count -= 1;
                self.waiting.push(key, waiter.cost, waiter);
            }
            if parked.is_empty() {
                self.parked.remove(&key);
            }
        }
    }

    /// Drops the waiters that gave up, when there may be many: a caller that asks and leaves again
    /// and again must not fill the queue while no turn is free.
    fn purge(&mut self) {
        if self.waiting.len() + self.parked_count < self.purge_at {
            return;
        }
        let waiting: Vec<Waiter> = std::iter::from_fn(|| self.waiting.pop()).collect();
        for waiter in waiting.into_iter().filter(|waiter| !waiter.turn.is_closed()) {
            self.waiting.push(waiter.key, waiter.cost, waiter);
        }
        for parked in self.parked.values_mut() {
            parked.retain(|waiter| !waiter.turn.is_closed());
        }
        self.parked.retain(|_, parked| !parked.is_empty());
        self.parked_count = self.parked.values().map(VecDeque::len).sum();
        self.purge_at = PURGE_MIN.max(2 * (self.waiting.len() + self.parked_count));
    }
}

/// Waiters that need no purge.
const PURGE_MIN: usize = 1024;

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            let mut state = turns.lock();
            state.give_back(self.key);
            state.advance(&turns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    type Waiting = Pin<Box<dyn Future<Output = Turn> + Send>>;

    fn key(connection: u64) -> ShareKey {
        ShareKey { connection, hint: 0 }
    }

    fn ask(turns: &Turns, connection: u64) -> Waiting {
        Box::pin(turns.turn(key(connection), 1))
    }

    fn taken(waiting: &mut Waiting) -> Option<Turn> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn turns_go_round_between_keys_and_come_back() {
        let turns = Turns::new(1, 8, 64);
        let first = taken(&mut ask(&turns, 1)).unwrap();
        let mut flood: Vec<Waiting> = (0..100).map(|_| ask(&turns, 1)).collect();
        let mut polite = ask(&turns, 2);
        assert!(taken(&mut polite).is_none());
        drop(first);
        let second = taken(&mut flood[0]).unwrap();
        assert!(taken(&mut polite).is_none());
        drop(second);
        drop(taken(&mut polite).expect("the next turn is the other key's"));
        drop((flood, polite));
        assert_eq!(turns.free(), 1, "who gave up holds nothing");
        assert_eq!(turns.lock().taken.len(), 0);
    }

    #[test]
    fn key_at_its_window_waits_and_the_others_do_not() {
        let turns = Turns::new(10, 2, 64);
        let mut flood: Vec<Waiting> = (0..5).map(|_| ask(&turns, 1)).collect();
        let mut held: Vec<Turn> = flood.iter_mut().filter_map(taken).collect();
        assert_eq!((held.len(), turns.free()), (2, 8));
        assert!(taken(&mut ask(&turns, 2)).is_some());
        held.pop();
        let more: Vec<Turn> = flood[2..].iter_mut().filter_map(taken).collect();
        assert_eq!(more.len(), 1);
        drop((held, more, flood));
        assert_eq!(turns.free(), 10);
        let state = turns.lock();
        assert_eq!((state.parked.len(), state.parked_count), (0, 0));
    }

    #[test]
    fn who_asks_and_gives_up_does_not_fill_the_queue() {
        let turns = Turns::new(1, 1, 64);
        let held = taken(&mut ask(&turns, 0)).unwrap();
        let mut honest = ask(&turns, 9);
        for n in 0..20_000 {
            drop(ask(&turns, n % 3));
        }
        let state = turns.lock();
        assert!(state.waiting.len() + state.parked_count <= 2 * PURGE_MIN);
        drop(state);
        drop(held);
        assert!(taken(&mut honest).is_some());
    }
}
