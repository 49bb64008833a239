//! The channel to the attested key (`specs/channel.md`): one request to one boot of the engine, one
//! answer back. No carrier can read either.
//!
//! What it is for: the client seals a JSON-RPC text with [`seal_request`] and keeps an
//! [`AnswerOpener`]. The engine opens the text with its [`ChannelSecret`], which also gives it the
//! [`AnswerSealer`] for this request. The client opens the answer with its [`AnswerOpener`].
//!
//! ```text
//! client                                                  engine
//! text -- seal_request(public key) --> message --------> ChannelSecret::open --> text
//!           |                                                |
//!      AnswerOpener::open <------------ message <--- AnswerSealer::seal <-- answer
//! ```
//! HPKE in base mode (RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM). A key
//! exported from the request's context seals the answer (RFC 9458 4.4).
//!
//! What it does not do:
//! - prove who holds the private key: the attestation does;
//! - authenticate the caller: signatures inside the text do;
//! - remember requests: a repeated request opens again. Only the client that made the original can
//!   read its answers.
//!
//! Invariants:
//! - No clock and no entropy. Random bytes are parameters; each value serves one call only.
//! - A text is authenticated as a whole before it leaves this crate.
//! - Texts are padded to the next multiple of `CHANNEL_PAD_BYTES`.
//! - Secrets are wiped on drop and never printed.
//!
//! ```
//! use mortise_channel::{ChannelSecret, seal_request};
//!
//! # let (boot, client, engine) = ([1; 32], [2; 32], [3; 32]); // from a secure generator
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
