//! The walk of a batch of changes: sort, find, change the shape.
//!
//! Cache misses, not hashes, decide the speed at a million leaves. So the tree is walked for all
//! keys of a batch at once, level by level: the loads of one level do not depend on each other and
//! the processor overlaps them. The walk compares no prefixes ("blind"): a key follows its bits and
//! is compared once, with the leaf at the end. The nodes on the path are the dirty ones.
//!
//! Why the blind paths of all changed keys, taken in the tree after the change, cover every dirty
//! hash: the hash that a node holds for one side belongs to the set of leaves with the node's
//! prefix and that bit. It is stale only in two cases: a changed position has this prefix, and then
//! its path goes there; or the node is new, and then `Structure::insert` names a position below it.

use super::arena::{index, number};
use super::structure::{Edge, Kind, Ref, Structure, position_of};
use alloc::vec::Vec;
use mortise_format::merkle::{Side, TreeKey, ValueHash};

/// A change: what a position holds from now on, `None` for nothing.
pub(super) type Change = (TreeKey, Option<ValueHash>);

/// A position whose path to the root is dirty, and its change.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) position: TreeKey,
    change: u32,
}

/// A node on the path of the keys `lo..hi`.
#[derive(Clone, Copy)]
pub(super) struct Item {
    /// `NO_NODE` once it is dissolved.
    pub(super) node: u32,
    pub(super) depth: u8,
    /// A child was removed or replaced.
    shrunk: bool,
    pub(super) from: From,
    lo: u32,
    hi: u32,
}

/// What the keys `lo..hi` lead to: a leaf, a twin or nothing.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) at: Ref,
    pub(super) from: From,
    pub(super) lo: u32,
    pub(super) hi: u32,
}

/// The item and its side that led here; `NO_ITEM` at the root.
#[derive(Clone, Copy)]
pub(super) struct From {
    pub(super) item: u32,
    pub(super) side: Side,
}

/// In place of an item's number: there is no node above.
pub(super) const NO_ITEM: u32 = u32::MAX;
const NO_NODE: u32 = u32::MAX;

/// How many loads are started before the first result is used.
pub(super) const TOUCH_GROUP: usize = 64;

impl Item {
    /// A key whose path leads through the item.
    pub(super) fn key(&self) -> u32 {
        self.lo
    }
}

/// The walk of a batch. Kept between batches only to reuse its memory.
#[derive(Clone, Default)]
pub(super) struct Walk {
    pub(super) keys: Vec<Key>,
    pub(super) items: Vec<Item>,
    /// Where each level starts in `items`.
    pub(super) levels: Vec<usize>,
    pub(super) ends: Vec<End>,
    spare: Vec<Key>,
    /// The first 64 bits of each position of the batch, and its number in the batch.
    order: Vec<u128>,
}

/// Changes that the walk found beyond new values for present positions.
#[derive(Default)]
pub(super) struct Found {
    pub(super) inserts: Vec<Insert>,
    pub(super) removed: bool,
    /// Positions that were absent and are to be absent.
    pub(super) absent: bool,
}

/// A leaf to add.
pub(super) struct Insert {
    position: TreeKey,
    value: ValueHash,
    /// Where its path ended before the batch.
    from: From,
    /// Where it diverges from the closest leaf before the batch; `None` in the empty tree.
    depth: Option<u8>,
}

impl Walk {
    /// Fills `keys` with the positions of the batch in order, each once, with its last change.
    pub(super) fn sort(&mut self, batch: &[Change]) {
        let order = &mut self.order;
        order.clear();
        let packed = |(i, (position, _)): (usize, &Change)| {
            (u128::from(position.prefix()) << 32) | u128::from(number(i))
        };
        order.extend(batch.iter().enumerate().map(packed));
        order.sort_unstable();
        self.keys.clear();
        for packed in order {
            let change = u32::try_from(*packed & 0xffff_ffff).unwrap_or(u32::MAX);
            let key = Key { position: batch[index(change)].0, change };
            match self.keys.last_mut().filter(|last| last.position == key.position) {
                Some(last) => *last = key,
                None => self.keys.push(key),
            }
        }
        // The first 64 bits almost always order uniform positions.
        if !self.keys.is_sorted_by(|a, b| a.position < b.position) {
            self.keys.sort_by_key(|key| (key.position, key.change));
            self.keys.dedup_by(|later, first| {
                let doubled = later.position == first.position;
                if doubled {
                    *first = *later;
                }
                doubled
            });
        }
    }

    /// Walks all keys from the root, filling `items`, `levels` and `ends`.
    pub(super) fn descend(&mut self, structure: &Structure) {
        self.items.clear();
        self.levels.clear();
        self.ends.clear();
        let root = From { item: NO_ITEM, side: Side::Left };
        self.enter(structure.root, root, 0, number(self.keys.len()));
        let mut start = 0;
        while start < self.items.len() {
            let end = self.items.len();
            self.levels.push(start);
            for group in (start..end).step_by(TOUCH_GROUP) {
                let group = group..end.min(group + TOUCH_GROUP);
                touch(self.items[group.clone()].iter().map(|i| structure.links.at(i.node).depth));
                for i in group {
                    self.step(structure, i);
                }
            }
            start = end;
        }
    }

    /// Divides the keys of item `i` between its children.
    fn step(&mut self, structure: &Structure, i: usize) {
        let Item { node, lo, hi, .. } = self.items[i];
        let links = structure.links.at(node);
        self.items[i].depth = links.depth;
        let item = number(i);
        if lo + 1 == hi {
            let side = self.keys[index(lo)].position.side(links.depth);
            return self.enter(links.children[side.index()], From { item, side }, lo, hi);
        }
        let keys = &mut self.keys[index(lo)..index(hi)];
        let middle = lo + number(part(keys, links.depth, &mut self.spare));
        for (side, lo, hi) in [(Side::Left, lo, middle), (Side::Right, middle, hi)] {
            if lo < hi {
                self.enter(links.children[side.index()], From { item, side }, lo, hi);
            }
        }
    }

    fn enter(&mut self, at: Ref, from: From, lo: u32, hi: u32) {
        match at.kind() {
            Kind::Node(node) => {
                self.items.push(Item { node, depth: 0, shrunk: false, from, lo, hi });
            }
            _ => self.ends.push(End { at, from, lo, hi }),
        }
    }

    /// Writes the values of present positions, removes leaves, and collects those to add.
    pub(super) fn write_leaves(&mut self, structure: &mut Structure, batch: &[Change]) -> Found {
        let mut found = Found::default();
        for group in self.ends.chunks(TOUCH_GROUP) {
            touch(group.iter().map(|end| structure.touch(end.at)));
            for end in group {
                let mut gone = [false; 2];
                for key in &self.keys[index(end.lo)..index(end.hi)] {
                    let value = batch[index(key.change)].1;
                    let side = write_leaf(structure, end, &key.position, value, &mut found);
                    if let Some(side) = side {
                        gone[side.index()] = true;
                    }
                }
                if gone != [false; 2] {
                    let left = structure.cut(end.at, gone);
                    hang(&mut self.items, structure, end.from, left);
                    found.removed = true;
                }
            }
        }
        found
    }

    /// Removes the nodes that lost a side, from the deepest level up.
    pub(super) fn dissolve(&mut self, structure: &mut Structure) {
        for i in (0..self.items.len()).rev() {
            let Item { node, from, shrunk, .. } = self.items[i];
            if !shrunk {
                continue;
            }
            if let Some(place) = structure.dissolve(node) {
                self.items[i].node = NO_NODE;
                hang(&mut self.items, structure, from, place);
            }
        }
    }

    /// Adds leaves, and adds to `keys` the positions whose paths became dirty by that.
    pub(super) fn insert(&mut self, structure: &mut Structure, inserts: &[Insert]) {
        for Insert { position, value, from, depth } in inserts {
            let start = depth.and_then(|depth| self.start(*from, depth));
            if let Some(position) = structure.insert(start, position, value) {
                self.keys.push(Key { position, change: 0 });
            }
        }
        self.keys.sort_unstable_by_key(|key| key.position);
    }

    /// The lowest edge of the walk that still exists above `depth`. Its node kept its prefix, so a
    /// position that diverged at `depth` before the batch diverges below the edge.
    fn start(&self, mut from: From, depth: u8) -> Option<Edge> {
        while from.item != NO_ITEM {
            let item = &self.items[index(from.item)];
            if item.node != NO_NODE && item.depth < depth {
                return Some(Edge { node: item.node, side: from.side });
            }
            from = item.from;
        }
        None
    }

    /// Replaces each key by the position of the leaf that it leads to, so that the bits of any key
    /// below a node are bits of the node's own prefix.
    pub(super) fn settle(&mut self, structure: &Structure) {
        for end in &self.ends {
            for key in &mut self.keys[index(end.lo)..index(end.hi)] {
                key.position = match end.at.kind() {
                    Kind::Leaf(leaf) => position_of(structure.leaves.at(leaf)),
                    Kind::Twin(twin) => {
                        let twin = structure.twins.at(twin);
                        position_of(twin.leaf(twin.side(&key.position)))
                    }
                    Kind::Empty | Kind::Node(_) => key.position,
                };
            }
        }
    }
}

/// Attaches `child` at `from` and marks the item above.
fn hang(items: &mut [Item], structure: &mut Structure, from: From, child: Ref) {
    match from.item {
        NO_ITEM => structure.set_child(None, child),
        item => {
            let item = &mut items[index(item)];
            item.shrunk = true;
            structure.set_child(Some(Edge { node: item.node, side: from.side }), child);
        }
    }
}

/// Sets the value of a position whose path leads to `end`. Returns the side of the leaf if it must
/// be removed; records absent positions in `found`.
fn write_leaf(
    structure: &mut Structure,
    end: &End,
    position: &TreeKey,
    value: Option<ValueHash>,
    found: &mut Found,
) -> Option<Side> {
    let (leaf, side) = match end.at.kind() {
        Kind::Leaf(leaf) => (Some(structure.leaves.at_mut(leaf)), Side::Left),
        Kind::Twin(twin) => {
            let twin = structure.twins.at_mut(twin);
            let side = twin.side(position);
            (Some(twin.leaf_mut(side)), side)
        }
        Kind::Empty | Kind::Node(_) => (None, Side::Left),
    };
    let closest = leaf.as_ref().map(|leaf| position_of(leaf));
    match (leaf.filter(|_| closest == Some(*position)), value) {
        (Some(leaf), Some(value)) => leaf.set_half(1, &value.0),
        (Some(_), None) => return Some(side),
        (None, Some(value)) => {
            let depth = closest.and_then(|leaf| position.parting(&leaf));
            found.inserts.push(Insert { position: *position, value, from: end.from, depth });
        }
        (None, None) => found.absent = true,
    }
    None
}

/// Starts loads that do not depend on each other, so that they overlap.
pub(super) fn touch(bytes: impl Iterator<Item = u8>) {
    core::hint::black_box(bytes.fold(0, |sum, byte| sum ^ byte));
}

/// Puts the keys that go left at `depth` before the others and returns how many they are. Keys in
/// order stay in order on each side.
fn part(keys: &mut [Key], depth: u8, spare: &mut Vec<Key>) -> usize {
    let left = |key: &Key| key.position.side(depth) == Side::Left;
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return 0 };
    if first.position.shared_bits(&last.position) >= usize::from(depth) {
        return keys.partition_point(left);
    }
    // Some key is absent from the tree and diverged from it further up, so keys are not in order.
    spare.clear();
    spare.extend(keys.iter().filter(|key| left(key)));
    let middle = spare.len();
    spare.extend(keys.iter().filter(|key| !left(key)));
    keys.copy_from_slice(spare);
    middle
}
