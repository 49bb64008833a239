//! Positions in the state tree and value hashes, and the bits of a position.

use crate::ids::to_hex;
use bincode::{Decode, Encode};
use core::fmt;

/// Bits of a position, and so the greatest depth of a leaf.
pub const POSITION_BITS: usize = 256;

/// The position of a value: a uniform 32-byte hash, walked from the most significant bit of byte 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct TreeKey(pub [u8; 32]);

/// What a position holds: the salted hash of the value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ValueHash(pub [u8; 32]);

/// One of the two halves below a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The bit is 0.
    Left,
    /// The bit is 1.
    Right,
}

impl Side {
    /// The half on the other side.
    #[inline]
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// 0 or 1.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self == Self::Right)
    }
}

impl TreeKey {
    /// Which half of a node at `depth` this position belongs to; a set bit goes right.
    #[inline]
    pub fn side(&self, depth: u8) -> Side {
        match (self.0[usize::from(depth >> 3)] >> (7 - (depth & 7))) & 1 {
            0 => Side::Left,
            _ => Side::Right,
        }
    }

    /// How many leading bits both positions share: 256 for equal ones.
    #[inline]
    pub fn shared_bits(&self, other: &Self) -> usize {
        let mut shared = 0;
        for (a, b) in self.words().iter().zip(other.words()) {
            let different = u64::from_be_bytes(*a) ^ u64::from_be_bytes(*b);
            if different != 0 {
                return shared + usize::try_from(different.leading_zeros()).unwrap_or(64);
            }
            shared += 64;
        }
        shared
    }

    /// The depth at which two different positions diverge, `None` for equal ones.
    #[inline]
    pub fn parting(&self, other: &Self) -> Option<u8> {
        u8::try_from(self.shared_bits(other)).ok()
    }

    /// The first 64 bits, for sorting without touching the rest.
    #[inline]
    pub fn prefix(&self) -> u64 {
        u64::from_be_bytes(self.words()[0])
    }

    fn words(&self) -> &[[u8; 8]] {
        self.0.as_chunks().0
    }
}

impl fmt::Debug for TreeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for ValueHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_bit(bit: usize) -> TreeKey {
        let mut position = TreeKey([0; 32]);
        position.0[bit / 8] = 0x80 >> (bit % 8);
        position
    }

    #[test]
    fn bits_are_read_from_the_most_significant_end() {
        for bit in 0..=255u8 {
            let position = with_bit(usize::from(bit));
            for depth in 0..=255u8 {
                let expected = if depth == bit { Side::Right } else { Side::Left };
                assert_eq!(position.side(depth), expected, "bit {bit} depth {depth}");
            }
            assert_eq!(position.parting(&TreeKey([0; 32])), Some(bit));
            assert_eq!(position.parting(&position), None);
        }
    }
}
