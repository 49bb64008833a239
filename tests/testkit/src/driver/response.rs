//! The content of an answer, byte for byte.

use mortise_core::body::CarriedStatement;
use mortise_core::promise::Promise;
use mortise_engine::api::{Replied, Reply};
use mortise_format::event::Event;
use mortise_format::ids::Signature;

/// Everything that a caller gets about a logged command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The frame's statement with its signature.
    pub signed: CarriedStatement,
    /// The event's index in the frame.
    pub index: u32,
    /// The engine's signed commitments and outcomes.
    pub promises: Vec<(Promise, Signature)>,
    /// The event.
    pub event: Event,
    /// Its bytes, salt and path.
    pub proof: (Vec<u8>, [u8; 32], Vec<[u8; 32]>),
}

impl Response {
    /// The content of a reply.
    ///
    /// # Panics
    /// For replies to commands that were not logged.
    pub fn of(replied: &Replied) -> Self {
        let Ok(Reply::Logged(frame, index)) = replied else {
            panic!("{replied:?} is about no event")
        };
        let proof = frame.event(*index).expect("the frame has the event");
        Self {
            signed: frame.signed().clone(),
            index: *index,
            promises: frame.promises(*index).to_vec(),
            event: frame.decoded(*index).expect("the event decodes"),
            proof: (proof.bytes, proof.salt, proof.path),
        }
    }

    /// The frame.
    pub fn seq(&self) -> u64 {
        self.signed.statement.seq
    }
}
