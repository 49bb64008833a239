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
use crate::domains::{self, keccak256};
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
    /// Name of the log in its checkpoints.
    pub origin: Origin,
    /// The lost engine that this one replaces; only after a recovery.
    pub predecessor: Option<Predecessor>,
}

/// A genesis without its predecessor: the part that a successor's genesis carries.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GenesisBase {
    /// Name of the service, for people.
    pub name: String,
    /// Makes two engines with equal rules different.
    pub salt: Bytes32,
    /// The first policy.
    pub policy: Policy,
    /// Name of the log in its checkpoints.
    pub origin: Origin,
}

impl Genesis {
    /// Everything except the predecessor.
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

    /// Checks everything that needs no other bytes and no signature.
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
    /// Only that hash enters, so a chain of recoveries is verified link by link and the size of a
    /// genesis does not grow with it.
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

/// The engine that a new one replaces, after it lost a log that its witnesses had cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Predecessor {
    /// Its engine ID. Must equal the ID that the parts below make.
    pub engine_id: EngineId,
    /// Its genesis public keys.
    pub keys: GenesisKeys,
    /// Commitment to its log secret.
    pub log_secret_commitment: Bytes32,
    /// Its genesis without its own predecessor.
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

    /// True when checkpoint and signatures keep their bounds and order. Verifies neither.
    pub fn is_well_formed(&self) -> bool {
        self.checkpoint.len() <= PREDECESSOR_NOTE_BYTES_MAX
            && self.signatures.len() <= OBSERVERS_MAX
            && self.signatures.windows(2).all(|w| w[0].0 < w[1].0)
    }
}

/// The public keys that an engine was created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GenesisKeys {
    /// Compressed secp256k1 key (SEC 1) that signs statements and promises.
    pub signing: [u8; 33],
    /// Ed25519 key that signs checkpoints.
    pub checkpoint: [u8; 32],
}

impl GenesisKeys {
    /// One word over both keys: each key after the name of its kind, fixed lengths.
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

/// What the genesis document of an engine has in `user_data`: the engine id in a domain that no
/// other document uses.
///
/// The id covers the public keys, the log secret's commitment and the genesis, so the digest names
/// these keys.
pub fn genesis_document_digest(engine_id: &EngineId) -> Bytes32 {
    Bytes32(domains::blake3_in(domains::GENESIS_DOCUMENT, &[&engine_id.0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::succession::tests::{base, successor};

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

    #[test]
    fn genesis_at_its_limits_is_valid_and_one_beyond_is_refused_by_name() {
        let named = |bytes: usize| GenesisBase { name: "n".repeat(bytes), ..base() };
        let most = CHARTER_BYTES_MAX - codec::encode(&named(0)).len();
        assert_eq!(named(most).check(), Ok(()));
        assert_eq!(named(most + 1).check(), Err(PolicyError::Size));
        let noted = |bytes: usize| {
            let mut genesis = successor();
            genesis.predecessor.as_mut().unwrap().checkpoint = "n".repeat(bytes);
            genesis.check()
        };
        assert_eq!(noted(PREDECESSOR_NOTE_BYTES_MAX), Ok(()));
        assert_eq!(noted(PREDECESSOR_NOTE_BYTES_MAX + 1), Err(PolicyError::Predecessor));
        let signed = |count: u8| {
            let mut genesis = successor();
            let signatures = (0..count).map(|n| Signature([n; 65])).collect();
            genesis.predecessor.as_mut().unwrap().signatures = signatures;
            genesis.check()
        };
        let most = u8::try_from(OBSERVERS_MAX).unwrap();
        assert_eq!(signed(most), Ok(()));
        assert_eq!(signed(most + 1), Err(PolicyError::Predecessor));
    }
}
