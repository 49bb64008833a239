//! Every byte that Mortise stores, sends, hashes or signs, and every limit.
//!
//! What it is for: one definition of each value that crosses a boundary - a disk, a socket, a
//! hash, a signature - with exactly one valid encoding (`specs/encoding.md`).
//!
//! What it does not do: decide anything, hold state, read a clock, draw entropy, do I/O.
//!
//! Invariants: one encoding per value, trailing bytes refused (`codec`); every hash and signature
//! has a domain of its own (`domains`, `eip712`); every size has a bound (`limits`).
#![warn(missing_docs)]
#![no_std]
#![deny(clippy::as_conversions, clippy::float_arithmetic)]

extern crate alloc;

pub mod abi;
pub mod add_checkpoint;
pub mod amount;
pub mod asset;
pub mod binding;
pub mod blobs;
pub mod channel;
pub mod checkpoint;
pub mod civil;
pub mod claim;
pub mod codec;
pub mod command;
pub mod content_key;
pub mod cursor;
pub mod domains;
pub mod eip712;
pub mod entry;
pub mod errors;
pub mod event;
pub mod fact;
pub mod frame;
pub mod genesis;
pub mod hex;
pub mod ids;
pub mod images;
pub mod insecure_mode;
#[cfg(feature = "json")]
pub mod json;
pub mod limits;
pub mod lock;
pub mod log_position;
pub mod merkle;
pub mod nonce;
pub mod note;
pub mod pcr;
pub mod policy;
pub mod read_request;
pub mod reading;
pub mod reject;
pub mod release;
pub mod request;
pub mod rules;
#[cfg(feature = "secp256k1")]
pub mod secp256k1;
pub mod secret;
pub mod store;
pub mod succession;
pub mod tlog_proof;
pub mod witness;

pub use amount::U256;
pub use codec::{CodecError, decode, encode, encode_into};
pub use ids::{Address, Bytes32, EngineId, FrameDigest, LockId, PolicyHash, RequestId, Root};
pub use insecure_mode::InsecureMode;
