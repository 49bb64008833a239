//! The genesis of an engine, and the engine ID that covers it.
//!
//! A genesis is written once, in a ceremony. It holds the first policy, the name of the log, and,
//! after a recovery, the engine that was lost. Its hash is part of the engine's identity.
//!
//! ```text
//! engine id = H(public keys, log secret commitment, genesis hash)
//! genesis hash = H(base, hash of the predecessor or zero)
//! ```
//! Invariants: nothing nests. Of the predecessor's own predecessor only the hash is kept.

use crate::abi::Words;
use crate::codec;
use crate::domains::keccak256;
use crate::ids::{Bytes32, EngineId, Signature};
use crate::limits::{CHARTER_BYTES_MAX, OBSERVERS_MAX, PREDECESSOR_NOTE_BYTES_MAX};
use crate::policy::{Policy, PolicyError};
use crate::witness::Origin;
use alloc::string::String;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// Tag of the genesis hash.
const GENESIS_TAG: &str = "MortiseGenesis(bytes charter,bytes32 predecessor)";
/// Tag of the engine id.
const ENGINE_ID_TAG: &str =
    "MortiseEngineId(bytes32 keys,bytes32 logSecretCommitment,bytes32 genesis)";
/// Tag of the hash of a predecessor.
const PREDECESSOR_TAG: &str = "MortisePredecessor(bytes predecessor)";

/// What an engine starts from.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Genesis {
    /// Name of the service, for people.
    pub name: String,
    /// Makes two engines with equal rules different.
    pub salt: Bytes32,
    /// The first policy.
    pub policy: Policy,
    /// What the log is called in its checkpoints.
    pub origin: Origin,
    /// The engine that this one takes the place of, if it was made in a recovery.
    pub predecessor: Option<Predecessor>,
}

/// A genesis but for its predecessor: what a successor carries of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GenesisBase {
    /// Name of the service, for people.
    pub name: String,
    /// Makes two engines with equal rules different.
    pub salt: Bytes32,
    /// The first policy.
    pub policy: Policy,
    /// What the log is called in its checkpoints.
    pub origin: Origin,
}

impl Genesis {
    /// All of it but the predecessor.
    pub fn base(&self) -> GenesisBase {
        let Self { name, salt, policy, origin, .. } = self.clone();
        GenesisBase { name, salt, policy, origin }
    }

    /// The hash that the engine id covers.
    pub fn hash(&self) -> Bytes32 {
        self.base().genesis_hash(&self.predecessor_hash())
    }

    /// The hash of the predecessor, zero for none.
    pub fn predecessor_hash(&self) -> Bytes32 {
        self.predecessor.as_ref().map_or(Bytes32::ZERO, Predecessor::hash)
    }

    /// Checks everything in it that can be checked without other bytes and without signatures.
    ///
    /// # Errors
    /// The first [`PolicyError`] that applies: the policy's, `Origin`, `Size`, `Predecessor`.
    pub fn check(&self) -> Result<(), PolicyError> {
        self.base().check()?;
        match self.predecessor.as_ref().is_none_or(Predecessor::is_well_formed) {
            true => Ok(()),
            false => Err(PolicyError::Predecessor),
        }
    }
}

impl GenesisBase {
    /// The hash of the genesis with this predecessor's hash; zero for none.
    ///
    /// It takes no more of the predecessor, so that a chain of recoveries is judged link by link
    /// and no genesis grows with its length.
    pub fn genesis_hash(&self, predecessor: &Bytes32) -> Bytes32 {
        let words = Words::typed(&keccak256(&[GENESIS_TAG.as_bytes()]));
        words.word(&keccak256(&[&codec::encode(self)])).word(&predecessor.0).hash()
    }

    /// Checks that it is consistent and fits its bounds.
    ///
    /// # Errors
    /// The first [`PolicyError`] that applies: the policy's, `Origin`, `Size`.
    pub fn check(&self) -> Result<(), PolicyError> {
        self.policy.check()?;
        if !self.origin.is_well_formed() {
            return Err(PolicyError::Origin);
        }
        match codec::encode(self).len() <= CHARTER_BYTES_MAX {
            true => Ok(()),
            false => Err(PolicyError::Size),
        }
    }
}

/// The engine that a new one takes the place of, after its log was lost behind its witnesses.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Predecessor {
    /// Its id: that of the parts below, or the succession is refused.
    pub engine_id: EngineId,
    /// The public keys that it was founded with.
    pub keys: GenesisKeys,
    /// Commitment to its log secret.
    pub log_secret_commitment: Bytes32,
    /// Its genesis, but for its own predecessor.
    pub base: GenesisBase,
    /// Hash of its own predecessor, zero for none.
    pub before: Bytes32,
    /// Its last cosigned checkpoint, a signed note.
    pub checkpoint: String,
    /// Signatures of its operators over the [succession](crate::succession), sorted bytewise.
    pub signatures: Vec<Signature>,
}

impl Predecessor {
    /// The hash that the genesis of the new engine covers.
    pub fn hash(&self) -> Bytes32 {
        let tag = keccak256(&[PREDECESSOR_TAG.as_bytes()]);
        Words::typed(&tag).word(&keccak256(&[&codec::encode(self)])).hash()
    }

    /// The engine id that the carried parts make.
    pub fn computed_id(&self) -> EngineId {
        let genesis = self.base.genesis_hash(&self.before);
        engine_id(&self.keys, &self.log_secret_commitment, &genesis)
    }

    /// First line of its checkpoints.
    pub fn origin(&self) -> String {
        self.base.origin.line(&self.engine_id, &self.keys.checkpoint)
    }

    /// True when it keeps its bounds. What it says is checked where it is used.
    pub fn is_well_formed(&self) -> bool {
        self.checkpoint.len() <= PREDECESSOR_NOTE_BYTES_MAX
            && self.signatures.len() <= OBSERVERS_MAX
            && self.signatures.windows(2).all(|w| w[0].0 < w[1].0)
    }
}

/// The public keys that an engine was founded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GenesisKeys {
    /// Compressed secp256k1 key (SEC 1) that signs statements and promises.
    pub signing: [u8; 33],
    /// Ed25519 key that signs checkpoints.
    pub checkpoint: [u8; 32],
}

impl GenesisKeys {
    /// The word that stands for all of them: fixed lengths, each after the name of its kind.
    fn word(&self) -> [u8; 32] {
        keccak256(&[b"secp256k1", &self.signing, b"ed25519", &self.checkpoint])
    }
}

/// The identity of an engine: all genesis public keys, commitment to the log secret, genesis hash.
pub fn engine_id(
    keys: &GenesisKeys,
    log_secret_commitment: &Bytes32,
    genesis: &Bytes32,
) -> EngineId {
    let words = Words::typed(&keccak256(&[ENGINE_ID_TAG.as_bytes()]))
        .word(&keys.word())
        .word(&log_secret_commitment.0)
        .word(&genesis.0);
    EngineId(words.hash().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_id_covers_every_genesis_key_the_log_secret_and_the_genesis() {
        let keys = GenesisKeys { signing: [2; 33], checkpoint: [3; 32] };
        let (secret, genesis) = (Bytes32([4; 32]), Bytes32([5; 32]));
        let ids = [
            engine_id(&keys, &secret, &genesis),
            engine_id(&GenesisKeys { signing: [6; 33], ..keys }, &secret, &genesis),
            engine_id(&GenesisKeys { checkpoint: [6; 32], ..keys }, &secret, &genesis),
            engine_id(&keys, &Bytes32([6; 32]), &genesis),
            engine_id(&keys, &secret, &Bytes32([6; 32])),
        ];
        for (i, a) in ids.iter().enumerate() {
            assert!(ids[i + 1..].iter().all(|b| a != b), "{i}");
        }
    }
}
