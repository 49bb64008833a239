//! Streams between the parts of Mortise, and the message framing on them.
//!
//! What it is for: one way to name an endpoint (`unix:PATH`, `vsock:CID:PORT`,
//! `hybrid:PATH:PORT`), to connect or listen there, to cut the byte stream into bounded, numbered
//! messages, to have many requests under way on one connection ([`PipelinedClient`]), and to serve
//! a port with an access check by context id ([`serve`]).
//!
//! What it does not do: know what a message means, retry, authenticate, or time out (but for the
//! first line of a hybrid vsock). A unix socket file is readable by its owner only; everything else
//! is up to the protocol on the stream.
//!
//! Invariants: a reader never buffers more than one message of its bound, and grows with the bytes
//! that arrive, not with the length a peer announces; a message that is over its bound, or ends
//! early, is a named error and the end of the connection.

mod address;
mod hybrid;
mod listener;
mod message;
mod pipelined;
pub mod ports;
mod serve;
mod stream;

pub use address::{Address, AddressError, VSOCK_CID_ANY};
pub use hybrid::HybridError;
pub use listener::Listener;
pub use message::{
    HEADER_BYTES, Message, MessageError, MessageReader, MessageWriter, REQUEST_MAGIC, STORE_MAGIC,
    WITNESS_MAGIC, message_length,
};
pub use pipelined::{Answer, NoAnswer, NotSent, PipelinedClient, PipelinedOptions, Unasked};
pub use serve::{AtBound, ServeEvent, ServeOptions, serve};
pub use stream::{Peer, Stream, connect};
