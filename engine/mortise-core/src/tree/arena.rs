//! Slots with 32-bit numbers, in chunks that never move.
//!
//! Growth allocates one more chunk and copies nothing, so a large tree has no pause and no doubling
//! of memory. Freed slots are reused. Memory is freed only when the tree is rebuilt
//! (`StateTree::from_sorted`).

use alloc::vec::Vec;

const CHUNK_BITS: u32 = 14;
const CHUNK_SLOTS: usize = 1 << CHUNK_BITS;

/// A growing set of numbered slots.
#[derive(Clone)]
pub(super) struct Arena<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
    next: u32,
}

impl<T: Copy> Arena<T> {
    /// No slots.
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), next: 0 }
    }

    /// Puts `item` into a slot and returns its number.
    ///
    /// # Panics
    /// When the numbers of [`super::structure::Ref`] are exhausted: 2^30 slots, over 60 GB.
    pub(super) fn insert(&mut self, item: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            *self.at_mut(slot) = item;
            return slot;
        }
        let slot = self.next;
        assert!(slot < SLOTS_MAX, "a tree holds fewer than 2^30 leaves");
        self.next = slot + 1;
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK_SLOTS) {
            Some(chunk) => chunk.push(item),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK_SLOTS);
                chunk.push(item);
                self.chunks.push(chunk);
            }
        }
        slot
    }

    /// Takes the item out of a slot that holds one and frees the slot.
    pub(super) fn remove(&mut self, slot: u32) -> T {
        self.free.push(slot);
        *self.at(slot)
    }

    /// The item in a slot.
    pub(super) fn at(&self, slot: u32) -> &T {
        let (chunk, offset) = place(slot);
        &self.chunks[chunk][offset]
    }

    /// The item in a slot.
    pub(super) fn at_mut(&mut self, slot: u32) -> &mut T {
        let (chunk, offset) = place(slot);
        &mut self.chunks[chunk][offset]
    }

    /// Bytes of all slots, free ones included.
    pub(super) fn bytes(&self) -> usize {
        index(self.next) * size_of::<T>() + self.free.len() * size_of::<u32>()
    }
}

/// Slot numbers stay below this.
pub(super) const SLOTS_MAX: u32 = 1 << 30;

/// A 32-bit number as an index.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).expect("an address of this machine has 32 bits or more")
}

/// An index of something that 32-bit numbers count.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index).expect("a batch holds fewer than 2^32 changes")
}

fn place(slot: u32) -> (usize, usize) {
    (index(slot >> CHUNK_BITS), index(slot) % CHUNK_SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_keep_their_items_across_chunks_and_freed_ones_are_reused() {
        let mut arena = Arena::new();
        let count = number(3 * CHUNK_SLOTS + 5);
        for i in 0..count {
            assert_eq!(arena.insert(i * 7), i);
        }
        for i in 0..count {
            assert_eq!(*arena.at(i), i * 7);
        }
        assert_eq!(arena.remove(20_000), 140_000);
        assert_eq!(arena.insert(1), 20_000);
        assert_eq!(arena.insert(2), count);
        assert_eq!(*arena.at(20_000), 1);
    }
}
