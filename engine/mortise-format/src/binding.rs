//! The public keys of a boot: in its boot frame, and in what its attestation document binds.
//!
//! What it is for: one shape for the log and for `specs/attestation.md`, so that an auditor
//! rebuilds from a boot frame exactly what the document of that boot was made for.

use bincode::{Decode, Encode};

/// The public keys of one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct BoundKeys {
    /// Compressed secp256k1 key that signs statements and promises.
    pub signing: [u8; 33],
    /// Ed25519 key that signs checkpoints, when the engine has one.
    pub checkpoint: Option<[u8; 32]>,
    /// X25519 key of the channel, made per boot, when the engine has one.
    pub channel: Option<[u8; 32]>,
}
