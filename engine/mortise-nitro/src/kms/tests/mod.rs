//! The client against a key service that lies.
//!
//! Goal: each refusal of `specs/kms-and-keys.md` happens, by its name. Method: a TLS server with a
//! throw-away authority at the other end of an in-memory stream, that answers from a script; the
//! security module is a stand-in whose document is the public key that it was given, so that the
//! server can encrypt to it.

mod calls;
pub(super) mod cms;
mod connection;
mod refused;
mod retries;
mod rig;
mod secrets;
