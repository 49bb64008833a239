//! The Nitro platform behind the engine's ports.
//!
//! What it is for: the ports of `mortise-engine` inside an enclave - the Nitro Secure Module, the
//! trusted clock and the entropy that come from it, and the client of the key service.
//!
//! What it does not do: replace any of them where there is no enclave. `mortise-sim` has a software
//! module and a local key service; the clock, the entropy and the key service's client of this
//! crate also run over those, because they depend only on the ports.

pub mod clock;
pub mod device;
pub mod entropy;
pub mod kms;

#[cfg(test)]
mod logged;
