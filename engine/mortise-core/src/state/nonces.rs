//! Which nonces of an owner are used (INV-06).
//!
//! What it is for: every nonce is used at most once for ever, in bounded memory. Under rule set 3 a
//! nonce carries its hour and dies 25 hours later, so that a record whose hours are all too old can
//! be forgotten: no nonce that it knows can be used again. Under the rules before, a record is a
//! floor and a window, and is kept for ever.
//!
//! ```text
//! hours   ... used ... | older window | none: free | newest window | free | future
//! ```
//! Invariants: a record keeps the two newest hours of which nonces were used. The hours that it
//! dropped are below both, and every hour below two windows counts as used.

use bincode::{Decode, Encode};
use mortise_format::entry::{NonceWindow, UsedNonces};
use mortise_format::limits::{NONCE_JUMP_MAX, NONCE_SUGGESTED_HOURS_MAX, NONCE_WINDOW};
use mortise_format::nonce::{hour_at, hours_at, nonce_of, parts_of};
use mortise_format::reject::{NonceFault, Reject};
use mortise_format::rules::RuleSet;

/// The used nonces of an owner, in the form of the rules under which one was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Nonces {
    /// Rule sets 1 and 2.
    Floor(FloorNonces),
    /// Rule set 3.
    ByHour(HourNonces),
}

impl Default for Nonces {
    fn default() -> Self {
        Self::Floor(FloorNonces::default())
    }
}

impl Nonces {
    /// The record by hours. The nonces of a floor are all of hours that are too old.
    fn by_hour(&self) -> HourNonces {
        match self {
            Self::Floor(_) => HourNonces::default(),
            Self::ByHour(hours) => *hours,
        }
    }

    /// The record by floor: rules never fall, so before rule set 3 there is no other.
    fn by_floor(&self) -> FloorNonces {
        match self {
            Self::Floor(floor) => *floor,
            Self::ByHour(_) => FloorNonces { floor: u64::MAX, ..FloorNonces::default() },
        }
    }

    /// Checks that the nonce may be used at `now_s`.
    ///
    /// # Errors
    /// `NonceUsed` or, from rule set 3 on, `NonceNotFree` with the reason.
    pub fn check(&self, rules: RuleSet, now_s: u64, nonce: u64) -> Result<(), Reject> {
        if !rules.has_hours_in_nonces() {
            let is_free = self.by_floor().is_free(nonce);
            return if is_free { Ok(()) } else { Err(Reject::NonceUsed) };
        }
        let hours = hours_at(now_s);
        let (hour, _) = parts_of(nonce);
        let fault = if hour < *hours.start() {
            NonceFault::TooOld
        } else if hour > *hours.end() {
            NonceFault::FromFuture
        } else if self.by_hour().is_used(nonce) {
            NonceFault::Used
        } else {
            return Ok(());
        };
        let next = self.next_free(rules, now_s);
        let (oldest_hour, newest_hour) = hours.into_inner();
        Err(Reject::NonceNotFree { fault, next, oldest_hour, newest_hour })
    }

    /// True when the nonce may be used at `now_s`.
    pub fn is_free(&self, rules: RuleSet, now_s: u64, nonce: u64) -> bool {
        self.check(rules, now_s, nonce).is_ok()
    }

    /// Uses a nonce that is free.
    pub fn take(&mut self, rules: RuleSet, nonce: u64) {
        if rules.has_hours_in_nonces() {
            let mut hours = self.by_hour();
            hours.take(nonce);
            *self = Self::ByHour(hours);
        } else {
            let mut floor = self.by_floor();
            floor.take(nonce);
            *self = Self::Floor(floor);
        }
    }

    /// A nonce that is free at `now_s`: the next one of the newest used hour while that is recent,
    /// else the first one of the current hour. The first one of the next hour when the owner used
    /// up the current one.
    pub fn next_free(&self, rules: RuleSet, now_s: u64) -> u64 {
        if !rules.has_hours_in_nonces() {
            return self.by_floor().next_free();
        }
        let hour = hour_at(now_s);
        let recent =
            |window: &NonceWindow| hour - window.hour.min(hour) <= NONCE_SUGGESTED_HOURS_MAX;
        let Some(newest) = self.by_hour().newest.filter(recent) else { return nonce_of(hour, 0) };
        match next_free(&newest) {
            Some(n) => nonce_of(newest.hour, n),
            None => nonce_of(hour.max(newest.hour.saturating_add(1)), 0),
        }
    }

    /// The newest hour of which a nonce was used; `None` also for a record by floor.
    pub fn newest_hour(&self) -> Option<u32> {
        self.by_hour().newest.map(|window| window.hour)
    }
}

/// The used nonces of an owner by hour: the two newest hours of which nonces were used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct HourNonces {
    newest: Option<NonceWindow>,
    /// Of an hour below the newest one.
    older: Option<NonceWindow>,
}

impl HourNonces {
    /// The windows, the older first: the form that proofs disclose.
    pub fn windows(&self) -> impl Iterator<Item = NonceWindow> {
        self.older.into_iter().chain(self.newest)
    }

    fn window(&mut self, hour: u32) -> Option<&mut NonceWindow> {
        let windows = self.newest.iter_mut().chain(&mut self.older);
        windows.into_iter().find(|window| window.hour == hour)
    }

    fn is_used(mut self, nonce: u64) -> bool {
        let (hour, n) = parts_of(nonce);
        match self.window(hour) {
            Some(window) => window.has(n),
            // Without a second window nothing was dropped.
            None => self.older.is_some_and(|older| hour < older.hour),
        }
    }

    fn take(&mut self, nonce: u64) {
        let (hour, n) = parts_of(nonce);
        if self.window(hour).is_none() {
            self.open(hour);
        }
        if let Some(window) = self.window(hour) {
            take_in(window, n);
        }
    }

    /// Opens a window for an hour that has none. The oldest of three is dropped.
    fn open(&mut self, hour: u32) {
        let opened = NonceWindow { hour, ..NonceWindow::default() };
        match self.newest {
            Some(newest) if hour < newest.hour => self.older = Some(opened),
            newest => (self.older, self.newest) = (newest, Some(opened)),
        }
    }
}

fn take_in(window: &mut NonceWindow, n: u32) {
    let Some(above) = n.checked_sub(window.floor) else { return };
    if u64::from(above) >= NONCE_WINDOW {
        let by = u64::from(above) - NONCE_WINDOW + 1;
        shift(&mut window.bitmap, by);
        window.floor = window.floor.saturating_add(u32::try_from(by).unwrap_or(u32::MAX));
    }
    set_bit(&mut window.bitmap, u64::from(n - window.floor));
    // At the very last nonce the bit stays, because no floor lies above it.
    while window.bitmap[0] & 1 == 1 && window.floor < u32::MAX {
        shift(&mut window.bitmap, 1);
        window.floor += 1;
    }
}

/// The lowest free nonce of a window; `None` when the hour is used up.
fn next_free(window: &NonceWindow) -> Option<u32> {
    (window.floor..=u32::MAX).find(|n| !window.has(*n))
}

/// The used nonces of an owner under rule sets 1 and 2: all below the floor, and those whose bit is
/// set above it.
///
/// A nonce at the end of the window moves the window up; what falls out below counts as used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct FloorNonces {
    /// Every nonce below is used.
    pub floor: u64,
    /// Bit i of word w is nonce `floor + 64 w + i`.
    pub bitmap: [u64; 4],
}

const _: () = assert!(NONCE_WINDOW == 4 * 64);

/// The form that proofs disclose.
impl From<FloorNonces> for UsedNonces {
    fn from(FloorNonces { floor, bitmap }: FloorNonces) -> Self {
        Self { floor, bitmap }
    }
}

impl FloorNonces {
    /// True when the nonce may be used.
    pub fn is_free(&self, nonce: u64) -> bool {
        match nonce.checked_sub(self.floor) {
            None => false,
            Some(above) if above >= NONCE_WINDOW => above <= NONCE_JUMP_MAX,
            Some(above) => !bit(&self.bitmap, above),
        }
    }

    /// Uses a nonce.
    pub fn take(&mut self, nonce: u64) {
        let Some(above) = nonce.checked_sub(self.floor) else { return };
        if above >= NONCE_WINDOW {
            self.slide(above - NONCE_WINDOW + 1);
        }
        set_bit(&mut self.bitmap, nonce - self.floor);
        while self.bitmap[0] & 1 == 1 {
            self.slide(1);
        }
    }

    /// The lowest free nonce.
    pub fn next_free(&self) -> u64 {
        let mut nonce = self.floor;
        while nonce - self.floor < NONCE_WINDOW && bit(&self.bitmap, nonce - self.floor) {
            nonce += 1;
        }
        nonce
    }

    fn slide(&mut self, by: u64) {
        self.floor = self.floor.saturating_add(by);
        shift(&mut self.bitmap, by);
    }
}

fn place(above: u64) -> (usize, u64) {
    (usize::try_from(above / 64).unwrap_or(usize::MAX), above % 64)
}

fn bit(bitmap: &[u64; 4], above: u64) -> bool {
    let (word, bit) = place(above);
    bitmap.get(word).is_some_and(|w| w >> bit & 1 == 1)
}

fn set_bit(bitmap: &mut [u64; 4], above: u64) {
    let (word, bit) = place(above);
    if let Some(word) = bitmap.get_mut(word) {
        *word |= 1 << bit;
    }
}

fn shift(bitmap: &mut [u64; 4], by: u64) {
    let old = *bitmap;
    let (words, bits) = place(by);
    for (i, word) in bitmap.iter_mut().enumerate() {
        let low = old.get(i.saturating_add(words)).copied().unwrap_or(0);
        let high = old.get(i.saturating_add(words).saturating_add(1)).copied().unwrap_or(0);
        *word = if bits == 0 { low } else { low >> bits | high << (64 - bits) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use mortise_format::nonce::HOUR_S;
    use proptest::prelude::*;

    const RULES: RuleSet = RuleSet(3);
    const HOUR: u32 = 500_000;
    const NOW_S: u64 = 500_000 * HOUR_S;

    fn used(list: &[u64]) -> Nonces {
        let mut nonces = Nonces::default();
        for nonce in list {
            nonces.check(RULES, NOW_S, *nonce).expect("it is free");
            nonces.take(RULES, *nonce);
        }
        nonces
    }

    fn fault_at(nonces: &Nonces, now_s: u64, nonce: u64) -> Option<NonceFault> {
        match nonces.check(RULES, now_s, nonce) {
            Ok(()) => None,
            Err(Reject::NonceNotFree { fault, .. }) => Some(fault),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn before_rule_set_3_a_nonce_far_above_the_floor_is_not_free() {
        let mut nonces = FloorNonces::default();
        assert!(nonces.is_free(NONCE_JUMP_MAX));
        assert!(!nonces.is_free(NONCE_JUMP_MAX + 1));
        nonces.take(0);
        nonces.take(2);
        assert_eq!((nonces.floor, nonces.next_free()), (1, 1));
    }

    #[test]
    fn a_nonce_is_free_from_its_hour_on_and_for_25_hours() {
        let (nonces, nonce) = (Nonces::default(), nonce_of(HOUR, 3));
        for (now_s, fault) in [
            (NOW_S - 1, Some(NonceFault::FromFuture)),
            (NOW_S, None),
            (NOW_S + 26 * HOUR_S - 1, None),
            (NOW_S + 26 * HOUR_S, Some(NonceFault::TooOld)),
        ] {
            assert_eq!(fault_at(&nonces, now_s, nonce), fault, "at {now_s}");
        }
    }

    #[test]
    fn an_hour_below_two_used_hours_is_used_and_one_below_a_single_hour_is_free() {
        let at = |hour| nonce_of(hour, 0);
        let one = used(&[at(HOUR)]);
        assert_eq!(fault_at(&one, NOW_S, at(HOUR - 1)), None);
        let two = used(&[at(HOUR), at(HOUR - 2)]);
        assert_eq!(fault_at(&two, NOW_S, at(HOUR - 3)), Some(NonceFault::Used));
        assert_eq!(fault_at(&two, NOW_S, at(HOUR - 1)), None);
        let three = used(&[at(HOUR), at(HOUR - 2), at(HOUR - 1)]);
        assert_eq!(fault_at(&three, NOW_S, at(HOUR - 2)), Some(NonceFault::Used));
        assert_eq!(three, used(&[at(HOUR - 1), at(HOUR)]));
    }

    #[test]
    fn the_last_nonces_of_an_hour_are_used_once() {
        let last = nonce_of(HOUR, u32::MAX);
        let mut nonces = used(&[last]);
        for nonce in last - 255..last {
            assert_eq!(fault_at(&nonces, NOW_S, nonce), None, "{nonce:x}");
            nonces.take(RULES, nonce);
        }
        for nonce in last - 300..=last {
            assert_eq!(fault_at(&nonces, NOW_S, nonce), Some(NonceFault::Used), "{nonce:x}");
        }
        assert_eq!(nonces.next_free(RULES, NOW_S), nonce_of(HOUR + 1, 0));
        assert_eq!(nonces.next_free(RULES, NOW_S + 2 * HOUR_S), nonce_of(HOUR + 2, 0));
    }

    #[test]
    fn the_next_nonce_is_of_the_newest_hour_for_half_a_day() {
        let nonces = used(&[nonce_of(HOUR, 0), nonce_of(HOUR, 2), nonce_of(HOUR - 1, 9)]);
        assert_eq!(nonces.next_free(RULES, NOW_S + 13 * HOUR_S - 1), nonce_of(HOUR, 1));
        assert_eq!(nonces.next_free(RULES, NOW_S + 13 * HOUR_S), nonce_of(HOUR + 13, 0));
        assert_eq!(Nonces::default().next_free(RULES, NOW_S), nonce_of(HOUR, 0));
    }

    #[test]
    fn nonces_of_a_floor_are_too_old_under_rule_set_3() {
        let mut nonces = Nonces::default();
        nonces.take(RuleSet(2), 7);
        for nonce in [0, 7, 8, NONCE_JUMP_MAX] {
            assert_eq!(fault_at(&nonces, NOW_S, nonce), Some(NonceFault::TooOld));
        }
        nonces.take(RULES, nonce_of(HOUR, 0));
        assert_eq!(nonces, used(&[nonce_of(HOUR, 0)]));
    }

    proptest! {
        /// Goal: INV-06 against a set of every nonce ever used, for one owner who is never
        /// forgotten.
        #[test]
        fn no_nonce_is_free_twice(
            steps in prop::collection::vec((0u64..7200, 0u32..30, 0u32..600), 1..200)
        ) {
            let mut nonces = Nonces::default();
            let mut used = BTreeSet::new();
            let mut now_s = NOW_S;
            for (later_s, hours, n) in steps {
                now_s += later_s;
                let nonce = nonce_of(hour_at(now_s) + 2 - hours, n);
                if nonces.is_free(RULES, now_s, nonce) {
                    prop_assert!(used.insert(nonce));
                    nonces.take(RULES, nonce);
                }
                let next = nonces.next_free(RULES, now_s);
                prop_assert!(nonces.is_free(RULES, now_s, next));
                let free: Vec<_> =
                    used.iter().filter(|n| nonces.is_free(RULES, now_s, **n)).collect();
                prop_assert!(free.is_empty());
            }
        }

        /// The same under rule sets 1 and 2.
        #[test]
        fn no_nonce_above_a_floor_is_free_twice(steps in prop::collection::vec(0u64..600, 1..200)) {
            let mut nonces = FloorNonces::default();
            let mut used = BTreeSet::new();
            for nonce in steps {
                if nonces.is_free(nonce) {
                    prop_assert!(used.insert(nonce));
                    nonces.take(nonce);
                }
                prop_assert!(!nonces.is_free(nonce));
                for n in &used {
                    prop_assert!(!nonces.is_free(*n));
                }
            }
        }
    }
}
