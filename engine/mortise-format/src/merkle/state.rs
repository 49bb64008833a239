//! The state tree: its two hashes, and proofs that a position holds a value, or holds nothing,
//! under a root (`specs/state-tree.md`).
//!
//! Verification is a pure function of proof, root, position and value. A position under a root has
//! exactly one proof that verifies: the number of siblings is the depth at which the path ends, and
//! a leaf cannot be taken for a node, because the two are hashed from exactly 64 bytes under
//! different keys (INV-TREE-2).

use super::tree_key::{POSITION_BITS, Side};
use crate::ids::Root;
use alloc::vec::Vec;
use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Decode, Encode};

pub use super::tree_key::{TreeKey, ValueHash};

/// Most siblings in a proof: one per bit of a position.
pub const PROOF_SIBLINGS_MAX: usize = POSITION_BITS;

/// A hash inside the tree; all zero for an empty subtree.
pub type Hash = [u8; 32];

/// The hash of a subtree without leaves.
pub const EMPTY_HASH: Hash = [0; 32];

/// Key of leaves: that of the domain `STATE_LEAF`.
pub const LEAF_KEY: [u8; 32] = [
    0xf7, 0xb8, 0x9c, 0x75, 0x5a, 0xfb, 0x66, 0x1b, 0x97, 0x57, 0x61, 0x18, 0x03, 0x2e, 0x4f, 0x97,
    0x77, 0x08, 0x62, 0x5f, 0x06, 0x20, 0x4d, 0xc7, 0x62, 0xec, 0x18, 0x65, 0xc8, 0xef, 0x52, 0x2c,
];
/// Key of nodes: that of the domain `STATE_NODE`.
pub const NODE_KEY: [u8; 32] = [
    0xea, 0x59, 0x76, 0x02, 0xa5, 0xc9, 0xe5, 0x29, 0x78, 0xe0, 0xfe, 0x81, 0xbc, 0x7f, 0x7d, 0x91,
    0x2f, 0x0d, 0x3f, 0xe0, 0xa5, 0xe2, 0x03, 0xab, 0x81, 0x06, 0x94, 0x3c, 0x71, 0x1b, 0x92, 0xd2,
];

/// The hash of a leaf: BLAKE3 keyed with the leaf key over `position | value`.
pub fn leaf_hash(position: &TreeKey, value: &ValueHash) -> [u8; 32] {
    one(&LEAF_KEY, &position.0, &value.0)
}

/// The hash of a node: BLAKE3 keyed with the node key over `left | right`.
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    one(&NODE_KEY, left, right)
}

fn one(key: &[u8; 32], first: &[u8; 32], second: &[u8; 32]) -> Hash {
    let mut block = [0; 64];
    block[..32].copy_from_slice(first);
    block[32..].copy_from_slice(second);
    *blake3::keyed_hash(key, &block).as_bytes()
}

/// What the path of a position ends at, and the sibling hashes along it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StateProof {
    siblings: Siblings,
    end: ProofEnd,
}

/// What is at the end of the path of a position, by its proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum ProofEnd {
    /// The leaf of the position itself, with the value that the verifier names.
    Present,
    /// A subtree without leaves.
    Empty,
    /// A subtree whose only leaf is at another position.
    Other {
        /// The position of that leaf.
        position: TreeKey,
        /// Its value hash.
        value: ValueHash,
    },
}

/// Why a state proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateProofError {
    /// More siblings than a position has bits.
    #[error("the proof has {found} siblings, a position has 256 bits")]
    TooManySiblings {
        /// Siblings given.
        found: usize,
    },
    /// The caller asked for presence, and the proof ends at nothing or at another leaf.
    #[error("the proof shows that the position is absent")]
    ShowsAbsence,
    /// The caller asked for absence, and the proof ends at a leaf of the position.
    #[error("the proof shows that the position is present")]
    ShowsPresence,
    /// The other leaf is at the position whose absence the proof should show.
    #[error("the other leaf is at the position itself")]
    OtherIsSame,
    /// The other leaf is not on the path of the position.
    #[error("the other leaf shares {shared} bits with the position, the proof has {siblings}")]
    OtherOffTheWay {
        /// Leading bits that both positions share.
        shared: usize,
        /// Siblings in the proof.
        siblings: usize,
    },
    /// The last sibling is empty, so that the proof would end one level higher.
    #[error("the last sibling is empty: the proof is longer than the path")]
    LastSiblingEmpty,
    /// The proof does not hash to the root.
    #[error("the proof does not hash to the root")]
    RootMismatch,
}

impl StateProof {
    /// A proof from its parts, as answers on the wire carry them; `siblings` from the root down.
    ///
    /// # Errors
    /// `TooManySiblings` above [`PROOF_SIBLINGS_MAX`].
    pub fn from_parts(siblings: Vec<[u8; 32]>, end: ProofEnd) -> Result<Self, StateProofError> {
        match siblings.len() {
            found if found > PROOF_SIBLINGS_MAX => Err(StateProofError::TooManySiblings { found }),
            _ => Ok(Self { siblings: Siblings(siblings), end }),
        }
    }

    /// What the proof ends at. Means nothing until the proof is verified.
    pub fn end(&self) -> ProofEnd {
        self.end
    }

    /// The sibling hashes along the path, from the root down.
    pub fn siblings(&self) -> &[[u8; 32]] {
        &self.siblings.0
    }

    /// Checks that under `root` the position holds `value`.
    ///
    /// Success proves that the tree with this root holds exactly this value at this position. It
    /// does not prove whose root it is, how recent it is, or which value the hash covers.
    ///
    /// ```
    /// use mortise_format::Root;
    /// use mortise_format::merkle::state::{TreeKey, ProofEnd, StateProof, ValueHash, leaf_hash};
    /// // The root of a tree of one leaf is the hash of that leaf.
    /// let (position, value) = (TreeKey([1; 32]), ValueHash([2; 32]));
    /// let root = Root(leaf_hash(&position, &value));
    /// let proof = StateProof::from_parts(vec![], ProofEnd::Present)?;
    /// assert!(proof.verify_present(&root, &position, &value).is_ok());
    /// let proof = StateProof::from_parts(vec![], ProofEnd::Other { position, value })?;
    /// assert!(proof.verify_absent(&root, &TreeKey([9; 32])).is_ok());
    /// # Ok::<(), mortise_format::merkle::state::StateProofError>(())
    /// ```
    ///
    /// # Errors
    /// `ShowsAbsence` for a proof with another end, `LastSiblingEmpty`, `RootMismatch`, in this
    /// order.
    pub fn verify_present(
        &self,
        root: &Root,
        position: &TreeKey,
        value: &ValueHash,
    ) -> Result<(), StateProofError> {
        match self.end {
            ProofEnd::Present => self.climb(root, position, leaf_hash(position, value)),
            ProofEnd::Empty | ProofEnd::Other { .. } => Err(StateProofError::ShowsAbsence),
        }
    }

    /// Checks that under `root` the position holds nothing.
    ///
    /// Success proves that the tree with this root has no leaf at this position. It does not prove
    /// whose root it is, how recent it is, or that the position never held a value.
    ///
    /// # Errors
    /// `ShowsPresence` for a proof that ends at the position's leaf; `OtherIsSame` and
    /// `OtherOffTheWay` for another leaf that proves nothing about this position;
    /// `LastSiblingEmpty`, `RootMismatch`, in this order.
    pub fn verify_absent(&self, root: &Root, position: &TreeKey) -> Result<(), StateProofError> {
        match self.end {
            ProofEnd::Present => Err(StateProofError::ShowsPresence),
            ProofEnd::Empty => self.climb(root, position, EMPTY_HASH),
            ProofEnd::Other { position: other, value } => {
                let (shared, siblings) = (position.shared_bits(&other), self.siblings.0.len());
                if shared == POSITION_BITS {
                    return Err(StateProofError::OtherIsSame);
                }
                if shared < siblings {
                    return Err(StateProofError::OtherOffTheWay { shared, siblings });
                }
                self.climb(root, position, leaf_hash(&other, &value))
            }
        }
    }

    /// Hashes from the end of the path up to the root.
    fn climb(&self, root: &Root, position: &TreeKey, end: Hash) -> Result<(), StateProofError> {
        // A subtree of one leaf or none has no node, so the sibling of the end holds a leaf.
        if self.siblings.0.last() == Some(&EMPTY_HASH) {
            return Err(StateProofError::LastSiblingEmpty);
        }
        // Depths fit: construction and decoding both refuse more than 256 siblings.
        let hash = (0..=u8::MAX).zip(&self.siblings.0).rev().fold(end, |hash, (depth, sibling)| {
            match position.side(depth) {
                Side::Left => node_hash(&hash, sibling),
                Side::Right => node_hash(sibling, &hash),
            }
        });
        if hash == root.0 { Ok(()) } else { Err(StateProofError::RootMismatch) }
    }
}

/// At most [`PROOF_SIBLINGS_MAX`] hashes; encoded behind a two-byte count.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Siblings(Vec<Hash>);

impl Encode for Siblings {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let count = u16::try_from(self.0.len()).map_err(|_| TOO_MANY_TO_ENCODE)?;
        count.encode(encoder)?;
        self.0.iter().try_for_each(|hash| hash.encode(encoder))
    }
}

impl<C> Decode<C> for Siblings {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let count = usize::from(<u16 as Decode<C>>::decode(decoder)?);
        if count > PROOF_SIBLINGS_MAX {
            return Err(DecodeError::Other("a state proof has at most 256 siblings"));
        }
        decoder.claim_container_read::<Hash>(count)?;
        (0..count)
            .map(|_| {
                decoder.unclaim_bytes_read(size_of::<Hash>());
                <Hash as Decode<C>>::decode(decoder)
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl<'de, C> BorrowDecode<'de, C> for Siblings {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(d: &mut D) -> Result<Self, DecodeError> {
        <Self as Decode<C>>::decode(d)
    }
}

const TOO_MANY_TO_ENCODE: EncodeError =
    EncodeError::Other("a state proof has at most 256 siblings");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::{self, blake3_key};

    #[test]
    fn pinned_keys_are_those_of_the_domain_table() {
        assert_eq!(LEAF_KEY, blake3_key(domains::STATE_LEAF));
        assert_eq!(NODE_KEY, blake3_key(domains::STATE_NODE));
        assert_ne!(LEAF_KEY, NODE_KEY);
    }

    #[test]
    fn leaf_and_node_hash_of_the_same_bytes_differ() {
        let bytes = [7; 32];
        assert_ne!(leaf_hash(&TreeKey(bytes), &ValueHash(bytes)), node_hash(&bytes, &bytes));
    }
}
