//! Streams between the parts of Mortise, and the message framing on them.
//!
//! What it is for: naming an endpoint (`unix:PATH`, `vsock:CID:PORT`, `hybrid:PATH:PORT`),
//! connecting and listening there, framing the byte stream into bounded, numbered messages, many
//! concurrent requests on one connection ([`PipelinedClient`]), serving a port with an access check
//! by context id ([`serve`]), fair shares between the callers of a port ([`FairQueue`]), and the
//! host names of the key service ([`aws`]).
//!
//! What it does not do: interpret messages, retry, authenticate, or time out (except for the first
//! line of a hybrid vsock). Only the owner of a unix socket file can connect to it; all other
//! protection is up to the protocol on the stream.
//!
//! Invariants: a reader buffers at most one message of its bound, and its buffer grows with the
//! bytes that arrive, not with the length that a peer announces; a message that is over its bound,
//! or ends early, is a named error and ends the connection.

mod address;
pub mod aws;
mod budget;
mod fair;
mod hybrid;
mod listener;
mod message;
mod pipelined;
pub mod ports;
mod serve;
mod slots;
mod slow;
mod stream;

pub use address::{Address, AddressError, VSOCK_CID_ANY};
pub use budget::{ByteBudget, HeldBytes};
pub use fair::{
    FairBytes, FairPool, FairQueue, PoolPermit, ReservedBytes, ShareKey, Shares, Turn, Turns,
};
pub use hybrid::HybridError;
pub use listener::Listener;
pub use message::{
    HEADER_BYTES, HINT_BYTES, Message, MessageError, MessageReader, MessageWriter, RELAY_MAGIC,
    REQUEST_MAGIC, Received, STORE_MAGIC, WITNESS_MAGIC, begin_with_hint, message_length,
    split_hint,
};
pub use pipelined::{Answer, NoAnswer, NotSent, PipelinedClient, PipelinedOptions, Unasked};
pub use serve::{AtBound, ServeEvent, ServeOptions, serve, stop_signal};
pub use slots::{Busy, ConnectionSlots, Slot};
pub use slow::SlowGuard;
pub use stream::{Peer, Stream, connect};
