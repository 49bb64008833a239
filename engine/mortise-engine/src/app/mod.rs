//! The application: encrypts and decrypts texts under keys that the key service gives to measured
//! code only (`specs/application.md`).
//!
//! ```text
//! kmsEncrypt, ...  --> rpc/application --\                      /--> sealed (pure)
//!                                         >--> service: App ---<
//! plain request    --> plain ------------/                      \--> port AppKeys
//! ```
//! What it is for: the operations of the second source document in its plain form, and the same
//! operations as JSON-RPC methods, where only the signature of the owner opens a text.
//!
//! What it does not do: keep texts or keys, or touch the log. Nothing here is an event.
//!
//! Invariants:
//! - Each text has a data key of its own.
//! - A text is decrypted only after its signature is checked.
//! - A data key leaves in clear only if the measured configuration allows it.
//! - Credentials of a request serve that request only.
//! - No text, key or credential is in a log line or an error.

mod error;
pub mod plain;
pub mod sealed;
mod service;

pub use error::AppError;
pub use service::{App, AppConfig, Caller, Message};
