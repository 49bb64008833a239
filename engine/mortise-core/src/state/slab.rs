//! Values by slot. Freed slots are reused.

use super::chunks::{Chunks, Imaged};
use alloc::vec::Vec;
use bincode::{Decode, Encode};

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

    /// The slot that the next [`Slab::insert`] gives out.
    pub fn next_slot(&self) -> u32 {
        self.free.last().copied().unwrap_or_else(|| self.slots.next_slot())
    }

    /// Every value, in unspecified order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    /// Every value with its slot, in order of slots.
    pub fn entries(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.entries().filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
    }

    /// Slots so far, free ones included.
    pub fn slots(&self) -> u32 {
        self.slots.next_slot()
    }
}

impl<T: Encode> Slab<T> {
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot)?.as_mut()
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
}

/// The image holds free slots too, so that every slot number in other values stays right.
impl<T: Encode + Decode<()>> Imaged for Slab<T> {
    fn begin_image(&mut self) -> u32 {
        self.slots.begin_image()
    }

    fn encode_next(&mut self) -> Option<usize> {
        self.slots.encode_next()
    }

    fn take_record(&mut self) -> Option<Vec<u8>> {
        self.slots.take_record()
    }

    fn abandon_image(&mut self) {
        self.slots.abandon_image();
    }

    fn expect_image(&mut self, slots: u32) {
        self.slots.expect_image(slots);
    }

    fn fill(&mut self, record: &[u8]) -> bool {
        self.slots.fill(record)
    }

    fn end_filling(&mut self) -> bool {
        let is_free = |(slot, value): (u32, &Option<T>)| value.is_none().then_some(slot);
        self.free = self.slots.entries().filter_map(is_free).collect();
        self.slots.end_filling()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_of_a_slab_keeps_slots_and_free_ones_while_they_are_taken_and_reused() {
        let mut slab = Slab::default();
        for value in 0..150u64 {
            slab.insert(value);
        }
        slab.take(3);
        slab.take(149);
        let slots = slab.begin_image();
        assert_eq!(slab.insert(900), 149);
        assert_eq!(slab.take(70), Some(70));
        *slab.get_mut(5).unwrap() = 901;
        while slab.encode_next().is_some() {}
        let mut image = Slab::<u64>::default();
        image.expect_image(slots);
        while let Some(record) = slab.take_record() {
            assert!(image.fill(&record));
        }
        assert!(image.end_filling());
        let held = [3, 5, 70, 149].map(|slot| image.get(slot).copied());
        assert_eq!(held, [None, Some(5), Some(70), None]);
        assert_eq!((image.iter().count(), image.slots()), (148, 150));
        assert_eq!((image.insert(1), image.insert(2), image.insert(3)), (149, 3, 150));
    }
}
