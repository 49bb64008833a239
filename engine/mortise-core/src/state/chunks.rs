//! A list that grows in chunks: what is there never moves, so that no single command pays for the
//! copy of a large state.

use super::{index, slot_of};
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// Values by slot. Slots are given out in order and never taken back.
#[derive(Debug, Clone)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    count: usize,
}

/// Values in a chunk: some hundred kilobytes.
const CHUNK: usize = 1024;

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), count: 0 }
    }
}

impl<T> Chunks<T> {
    pub fn get(&self, slot: u32) -> Option<&T> {
        let (chunk, at) = place(slot);
        self.chunks.get(chunk)?.get(at)
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let (chunk, at) = place(slot);
        self.chunks.get_mut(chunk)?.get_mut(at)
    }

    /// Adds a value and returns its slot.
    pub fn push(&mut self, value: T) -> u32 {
        let slot = self.next_slot();
        let (chunk, _) = place(slot);
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[chunk].push(value);
        self.count += 1;
        slot
    }

    /// The slot that the next [`Chunks::push`] gives out.
    pub fn next_slot(&self) -> u32 {
        slot_of(self.count)
    }

    /// Every value, in order of slots.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

impl<T> Index<u32> for Chunks<T> {
    type Output = T;

    fn index(&self, slot: u32) -> &T {
        let (chunk, at) = place(slot);
        &self.chunks[chunk][at]
    }
}

impl<T> IndexMut<u32> for Chunks<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        let (chunk, at) = place(slot);
        &mut self.chunks[chunk][at]
    }
}

fn place(slot: u32) -> (usize, usize) {
    (index(slot) / CHUNK, index(slot) % CHUNK)
}
