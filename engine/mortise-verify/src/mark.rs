//! Marked promises: what an engine signs that proves nothing of itself.
//!
//! What it is for: one refusal, by one name, of every promise that carries a mark
//! ([`InsecureMode`]). The mark is in the domain of the digest ([`Domain::of_promises`]), so that
//! whoever cuts it out leaves a signature of nobody.
//!
//! What it does not do: say that a promise without a mark comes from an enclave; its attestation
//! does.
//!
//! [`Domain::of_promises`]: mortise_format::eip712::Domain::of_promises

use mortise_format::insecure_mode::InsecureMode;

/// Why a marked promise is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Marked {
    /// An engine in debug mode.
    #[error(
        "signed by an engine in debug mode, whose operator can read it: it binds no one; ask an \
         engine that is attested"
    )]
    DebugMode,
    /// An engine on an emulator's module.
    #[error(
        "signed by an engine whose security module is an emulator's, which proves nothing: it \
         binds no one; ask an engine that is attested"
    )]
    Emulated,
}

impl From<InsecureMode> for Marked {
    fn from(mark: InsecureMode) -> Self {
        match mark {
            InsecureMode::Debug => Self::DebugMode,
            InsecureMode::Emulated => Self::Emulated,
        }
    }
}

/// Refuses a marked promise, but for the one mark that the verifier takes by name. Whoever takes
/// one looks at a rehearsal; he holds no promise.
///
/// # Errors
/// `DebugMode`, `Emulated`.
pub fn check(mark: Option<InsecureMode>, taken: Option<InsecureMode>) -> Result<(), Marked> {
    match mark {
        Some(mark) if taken != Some(mark) => Err(mark.into()),
        _ => Ok(()),
    }
}
