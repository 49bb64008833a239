//! The right edge of the tree: enough to append, to give the root and to prove the newest leaf.

use alloc::vec::Vec;
use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Decode, Encode};
use mortise_format::domains::sha256;
use mortise_format::merkle::history::node_hash;

/// The newest leaf and its path, from which all perfect subtrees follow.
///
/// Every hash on the path of the newest leaf is to its left: one for each set bit of its index.
/// Encoded as the size, then, unless it is zero, the leaf hash and the path without a count: there
/// is one encoding per frontier, and every accepted one can be reached by appending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    newest: [u8; 32],
    path: Vec<[u8; 32]>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash, see [`crate::history::leaf_hash`].
    ///
    /// # Panics
    /// At 2^64 leaves.
    pub fn append(&mut self, leaf: [u8; 32]) {
        if let Some(index) = self.size.checked_sub(1) {
            // The smallest perfect subtree ends in the newest leaf; the others are on the path.
            let completed = usize::try_from(index.trailing_ones()).unwrap_or(usize::MAX);
            let smallest = climb(self.newest, &self.path[..completed]);
            self.path.splice(..completed, [smallest]);
        }
        self.newest = leaf;
        self.size = self.size.checked_add(1).expect("a log of 2^64 frames outlives the universe");
    }

    /// The root; of the empty tree, SHA-256 of nothing.
    pub fn root(&self) -> [u8; 32] {
        if self.size == 0 { sha256(&[]) } else { climb(self.newest, &self.path) }
    }

    /// Inclusion path of the newest leaf, lowest first; it verifies with index `size - 1`.
    pub fn newest_path(&self) -> Vec<[u8; 32]> {
        self.path.clone()
    }
}

fn climb(leaf: [u8; 32], path: &[[u8; 32]]) -> [u8; 32] {
    path.iter().fold(leaf, |hash, left| node_hash(left, &hash))
}

impl Encode for Frontier {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.size.encode(encoder)?;
        if self.size > 0 {
            self.newest.encode(encoder)?;
        }
        self.path.iter().try_for_each(|hash| hash.encode(encoder))
    }
}

impl<C> Decode<C> for Frontier {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let size = <u64 as Decode<C>>::decode(decoder)?;
        let Some(index) = size.checked_sub(1) else { return Ok(Self::new()) };
        let newest = <[u8; 32] as Decode<C>>::decode(decoder)?;
        let path = (0..index.count_ones()).map(|_| <[u8; 32] as Decode<C>>::decode(decoder));
        let path = path.collect::<Result<_, _>>()?;
        Ok(Self { size, newest, path })
    }
}

impl<'de, C> BorrowDecode<'de, C> for Frontier {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(d: &mut D) -> Result<Self, DecodeError> {
        <Self as Decode<C>>::decode(d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{inclusion_path, leaf_hash, verify_inclusion};
    use mortise_format::codec::{self, CodecError};

    /// The definition of RFC 6962 2.1, word for word.
    fn naive_root(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            many => {
                let half = many.len().next_power_of_two() / 2;
                node_hash(&naive_root(&many[..half]), &naive_root(&many[half..]))
            }
        }
    }

    #[test]
    fn roots_and_newest_paths_follow_the_definition() {
        let mut frontier = Frontier::new();
        let mut leaves = Vec::new();
        assert_eq!(frontier.root(), naive_root(&[]));
        for i in 0u8..200 {
            let leaf = leaf_hash(&[i]);
            frontier.append(leaf);
            leaves.push(leaf);
            let root = naive_root(&leaves);
            assert_eq!(frontier.root(), root);
            assert_eq!(Some(frontier.newest_path()), inclusion_path(&leaves, i.into()));
            let (size, path) = (frontier.size(), frontier.newest_path());
            assert_eq!(verify_inclusion(&root, size, i.into(), &leaf, &path), Ok(()));
        }
    }

    #[test]
    fn a_decoded_frontier_goes_on_like_the_encoded_one() {
        let mut frontier = Frontier::new();
        for i in 0u8..70 {
            let bytes = codec::encode(&frontier);
            let mut decoded: Frontier = codec::decode(&bytes).unwrap();
            assert_eq!(decoded, frontier);
            for end in 0..bytes.len() {
                let cut = codec::decode::<Frontier>(&bytes[..end]);
                assert_eq!(cut, Err(CodecError::Malformed), "{i} leaves cut at {end}");
            }
            let mut longer = bytes.clone();
            longer.push(0);
            assert_eq!(codec::decode::<Frontier>(&longer), Err(CodecError::Trailing { extra: 1 }));
            decoded.append(leaf_hash(&[i]));
            frontier.append(leaf_hash(&[i]));
            assert_eq!(decoded.root(), frontier.root());
        }
    }
}
