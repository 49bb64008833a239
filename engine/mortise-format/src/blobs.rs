//! The blobs that an engine keeps in its store, and the parts of an exported log.
//!
//! What it does not do: seal or open anything. The keys stay sealed under a data key of the vault.

use crate::genesis::GenesisKeys;
use crate::ids::Bytes32;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// Name of the blob with the genesis; an export has it as a part of the same name.
pub const GENESIS_BLOB: &str = "genesis";
/// Name of the blob with the sealed genesis keys.
pub const KEYS_BLOB: &str = "genesis-keys";
/// Part of an export that is not a blob: the public keys that the engine id covers, with the
/// commitment to the log secret, `(GenesisKeys, Bytes32)`.
pub const PUBLIC_KEYS_PART: &str = "founding";

/// The sealed keys of an engine, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SealedKeys {
    /// The public keys that the engine id covers.
    pub keys: GenesisKeys,
    /// Commitment to the log secret.
    pub log_secret_commitment: Bytes32,
    /// The data key, wrapped by the vault.
    pub wrapped_key: Vec<u8>,
    /// Signing key, log secret and checkpoint key under the data key.
    pub cipher: Vec<u8>,
}
