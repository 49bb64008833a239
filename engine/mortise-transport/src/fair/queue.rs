//! Deficit round robin, with the rounds computed instead of walked.
//!
//! In each round every key with work earns one unit. The first item of a key leaves in the round in
//! which its key has earned the cost. That round is known as soon as the item is first: it is the
//! round of the key's last item plus the cost, or the present round plus the cost for a key that
//! was idle. So a queue need not visit the keys round by round: it serves the smallest round next.
//! Items of the same round leave in the order in which they became first.

use super::{REST, ShareKey};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Items that wait, in fair order. See the module.
#[derive(Debug)]
pub struct FairQueue<T> {
    keys: BTreeMap<ShareKey, Waiting<T>>,
    /// The first item of each key: the round in which it leaves, and when it became first.
    order: BTreeMap<(u64, u64), ShareKey>,
    /// Keys with work that may not have their turn now.
    held: BTreeSet<ShareKey>,
    round: u64,
    next: u64,
    len: usize,
    keys_max: usize,
}

/// The items of a key with their costs, and the turn of the first; none while the key is held.
#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<(u64, T)>,
    turn: Option<(u64, u64)>,
}

impl<T> FairQueue<T> {
    /// A queue in which at most `keys_max` keys, at least one, have a share of their own.
    pub fn new(keys_max: usize) -> Self {
        let (keys, order, held) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { keys, order, held, round: 0, next: 0, len: 0, keys_max: keys_max.max(1) }
    }

    /// Adds an item that costs `cost` units, at least one.
    pub fn push(&mut self, key: ShareKey, cost: u32, item: T) {
        let cost = u64::from(cost.max(1));
        let (key, items) = self.items_of(key);
        let is_first = items.is_empty();
        items.push_back((cost, item));
        self.len += 1;
        if is_first {
            self.schedule(self.round, cost, key);
        }
    }

    /// Adds an item before the others of its key: the rest of one that was served in part.
    pub fn push_front(&mut self, key: ShareKey, cost: u32, item: T) {
        let cost = u64::from(cost.max(1));
        let (key, items) = self.items_of(key);
        let before = items.front().map(|&(cost, _)| cost);
        items.push_front((cost, item));
        self.len += 1;
        match (before, self.unscheduled(key)) {
            (None, _) => self.schedule(self.round, cost, key),
            // What the key earned for the item that was first is for this one.
            (Some(before), Some(round)) => self.schedule(round.saturating_sub(before), cost, key),
            (Some(_), None) => {}
        }
    }

    /// The items of a key, or those of the shared share if there are too many keys.
    fn items_of(&mut self, key: ShareKey) -> (ShareKey, &mut VecDeque<(u64, T)>) {
        let has_share = self.keys.contains_key(&key) || self.keys.len() < self.keys_max;
        let key = if has_share { key } else { REST };
        let new = || Waiting { items: VecDeque::new(), turn: None };
        (key, &mut self.keys.entry(key).or_insert_with(new).items)
    }

    /// Takes the next item.
    pub fn pop(&mut self) -> Option<T> {
        self.pop_if(|_| true).map(|(_, item)| item)
    }

    /// Takes the next item of a key that may have its turn now. A key that may not is held, with
    /// its items in their order, until [`FairQueue::resume`]. It earns nothing meanwhile.
    pub fn pop_if(&mut self, may: impl Fn(ShareKey) -> bool) -> Option<(ShareKey, T)> {
        let ((round, _), key) = loop {
            let (at, key) = self.order.pop_first()?;
            if may(key) {
                break (at, key);
            }
            self.held.insert(key);
            self.keys.entry(key).and_modify(|waiting| waiting.turn = None);
        };
        self.round = round;
        let waiting = self.keys.get_mut(&key)?;
        let (_, item) = waiting.items.pop_front()?;
        self.len -= 1;
        match waiting.items.front() {
            Some(&(cost, _)) => self.schedule(round, cost, key),
            None => drop(self.keys.remove(&key)),
        }
        Some((key, item))
    }

    /// Lets a held key have turns again.
    pub fn resume(&mut self, key: ShareKey) {
        if !self.held.remove(&key) {
            return;
        }
        let first = self.keys.get(&key).and_then(|waiting| waiting.items.front());
        if let Some(&(cost, _)) = first {
            self.schedule(self.round, cost, key);
        }
    }

    /// Lets every held key have turns again.
    pub fn resume_all(&mut self) {
        while let Some(&key) = self.held.first() {
            self.resume(key);
        }
    }

    /// True if an item waits whose key is not held.
    pub fn has_turn(&self) -> bool {
        !self.order.is_empty()
    }

    fn schedule(&mut self, from: u64, cost: u64, key: ShareKey) {
        self.next += 1;
        let turn = (from.saturating_add(cost), self.next);
        self.order.insert(turn, key);
        self.keys.entry(key).and_modify(|waiting| waiting.turn = Some(turn));
    }

    /// Takes a key out of the order. Returns the round of its turn, if it had one.
    fn unscheduled(&mut self, key: ShareKey) -> Option<u64> {
        let turn = self.keys.get_mut(&key)?.turn.take()?;
        self.order.remove(&turn);
        Some(turn.0)
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if no item waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of keys with work.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(connection: u64) -> ShareKey {
        ShareKey { connection, hint: 0 }
    }

    fn drained(queue: &mut FairQueue<(u64, u32)>) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn one_item_of_a_newcomer_waits_for_one_turn_of_each_other_key() {
        let mut queue = FairQueue::new(8);
        (0..1024).for_each(|n| queue.push(key(1), 1, (1, n)));
        (0..300).for_each(|_| assert!(queue.pop().is_some()));
        queue.push(key(2), 1, (2, 0));
        let ahead = drained(&mut queue).iter().position(|item| item.0 == 2);
        assert!(ahead <= Some(1), "{ahead:?}");
    }

    #[test]
    fn costly_items_are_paid_before_they_are_served_even_when_asked_one_by_one() {
        let mut queue = FairQueue::new(8);
        (0..1000).for_each(|n| queue.push(key(1), 1, (1, n)));
        // The second key always has one item of 64 units, so it is idle after each.
        queue.push(key(2), 64, (2, 0));
        let mut cheap = 0;
        for _ in 0..500 {
            match queue.pop() {
                Some((1, _)) => cheap += 1,
                _ => queue.push(key(2), 64, (2, 0)),
            }
        }
        assert!(cheap >= 490, "{cheap}");
    }

    #[test]
    fn items_of_a_key_leave_in_order_and_idle_keys_are_dropped() {
        let mut queue = FairQueue::new(8);
        for n in 0..10 {
            queue.push(key(1), 1 + n % 3, (1, n));
        }
        assert_eq!((queue.len(), queue.keys()), (10, 1));
        let order: Vec<u32> = drained(&mut queue).iter().map(|item| item.1).collect();
        assert_eq!(order, (0..10).collect::<Vec<_>>());
        assert_eq!((queue.len(), queue.keys(), queue.is_empty()), (0, 0, true));
    }

    /// Goal: the rest of a large item leaves before what came after it, and pays like it.
    #[test]
    fn rest_of_an_item_leaves_first_and_pays_its_own_cost() {
        let mut queue = FairQueue::new(8);
        (0..3).for_each(|n| queue.push(key(1), 8, (1, n)));
        (0..40).for_each(|n| queue.push(key(2), 1, (2, n)));
        assert_eq!(std::iter::from_fn(|| queue.pop()).position(|item| item.0 == 1), Some(7));
        queue.push_front(key(1), 4, (1, 9));
        assert_eq!(std::iter::from_fn(|| queue.pop()).position(|item| item == (1, 9)), Some(4));
        queue.push_front(key(3), 2, (3, 0));
        let order = drained(&mut queue);
        let of = |key| order.iter().filter(move |item| item.0 == key).map(|item| item.1);
        assert_eq!(of(1).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((of(2).count(), of(3).count()), (40 - 7 - 4, 1));
        // A held key stays held.
        queue.push(key(1), 1, (1, 0));
        assert_eq!(queue.pop_if(|_| false), None);
        queue.push_front(key(1), 1, (1, 1));
        assert_eq!((queue.pop(), queue.len()), (None, 2));
        queue.resume(key(1));
        assert_eq!(drained(&mut queue), [(1, 1), (1, 0)]);
    }

    #[test]
    fn held_key_keeps_its_items_in_order_and_delays_no_other() {
        let mut queue = FairQueue::new(8);
        (0..3).for_each(|n| queue.push(key(1), 1, (1, n)));
        queue.push(key(2), 1, (2, 0));
        let not_first = |from: ShareKey| from != key(1);
        assert_eq!(queue.pop_if(not_first), Some((key(2), (2, 0))));
        assert_eq!((queue.pop_if(not_first), queue.has_turn(), queue.len()), (None, false, 3));
        queue.push(key(1), 1, (1, 3));
        assert_eq!((queue.pop(), queue.has_turn()), (None, false), "held for every pop");
        queue.resume(key(2));
        assert!(!queue.has_turn());
        queue.resume(key(1));
        queue.resume(key(1));
        assert_eq!(drained(&mut queue), [(1, 0), (1, 1), (1, 2), (1, 3)]);
        assert_eq!((queue.len(), queue.keys()), (0, 0));
    }

    #[test]
    fn keys_above_the_bound_share_one_share() {
        let mut queue = FairQueue::new(4);
        for n in 0..1000 {
            queue.push(key(n), 1, (n, 0));
            queue.push(key(0), 1, (0, 1));
        }
        // Four keys and the rest: the first key has a fifth of the first turns.
        assert_eq!(queue.keys(), 5);
        let first = std::iter::from_fn(|| queue.pop()).take(100);
        let own = first.filter(|item| item.0 == 0).count();
        assert!(own >= 20, "{own}");
    }

    /// What a script does next: a key pushes an item, or an item is served.
    fn script() -> impl Strategy<Value = Vec<Option<(u64, u32)>>> {
        let step = prop_oneof![2 => (0..6u64, 1..80u32).prop_map(Some), 1 => Just(None)];
        prop::collection::vec(step, 1..400)
    }

    proptest! {
        /// Goal: while two keys have work, neither gets more than the other beyond the cost of one
        /// item each; so no key with work waits while another gets more than its share.
        /// Method: for each pair, the units served to each since both last became busy.
        #[test]
        fn no_busy_key_gets_more_than_another_beyond_one_item_each(steps in script()) {
            let mut queue = FairQueue::new(64);
            let mut waiting = [0u32; 6];
            let mut served = [[0i64; 6]; 6];
            let rest = std::iter::repeat_n(None, steps.len());
            for step in steps.into_iter().chain(rest) {
                if let Some((from, cost)) = step {
                    let at = usize::try_from(from).unwrap();
                    if waiting[at] == 0 {
                        (0..6).for_each(|other| { served[at][other] = 0; served[other][at] = 0; });
                    }
                    waiting[at] += 1;
                    queue.push(key(from), cost, (from, cost));
                    continue;
                }
                let Some((from, cost)) = queue.pop() else { break };
                let at = usize::try_from(from).unwrap();
                for other in (0..6).filter(|&other| other != at && waiting[other] > 0) {
                    served[at][other] += i64::from(cost);
                    let ahead = served[at][other] - served[other][at];
                    prop_assert!(ahead <= 2 * 80, "{from} is {ahead} units ahead of {other}");
                }
                waiting[at] -= 1;
            }
        }

        /// Goal: nothing is lost or made, and each key keeps its order.
        #[test]
        fn what_is_pushed_is_popped_once_and_in_the_order_of_its_key(steps in script()) {
            let mut queue = FairQueue::new(3);
            let (mut pushed, mut popped) = (vec![Vec::new(); 6], vec![Vec::new(); 6]);
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Some((from, cost)) => {
                        queue.push(key(from), cost, (from, n));
                        pushed[usize::try_from(from).unwrap()].push(n);
                    }
                    None => if let Some((from, n)) = queue.pop() {
                        popped[usize::try_from(from).unwrap()].push(n);
                    },
                }
            }
            while let Some((from, n)) = queue.pop() {
                popped[usize::try_from(from).unwrap()].push(n);
            }
            prop_assert_eq!(queue.keys(), 0);
            for (pushed, popped) in pushed.iter().zip(&mut popped) {
                // A key that went to the shared share and back may be served out of order.
                popped.sort_unstable();
                prop_assert_eq!(pushed, popped);
            }
        }
    }
}
