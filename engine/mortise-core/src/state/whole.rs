//! Every leaf of the state in order of position, to build the tree from scratch.
//!
//! What it is for: a boot from a snapshot. The leaves of a large state do not fit in memory beside
//! it, so that only references to them are sorted, by ranges of position.
//!
//! Invariants: sixteen bytes a leaf of one range, at most `RANGE_LEAVES` of them on average.

use super::{Leaf, LeafKey, State};
use alloc::vec::Vec;

/// Where a leaf comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Lock,
    Account,
    Principal,
    Policy,
    Images,
}

/// A leaf: the first bits of its position, and its entry.
type Reference = (u64, Source, u32);

impl State {
    /// How many leaves the state has.
    pub fn leaf_count(&self) -> usize {
        let mut count = 0;
        self.each_leaf(|_, _, _| count += 1);
        count
    }

    /// Gives every leaf to `take`, in lists of at most `BATCH_LEAVES`, nearly in order of position:
    /// only positions that share their first 64 bits may be out of order.
    pub fn leaves_in_order(&self, take: impl FnMut(&[Leaf])) {
        self.leaves_by_ranges(RANGE_LEAVES, take);
    }

    fn leaves_by_ranges(&self, range_leaves: usize, mut take: impl FnMut(&[Leaf])) {
        let count = self.leaf_count();
        let bits = count.div_ceil(range_leaves).next_power_of_two().trailing_zeros();
        let room = (count >> bits) + (count >> bits >> 3) + 64;
        let mut references: Vec<Reference> = Vec::with_capacity(room);
        for range in 0..1u64 << bits {
            references.clear();
            self.each_leaf(|key, source, slot| {
                let prefix = self.leaf_position(key).prefix();
                if prefix.checked_shr(64 - bits).unwrap_or(0) == range {
                    references.push((prefix, source, slot));
                }
            });
            references.sort_unstable();
            for batch in references.chunks(BATCH_LEAVES) {
                take(&self.leaves(batch.iter().filter_map(|at| self.leaf_key(at)).collect()));
            }
        }
    }

    fn each_leaf(&self, mut take: impl FnMut(&LeafKey, Source, u32)) {
        for (slot, lock) in self.locks.entries() {
            take(&LeafKey::Lock(lock.lock_id), Source::Lock, slot);
        }
        for (slot, account) in self.accounts.entries() {
            take(&LeafKey::Account(account.owner, account.asset), Source::Account, slot);
        }
        // A principal that never owned a lock nor burned a nonce was never a leaf.
        for (slot, principal) in self.principals.entries().filter(|(_, p)| p.is_leaf) {
            take(&LeafKey::Principal(principal.address), Source::Principal, slot);
        }
        take(&LeafKey::Policy, Source::Policy, 0);
        if self.approved_images().is_some() {
            take(&LeafKey::Images, Source::Images, 0);
        }
    }

    fn leaf_key(&self, (_, source, slot): &Reference) -> Option<LeafKey> {
        Some(match source {
            Source::Lock => LeafKey::Lock(self.locks.get(*slot)?.lock_id),
            Source::Account => {
                let account = self.accounts.get(*slot)?;
                LeafKey::Account(account.owner, account.asset)
            }
            Source::Principal => LeafKey::Principal(self.principals.get(*slot)?.address),
            Source::Policy => LeafKey::Policy,
            Source::Images => LeafKey::Images,
        })
    }
}

/// Leaves of one range: 64 MiB of references.
const RANGE_LEAVES: usize = 4 * 1024 * 1024;
/// Leaves of one list.
const BATCH_LEAVES: usize = 4096;

const _: () = assert!(size_of::<Reference>() == 16);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing;
    use alloc::collections::BTreeSet;
    use mortise_format::asset::Asset;
    use mortise_format::ids::{Address, EngineId};
    use mortise_format::lock::Custody;
    use mortise_format::secret::Secret;

    #[test]
    fn every_leaf_comes_once_in_order_of_position_however_many_ranges_there_are() {
        let secret = Secret::new([2; 32]);
        let mut state = State::new(EngineId([1; 32]), testing::policy(), secret, 3);
        for n in 0..200u8 {
            let owner = Address([n; 20]);
            state.ensure_account(&owner, &Asset::native(1));
            let principal = state.ensure_principal(&owner, Custody::Open);
            if n % 2 == 0 {
                state.touch_principal(principal);
            }
        }
        // 200 accounts, 100 principals, the policy.
        assert_eq!(state.leaf_count(), 301);
        let all: BTreeSet<Leaf> = state.take_leaves().into_iter().collect();
        for range_leaves in [1, 7, 100, 301, 302, RANGE_LEAVES] {
            let mut found: Vec<Leaf> = Vec::new();
            state.leaves_by_ranges(range_leaves, |leaves| found.extend_from_slice(leaves));
            assert!(found.is_sorted_by_key(|leaf| leaf.0), "{range_leaves}");
            assert_eq!(found.len(), 301, "{range_leaves}");
            let policy_and_principals = found.iter().filter(|leaf| all.contains(*leaf)).count();
            assert!(policy_and_principals >= 101, "{range_leaves}");
        }
    }
}
