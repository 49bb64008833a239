//! A 32-byte secret.

use crate::domains;
use crate::ids::Bytes32;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 secret bytes: wiped on drop, never printed, shown only inside a closure.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Makes a secret from its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Lends the bytes to `use_bytes`.
    pub fn expose<T>(&self, use_bytes: impl FnOnce(&[u8; 32]) -> T) -> T {
        use_bytes(&self.0)
    }

    /// A commitment that reveals nothing of a random secret.
    pub fn commitment(&self, context: &str) -> Bytes32 {
        Bytes32(domains::blake3_in(context, &[&self.0]))
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(alloc::format!("{:?}", Secret::new([7; 32])), "[redacted]");
    }
}
