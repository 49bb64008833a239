//! Principals: every address that ever signed a logged command. Nonces, counts, quotas.
//!
//! An entry is never removed, so a nonce is used at most once for ever (INV-06).

use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::entry::UsedNonces;
use mortise_format::ids::Address;
use mortise_format::limits::{NONCE_JUMP_MAX, NONCE_WINDOW};

/// The engine's record of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Principal {
    /// The address.
    pub address: Address,
    /// Used nonces.
    pub nonces: Nonces,
    /// Locks of this owner that are open.
    pub open_count: u32,
    /// Start of the current minute of the rate limit, minutes since the Unix epoch.
    pub rate_minute: u64,
    /// Logged commands in that minute.
    pub rate_count: u32,
    /// Request ids that are remembered.
    pub request_count: u32,
    /// True once nonces or counts changed: from then on the principal is a leaf of the tree.
    pub is_leaf: bool,
    /// Frame of the last change of nonces or counts.
    pub changed_seq: u64,
    /// Slots of this owner's locks in the state; rebuilt from the locks.
    pub(crate) locks: Vec<u32>,
    /// Slot of the account that this owner used last. Most owners have one account. Rebuilt by use.
    pub(crate) last_account: u32,
}

/// No slot.
pub(crate) const NO_SLOT: u32 = u32::MAX;

impl Principal {
    /// A principal without history.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            nonces: Nonces::default(),
            open_count: 0,
            rate_minute: 0,
            rate_count: 0,
            request_count: 0,
            is_leaf: false,
            changed_seq: 0,
            locks: Vec::new(),
            last_account: NO_SLOT,
        }
    }

    /// Logged commands in `minute` so far.
    pub fn rate_in(&self, minute: u64) -> u32 {
        if self.rate_minute == minute { self.rate_count } else { 0 }
    }

    /// Counts a logged command.
    pub fn count_command(&mut self, minute: u64) {
        self.rate_count = self.rate_in(minute).saturating_add(1);
        self.rate_minute = minute;
    }
}

/// The used nonces of an owner: all below the floor, and those whose bit is set above it.
///
/// A nonce at the end of the window moves the window up; what falls out below counts as used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Nonces {
    /// Every nonce below is used.
    pub floor: u64,
    /// Bit i of word w is nonce `floor + 64 w + i`.
    pub bitmap: [u64; 4],
}

const _: () = assert!(NONCE_WINDOW == 4 * 64);

/// The form that proofs disclose.
impl From<Nonces> for UsedNonces {
    fn from(Nonces { floor, bitmap }: Nonces) -> Self {
        Self { floor, bitmap }
    }
}

impl Nonces {
    /// True when the nonce may be used.
    pub fn is_free(&self, nonce: u64) -> bool {
        match nonce.checked_sub(self.floor) {
            None => false,
            Some(above) if above >= NONCE_WINDOW => above <= NONCE_JUMP_MAX,
            Some(above) => !self.bit(above),
        }
    }

    /// Uses a nonce.
    pub fn take(&mut self, nonce: u64) {
        let Some(above) = nonce.checked_sub(self.floor) else { return };
        if above >= NONCE_WINDOW {
            self.slide(above - NONCE_WINDOW + 1);
        }
        self.set(nonce - self.floor);
        while self.bitmap[0] & 1 == 1 {
            self.slide(1);
        }
    }

    /// The lowest free nonce at or above `from`.
    pub fn next_free(&self, from: u64) -> u64 {
        let mut nonce = from.max(self.floor);
        while nonce - self.floor < NONCE_WINDOW && self.bit(nonce - self.floor) {
            nonce += 1;
        }
        nonce
    }

    fn place(above: u64) -> (usize, u64) {
        (usize::try_from(above / 64).unwrap_or(usize::MAX), above % 64)
    }

    fn bit(&self, above: u64) -> bool {
        let (word, bit) = Self::place(above);
        self.bitmap.get(word).is_some_and(|w| w >> bit & 1 == 1)
    }

    fn set(&mut self, above: u64) {
        let (word, bit) = Self::place(above);
        if let Some(word) = self.bitmap.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    fn slide(&mut self, by: u64) {
        self.floor = self.floor.saturating_add(by);
        let old = self.bitmap;
        let (words, bits) = Self::place(by);
        for (i, word) in self.bitmap.iter_mut().enumerate() {
            let low = old.get(i.saturating_add(words)).copied().unwrap_or(0);
            let high = old.get(i.saturating_add(words).saturating_add(1)).copied().unwrap_or(0);
            *word = if bits == 0 { low } else { low >> bits | high << (64 - bits) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    #[test]
    fn a_nonce_far_above_the_floor_is_not_free_and_the_next_one_is_named() {
        let mut nonces = Nonces::default();
        assert!(nonces.is_free(NONCE_JUMP_MAX));
        assert!(!nonces.is_free(NONCE_JUMP_MAX + 1));
        nonces.take(0);
        nonces.take(2);
        assert_eq!(nonces.floor, 1);
        assert_eq!(nonces.next_free(0), 1);
        assert_eq!(nonces.next_free(2), 3);
    }

    proptest! {
        /// Goal: INV-06 against a set of every nonce ever used.
        #[test]
        fn no_nonce_is_free_twice(steps in prop::collection::vec(0u64..600, 1..200)) {
            let mut nonces = Nonces::default();
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
