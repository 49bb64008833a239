//! JSON-RPC 2.0 over whatever carries bytes: the same for the socket and the gateway.
//!
//! What it is for: bytes in, bytes out. Parses with `mortise_rpc`, asks through the handle,
//! renders what comes back.
//!
//! What it does not do: frame, listen, decide.

mod application;
mod ask;
mod attestation;
mod history;
mod info;
mod message;
mod methods;
mod reading;
mod render;
mod sealed;

pub use message::{answer, answer_message, answer_too_large, too_large};
pub use methods::subscribe_elsewhere;
pub use reading::{notified_frames, released_log};
pub use sealed::answer_sealed;
