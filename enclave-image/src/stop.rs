//! Why the enclave ends, as a name and an exit status.
//!
//! | status | name | what to do |
//! |---|---|---|
//! | 0 | | it received a signal to stop |
//! | 10 | `NO_NSM` | not a Nitro enclave; for development run `mortise-dev dev` |
//! | 12 | `CONFIG` | the image has no valid `/etc/mortise/enclave.toml`: build a new image |
//! | 13 | `GENESIS` | the image has no valid genesis: build a new image |
//! | 14 | `CLOCK` | the module gives no time that can be trusted |
//! | 15 | `ENTROPY` | the module or the kernel gives no randomness |
//! | 16 | `KEY_SERVICE` | TLS cannot be set up |
//! | 17 | of the engine | the log or the keys are not this engine's; a restart does not help |
//! | 18 | `MOUNT` | the kernel lacks a file system, or the image lacks a folder |
//! | 19 | `MODULE` | a kernel module is not for this kernel: build a new image |
//! | 20 | `VSOCK` | the kernel has no vsock: add its module to the image |
//! | 21 | `MEMORY` | give the enclave more memory |
//! | 22 | `CLOCK_SOURCE` | the kernel's clock source is not one of the platform's |
//! | 23 | `ENTROPY_SOURCE` | the kernel's entropy source is not the security module |
//! | 75 | `PARENT` | nothing listens at the store's port: start `mortise-host`, then the enclave |
//! | 75 | of the engine | the store or the key service went away: start again |
//!
//! 18 to 23 occur only when this is the first process of a machine.
//! 11 belonged to an earlier build and stays unused.

use crate::init::InitError;
use mortise_config::{ConfigError, KeyServiceError};
use mortise_engine::ports::NsmError;
use mortise_engine::server::EngineError;
use mortise_nitro::clock::ClockStartError;
use mortise_nitro::entropy::EntropyError;
use mortise_rpc::genesis::GenesisError;
use mortise_transport::Address;
use std::path::PathBuf;

/// Why the process ends, other than on a signal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stop {
    /// There is no security module, hence no trusted time, randomness or key.
    #[error("not a Nitro enclave (for development run `mortise-dev dev`): {0}")]
    NoNsm(#[source] NsmError),
    /// The engine does not run on this machine.
    #[error(transparent)]
    Init(#[from] InitError),
    /// Nothing listens at the store's address.
    #[error("no parent: nothing listened at {address} for {waited_ms} ms: {why}")]
    Parent {
        address: Address,
        waited_ms: u64,
        /// Why the last attempt failed.
        why: std::io::ErrorKind,
    },
    /// A file of the image cannot be read.
    #[error("cannot read {path}: {error}")]
    File {
        path: PathBuf,
        /// [`CONFIG`] or [`GENESIS`].
        name: &'static str,
        error: std::io::Error,
    },
    #[error("invalid configuration: {0}")]
    Config(#[from] ConfigError),
    #[error("invalid genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// The trusted clock does not start.
    #[error("the trusted clock does not start: {0}")]
    Clock(#[from] ClockStartError),
    /// The generator has no seed.
    #[error("no entropy: {0}")]
    Entropy(#[from] EntropyError),
    /// The client of the key service cannot be made.
    #[error("no client of the key service: {0}")]
    KeyService(#[from] KeyServiceError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Name of the stop for an invalid configuration.
pub const CONFIG: &str = "CONFIG";
/// Name of the stop for an invalid genesis.
pub const GENESIS: &str = "GENESIS";
/// Exit status when a restart may help.
const EXIT_RESTART: u8 = 75;

impl Stop {
    /// A stable name, which the parent and its metrics use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoNsm(_) => "NO_NSM",
            Self::Init(error) => error.name(),
            Self::Parent { .. } => "PARENT",
            Self::File { name, .. } => name,
            Self::Config(_) => CONFIG,
            Self::Genesis(_) => GENESIS,
            Self::Clock(_) => "CLOCK",
            Self::Entropy(_) => "ENTROPY",
            Self::KeyService(_) => "KEY_SERVICE",
            Self::Engine(error) => error.name(),
        }
    }

    /// The exit status. systemd decides by it whether a restart may help.
    pub fn exit(&self) -> u8 {
        match self {
            Self::NoNsm(_) => 10,
            Self::Init(error) => error.exit(),
            Self::Parent { .. } => EXIT_RESTART,
            Self::File { name, .. } if *name == GENESIS => 13,
            Self::File { .. } | Self::Config(_) => 12,
            Self::Genesis(_) => 13,
            Self::Clock(_) => 14,
            Self::Entropy(_) => 15,
            Self::KeyService(_) => 16,
            Self::Engine(error) if error.is_worth_a_restart() => EXIT_RESTART,
            Self::Engine(_) => 17,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_engine::boot::BootError;

    #[test]
    fn each_stop_has_its_name_and_status() {
        let file = |name| {
            let error = std::io::Error::other("gone");
            Stop::File { path: PathBuf::new(), name, error }
        };
        let fault = |name| EngineError::Fault { name, why: String::new() };
        for (stop, name, exit) in [
            (Stop::NoNsm(NsmError::InternalError), "NO_NSM", 10),
            (file(CONFIG), "CONFIG", 12),
            (Stop::Config(ConfigError::Port { port: 0 }), "CONFIG", 12),
            (file(GENESIS), "GENESIS", 13),
            (Stop::Genesis(GenesisError::Json(String::new())), "GENESIS", 13),
            (Stop::Clock(ClockStartError::NonceMismatch), "CLOCK", 14),
            (Stop::Entropy(EntropyError::Repeated), "ENTROPY", 15),
            (Stop::KeyService(KeyServiceError::Tls), "KEY_SERVICE", 16),
            (Stop::Engine(EngineError::Boot(BootError::KeysLost)), "KEYS_LOST", 17),
            (Stop::Engine(fault("FAULT")), "FAULT", 75),
            (Stop::Engine(fault("CLOCK")), "CLOCK", 75),
        ] {
            assert_eq!((stop.name(), stop.exit()), (name, exit));
        }
    }
}
