//! A list that grows in chunks, and the image of it that a snapshot takes while it changes.
//!
//! What it is for: what is there never moves, so that no single command pays for the copy of a
//! large state; and a snapshot of a moment needs no copy of the state either. Between the begin and
//! the end of an image, the first write to a value encodes the value before it changes (the
//! barrier). The writer encodes the values that nothing touches, in order, chunk by chunk, in
//! slices.
//! ```text
//! begin    generation + 1; the slots that exist now are the image
//! write    of a value of the image that is not encoded: encode it, then change it
//! slice    encode what is left of the next chunk
//! record   number of the chunk (u32) | which of its values, a bit each (u64) | the values
//! ```
//! What it does not do: seal, send, or know what the values mean.
//!
//! Invariants: every value of an image is encoded exactly once, as it was when the image began; the
//! barrier is in the only places that give out a value to change. A new value is in no image that
//! began before.

use super::{index, slot_of};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use core::ops::{Index, IndexMut};
use mortise_format::codec;

/// Values by slot. Slots are given out in order and never taken back.
#[derive(Debug, Clone)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Chunk<T>>,
    count: usize,
    image: Image,
    /// Chunks of an image that is being filled, of which some values are there.
    filling: BTreeMap<usize, Vec<Option<T>>>,
}

#[derive(Debug, Clone)]
struct Chunk<T> {
    /// The image that `encoded` is about.
    generation: u32,
    /// A bit for each value that is encoded.
    encoded: u64,
    values: Vec<T>,
}

/// The image that is being taken.
#[derive(Debug, Clone, Default)]
struct Image {
    generation: u32,
    /// Slots that the image holds; zero while none is taken.
    slots: usize,
    /// The chunk from which slices continue.
    next: usize,
    records: VecDeque<Vec<u8>>,
}

/// A container of which snapshots take an image, whatever its values are.
pub(crate) trait Imaged {
    /// Begins an image of the values as they are now, and returns the number of slots in it.
    fn begin_image(&mut self) -> u32;
    /// Encodes what no write has encoded of the next chunk. Returns the number of values, and
    /// `None` when the image is whole.
    fn encode_next(&mut self) -> Option<usize>;
    /// Takes a record of the image.
    fn take_record(&mut self) -> Option<Vec<u8>>;
    /// Drops the image.
    fn abandon_image(&mut self);
    /// Makes room for an image of this many slots in an empty container.
    fn expect_image(&mut self, slots: u32);
    /// Puts a record of an image in. False for one that is malformed, has no place in it, or was
    /// there before.
    fn fill(&mut self, record: &[u8]) -> bool;
    /// Ends the filling. False when a record is missing.
    fn end_filling(&mut self) -> bool;
}

/// Values in a chunk, a bit each in a mask: some ten kilobytes.
pub(crate) const CHUNK: usize = 64;

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        let (chunks, image, filling) = (Vec::new(), Image::default(), BTreeMap::new());
        Self { chunks, count: 0, image, filling }
    }
}

impl<T> Chunks<T> {
    pub fn get(&self, slot: u32) -> Option<&T> {
        let (chunk, at) = place(slot);
        self.chunks.get(chunk)?.values.get(at)
    }

    /// The slot that the next [`Chunks::push`] gives out.
    pub fn next_slot(&self) -> u32 {
        slot_of(self.count)
    }

    /// Every value, in order of slots.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| &chunk.values)
    }

    /// Every value with its slot, in order of slots.
    pub fn entries(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.iter())
    }
}

impl<T: Encode> Chunks<T> {
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let (chunk, at) = place(slot);
        self.before_change(slot);
        self.chunks.get_mut(chunk)?.values.get_mut(at)
    }

    /// The barrier: what the image holds of a value is encoded before the value changes.
    fn before_change(&mut self, slot: u32) {
        if index(slot) < self.image.slots {
            let (chunk, at) = place(slot);
            self.encode(chunk, 1 << at);
        }
    }

    /// Encodes those of the `wanted` values of a chunk that the image holds and that are not
    /// encoded. Returns their number.
    fn encode(&mut self, at: usize, wanted: u64) -> usize {
        let Some(chunk) = self.chunks.get_mut(at) else { return 0 };
        if chunk.generation != self.image.generation {
            (chunk.generation, chunk.encoded) = (self.image.generation, 0);
        }
        let wanted = wanted & mask(at, self.image.slots) & !chunk.encoded;
        if wanted == 0 {
            return 0;
        }
        chunk.encoded |= wanted;
        let values: Vec<&T> = bits(wanted).filter_map(|bit| chunk.values.get(bit)).collect();
        let mut record = Vec::with_capacity(values.len() * size_of::<T>() + RECORD_BYTES);
        codec::encode_into(&(slot_of(at), wanted, &values), &mut record);
        record.shrink_to_fit();
        let encoded = values.len();
        self.image.records.push_back(record);
        encoded
    }
}

impl<T> Chunks<T> {
    /// Adds a value and returns its slot.
    pub fn push(&mut self, value: T) -> u32 {
        let slot = self.next_slot();
        let (chunk, _) = place(slot);
        if chunk == self.chunks.len() {
            let (generation, values) = (self.image.generation, Vec::with_capacity(CHUNK));
            self.chunks.push(Chunk { generation, encoded: 0, values });
        }
        self.chunks[chunk].values.push(value);
        self.count += 1;
        slot
    }

    /// Adds the values of a record to a chunk that is not whole yet. False if one is there.
    fn fill_some(&mut self, at: usize, values: impl Iterator<Item = (usize, T)>) -> bool {
        let expected = bits(mask(at, self.count)).count();
        let none = || (0..expected).map(|_| None).collect();
        let filling = self.filling.entry(at).or_insert_with(none);
        for (bit, value) in values {
            match filling.get_mut(bit) {
                Some(place) if place.is_none() => *place = Some(value),
                _ => return false,
            }
        }
        if filling.iter().all(Option::is_some) {
            let mut values = Vec::with_capacity(CHUNK);
            values.extend(self.filling.remove(&at).into_iter().flatten().flatten());
            self.chunks[at].values = values;
        }
        true
    }
}

impl<T: Encode + Decode<()>> Imaged for Chunks<T> {
    fn begin_image(&mut self) -> u32 {
        let generation = self.image.generation.wrapping_add(1);
        self.image = Image { generation, slots: self.count, next: 0, records: VecDeque::new() };
        self.next_slot()
    }

    fn encode_next(&mut self) -> Option<usize> {
        while self.image.next * CHUNK < self.image.slots {
            let encoded = self.encode(self.image.next, u64::MAX);
            self.image.next += 1;
            if encoded > 0 {
                return Some(encoded);
            }
        }
        self.image.slots = 0;
        None
    }

    fn take_record(&mut self) -> Option<Vec<u8>> {
        self.image.records.pop_front()
    }

    fn abandon_image(&mut self) {
        self.image = Image { generation: self.image.generation, ..Image::default() };
    }

    fn expect_image(&mut self, slots: u32) {
        self.count = index(slots);
        let empty = |_| Chunk { generation: 0, encoded: 0, values: Vec::new() };
        self.chunks = (0..self.count.div_ceil(CHUNK)).map(empty).collect();
    }

    fn fill(&mut self, record: &[u8]) -> bool {
        let Ok((at, held, mut values)) = codec::decode_unbounded::<(u32, u64, Vec<T>)>(record)
        else {
            return false;
        };
        let (at, whole) = (index(at), mask(index(at), self.count));
        let Some(chunk) = self.chunks.get_mut(at).filter(|chunk| chunk.values.is_empty()) else {
            return false;
        };
        if held == 0 || held & !whole != 0 || bits(held).count() != values.len() {
            return false;
        }
        if held == whole && !self.filling.contains_key(&at) {
            values.reserve_exact(CHUNK - values.len());
            chunk.values = values;
            return true;
        }
        self.fill_some(at, bits(held).zip(values))
    }

    fn end_filling(&mut self) -> bool {
        self.filling.is_empty() && self.chunks.iter().all(|chunk| !chunk.values.is_empty())
    }
}

/// More than a record takes besides its values.
const RECORD_BYTES: usize = 32;

/// A bit for each value that a chunk has among the first `slots` slots.
fn mask(chunk: usize, slots: usize) -> u64 {
    let count = slots.saturating_sub(chunk.saturating_mul(CHUNK)).min(CHUNK);
    (0..count).fold(0, |mask, bit| mask | 1 << bit)
}

/// The numbers of the bits that are set.
fn bits(mask: u64) -> impl Iterator<Item = usize> {
    (0..CHUNK).filter(move |bit| mask >> bit & 1 == 1)
}

impl<T> Index<u32> for Chunks<T> {
    type Output = T;

    fn index(&self, slot: u32) -> &T {
        let (chunk, at) = place(slot);
        &self.chunks[chunk].values[at]
    }
}

impl<T: Encode> IndexMut<u32> for Chunks<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        let (chunk, at) = place(slot);
        self.before_change(slot);
        &mut self.chunks[chunk].values[at]
    }
}

fn place(slot: u32) -> (usize, usize) {
    (index(slot) / CHUNK, index(slot) % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Loads the records of an image of `slots` slots.
    fn loaded(slots: u32, records: &[Vec<u8>]) -> Option<Chunks<u64>> {
        let mut chunks = Chunks::default();
        chunks.expect_image(slots);
        (records.iter().all(|record| chunks.fill(record)) && chunks.end_filling()).then_some(chunks)
    }

    fn of(values: impl Iterator<Item = u64>) -> Chunks<u64> {
        let mut chunks = Chunks::default();
        for value in values {
            chunks.push(value);
        }
        chunks
    }

    fn taken(chunks: &mut Chunks<u64>) -> Vec<Vec<u8>> {
        core::iter::from_fn(|| chunks.take_record()).collect()
    }

    proptest! {
        /// Goal: an image holds every value as it was at the begin, whatever is written meanwhile,
        /// and each value once. Method: random writes and slices beside a copy.
        #[test]
        fn image_is_that_of_its_begin(
            count in 0u64..400,
            steps in prop::collection::vec((0u32..500, 0u8..4), 0..300),
        ) {
            let mut chunks = of(0..count);
            let before: Vec<u64> = chunks.iter().copied().collect();
            let slots = chunks.begin_image();
            let mut records = Vec::new();
            for (slot, what) in steps {
                match what {
                    0 => {
                        chunks.push(1000);
                    }
                    1 => {
                        chunks.encode_next();
                    }
                    _ => {
                        if let Some(value) = chunks.get_mut(slot) {
                            *value += 7_000;
                        }
                    }
                }
                records.extend(taken(&mut chunks));
            }
            while chunks.encode_next().is_some() {}
            records.extend(taken(&mut chunks));
            let image = loaded(slots, &records).expect("the image is whole");
            prop_assert_eq!(image.iter().copied().collect::<Vec<_>>(), before);
            // The barrier is down again.
            if let Some(value) = chunks.get_mut(0) {
                *value += 1;
            }
            prop_assert_eq!(chunks.take_record(), None);
        }
    }

    #[test]
    fn each_image_is_of_its_own_begin_and_an_abandoned_one_leaves_nothing() {
        let mut chunks = of(0..200);
        chunks.begin_image();
        chunks[0] = 5;
        chunks.abandon_image();
        assert_eq!(chunks.take_record(), None);
        chunks[70] = 6;
        assert_eq!(chunks.take_record(), None, "no image is being taken");
        let slots = chunks.begin_image();
        chunks[0] = 7;
        while chunks.encode_next().is_some() {}
        let image = loaded(slots, &taken(&mut chunks)).unwrap();
        assert_eq!((image[0], image[70], image[199]), (5, 6, 199));
    }

    #[test]
    fn image_with_a_record_missing_repeated_or_foreign_does_not_load() {
        let mut chunks = of(0..130);
        let slots = chunks.begin_image();
        while chunks.encode_next().is_some() {}
        let records = taken(&mut chunks);
        assert!(loaded(slots, &records).is_some());
        assert!(loaded(slots, &records[1..]).is_none(), "missing");
        assert!(loaded(slots, &[&records[..], &records[..1]].concat()).is_none(), "repeated");
        assert!(loaded(slots - 1, &records).is_none(), "another number of slots");
        assert!(loaded(slots + 64, &records).is_none(), "a chunk more");
        let cut = records[0][..records[0].len() - 1].to_vec();
        assert!(loaded(slots, &[&records[1..], &[cut]].concat()).is_none(), "cut");
    }

    /// A write encodes its value and no other, so that what random writes encode is bounded by
    /// what they write.
    #[test]
    fn write_encodes_one_value_once_and_the_slice_the_others() {
        let mut chunks = of(0..100);
        let slots = chunks.begin_image();
        (chunks[7], chunks[7], chunks[99]) = (1, 2, 3);
        let written = taken(&mut chunks);
        assert_eq!(written.len(), 2);
        assert!(written.iter().all(|record| record.len() == 4 + 8 + 8 + 8));
        chunks.push(5);
        chunks[100] = 6;
        assert_eq!(chunks.take_record(), None, "new values are in no image");
        assert_eq!([chunks.encode_next(), chunks.encode_next()], [Some(63), Some(35)]);
        assert_eq!(chunks.encode_next(), None);
        let rest = taken(&mut chunks);
        let image = loaded(slots, &[&rest[..], &written].concat()).unwrap();
        assert!(image.iter().copied().eq(0..100));
        let twice = [&rest[..], &written, &written[..1]].concat();
        assert!(loaded(slots, &twice).is_none(), "repeated");
        assert!(loaded(slots, &[&written[..], &written[..1], &rest].concat()).is_none());
        assert!(loaded(slots, &[&written[1..], &rest].concat()).is_none(), "missing");
    }
}
