//! The application: texts encrypted and decrypted under keys that the key service gives to measured
//! code only (`specs/application.md`).
//!
//! ```text
//! kmsEncrypt, ...  --> rpc/application --\                      /--> sealed (pure)
//!                                         >--> service: App ---<
//! plain request    --> plain ------------/                      \--> port AppKeys
//! ```
//! What it is for: the whole of the second source document, and the same natively with an owner
//! whose signature alone opens a text.
//!
//! What it does not do: keep texts or keys, touch the log. Nothing here is an event.
//!
//! Invariants: a fresh data key for each text; no text is decrypted before its signature is
//! checked; a data key leaves in clear only when the measured configuration says so; credentials
//! that come with a request serve that request only; no text, key or credential is logged or stands
//! in an error.

mod error;
pub mod plain;
pub mod sealed;
mod service;

pub use error::AppError;
pub use service::{App, AppConfig, Asked, Message};
