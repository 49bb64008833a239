//! What an export holds beside the frames.

use super::Parts;
use crate::store::LogStore;
use mortise_format::blobs::{GENESIS_BLOB, KEYS_BLOB, PUBLIC_KEYS_PART, SealedKeys};
use mortise_format::codec;
use mortise_format::genesis::{Genesis, GenesisKeys, engine_id};
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::store::StoreRefusal;

/// The genesis, the public keys that the engine id covers, and the sealed keys if `sealed_keys`.
/// Without the sealed keys a file is for auditors: no engine starts on it.
///
/// # Errors
/// The store refuses to read a blob.
pub fn parts_of(store: &dyn LogStore, sealed_keys: bool) -> Result<Parts, StoreRefusal> {
    let mut parts = Parts::new();
    if let Some(genesis) = store.blob_get(GENESIS_BLOB)? {
        parts.insert(GENESIS_BLOB.to_owned(), genesis);
    }
    let Some(keys) = store.blob_get(KEYS_BLOB)? else { return Ok(parts) };
    if let Ok(sealed) = SealedKeys::decode(&keys) {
        let public = codec::encode(&(sealed.keys, sealed.log_secret_commitment));
        parts.insert(PUBLIC_KEYS_PART.to_owned(), public);
    }
    if sealed_keys {
        parts.insert(KEYS_BLOB.to_owned(), keys);
    }
    Ok(parts)
}

/// The sealed values that an engine needs and an export does not have.
pub(super) fn missing_values(parts: &Parts) -> Vec<&'static str> {
    let all = [GENESIS_BLOB, KEYS_BLOB];
    all.into_iter().filter(|name| !parts.contains_key(*name)).collect()
}

/// The engines that the genesis makes with the public keys, and with the public half of the sealed
/// ones. A part that does not decode makes none: an engine refuses it by name.
pub(super) fn engines_of(parts: &Parts) -> Vec<EngineId> {
    let genesis = parts.get(GENESIS_BLOB).and_then(|bytes| codec::decode::<Genesis>(bytes).ok());
    let Some(genesis) = genesis else { return Vec::new() };
    let public = parts.get(PUBLIC_KEYS_PART);
    let public = public.and_then(|bytes| codec::decode::<(GenesisKeys, Bytes32)>(bytes).ok());
    let sealed = parts.get(KEYS_BLOB);
    let sealed = sealed.and_then(|bytes| SealedKeys::decode(bytes).ok());
    let sealed = sealed.map(|sealed| (sealed.keys, sealed.log_secret_commitment));
    let makes = |(keys, secret): (GenesisKeys, Bytes32)| engine_id(&keys, &secret, &genesis.hash());
    public.into_iter().chain(sealed).map(makes).collect()
}

/// Whether an import puts this part into the store.
pub fn is_stored(name: &str) -> bool {
    [GENESIS_BLOB, KEYS_BLOB].contains(&name)
}
