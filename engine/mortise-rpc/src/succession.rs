//! The predecessor in the genesis file of a recovery.

use super::HexBytes;
use super::genesis::{GenesisError, PolicyJson};
use super::origin::OriginJson;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::genesis::{GenesisBase, GenesisKeys, Predecessor};
use mortise_format::ids::{Bytes32, EngineId, Signature};
use serde::{Deserialize, Serialize};

/// The predecessor in the file. Signatures may be in any order.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PredecessorJson {
    engine_id: EngineId,
    public_key: HexBytes,
    checkpoint_key: Bytes32,
    log_secret_commitment: Bytes32,
    genesis: GenesisBaseJson,
    checkpoint: String,
    #[serde(default)]
    signatures: Vec<Signature>,
}

/// The genesis of the predecessor, with the hash of its own predecessor if it had one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GenesisBaseJson {
    name: String,
    salt: Bytes32,
    policy: PolicyJson,
    #[serde(default)]
    origin: OriginJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    predecessor_hash: Option<Bytes32>,
}

impl From<&Predecessor> for PredecessorJson {
    fn from(predecessor: &Predecessor) -> Self {
        let base = &predecessor.base;
        let before = predecessor.before;
        Self {
            engine_id: predecessor.engine_id,
            public_key: HexBytes(predecessor.keys.signing.to_vec()),
            checkpoint_key: Bytes32(predecessor.keys.checkpoint),
            log_secret_commitment: predecessor.log_secret_commitment,
            genesis: GenesisBaseJson {
                name: base.name.clone(),
                salt: base.salt,
                policy: PolicyJson::from(&base.policy),
                origin: OriginJson::from(&base.origin),
                predecessor_hash: (before != Bytes32::ZERO).then_some(before),
            },
            checkpoint: predecessor.checkpoint.clone(),
            signatures: predecessor.signatures.clone(),
        }
    }
}

impl TryFrom<PredecessorJson> for Predecessor {
    type Error = GenesisError;
    fn try_from(json: PredecessorJson) -> Result<Self, GenesisError> {
        let signing = json.public_key.0.as_slice().try_into();
        let signing = signing.map_err(|_| GenesisError::PublicKey)?;
        let mut signatures = json.signatures;
        signatures.sort_by_key(|signature| signature.0);
        let GenesisBaseJson { name, salt, policy, origin, predecessor_hash } = json.genesis;
        let (policy, origin) = (policy.try_into()?, origin.into());
        Ok(Self {
            engine_id: json.engine_id,
            keys: GenesisKeys { signing, checkpoint: json.checkpoint_key.0 },
            log_secret_commitment: json.log_secret_commitment,
            base: GenesisBase { name, salt, policy, origin },
            before: predecessor_hash.unwrap_or_default(),
            checkpoint: json.checkpoint,
            signatures,
        })
    }
}
