//! The part of the whole history that stays in memory, enough to make any proof about it.
//!
//! What it is for: inclusion, consistency and roots at every size, from a quarter of a byte per
//! frame. The leaves are grouped in tiles of 256. A full tile is kept as its root, with the nodes
//! above it; the tile that is not full yet is kept leaf by leaf. A proof also needs the leaf hashes
//! of at most two full tiles, which the log supplies.
//!
//! What it does not do: read the log. A [`Plan`] names the tiles that it needs and is completed
//! with them later. It does not borrow the archive, so the writer does not wait for a disk.
//!
//! ```text
//! height 9          o               kept        levels[1]
//!               /       \
//! height 8    o           o         kept        levels[0]: one root for each full tile
//!           256 ...     256 ...     in the log  Plan::tiles
//!                             5     kept        open: leaf hashes of the last tile
//! ```
//! Invariants: every proof is the one of RFC 6962 for its size; leaves that do not hash to the
//! tile's root are refused by tile number, so that a changed log never makes a wrong proof.

use super::node_hash;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;
use mortise_format::domains::sha256;

/// Height of a tile's root over its leaves.
const TILE_HEIGHT: u32 = 8;
/// Leaves of a full tile.
pub const TILE_LEAVES: u64 = 1 << TILE_HEIGHT;

type Hash = [u8; 32];

/// Leaf hashes of full tiles, by the tile's number.
pub type TileLeaves = BTreeMap<u64, Vec<Hash>>;

/// The nodes that are kept; see the [module](self).
///
/// A snapshot holds the roots of the full tiles and the leaf hashes of the open one: the rest
/// follows from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    size: u64,
    /// `levels[i][n]` is the node number n of height 8 + i.
    levels: Vec<Vec<Hash>>,
    open: Vec<Hash>,
}

/// A full tile that a plan needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Its number.
    pub number: u64,
    /// What its leaf hashes hash to.
    pub root: Hash,
}

impl Tile {
    /// Index of its first leaf; it has [`TILE_LEAVES`].
    pub fn first(&self) -> u64 {
        self.number << TILE_HEIGHT
    }

    /// Checks the leaf hashes of the tile. Success proves them to be those that were appended.
    ///
    /// # Errors
    /// `TileLength`, `TileMismatch`.
    pub fn check(&self, leaves: &[Hash]) -> Result<(), ArchiveError> {
        let tile = self.number;
        if leaves.len() != place(TILE_LEAVES) {
            return Err(ArchiveError::TileLength { tile, found: leaves.len() });
        }
        match perfect_root(leaves) == self.root {
            true => Ok(()),
            false => Err(ArchiveError::TileMismatch { tile }),
        }
    }
}

/// Hashes of a proof, some of which need the leaves of full tiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// For each hash the perfect subtrees that it is folded from, left to right.
    hashes: Vec<Vec<Part>>,
    tiles: Vec<Tile>,
}

/// A perfect subtree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Known(Hash),
    /// The leaves `range` of a full tile.
    InTile {
        number: u64,
        range: Range<usize>,
    },
}

/// Why a plan was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A tile that the plan needs was not given.
    #[error("the leaves of tile {tile} are missing")]
    TileMissing {
        /// The tile's number.
        tile: u64,
    },
    /// A tile has another number of leaves than a full one.
    #[error("tile {tile} has {found} leaves, a full one has 256")]
    TileLength {
        /// The tile's number.
        tile: u64,
        /// Leaves given.
        found: usize,
    },
    /// The leaves of a tile are not those that were appended.
    #[error("the leaves of tile {tile} are not those that were appended")]
    TileMismatch {
        /// The tile's number.
        tile: u64,
    },
}

impl Archive {
    /// The archive of no leaf.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash, see [`crate::history::leaf_hash`]. One hash on average.
    ///
    /// # Panics
    /// At 2^64 leaves.
    pub fn append(&mut self, leaf: Hash) {
        self.size = self.size.checked_add(1).expect("a log of 2^64 frames outlives the universe");
        self.open.push(leaf);
        if self.size.is_multiple_of(TILE_LEAVES) {
            let root = perfect_root(&self.open);
            self.open.clear();
            self.append_tile(root);
        }
    }

    /// Roots of the full tiles, in order.
    pub fn full_tiles(&self) -> &[Hash] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Leaf hashes of the tile that is not full yet.
    pub fn open_tile(&self) -> &[Hash] {
        &self.open
    }

    /// Appends a full tile by its root. No tile may be open.
    ///
    /// # Panics
    /// At 2^64 leaves.
    pub(crate) fn append_full_tile(&mut self, root: Hash) {
        self.size = self.size.checked_add(TILE_LEAVES).expect("a log has fewer than 2^64 frames");
        self.append_tile(root);
    }

    fn append_tile(&mut self, root: Hash) {
        let mut node = root;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(node);
            node = match nodes[..] {
                [.., left, right] if nodes.len().is_multiple_of(2) => node_hash(&left, &right),
                _ => return,
            };
        }
    }

    /// The root of all leaves; of none, SHA-256 of nothing.
    pub fn newest_root(&self) -> Hash {
        if self.size == 0 {
            return sha256(&[]);
        }
        let parts = self.parts(0, self.size, &mut Vec::new());
        let known = |part: &Part| match part {
            Part::Known(hash) => *hash,
            Part::InTile { .. } => unreachable!("the whole tree has whole tiles and the open one"),
        };
        fold(parts.iter().map(known))
    }

    /// The root of the first `size` leaves, a plan of one hash; `None` for no leaf or more than
    /// there are.
    pub fn root(&self, size: u64) -> Option<Plan> {
        if size == 0 || size > self.size {
            return None;
        }
        let mut tiles = Vec::new();
        let hashes = Vec::from([self.parts(0, size, &mut tiles)]);
        Some(Plan { hashes, tiles })
    }

    /// The hash of leaf `index`, a plan of one hash; `None` when there is no such leaf.
    pub fn leaf(&self, index: u64) -> Option<Plan> {
        if index >= self.size {
            return None;
        }
        let mut tiles = Vec::new();
        let hashes = Vec::from([self.parts(index, 1, &mut tiles)]);
        Some(Plan { hashes, tiles })
    }

    /// The inclusion path of leaf `index` in the tree of the first `size` leaves (RFC 6962 2.1.1);
    /// `None` when there is no such leaf or no such tree.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Plan> {
        if index >= size || size > self.size {
            return None;
        }
        let (mut first, mut len) = (0, size);
        let (mut hashes, mut tiles) = (Vec::new(), Vec::new());
        while len > 1 {
            let left = split(len);
            if index - first < left {
                hashes.push(self.parts(first + left, len - left, &mut tiles));
                len = left;
            } else {
                hashes.push(self.parts(first, left, &mut tiles));
                (first, len) = (first + left, len - left);
            }
        }
        hashes.reverse();
        Some(Plan { hashes, tiles })
    }

    /// The path that shows the tree of the first `earlier` leaves to be a prefix of that of the
    /// first `later` ones (RFC 6962 2.1.2); `None` for no leaf, for a tree that shrinks, or more
    /// leaves than there are.
    pub fn consistency(&self, earlier: u64, later: u64) -> Option<Plan> {
        if earlier == 0 || earlier > later || later > self.size {
            return None;
        }
        let (mut first, mut len) = (0, later);
        let (mut hashes, mut tiles) = (Vec::new(), Vec::new());
        // As long as the way keeps left, the earlier tree is a whole subtree whose root is known.
        let mut earlier_is_known = true;
        while earlier - first < len {
            let left = split(len);
            if earlier - first <= left {
                hashes.push(self.parts(first + left, len - left, &mut tiles));
                len = left;
            } else {
                hashes.push(self.parts(first, left, &mut tiles));
                earlier_is_known = false;
                (first, len) = (first + left, len - left);
            }
        }
        if !earlier_is_known {
            hashes.push(self.parts(first, len, &mut tiles));
        }
        hashes.reverse();
        Some(Plan { hashes, tiles })
    }

    /// The perfect subtrees, largest first, of the `len` leaves from `first` on, which is a
    /// multiple of the largest power of two in `len`.
    fn parts(&self, mut first: u64, mut len: u64, tiles: &mut Vec<Tile>) -> Vec<Part> {
        let mut parts = Vec::new();
        while let Some(height) = len.checked_ilog2() {
            parts.push(self.part(first, height, tiles));
            (first, len) = (first + (1 << height), len - (1 << height));
        }
        parts
    }

    /// The node of `height` whose first leaf is `first`.
    fn part(&self, first: u64, height: u32, tiles: &mut Vec<Tile>) -> Part {
        if let Some(level) = height.checked_sub(TILE_HEIGHT) {
            return Part::Known(self.levels[place(level.into())][place(first >> height)]);
        }
        let number = first >> TILE_HEIGHT;
        let at = place(first % TILE_LEAVES);
        let range = at..at + (1 << height);
        let full = self.levels.first().and_then(|roots| roots.get(place(number)));
        match full {
            None => Part::Known(perfect_root(&self.open[range])),
            Some(root) => {
                let tile = Tile { number, root: *root };
                if !tiles.contains(&tile) {
                    tiles.push(tile);
                }
                Part::InTile { number, range }
            }
        }
    }
}

impl Plan {
    /// The full tiles whose leaves are needed, at most two.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The hashes, lowest first, from the leaf hashes of [`Plan::tiles`]; others are not looked at.
    ///
    /// Success proves the leaves to be those that were appended: a tile's root is known.
    ///
    /// # Errors
    /// For the first tile that is wrong `TileMissing`, `TileLength`, `TileMismatch`.
    pub fn complete(&self, leaves: &TileLeaves) -> Result<Vec<Hash>, ArchiveError> {
        for tile in &self.tiles {
            let missing = ArchiveError::TileMissing { tile: tile.number };
            tile.check(leaves.get(&tile.number).ok_or(missing)?)?;
        }
        let hash = |part: &Part| match part {
            Part::Known(hash) => *hash,
            Part::InTile { number, range } => perfect_root(&leaves[number][range.clone()]),
        };
        Ok(self.hashes.iter().map(|parts| fold(parts.iter().map(hash))).collect())
    }
}

/// The largest power of two below `len`, which is 2 or more.
fn split(len: u64) -> u64 {
    1 << (len - 1).ilog2()
}

/// The root over perfect subtrees of falling size.
fn fold(parts: impl DoubleEndedIterator<Item = Hash>) -> Hash {
    let root = parts.rev().reduce(|right, left| node_hash(&left, &right));
    root.expect("no hash of a path is over no leaf")
}

/// The root over leaf hashes, as many as a power of two.
fn perfect_root(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        for at in 0..level.len() / 2 {
            level[at] = node_hash(&level[2 * at], &level[2 * at + 1]);
        }
        level.truncate(level.len() / 2);
    }
    level[0]
}

fn place(n: u64) -> usize {
    usize::try_from(n).expect("an archive in memory has places that memory can number")
}
