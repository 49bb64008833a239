//! The identity of an engine, as a client pins it.

use mortise_format::ids::{Address, EngineId};
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
    /// The same identity as the verifier's type.
    pub fn engine(&self) -> Engine {
        Engine { id: self.engine_id, address: self.address }
    }
}
