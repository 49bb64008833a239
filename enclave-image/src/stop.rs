//! Why the enclave ends, as a name and an exit status.
//!
//! | status | name | what to do |
//! |---|---|---|
//! | 0 | | it was asked to stop |
//! | 10 | `NO_NSM` | not a Nitro enclave; for development run `mortise dev` |
//! | 12 | `CONFIG` | the image has no valid `/etc/mortise/enclave.toml`: build it anew |
//! | 13 | `GENESIS` | the image has no valid genesis: build it anew |
//! | 14 | `CLOCK` | the module gives no time that can be trusted |
//! | 15 | `ENTROPY` | module or kernel give no randomness |
//! | 16 | `KEY_SERVICE` | TLS cannot be set up |
//! | 17 | of the engine | the log or the keys are not this engine's; a restart does not help |
//! | 18 | `MOUNT` | the kernel lacks a file system, or the image a folder |
//! | 19 | `MODULE` | a kernel module is not for this kernel: build the image anew |
//! | 20 | `VSOCK` | the kernel has no vsock: its module is missing in the image |
//! | 21 | `MEMORY` | give the enclave more memory |
//! | 22 | `CLOCK_SOURCE` | the kernel counts time by something that is not the platform's |
//! | 23 | `ENTROPY_SOURCE` | the kernel's randomness is not the module's |
//! | 75 | `PARENT` | nobody listens where the store is: start `mortise-host`, then again |
//! | 75 | of the engine | store or key service went away: start again |
//!
//! 18 to 23 are those of a machine whose first process this is.
//! 11 was used by a build without this composition, and stays unused.

use crate::config::ConfigError;
use crate::init::InitError;
use mortise_engine::ports::NsmError;
use mortise_engine::server::EngineError;
use mortise_nitro::clock::ClockStartError;
use mortise_nitro::entropy::EntropyError;
use mortise_nitro::kms;
use mortise_rpc::genesis::GenesisError;
use mortise_transport::Address;
use std::path::PathBuf;

/// Why the process ends otherwise than by being asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stop {
    /// There is no security module, hence no trusted time, randomness or key.
    #[error("not a Nitro enclave (for development run `mortise dev`): {0}")]
    NoNsm(#[source] NsmError),
    /// The machine is not one to run on.
    #[error(transparent)]
    Init(#[from] InitError),
    /// Nobody listens where the store should be.
    #[error("no parent: nobody listens at {address} for {waited_ms} ms: {why}")]
    Parent {
        /// Where.
        address: Address,
        /// How long it was waited.
        waited_ms: u64,
        /// Why the last try failed.
        why: std::io::ErrorKind,
    },
    /// A file of the image cannot be read.
    #[error("cannot read {path}: {error}")]
    File {
        /// Its place.
        path: PathBuf,
        /// The name of the stop: of the configuration or of the genesis.
        name: &'static str,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The configuration is refused.
    #[error("the configuration: {0}")]
    Config(#[from] ConfigError),
    /// The genesis is refused.
    #[error("the genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// The trusted clock does not start.
    #[error("the clock: {0}")]
    Clock(#[from] ClockStartError),
    /// The generator is not seeded.
    #[error("the entropy: {0}")]
    Entropy(#[from] EntropyError),
    /// The key service's client cannot be made.
    #[error("the key service: {0}")]
    KeyService(#[from] kms::ConfigError),
    /// The engine ended.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Name of a stop for the configuration.
pub const CONFIG: &str = "CONFIG";
/// Name of a stop for the genesis.
pub const GENESIS: &str = "GENESIS";
/// Exit status when a restart may help.
const EXIT_RESTART: u8 = 75;

impl Stop {
    /// A stable name.
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

    /// The exit status.
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
            (Stop::KeyService(kms::ConfigError::Tls), "KEY_SERVICE", 16),
            (Stop::Engine(EngineError::Boot(BootError::KeysLost)), "KEYS_LOST", 17),
            (Stop::Engine(fault("FAULT")), "FAULT", 75),
            (Stop::Engine(fault("CLOCK")), "CLOCK", 75),
        ] {
            assert_eq!((stop.name(), stop.exit()), (name, exit));
        }
    }
}
