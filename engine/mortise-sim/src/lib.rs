//! Software platform for development and tests. Never part of the measured binary.
//!
//! What it is for: implements the ports of `mortise-engine` on a laptop - a vault that keeps its
//! root key in a file, the system's clock, the system's entropy, a [security module](nsm), a
//! [seeded generator](rng).
//!
//! What it does not do: protect anything from a party that can read the file. An engine on this
//! vault reports `unattested` in every answer about itself.

pub mod kms;
pub mod nsm;
mod platform;
pub mod rng;
mod vault;

pub use platform::{SystemClock, SystemEntropy};
pub use vault::{FileVault, VaultFileError};
