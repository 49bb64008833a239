//! JSON-RPC 2.0, the same over the socket and the gateway.
//!
//! What it is for: turns request bytes into answer bytes. Parses with `mortise_rpc`, submits
//! through the handle, renders the reply.
//!
//! What it does not do: split streams into messages, listen, decide.

mod application;
mod attestation;
mod batch;
mod bound;
mod freshness;
mod history;
mod info;
mod lock_history;
mod message;
mod methods;
mod reading;
mod render;
mod reply;
mod sealed;
mod who_reads;

pub use application::app;
pub use bound::FRAMES_BYTES_MAX;
pub use message::{answer, answer_message, answer_too_large, too_large};
pub use methods::subscribe_elsewhere;
pub use reading::{notified_frames, readers};
pub use sealed::answer_sealed;
