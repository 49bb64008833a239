//! The public tree: root, lookups, updates, proofs, bulk building.

use super::batch::{Change, Walk};
use super::hash::{Block, EMPTY_HASH, Hash, LANES, Lanes, leaf_hash, node_hash};
use super::rehash::{Chain, beside_nothing, rehash};
use super::structure::{Kind, Ref, Structure, position_of, value_of};
use alloc::vec::Vec;
use mortise_format::Root;
use mortise_format::merkle::state::{ProofEnd, StateProof};
use mortise_format::merkle::{Side, TreeKey, ValueHash};

/// Leaves of a bulk build that are hashed together.
const BULK_BATCH: usize = 4096;
const _: () = assert!(BULK_BATCH >= LANES);

/// An authenticated map from [`TreeKey`] to [`ValueHash`]; see the [module](super).
#[derive(Clone)]
pub struct StateTree {
    pub(super) structure: Structure,
    pub(super) root: Hash,
    pub(super) lanes: Lanes,
    pub(super) walk: Walk,
    pub(super) chains: Vec<Chain>,
}

/// Why leaves do not make a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateTreeError {
    /// A position is not above the one before it.
    #[error("leaf {leaf} is not above the one before it")]
    NotAscending {
        /// The index of the first leaf out of order.
        leaf: u64,
    },
}

impl Default for StateTree {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for StateTree {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StateTree").field("len", &self.len()).field("root", &self.root()).finish()
    }
}

impl StateTree {
    /// The empty tree; its root is 32 zero bytes.
    pub fn new() -> Self {
        Self {
            structure: Structure::new(),
            root: EMPTY_HASH,
            lanes: Lanes::new(),
            walk: Walk::default(),
            chains: Vec::new(),
        }
    }

    /// The tree of all `leaves`, which come in strictly ascending order of position, as
    /// [`StateTree::leaves`] gives them.
    ///
    /// # Errors
    /// `NotAscending` for two leaves out of order or at one position.
    pub fn from_sorted(
        leaves: impl IntoIterator<Item = (TreeKey, ValueHash)>,
    ) -> Result<Self, StateTreeError> {
        let mut tree = Self::new();
        let mut batch: Vec<Change> = Vec::with_capacity(BULK_BATCH);
        let (mut last, mut leaf) = (None, 0);
        for (position, value) in leaves {
            if last.is_some_and(|last| last >= position) {
                return Err(StateTreeError::NotAscending { leaf });
            }
            (last, leaf) = (Some(position), leaf + 1);
            batch.push((position, Some(value)));
            if batch.len() == BULK_BATCH {
                tree.update(&batch);
                batch.clear();
            }
        }
        tree.update(&batch);
        Ok(tree)
    }

    /// Applies `batch`: each position holds the value named last for it, or nothing for `None`.
    ///
    /// Removing what is absent and setting what is already set change nothing. The cost is one
    /// hash per dirty node, however many keys share it; larger batches share more.
    ///
    /// ```
    /// use mortise_core::tree::{TreeKey, StateTree, ValueHash};
    /// let (a, b) = (TreeKey([1; 32]), TreeKey([200; 32]));
    /// let mut tree = StateTree::new();
    /// tree.update(&[(b, Some(ValueHash([5; 32]))), (a, Some(ValueHash([6; 32])))]);
    /// let root = tree.root();
    /// tree.update(&[(a, None)]);
    /// assert_ne!(tree.root(), root);
    /// tree.update(&[(a, Some(ValueHash([6; 32])))]);
    /// assert_eq!(tree.root(), root);
    /// ```
    ///
    /// # Panics
    /// At 2^30 leaves.
    pub fn update(&mut self, batch: &[Change]) {
        if batch.is_empty() {
            return;
        }
        let (walk, structure) = (&mut self.walk, &mut self.structure);
        walk.sort(batch);
        walk.descend(structure);
        let found = walk.write_leaves(structure, batch);
        if found.removed {
            walk.dissolve(structure);
        }
        if found.removed || !found.inserts.is_empty() {
            walk.insert(structure, &found.inserts);
            walk.descend(structure);
            walk.settle(structure);
        } else if found.absent {
            walk.settle(structure);
        }
        if let Some(root) = rehash(structure, walk, &self.lanes, &mut self.chains) {
            self.root = root;
        }
    }

    /// The root: what the whole content hashes to.
    pub fn root(&self) -> Root {
        Root(self.root)
    }

    /// How many positions hold a value.
    pub fn len(&self) -> u64 {
        self.structure.leaf_count
    }

    /// True when no position holds a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `position`, if there is one.
    pub fn get(&self, position: &TreeKey) -> Option<ValueHash> {
        let leaf = self.structure.closest(None, position)?;
        (position_of(leaf) == *position).then(|| value_of(leaf))
    }

    /// Bytes that the leaves and nodes occupy, freed ones included; working memory is not counted.
    pub fn memory_bytes(&self) -> usize {
        self.structure.bytes()
    }

    /// All leaves in ascending order of position.
    pub fn leaves(&self) -> Leaves<'_> {
        Leaves { structure: &self.structure, stack: alloc::vec![self.structure.root], second: None }
    }

    /// A proof of what `position` holds: its value, or nothing.
    ///
    /// Its size is 32 bytes per depth, about `log2(len) + 2` depths for uniform positions.
    pub fn prove(&self, position: &TreeKey) -> StateProof {
        let mut siblings = Vec::new();
        let Some(closest) = self.structure.closest(None, position) else {
            return proof_of(siblings, ProofEnd::Empty);
        };
        let closest = position_of(closest);
        let parting = position.parting(&closest);
        let mut at = self.structure.root;
        while let Kind::Node(node) = at.kind() {
            let links = self.structure.links.at(node);
            if parting.is_some_and(|depth| depth < links.depth) {
                break;
            }
            siblings.resize(usize::from(links.depth), EMPTY_HASH);
            let side = position.side(links.depth);
            siblings.push(self.structure.pairs.at(node).half(side.other().index()));
            at = links.children[side.index()];
        }
        let end = self.prove_end(at, position, &closest, &mut siblings);
        proof_of(siblings, end)
    }

    /// The last part of a proof: `at` is the first subtree on the path that is not a node, or whose
    /// prefix `position` does not share.
    fn prove_end(
        &self,
        at: Ref,
        position: &TreeKey,
        closest: &TreeKey,
        siblings: &mut Vec<Hash>,
    ) -> ProofEnd {
        let (depth, hash, twin) = match at.kind() {
            Kind::Empty => return ProofEnd::Empty,
            Kind::Leaf(leaf) => return end_at(self.structure.leaves.at(leaf), position),
            Kind::Node(node) => {
                let pair = self.structure.pairs.at(node);
                let depth = self.structure.links.at(node).depth;
                (depth, node_hash(&pair.half(0), &pair.half(1)), None)
            }
            Kind::Twin(twin) => {
                let twin = self.structure.twins.at(twin);
                let [a, b] = twin.0.each_ref().map(hash_of);
                (twin.depth(), node_hash(&a, &b), Some(twin))
            }
        };
        match (position.parting(closest).filter(|parting| *parting < depth), twin) {
            // The position diverges above the root of the subtree: there the other half is empty.
            (Some(parting), _) => {
                siblings.resize(usize::from(parting), EMPTY_HASH);
                siblings.push(raise(closest, depth, parting + 1, hash));
                ProofEnd::Empty
            }
            (None, Some(twin)) => {
                let side = position.side(depth);
                siblings.resize(usize::from(depth), EMPTY_HASH);
                siblings.push(hash_of(twin.leaf(side.other())));
                end_at(twin.leaf(side), position)
            }
            (None, None) => unreachable!("the path down stops at a node only where it diverges"),
        }
    }
}

fn hash_of(leaf: &Block) -> Hash {
    leaf_hash(&position_of(leaf), &value_of(leaf))
}

/// A proof made here. Its path is never too long.
pub(super) fn proof_of(siblings: Vec<Hash>, end: ProofEnd) -> StateProof {
    StateProof::from_parts(siblings, end).expect("no path is longer than a position")
}

/// The end of a proof at a leaf that is alone in its subtree.
fn end_at(leaf: &Block, position: &TreeKey) -> ProofEnd {
    match position_of(leaf) {
        found if found == *position => ProofEnd::Present,
        other => ProofEnd::Other { position: other, value: value_of(leaf) },
    }
}

/// The hash at depth `to` of a subtree whose hash at depth `from` is `hash`, nothing beside it in
/// between.
pub(super) fn raise(position: &TreeKey, from: u8, to: u8, hash: Hash) -> Hash {
    (to..from).rev().fold(hash, |hash, depth| {
        let pair = beside_nothing(position, depth, &hash);
        node_hash(&pair.half(0), &pair.half(1))
    })
}

/// The leaves of a tree in ascending order; see [`StateTree::leaves`].
#[derive(Clone)]
pub struct Leaves<'a> {
    structure: &'a Structure,
    stack: Vec<Ref>,
    /// The second leaf of a twin whose first was returned.
    second: Option<u32>,
}

impl core::fmt::Debug for Leaves<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Leaves").finish_non_exhaustive()
    }
}

impl Iterator for Leaves<'_> {
    type Item = (TreeKey, ValueHash);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(twin) = self.second.take() {
            let leaf = self.structure.twins.at(twin).leaf(Side::Right);
            return Some((position_of(leaf), value_of(leaf)));
        }
        loop {
            let leaf = match self.stack.pop()?.kind() {
                Kind::Empty => continue,
                Kind::Node(node) => {
                    let [left, right] = self.structure.links.at(node).children;
                    self.stack.extend([right, left]);
                    continue;
                }
                Kind::Leaf(leaf) => self.structure.leaves.at(leaf),
                Kind::Twin(twin) => {
                    self.second = Some(twin);
                    self.structure.twins.at(twin).leaf(Side::Left)
                }
            };
            return Some((position_of(leaf), value_of(leaf)));
        }
    }
}
