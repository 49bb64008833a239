//! The identity of an engine, as a client pins it.

use mortise_format::genesis::{self, GenesisKeys};
use mortise_format::ids::{Address, EngineId};
use mortise_format::secp256k1::address_of_compressed;
use mortise_rpc::results::EngineInfo;
use mortise_verify::Engine;

/// The identity of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The engine ID. It never changes.
    pub engine_id: EngineId,
    /// The address of its signing key.
    pub address: Address,
}

impl Identity {
    /// The identity that an engine's own words open: its id is a hash of its genesis public keys,
    /// of the commitment to its log secret and of its genesis. `None` if they hash to another id.
    ///
    /// **What a success proves**: the address belongs to that engine id, by any peer. **What
    /// it does not prove**: that the caller meant this engine; compare the id.
    pub fn opened(info: &EngineInfo) -> Option<Self> {
        let signing = info.public_key.0.as_slice().try_into().ok()?;
        let keys = GenesisKeys { signing, checkpoint: info.checkpoint_key.0 };
        let id = genesis::engine_id(&keys, &info.log_secret_commitment, &info.genesis_hash);
        let address = address_of_compressed(&signing)?;
        (id == info.engine_id).then_some(Self { engine_id: id, address })
    }

    /// The same identity as the verifier's type.
    pub fn engine(&self) -> Engine {
        Engine { id: self.engine_id, address: self.address }
    }
}
