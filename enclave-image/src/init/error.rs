//! Why the engine does not run on this machine.

use std::path::PathBuf;

/// Why the start ended before the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A file system cannot be mounted.
    #[error("cannot mount {target}: {error}")]
    Mount { target: &'static str, error: std::io::Error },
    /// The folder of kernel modules cannot be read, or holds other files.
    #[error("cannot load the kernel modules: {0}")]
    Modules(String),
    /// The kernel refuses a module: it was built for another kernel, or is truncated.
    #[error("cannot load {path}: {error}")]
    Module { path: PathBuf, error: std::io::Error },
    /// The parent is unreachable: the kernel has no vsock, or its module is missing.
    #[error("no vsock (is its kernel module in the image?): {0}")]
    Vsock(String),
    /// The machine has less memory than the engine needs.
    #[error("{bytes} bytes of memory, but {bytes_min} are needed: give the enclave more memory")]
    Memory {
        bytes: u64,
        /// [`MEMORY_BYTES_MIN`](super::MEMORY_BYTES_MIN).
        bytes_min: u64,
    },
    /// The kernel's clock source is not one of the platform's.
    #[error("the clock source is {found:?}, which is not one of the platform's")]
    ClockSource { found: String },
    /// The kernel does not draw randomness from the security module.
    #[error("the kernel's entropy source is {found:?}, not the security module")]
    EntropySource { found: String },
}

impl InitError {
    /// A stable name, which the parent and its metrics use.
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
