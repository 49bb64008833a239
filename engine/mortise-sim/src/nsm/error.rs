//! Why the folder of a module is not used.

use std::path::PathBuf;

/// Why a software module does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NsmFolderError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The root is there and is not a key with its certificate. It is not replaced: everybody who
    /// named it would refuse the next one.
    #[error("{path} is not a P-384 key with its certificate")]
    RootUnreadable {
        /// Where.
        path: PathBuf,
    },
    /// The root is not valid now: it ended, or the machine's clock stands before its start.
    #[error(
        "the development root is valid from {from_s} to {to_s}, seconds since 1970; it is {now_s}"
    )]
    RootNotValid {
        /// Its first second.
        from_s: u64,
        /// Its last second.
        to_s: u64,
        /// The time.
        now_s: u64,
    },
    /// A time does not fit a certificate.
    #[error("{at_s} seconds since 1970 cannot stand in a certificate")]
    TimeOutOfRange {
        /// The time.
        at_s: u64,
    },
}
