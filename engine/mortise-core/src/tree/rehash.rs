//! Hashes everything above the ends of a walk, each dirty node once, from the deepest level up,
//! in as many lanes as the machine has.

use super::arena::index;
use super::batch::{End, From, Item, NO_ITEM, TOUCH_GROUP, Walk, touch};
use super::hash::{Block, EMPTY_HASH, Hash, LANES, Lanes};
use super::structure::{Kind, Structure};
use alloc::vec::Vec;
use mortise_format::merkle::{Side, TreeKey};

/// A hash on its way up past depths at which the other half is empty.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    hash: Hash,
    /// The depth of the subtree that `hash` covers.
    depth: u8,
    /// The depth at which it is a child.
    floor: u8,
    /// Any key below.
    key: u32,
    to: From,
}

const NO_BLOCK: &[u8; 64] = &[0; 64];

struct Rehash<'a> {
    structure: &'a mut Structure,
    walk: &'a Walk,
    lanes: &'a Lanes,
    chains: &'a mut Vec<Chain>,
    root: Option<Hash>,
}

/// Brings every hash above the ends of `walk` up to date and returns the root hash.
pub(super) fn rehash(
    structure: &mut Structure,
    walk: &Walk,
    lanes: &Lanes,
    chains: &mut Vec<Chain>,
) -> Option<Hash> {
    chains.clear();
    let mut pass = Rehash { structure, walk, lanes, chains, root: None };
    pass.ends();
    for level in (0..walk.levels.len()).rev() {
        pass.level(level);
    }
    pass.root
}

impl Rehash<'_> {
    /// The leaves and the twins.
    fn ends(&mut self) {
        let mut leaves = Group::new();
        let mut twins = Group::new();
        let walk = self.walk;
        for end in &walk.ends {
            match end.at.kind() {
                Kind::Leaf(leaf) => leaves.push(leaf, end),
                Kind::Twin(twin) => twins.push(twin, end),
                Kind::Empty | Kind::Node(_) => self.root = Some(EMPTY_HASH),
            }
            if leaves.is_full() {
                self.leaves(&mut leaves);
            }
            if twins.is_full() {
                self.twins(&mut twins);
            }
        }
        self.leaves(&mut leaves);
        self.twins(&mut twins);
        self.finish_chains();
    }

    fn leaves(&mut self, group: &mut Group) {
        let mut blocks = [NO_BLOCK; LANES];
        for (block, slot) in blocks.iter_mut().zip(group.slots()) {
            *block = &self.structure.leaves.at(*slot).0;
        }
        let mut hashes = [EMPTY_HASH; LANES];
        self.lanes.leaves(&blocks[..group.len], &mut hashes);
        for (hash, (from, _)) in hashes.iter().zip(group.ends()) {
            self.store(*from, hash);
        }
        group.len = 0;
    }

    fn twins(&mut self, group: &mut Group) {
        let mut blocks = [NO_BLOCK; 2 * LANES];
        for (pair, slot) in blocks.chunks_exact_mut(2).zip(group.slots()) {
            let [a, b] = &self.structure.twins.at(*slot).0;
            pair.copy_from_slice(&[&a.0, &b.0]);
        }
        let mut leaves = [EMPTY_HASH; 2 * LANES];
        self.lanes.leaves(&blocks[..2 * group.len], &mut leaves);

        let mut pairs = [Block(*NO_BLOCK); LANES];
        for (pair, hashes) in pairs.iter_mut().zip(leaves.chunks_exact(2)) {
            *pair = Block::new(&hashes[0], &hashes[1]);
        }
        let mut hashes = [EMPTY_HASH; LANES];
        self.lanes.nodes(&pairs.each_ref().map(|p| &p.0)[..group.len], &mut hashes);
        for ((hash, slot), (from, key)) in hashes.iter().zip(group.slots()).zip(group.ends()) {
            let depth = self.structure.twins.at(*slot).depth();
            self.lift(*from, *key, depth, hash);
        }
        group.len = 0;
    }

    /// The nodes of one level; all their children are up to date.
    fn level(&mut self, level: usize) {
        let walk = self.walk;
        let start = walk.levels[level];
        let end = walk.levels.get(level + 1).copied().unwrap_or(walk.items.len());
        for group in walk.items[start..end].chunks(TOUCH_GROUP) {
            let above = group.iter().filter_map(|item| walk.items.get(index(item.from.item)));
            touch(above.map(|item| self.structure.pairs.at(item.node).0[0]));
            group.chunks(LANES).for_each(|items| self.nodes(items));
        }
        self.finish_chains();
    }

    fn nodes(&mut self, items: &[Item]) {
        let mut blocks = [NO_BLOCK; LANES];
        for (block, item) in blocks.iter_mut().zip(items) {
            *block = &self.structure.pairs.at(item.node).0;
        }
        let mut hashes = [EMPTY_HASH; LANES];
        self.lanes.nodes(&blocks[..items.len()], &mut hashes);
        for (hash, item) in hashes.iter().zip(items) {
            self.lift(item.from, item.key(), item.depth, hash);
        }
    }

    /// Stores the hash of a node or twin at `depth`, or queues it if depths lie in between at
    /// which the other half is empty.
    fn lift(&mut self, to: From, key: u32, depth: u8, hash: &Hash) {
        let floor = match to.item {
            NO_ITEM => 0,
            item => self.walk.items[index(item)].depth + 1,
        };
        if depth == floor {
            self.store(to, hash);
        } else {
            self.chains.push(Chain { hash: *hash, depth, floor, key, to });
        }
    }

    /// Lifts all queued hashes, one depth a round.
    fn finish_chains(&mut self) {
        let mut chains = core::mem::take(self.chains);
        while !chains.is_empty() {
            for group in chains.chunks_mut(LANES) {
                self.lift_group(group);
            }
            chains.retain(|chain| {
                let done = chain.depth == chain.floor;
                if done {
                    self.store(chain.to, &chain.hash);
                }
                !done
            });
        }
        *self.chains = chains;
    }

    fn lift_group(&self, group: &mut [Chain]) {
        let mut pairs = [Block(*NO_BLOCK); LANES];
        for (pair, chain) in pairs.iter_mut().zip(group.iter_mut()) {
            chain.depth -= 1;
            let position = &self.walk.keys[index(chain.key)].position;
            *pair = beside_nothing(position, chain.depth, &chain.hash);
        }
        let mut hashes = [EMPTY_HASH; LANES];
        self.lanes.nodes(&pairs.each_ref().map(|p| &p.0)[..group.len()], &mut hashes);
        for (chain, hash) in group.iter_mut().zip(&hashes) {
            chain.hash = *hash;
        }
    }

    fn store(&mut self, to: From, hash: &Hash) {
        match to.item {
            NO_ITEM => self.root = Some(*hash),
            item => {
                let node = self.walk.items[index(item)].node;
                self.structure.pairs.at_mut(node).set_half(to.side.index(), hash);
            }
        }
    }
}

/// The children of a depth at which only the half of `position` holds something.
pub(super) fn beside_nothing(position: &TreeKey, depth: u8, hash: &Hash) -> Block {
    match position.side(depth) {
        Side::Left => Block::new(hash, &EMPTY_HASH),
        Side::Right => Block::new(&EMPTY_HASH, hash),
    }
}

/// Ends of one kind, until there are enough for all lanes.
struct Group {
    len: usize,
    slots: [u32; LANES],
    ends: [(From, u32); LANES],
}

impl Group {
    fn new() -> Self {
        let nowhere = (From { item: NO_ITEM, side: Side::Left }, 0);
        Self { len: 0, slots: [0; LANES], ends: [nowhere; LANES] }
    }

    fn push(&mut self, slot: u32, end: &End) {
        self.slots[self.len] = slot;
        self.ends[self.len] = (end.from, end.lo);
        self.len += 1;
    }

    fn is_full(&self) -> bool {
        self.len == LANES
    }

    fn slots(&self) -> &[u32] {
        &self.slots[..self.len]
    }

    fn ends(&self) -> &[(From, u32)] {
        &self.ends[..self.len]
    }
}
