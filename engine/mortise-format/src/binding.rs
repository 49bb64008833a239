//! What a boot binds to its image by its attestation document (`specs/attestation.md`).
//!
//! What it is for: one encoding for the log and for the document, so that an auditor rebuilds from
//! a boot frame exactly what that boot's document attests. What it does not do: verify a document
//! (`mortise_verify::attestation`).

use crate::domains::{self, ATTESTATION_BINDING, ATTESTED_LEASE};
use crate::ids::{Bytes32, EngineId, PolicyHash, Root};
use crate::pcr::Pcr;
use alloc::vec::Vec;
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

/// Everything that a boot binds to its image by an attestation document.
///
/// Its digest is the document's `user_data`. The boot also extends PCR16 with the digest once and
/// locks it, so that key policies can name the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyBinding {
    /// The engine.
    pub engine_id: EngineId,
    /// The epoch: one boot of the engine.
    pub epoch: u64,
    /// Its public keys.
    pub keys: BoundKeys,
    /// Frames of the history when it booted.
    pub history_size: u64,
    /// Root of that history.
    pub history_root: Root,
    /// The policy in force.
    pub policy_hash: PolicyHash,
}

impl KeyBinding {
    /// The digest in `user_data`.
    pub fn digest(&self) -> Bytes32 {
        let mut bytes = Vec::with_capacity(BYTES_MAX);
        bytes.extend_from_slice(&self.engine_id.0);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.keys.signing);
        push_option(&mut bytes, self.keys.checkpoint.as_ref());
        push_option(&mut bytes, self.keys.channel.as_ref());
        bytes.extend_from_slice(&self.history_size.to_le_bytes());
        bytes.extend_from_slice(&self.history_root.0);
        bytes.extend_from_slice(&self.policy_hash.0);
        Bytes32(domains::blake3_in(ATTESTATION_BINDING, &[&bytes]))
    }

    /// The value of PCR16 once it was extended with the digest.
    pub fn pcr16(&self) -> Pcr {
        Pcr::ZERO.extended(&self.digest().0)
    }
}

/// What a document for a caller covers beside binding and statement, in an engine with witnesses:
/// the cosigned checkpoint, and the time as of which the statement was the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseDigest<'a> {
    /// The signed note, cosignatures included.
    pub checkpoint: &'a [u8],
    /// Seconds since the Unix epoch.
    pub as_of: u64,
}

impl LeaseDigest<'_> {
    /// The digest in `user_data`, after those of the binding and the statement.
    pub fn digest(&self) -> Bytes32 {
        let time = self.as_of.to_le_bytes();
        Bytes32(domains::blake3_in(ATTESTED_LEASE, &[&time, self.checkpoint]))
    }
}

/// As the codec writes an option: 0, or 1 and the value.
fn push_option(bytes: &mut Vec<u8>, key: Option<&[u8; 32]>) {
    bytes.push(u8::from(key.is_some()));
    bytes.extend(key.into_iter().flatten());
}

/// Bytes of a binding with all keys.
const BYTES_MAX: usize = 32 + 8 + 33 + 2 * 33 + 8 + 32 + 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> KeyBinding {
        KeyBinding {
            engine_id: EngineId([1; 32]),
            epoch: 2,
            keys: BoundKeys { signing: [3; 33], checkpoint: Some([4; 32]), channel: Some([5; 32]) },
            history_size: 6,
            history_root: Root([7; 32]),
            policy_hash: PolicyHash([8; 32]),
        }
    }

    #[test]
    fn every_field_changes_the_digest() {
        let whole = binding();
        let mut others = [whole; 10];
        others[0].engine_id.0[31] = 0;
        others[1].epoch = 3;
        others[2].keys.signing[0] = 2;
        others[3].keys.checkpoint = Some([5; 32]);
        others[4].keys.checkpoint = None;
        others[5].keys.channel = None;
        others[6].history_size = 7;
        others[7].history_root.0[0] = 0;
        others[8].policy_hash.0[0] = 0;
        others[9].keys = BoundKeys { checkpoint: None, channel: Some([4; 32]), ..whole.keys };
        let mut digests: Vec<_> = others.iter().map(KeyBinding::digest).collect();
        digests.push(whole.digest());
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 11);
    }

    #[test]
    fn lease_digest_covers_checkpoint_and_time() {
        let lease = LeaseDigest { checkpoint: b"note", as_of: 7 };
        let others = [
            LeaseDigest { as_of: 8, ..lease },
            LeaseDigest { checkpoint: b"Note", ..lease },
            LeaseDigest { checkpoint: b"", ..lease },
        ];
        assert!(others.iter().all(|other| other.digest() != lease.digest()));
    }

    #[test]
    fn pcr16_is_one_extension_with_the_digest() {
        let binding = binding();
        assert_eq!(binding.pcr16(), Pcr::ZERO.extended(&binding.digest().0));
        assert_ne!(binding.pcr16(), Pcr::ZERO.extended(&binding.pcr16().0));
    }
}
