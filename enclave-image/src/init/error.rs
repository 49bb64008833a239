//! Why a machine is not one that the engine runs on.

use std::path::PathBuf;

/// Why the start ended before the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A file system cannot be mounted.
    #[error("cannot mount {target}: {error}")]
    Mount {
        /// Where.
        target: &'static str,
        /// The kernel's reason.
        error: std::io::Error,
    },
    /// The folder of kernel modules cannot be read, or holds something else.
    #[error("the kernel modules: {0}")]
    Modules(String),
    /// The kernel refuses a module: it was made for another kernel, or is cut.
    #[error("cannot load {path}: {error}")]
    Module {
        /// The file in the image.
        path: PathBuf,
        /// The kernel's reason.
        error: std::io::Error,
    },
    /// There is no way to the parent: the kernel has no vsock, or its module is missing.
    #[error("no vsock (is its kernel module in the image?): {0}")]
    Vsock(String),
    /// The machine has less memory than the engine needs.
    #[error("{bytes} bytes of memory, at least {bytes_min} are needed: raise the enclave's memory")]
    Memory {
        /// What it has.
        bytes: u64,
        /// [`MEMORY_BYTES_MIN`](super::MEMORY_BYTES_MIN).
        bytes_min: u64,
    },
    /// The kernel counts time by a source that is not one of the platform.
    #[error("the clock source is {found:?}, none of the platform")]
    ClockSource {
        /// As the kernel names it.
        found: String,
    },
    /// The kernel does not take randomness from the security module.
    #[error("the kernel's entropy source is {found:?}, not the security module")]
    EntropySource {
        /// As the kernel names it.
        found: String,
    },
}

impl InitError {
    /// A stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mount { .. } => "MOUNT",
            Self::Modules(_) | Self::Module { .. } => "MODULE",
            Self::Vsock(_) => "VSOCK",
            Self::Memory { .. } => "MEMORY",
            Self::ClockSource { .. } => "CLOCK_SOURCE",
            Self::EntropySource { .. } => "ENTROPY_SOURCE",
        }
    }

    /// The exit status.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Mount { .. } => 18,
            Self::Modules(_) | Self::Module { .. } => 19,
            Self::Vsock(_) => 20,
            Self::Memory { .. } => 21,
            Self::ClockSource { .. } => 22,
            Self::EntropySource { .. } => 23,
        }
    }
}
