//! The client against a key service that lies.
//!
//! Goal: each error of `specs/kms-and-keys.md` occurs, by its name. Method: a TLS server with a
//! temporary authority at the other end of an in-memory stream answers from a script. The security
//! module is a fake whose document is the public key of the request, so that the server can encrypt
//! to it.

mod calls;
pub(super) mod cms;
mod connection;
mod refused;
mod retries;
pub(super) mod rig;
mod secrets;
