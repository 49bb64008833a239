//! Locks by slot, in chunks: growing never moves what is there, so that no single command pays
//! for the copy of a large state.

use super::locks::Lock;
use super::{index, slot_of};
use alloc::vec::Vec;

/// Locks by slot.
#[derive(Debug, Clone, Default)]
pub(super) struct LockSlab {
    chunks: Vec<Vec<Option<Lock>>>,
    free: Vec<u32>,
    slot_count: usize,
}

/// Locks in a chunk: about a megabyte.
const CHUNK: usize = 2048;

impl LockSlab {
    pub fn get(&self, slot: u32) -> Option<&Lock> {
        let (chunk, at) = place(slot);
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Lock> {
        let (chunk, at) = place(slot);
        self.chunks.get_mut(chunk)?.get_mut(at)?.as_mut()
    }

    /// A slot that holds nothing, for [`LockSlab::put`].
    pub fn reserve(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        let slot = slot_of(self.slot_count);
        self.slot_count += 1;
        if place(slot).0 == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[place(slot).0].push(None);
        slot
    }

    pub fn put(&mut self, slot: u32, lock: Lock) {
        let (chunk, at) = place(slot);
        self.chunks[chunk][at] = Some(lock);
    }

    pub fn take(&mut self, slot: u32) -> Option<Lock> {
        let (chunk, at) = place(slot);
        let lock = self.chunks.get_mut(chunk)?.get_mut(at)?.take()?;
        self.free.push(slot);
        Some(lock)
    }

    /// Every lock, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &Lock> {
        self.chunks.iter().flatten().flatten()
    }
}

fn place(slot: u32) -> (usize, usize) {
    (index(slot) / CHUNK, index(slot) % CHUNK)
}
