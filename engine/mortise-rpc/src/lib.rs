//! JSON-RPC 2.0 requests, answers and errors of Mortise, and the genesis file.
//!
//! What it is for: the engine's sessions parse requests and build answers with it, the client
//! builds requests and reads answers, the command line reads genesis files. `specs/json-rpc.md`
//! specifies the shapes.
//!
//! What it does not do: decide, check signatures, open sockets. A parsed request is bounded and
//! well-formed, not authenticated.
//!
//! Invariants: nothing is ignored silently - an unknown field is rejected by its path, and so are
//! repeated keys and deep nesting; every text and list has a bound; requests are strict, answers
//! may gain fields.
//!
//! ```text
//! bytes -> json::parse -> envelope::parse -> Call::parse -> mortise_format types
//! mortise_format types -> results::* or ErrorObject -> envelope::{success, failure, batch}
//! ```
#![warn(missing_docs)]
#![no_std]
#![deny(clippy::as_conversions, clippy::float_arithmetic)]

extern crate alloc;

#[macro_use]
mod rows;

mod asked;
mod call;
pub mod credentials;
pub mod envelope;
mod error;
mod fields;
pub mod genesis;
pub mod id;
pub mod json;
mod origin;
pub mod params;
pub mod plain;
pub mod results;
pub mod service_policy;
mod succession;
pub mod typed_data;
mod who_reads;

pub use asked::{Asked, SignedRead};
pub use call::{Call, Method, Tense};
pub use error::ErrorObject;
pub use fields::ParamError;
pub use mortise_format::json::{Base64, HexBytes};
pub use who_reads::WhoReads;
