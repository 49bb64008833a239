//! The order of effects around the core.
//!
//! What it is for: the pipeline (the order of effects as a pure function), the actors that execute
//! its outputs, the ports to store, keys, time and entropy, the boot that replays the log, and the
//! sessions that speak JSON-RPC on sockets.
//!
//! What it does not do: decide (`mortise-core`), keep frames (`mortise-host`), know where keys
//! come from (`ports`).
//!
//! ```text
//! Listener -> Session --Work--> Ledger(Pipeline) --append--> log store
//!                ^                |    ^   ^---------------Acked------'
//!                |                |    '---Signed--- Signer pool
//!                '----Reply-------'
//! ```

pub mod actors;
pub mod admission;
pub mod api;
pub mod app;
pub mod attest;
pub mod boot;
pub mod boot_clock;
pub mod channel;
pub mod checkpoint;
pub mod drafts;
mod epoch_keys;
pub mod handle;
pub mod keyring;
pub mod lease;
pub mod mode;
pub mod phase;
pub mod pipeline;
pub mod ports;
pub mod priority;
pub mod query;
pub mod reader;
pub mod reading;
pub mod released;
mod room;
pub mod rpc;
pub mod server;
pub mod session;
pub mod store;
pub mod throttle;
pub mod witness;
