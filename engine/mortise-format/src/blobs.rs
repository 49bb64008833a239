//! The blobs that an engine keeps in its store, and the parts of an exported log.
//!
//! What it does not do: seal or open anything. The keys stay sealed under a data key of the vault.

use crate::codec::{self, CodecError};
use crate::genesis::GenesisKeys;
use crate::ids::Bytes32;
use crate::limits::ATTESTATION_BYTES_MAX;
use alloc::vec::Vec;

/// Name of the blob with the genesis; an export has it as a part of the same name.
pub const GENESIS_BLOB: &str = "genesis";
/// Name of the blob with the sealed genesis keys.
pub const KEYS_BLOB: &str = "genesis-keys";
/// Part of an export that is not a blob: the public keys that the engine id covers, with the
/// commitment to the log secret, `(GenesisKeys, Bytes32)`.
pub const PUBLIC_KEYS_PART: &str = "founding";

/// The sealed keys of an engine, as stored.
///
/// ```text
/// keys | log secret commitment | wrapped key | cipher | genesis document, if there is one
/// ```
/// Without a document nothing follows the cipher: engines that were created before documents were
/// made, or without a security module, have such a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKeys {
    /// The public keys that the engine id covers.
    pub keys: GenesisKeys,
    /// Commitment to the log secret.
    pub log_secret_commitment: Bytes32,
    /// The data key, wrapped by the vault.
    pub wrapped_key: Vec<u8>,
    /// Signing key, log secret and checkpoint key under the data key.
    pub cipher: Vec<u8>,
    /// The attestation document that was made when the keys were drawn; empty for none. In clear,
    /// and covered by the cipher.
    pub genesis_document: Vec<u8>,
}

/// The blob without a document.
type Bare = (GenesisKeys, Bytes32, Vec<u8>, Vec<u8>);

impl SealedKeys {
    /// The blob.
    pub fn encode(&self) -> Vec<u8> {
        let Self { keys, log_secret_commitment, wrapped_key, cipher, genesis_document } = self;
        let mut blob = codec::encode(&(keys, log_secret_commitment, wrapped_key, cipher));
        if !genesis_document.is_empty() {
            codec::encode_into(genesis_document, &mut blob);
        }
        blob
    }

    /// Reads a blob.
    ///
    /// # Errors
    /// `Malformed`, `Trailing` as [`codec::decode`]; `Malformed` for a document that is empty or
    /// over `ATTESTATION_BYTES_MAX`.
    pub fn decode(blob: &[u8]) -> Result<Self, CodecError> {
        let ((keys, log_secret_commitment, wrapped_key, cipher), genesis_document) =
            match codec::decode::<Bare>(blob) {
                Ok(bare) => (bare, Vec::new()),
                Err(CodecError::Malformed) => return Err(CodecError::Malformed),
                Err(CodecError::Trailing { .. }) => codec::decode::<(Bare, Vec<u8>)>(blob)
                    .and_then(|whole| {
                        match (1..=ATTESTATION_BYTES_MAX).contains(&whole.1.len()) {
                            true => Ok(whole),
                            false => Err(CodecError::Malformed),
                        }
                    })?,
            };
        Ok(Self { keys, log_secret_commitment, wrapped_key, cipher, genesis_document })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn sealed(document: Vec<u8>) -> SealedKeys {
        SealedKeys {
            keys: GenesisKeys { signing: [2; 33], checkpoint: [3; 32] },
            log_secret_commitment: Bytes32([4; 32]),
            wrapped_key: vec![5; 80],
            cipher: vec![6; 112],
            genesis_document: document,
        }
    }

    #[test]
    fn blob_without_a_document_ends_with_its_cipher() {
        let bare = sealed(Vec::new());
        let before = (bare.keys, bare.log_secret_commitment, &bare.wrapped_key, &bare.cipher);
        assert_eq!(bare.encode(), codec::encode(&before));
        assert_eq!(SealedKeys::decode(&bare.encode()), Ok(bare));
    }

    #[test]
    fn document_from_one_byte_to_its_bound_is_read_and_no_other() {
        for bytes in [1, 100, ATTESTATION_BYTES_MAX] {
            let whole = sealed(vec![7; bytes]);
            assert_eq!(SealedKeys::decode(&whole.encode()), Ok(whole));
        }
        let over = sealed(vec![7; ATTESTATION_BYTES_MAX + 1]).encode();
        assert_eq!(SealedKeys::decode(&over), Err(CodecError::Malformed));
        let empty = [sealed(Vec::new()).encode(), codec::encode(&Vec::<u8>::new())].concat();
        assert_eq!(SealedKeys::decode(&empty), Err(CodecError::Malformed));
    }

    #[test]
    fn blob_that_is_cut_or_goes_on_is_refused() {
        let whole = sealed(vec![7; 9]).encode();
        let bare = sealed(Vec::new()).encode();
        for length in (0..whole.len()).filter(|length| *length != bare.len()) {
            assert_eq!(SealedKeys::decode(&whole[..length]), Err(CodecError::Malformed));
        }
        let longer = [&whole[..], &[0]].concat();
        assert_eq!(SealedKeys::decode(&longer), Err(CodecError::Trailing { extra: 1 }));
    }
}
