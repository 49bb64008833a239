//! The channel to the attested key (`specs/channel.md`): one request to a boot of the engine, one
//! answer back, unread by whoever carries them.
//!
//! What it is for: the client seals a JSON-RPC text with [`seal_request`]; the engine opens it with
//! its [`ChannelSecret`] and seals the answer with the [`AnswerSealer`] that came out; the client
//! opens that with the [`AnswerOpener`] that it kept.
//!
//! ```text
//! client                                                  engine
//! text -- seal_request(public key) --> message --------> ChannelSecret::open --> text
//!           |                                                |
//!      AnswerOpener::open <------------ message <--- AnswerSealer::seal <-- answer
//! ```
//! HPKE in base mode (RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM), the answer
//! under a key exported from the request's context (RFC 9458 4.4).
//!
//! What it does not do: say whose the public key is (an attestation does), authenticate the caller
//! (signatures inside do), remember requests: one that is repeated opens again, and its answer can
//! be read by nobody but who made the first.
//!
//! Invariants: no clock and no entropy: what must be random is a parameter, drawn for that one call
//! and never used again; a text that leaves here was authenticated whole; texts are filled up to
//! the next multiple of `CHANNEL_PAD_BYTES`; secrets are wiped on drop and never printed.
//!
//! ```
//! use mortise_channel::{ChannelSecret, seal_request};
//!
//! # let (boot, client, engine) = ([1; 32], [2; 32], [3; 32]); // drawn from a good generator
//! let secret = ChannelSecret::derive(&boot);
//! let (request, opener) = seal_request(&secret.public(), 7, &client, b"{}").unwrap();
//! let (text, sealer) = secret.open(7, &request).unwrap();
//! assert_eq!(text.trim_ascii_end(), b"{}");
//! let answer = sealer.seal(&engine, b"[]").unwrap();
//! assert_eq!(opener.open(&answer).unwrap(), b"[]");
//! ```
#![warn(missing_docs)]
#![no_std]
#![deny(clippy::as_conversions, clippy::float_arithmetic)]

extern crate alloc;

mod answer;
mod error;
mod pad;
mod reader;
mod request;
mod suite;

#[cfg(test)]
mod tests;

pub use answer::{AnswerOpener, AnswerSealer};
pub use error::{OpenError, SealError};
pub use reader::{ReaderSecret, seal_to_reader};
pub use request::{ChannelSecret, seal_request};
