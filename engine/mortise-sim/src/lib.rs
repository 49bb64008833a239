//! Software stand-ins for the platform, for development and tests: never in the measured binary.
//!
//! What it is for: the ports of `mortise-engine` on a laptop - a vault that keeps its root key in
//! a file, the system's clock, the system's entropy, a [security module](nsm), a
//! [seeded generator](rng).
//!
//! What it does not do: protect anything from whoever can read the file. An engine on this vault
//! says `unattested` in every answer about itself.

pub mod kms;
pub mod nsm;
mod platform;
pub mod rng;
mod vault;

pub use platform::{SystemClock, SystemEntropy};
pub use vault::{FileVault, VaultFileError};
