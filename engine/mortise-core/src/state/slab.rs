//! Values by slot. Freed slots are reused.

use super::chunks::Chunks;
use alloc::vec::Vec;

/// Values by slot.
#[derive(Debug, Clone)]
pub(crate) struct Slab<T> {
    slots: Chunks<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Chunks::default(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot)?.as_ref()
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// The slot that the next [`Slab::insert`] gives out.
    pub fn next_slot(&self) -> u32 {
        self.free.last().copied().unwrap_or_else(|| self.slots.next_slot())
    }

    /// Puts a value into a free slot.
    pub fn insert(&mut self, value: T) -> u32 {
        let Some(slot) = self.free.pop() else { return self.slots.push(Some(value)) };
        self.slots[slot] = Some(value);
        slot
    }

    pub fn take(&mut self, slot: u32) -> Option<T> {
        let value = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(value)
    }

    /// Every value, in unspecified order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }
}
