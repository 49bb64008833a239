//! Errors of a software module's folder.

use std::path::PathBuf;

/// Why a software module does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NsmFolderError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    /// The root exists and is not a key with its certificate. It is not replaced, because every
    /// verifier that pins the old root would reject a new one.
    #[error("{path} is not a P-384 key with its certificate")]
    RootUnreadable { path: PathBuf },
    /// The root is not valid now: it has expired, or the system clock is before its start.
    #[error(
        "the development root is valid from {from_s} to {to_s}, seconds since 1970; it is {now_s}"
    )]
    RootNotValid {
        /// First second of its validity.
        from_s: u64,
        /// Last second of its validity.
        to_s: u64,
        now_s: u64,
    },
    /// A time does not fit a certificate.
    #[error("{at_s} seconds since 1970 is out of the range of a certificate")]
    TimeOutOfRange { at_s: u64 },
}
