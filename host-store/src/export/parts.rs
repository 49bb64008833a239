//! What goes with the frames: the genesis, the engine's public keys, and its sealed keys on demand.

use super::file::Parts;
use crate::store::LogStore;
use mortise_format::codec;
use mortise_format::ids::Bytes32;
use mortise_format::policy::GenesisKeys;
use mortise_format::store::StoreRefusal;

/// The genesis, as the engine stored it.
pub const GENESIS_PART: &str = "genesis";
/// The sealed keys of the engine, as it stored them.
pub const SEALED_KEYS_PART: &str = "genesis-keys";
/// What the engine id covers besides the genesis: the engine's public keys and the commitment to
/// its log secret. It is in an export alone; a store has it inside the sealed keys.
pub const PUBLIC_KEYS_PART: &str = "founding";

/// The front of the sealed keys that is in clear, and the two sealed values behind it.
type SealedKeys = (GenesisKeys, Bytes32, Vec<u8>, Vec<u8>);

/// The parts of an export: the genesis and the public keys, and with `sealed_keys` the whole of the
/// sealed keys. What a store lacks, or what does not decode, is left out.
///
/// # Errors
/// As the store refuses.
pub fn parts_of(store: &dyn LogStore, sealed_keys: bool) -> Result<Parts, StoreRefusal> {
    let mut parts = Parts::new();
    if let Some(genesis) = store.blob_get(GENESIS_PART)? {
        parts.insert(GENESIS_PART.to_owned(), genesis);
    }
    let Some(keys) = store.blob_get(SEALED_KEYS_PART)? else { return Ok(parts) };
    if let Ok((public, log_secret_commitment, ..)) = codec::decode::<SealedKeys>(&keys) {
        let public = codec::encode(&(public, log_secret_commitment));
        parts.insert(PUBLIC_KEYS_PART.to_owned(), public);
    }
    if sealed_keys {
        parts.insert(SEALED_KEYS_PART.to_owned(), keys);
    }
    Ok(parts)
}

/// Whether an import puts this part into the store.
pub fn is_stored(name: &str) -> bool {
    [GENESIS_PART, SEALED_KEYS_PART].contains(&name)
}
