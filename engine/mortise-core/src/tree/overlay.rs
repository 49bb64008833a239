//! Proofs in an earlier version of the tree, which differs by the leaves of a few frames.
//!
//! What it is for: a proof under the root of an earlier frame. The inverse of the changes since
//! then is an overlay over the tree. Only subtrees that contain a change are hashed again; the tree
//! is neither copied nor written.
//!
//! What it does not do: keep changes ([`crate::machine::RecentRoots`] does).
//!
//! Invariants: root and proofs are those of a tree with the changed content (INV-TREE-1). The depth
//! of recursion is at most that of a position, 256; the work is some hashes for each change.

use super::hash::{Block, EMPTY_HASH, Hash, leaf_hash, node_hash};
use super::state_tree::{StateTree, proof_of, raise};
use super::structure::{Kind, Ref, Structure, Twin, position_of, value_of};
use alloc::vec::Vec;
use mortise_format::Root;
use mortise_format::merkle::state::{ProofEnd, StateProof};
use mortise_format::merkle::{Side, TreeKey, ValueHash};

/// What positions hold instead of what the tree holds: ascending, each once.
pub type Changes = [(TreeKey, Option<ValueHash>)];

/// A subtree of the current tree.
#[derive(Clone, Copy)]
enum Below<'a> {
    Empty,
    Leaf(&'a Block),
    Twin(&'a Twin),
    Node(u32),
}

/// A subtree with the changes over it.
#[derive(Clone, Copy)]
enum Sub {
    Empty,
    Leaf(TreeKey, ValueHash),
    Node(Hash),
}

impl Sub {
    fn hash(self) -> Hash {
        match self {
            Self::Empty => EMPTY_HASH,
            Self::Leaf(position, value) => leaf_hash(&position, &value),
            Self::Node(hash) => hash,
        }
    }

    fn of_change((position, value): (TreeKey, Option<ValueHash>)) -> Self {
        value.map_or(Self::Empty, |value| Self::Leaf(position, value))
    }

    fn of_leaf(leaf: &Block) -> Self {
        Self::Leaf(position_of(leaf), value_of(leaf))
    }

    /// Joins two halves. A single leaf in them is the whole subtree.
    fn of_halves(left: Self, right: Self) -> Self {
        match (left, right) {
            (Self::Empty, Self::Empty) => Self::Empty,
            (Self::Leaf(position, value), Self::Empty)
            | (Self::Empty, Self::Leaf(position, value)) => Self::Leaf(position, value),
            (left, right) => Self::Node(node_hash(&left.hash(), &right.hash())),
        }
    }
}

impl StateTree {
    /// The root of the tree with `changes` over it, and a proof under it of what `position` holds.
    ///
    /// ```
    /// use mortise_core::tree::{TreeKey, StateTree, ValueHash};
    /// let (a, b, old) = (TreeKey([1; 32]), TreeKey([200; 32]), ValueHash([5; 32]));
    /// let mut tree = StateTree::new();
    /// tree.update(&[(a, Some(old))]);
    /// let root = tree.root();
    /// tree.update(&[(a, None), (b, Some(ValueHash([6; 32])))]);
    /// let (found, proof) = tree.prove_over(&[(a, Some(old)), (b, None)], &a);
    /// assert_eq!(found, root);
    /// assert!(proof.verify_present(&root, &a, &old).is_ok());
    /// ```
    pub fn prove_over(&self, changes: &Changes, position: &TreeKey) -> (Root, StateProof) {
        let sheet = Sheet { structure: &self.structure };
        let whole = (sheet.below(self.structure.root), Some(self.root));
        let (mut own, mut changes, mut depth) = (whole, changes, 0);
        let mut siblings = Vec::new();
        let lone = loop {
            if let Some(lone) = sheet.lone(own.0, depth, changes) {
                break lone;
            }
            let (halves, parts) = (sheet.halves(own.0, depth), split(changes, depth));
            let side = position.side(bit(depth));
            let (this, other) = (side.index(), side.other().index());
            depth += 1;
            siblings.push(sheet.sub(halves[other], depth, parts[other]).hash());
            (own, changes) = (halves[this], parts[this]);
        };
        let end = match lone {
            Sub::Leaf(found, _) if found == *position => ProofEnd::Present,
            Sub::Leaf(position, value) => ProofEnd::Other { position, value },
            Sub::Empty | Sub::Node(_) => ProofEnd::Empty,
        };
        (Root(climb(position, &siblings, lone.hash())), proof_of(siblings, end))
    }
}

/// The root to which a proof leads.
fn climb(position: &TreeKey, siblings: &[Hash], end: Hash) -> Hash {
    (0..=u8::MAX).zip(siblings).rev().fold(end, |hash, (depth, sibling)| {
        match position.side(depth) {
            Side::Left => node_hash(&hash, sibling),
            Side::Right => node_hash(sibling, &hash),
        }
    })
}

/// The tree below the changes.
struct Sheet<'a> {
    structure: &'a Structure,
}

/// A subtree, with its hash at the depth in question when a node above holds it.
type Known<'a> = (Below<'a>, Option<Hash>);

impl<'a> Sheet<'a> {
    fn below(&self, at: Ref) -> Below<'a> {
        match at.kind() {
            Kind::Empty => Below::Empty,
            Kind::Leaf(leaf) => Below::Leaf(self.structure.leaves.at(leaf)),
            Kind::Twin(twin) => Below::Twin(self.structure.twins.at(twin)),
            Kind::Node(node) => Below::Node(node),
        }
    }

    /// The subtree at `depth` with its changes.
    fn sub(&self, (below, known): Known<'a>, depth: u16, changes: &Changes) -> Sub {
        match (below, changes) {
            (_, []) => self.unchanged(below, known, depth),
            (Below::Empty, [one]) => Sub::of_change(*one),
            (Below::Leaf(leaf), [one]) if position_of(leaf) == one.0 => Sub::of_change(*one),
            (Below::Leaf(leaf), [(_, None)]) => Sub::of_leaf(leaf),
            _ => {
                let [left, right] = self.halves(below, depth);
                let [of_left, of_right] = split(changes, depth);
                let left = self.sub(left, depth + 1, of_left);
                Sub::of_halves(left, self.sub(right, depth + 1, of_right))
            }
        }
    }

    /// The one leaf of a subtree with its changes, or that it has none; `None` when it has more.
    fn lone(&self, below: Below<'a>, depth: u16, changes: &Changes) -> Option<Sub> {
        match (below, changes) {
            (Below::Empty, []) => Some(Sub::Empty),
            (Below::Leaf(leaf), []) => Some(Sub::of_leaf(leaf)),
            (Below::Twin(_) | Below::Node(_), []) => None,
            (Below::Empty, [one]) => Some(Sub::of_change(*one)),
            (Below::Leaf(leaf), [one]) if position_of(leaf) == one.0 => Some(Sub::of_change(*one)),
            (Below::Leaf(leaf), [(_, None)]) => Some(Sub::of_leaf(leaf)),
            _ => {
                let [(left, _), (right, _)] = self.halves(below, depth);
                let [of_left, of_right] = split(changes, depth);
                let left = self.lone(left, depth + 1, of_left)?;
                match (left, self.lone(right, depth + 1, of_right)?) {
                    (Sub::Empty, lone) | (lone, Sub::Empty) => Some(lone),
                    _ => None,
                }
            }
        }
    }

    fn unchanged(&self, below: Below<'a>, known: Option<Hash>, depth: u16) -> Sub {
        let (position, from, hash) = match (below, known) {
            (Below::Empty, _) => return Sub::Empty,
            (Below::Leaf(leaf), _) => return Sub::of_leaf(leaf),
            (_, Some(hash)) => return Sub::Node(hash),
            (Below::Twin(twin), None) => {
                let [a, b] = twin.0.each_ref().map(|leaf| Sub::of_leaf(leaf).hash());
                (position_of(&twin.0[0]), twin.depth(), node_hash(&a, &b))
            }
            (Below::Node(node), None) => {
                let (pair, links) = (self.structure.pairs.at(node), self.structure.links.at(node));
                let hash = node_hash(&pair.half(0), &pair.half(1));
                (self.any_position(node), links.depth, hash)
            }
        };
        Sub::Node(raise(&position, from, bit(depth), hash))
    }

    /// What lies to either side at `depth`.
    fn halves(&self, below: Below<'a>, depth: u16) -> [Known<'a>; 2] {
        let depth = bit(depth);
        let whole = |side: Side| match side {
            Side::Left => [(below, None), (Below::Empty, None)],
            Side::Right => [(Below::Empty, None), (below, None)],
        };
        match below {
            Below::Empty => [(Below::Empty, None); 2],
            Below::Leaf(leaf) => whole(position_of(leaf).side(depth)),
            Below::Twin(twin) if twin.depth() == depth => {
                [Side::Left, Side::Right].map(|side| (Below::Leaf(twin.leaf(side)), None))
            }
            Below::Twin(twin) => whole(position_of(&twin.0[0]).side(depth)),
            Below::Node(node) => {
                let (links, pair) = (self.structure.links.at(node), self.structure.pairs.at(node));
                if links.depth == depth {
                    let [left, right] = links.children.map(|child| self.below(child));
                    return [(left, Some(pair.half(0))), (right, Some(pair.half(1)))];
                }
                whole(self.any_position(node).side(depth))
            }
        }
    }

    /// The position of some leaf below a node: all share the bits above its depth.
    fn any_position(&self, node: u32) -> TreeKey {
        let mut at = self.structure.links.at(node).children[0];
        loop {
            match self.below(at) {
                Below::Leaf(leaf) | Below::Twin(Twin([leaf, _])) => return position_of(leaf),
                Below::Node(node) => at = self.structure.links.at(node).children[0],
                Below::Empty => unreachable!("no child of a node is empty"),
            }
        }
    }
}

/// The changes to either side at `depth`.
fn split(changes: &Changes, depth: u16) -> [&Changes; 2] {
    let depth = bit(depth);
    let at = changes.partition_point(|(position, _)| position.side(depth) == Side::Left);
    let (left, right) = changes.split_at(at);
    [left, right]
}

/// A depth at which two positions can still part.
fn bit(depth: u16) -> u8 {
    u8::try_from(depth).expect("two positions part at one of their 256 bits")
}
