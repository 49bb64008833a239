//! The shape of the tree in memory, and how one leaf enters or leaves it. No hashing here.
//!
//! ```text
//! Node  depth, two children, the hash of each child     two subtrees that diverge at `depth`
//! Twin  two leaves, in order                            a subtree of exactly two leaves
//! Leaf  position, value                                 a subtree of exactly one leaf
//! ```
//! Depths at which one half is empty have no node: they are hashed on the way up. The shape is a
//! function of the positions alone: a subtree of two leaves is always a twin, never a node.
//! A node keeps the hashes of its children side by side, as they are hashed: one cache line.
//! A twin keeps none, both its leaves are hashed again when one changes.

use super::arena::{Arena, SLOTS_MAX};
use super::hash::Block;
use mortise_format::merkle::{Side, TreeKey, ValueHash};

/// A child of a node, or the root: a slot and the arena it is in, in 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ref(u32);

/// What a [`Ref`] points to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Nothing; only the root of the empty tree.
    Empty,
    Leaf(u32),
    Twin(u32),
    Node(u32),
}

const TAG_NODE: u32 = 0;
const TAG_LEAF: u32 = 1;
const TAG_TWIN: u32 = 2;
const TAG_EMPTY: u32 = 3;

impl Ref {
    pub(super) const EMPTY: Self = Self(TAG_EMPTY * SLOTS_MAX);

    fn new(tag: u32, slot: u32) -> Self {
        assert!(slot < SLOTS_MAX, "arenas number slots below SLOTS_MAX");
        Self(tag * SLOTS_MAX + slot)
    }

    pub(super) fn kind(self) -> Kind {
        let slot = self.0 % SLOTS_MAX;
        match self.0 / SLOTS_MAX {
            TAG_NODE => Kind::Node(slot),
            TAG_LEAF => Kind::Leaf(slot),
            TAG_TWIN => Kind::Twin(slot),
            _ => Kind::Empty,
        }
    }
}

/// The depth of a node and its two children.
#[derive(Clone, Copy)]
pub(super) struct Links {
    pub(super) children: [Ref; 2],
    pub(super) depth: u8,
}

/// Two leaves, in order, on two cache lines that are fetched as one.
#[derive(Clone, Copy)]
#[repr(align(128))]
pub(super) struct Twin(pub(super) [Block; 2]);

impl Twin {
    fn new(a: Block, b: Block) -> Self {
        Self(if position_of(&a) < position_of(&b) { [a, b] } else { [b, a] })
    }

    /// The depth at which the leaves diverge.
    pub(super) fn depth(&self) -> u8 {
        let [a, b] = &self.0;
        position_of(a).parting(&position_of(b)).expect("the leaves of a twin differ in position")
    }

    /// Of the two leaves, the one that `position` leads to.
    pub(super) fn side(&self, position: &TreeKey) -> Side {
        position.side(self.depth())
    }

    /// The leaf on one side.
    pub(super) fn leaf(&self, side: Side) -> &Block {
        &self.0[side.index()]
    }

    /// The leaf on one side.
    pub(super) fn leaf_mut(&mut self, side: Side) -> &mut Block {
        &mut self.0[side.index()]
    }
}

/// The place that holds a [`Ref`]: one side of a node.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub(super) node: u32,
    pub(super) side: Side,
}

/// All nodes, twins and leaves.
#[derive(Clone)]
pub(super) struct Structure {
    pub(super) root: Ref,
    pub(super) leaves: Arena<Block>,
    pub(super) twins: Arena<Twin>,
    /// Slot for slot with `pairs`.
    pub(super) links: Arena<Links>,
    /// The hashes of the two children as seen from the node: empty halves in between included.
    pub(super) pairs: Arena<Block>,
    pub(super) leaf_count: u64,
}

/// `position | value` of a leaf.
pub(super) fn leaf_block(position: &TreeKey, value: &ValueHash) -> Block {
    Block::new(&position.0, &value.0)
}

/// The position in a leaf.
pub(super) fn position_of(leaf: &Block) -> TreeKey {
    TreeKey(leaf.half(0))
}

/// The value in a leaf.
pub(super) fn value_of(leaf: &Block) -> ValueHash {
    ValueHash(leaf.half(1))
}

impl Structure {
    pub(super) const fn new() -> Self {
        Self {
            root: Ref::EMPTY,
            leaves: Arena::new(),
            twins: Arena::new(),
            links: Arena::new(),
            pairs: Arena::new(),
            leaf_count: 0,
        }
    }

    /// The leaf that the bits of `position` lead to, which need not be at `position`; below
    /// `start`, or below the root.
    pub(super) fn closest(&self, start: Option<Edge>, position: &TreeKey) -> Option<&Block> {
        let mut at = self.child(start);
        loop {
            match at.kind() {
                Kind::Empty => return None,
                Kind::Leaf(leaf) => return Some(self.leaves.at(leaf)),
                Kind::Twin(twin) => {
                    let twin = self.twins.at(twin);
                    return Some(twin.leaf(twin.side(position)));
                }
                Kind::Node(node) => {
                    let links = self.links.at(node);
                    at = links.children[position.side(links.depth).index()];
                }
            }
        }
    }

    /// Adds a leaf at a position that holds none. `start` is an edge on the path to `position`
    /// whose node is above the depth where the new leaf diverges from the tree, or `None`.
    ///
    /// Returns a position that shares a subtree with the new leaf and whose hash the tree no longer
    /// holds, if there is one: its path to the root must be hashed as well.
    pub(super) fn insert(
        &mut self,
        start: Option<Edge>,
        position: &TreeKey,
        value: &ValueHash,
    ) -> Option<TreeKey> {
        self.leaf_count += 1;
        let block = leaf_block(position, value);
        let Some(closest) = self.closest(start, position).map(position_of) else {
            let leaf = self.leaves.insert(block);
            self.root = Ref::new(TAG_LEAF, leaf);
            return None;
        };
        let depth = position.parting(&closest).expect("the position holds no leaf");
        let (edge, below) = self.edge_above(start, position, depth);
        match below.kind() {
            Kind::Leaf(leaf) => {
                let other = self.leaves.remove(leaf);
                let twin = self.new_twin(block, other);
                self.set_child(edge, twin);
                None
            }
            Kind::Twin(twin) if self.twins.at(twin).depth() < depth => {
                Some(self.split_twin(edge, twin, block))
            }
            _ => {
                let leaf = Ref::new(TAG_LEAF, self.leaves.insert(block));
                let node = self.new_node(depth, position.side(depth), leaf, below);
                self.set_child(edge, node);
                Some(closest)
            }
        }
    }

    /// Removes the leaves of `end`, a leaf or twin, that `gone` names, and returns what is left.
    /// The caller attaches it where `end` was.
    pub(super) fn cut(&mut self, end: Ref, gone: [bool; 2]) -> Ref {
        self.leaf_count -= u64::from(gone[0]) + u64::from(gone[1]);
        match (end.kind(), gone) {
            (_, [false, false]) | (Kind::Empty | Kind::Node(_), _) => end,
            (Kind::Leaf(leaf), _) => {
                self.leaves.remove(leaf);
                Ref::EMPTY
            }
            (Kind::Twin(twin), [true, true]) => {
                self.twins.remove(twin);
                Ref::EMPTY
            }
            (Kind::Twin(twin), [left_gone, _]) => {
                let twin = self.twins.remove(twin);
                let left = twin.leaf(if left_gone { Side::Right } else { Side::Left });
                Ref::new(TAG_LEAF, self.leaves.insert(*left))
            }
        }
    }

    /// Frees a node that has an empty child, or two leaves, and returns what takes its place;
    /// `None` for a node that stays.
    pub(super) fn dissolve(&mut self, node: u32) -> Option<Ref> {
        let [left, right] = self.links.at(node).children;
        let place = match (left.kind(), right.kind()) {
            (Kind::Empty, _) => right,
            (_, Kind::Empty) => left,
            (Kind::Leaf(a), Kind::Leaf(b)) => {
                let (a, b) = (self.leaves.remove(a), self.leaves.remove(b));
                self.new_twin(a, b)
            }
            _ => return None,
        };
        self.links.remove(node);
        self.pairs.remove(node);
        Some(place)
    }

    /// The child at an edge, or the root.
    pub(super) fn child(&self, edge: Option<Edge>) -> Ref {
        edge.map_or(self.root, |e| self.links.at(e.node).children[e.side.index()])
    }

    /// Reads a byte of each cache line that `at` points to.
    pub(super) fn touch(&self, at: Ref) -> u8 {
        match at.kind() {
            Kind::Empty => 0,
            Kind::Leaf(leaf) => self.leaves.at(leaf).0[0],
            Kind::Twin(twin) => {
                let Twin([a, b]) = self.twins.at(twin);
                a.0[0] ^ b.0[0]
            }
            Kind::Node(node) => self.links.at(node).depth,
        }
    }

    /// Bytes of all slots.
    pub(super) fn bytes(&self) -> usize {
        self.leaves.bytes() + self.twins.bytes() + self.links.bytes() + self.pairs.bytes()
    }

    /// Attaches `child` at an edge, or makes it the root.
    pub(super) fn set_child(&mut self, edge: Option<Edge>, child: Ref) {
        match edge {
            None => self.root = child,
            Some(e) => self.links.at_mut(e.node).children[e.side.index()] = child,
        }
    }

    /// The edge on the path to `position` that crosses `depth`, and its child.
    fn edge_above(
        &self,
        start: Option<Edge>,
        position: &TreeKey,
        depth: u8,
    ) -> (Option<Edge>, Ref) {
        let (mut edge, mut below) = (start, self.child(start));
        while let Kind::Node(node) = below.kind() {
            let links = self.links.at(node);
            if links.depth > depth {
                break;
            }
            let side = position.side(links.depth);
            (edge, below) = (Some(Edge { node, side }), links.children[side.index()]);
        }
        (edge, below)
    }

    fn new_twin(&mut self, a: Block, b: Block) -> Ref {
        Ref::new(TAG_TWIN, self.twins.insert(Twin::new(a, b)))
    }

    fn new_node(&mut self, depth: u8, side: Side, child: Ref, other: Ref) -> Ref {
        let children = match side {
            Side::Left => [child, other],
            Side::Right => [other, child],
        };
        let node = self.links.insert(Links { children, depth });
        let pair = self.pairs.insert(Block([0; 64]));
        assert!(node == pair, "links and pairs share their slot numbers");
        Ref::new(TAG_NODE, node)
    }

    /// Makes a node of a twin and a third leaf that goes with one of its two; returns the position
    /// of the one that is left alone.
    fn split_twin(&mut self, edge: Option<Edge>, twin: u32, third: Block) -> TreeKey {
        let twin = self.twins.remove(twin);
        let depth = twin.depth();
        let side = position_of(&third).side(depth);
        let alone = *twin.leaf(side.other());
        let together = self.new_twin(*twin.leaf(side), third);
        let leaf = Ref::new(TAG_LEAF, self.leaves.insert(alone));
        let node = self.new_node(depth, side, together, leaf);
        self.set_child(edge, node);
        position_of(&alone)
    }
}
