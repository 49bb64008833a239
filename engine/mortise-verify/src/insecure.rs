//! Insecure modes: commitments and outcomes of an engine without the protection of an enclave.
//!
//! What it is for: one error, with one name, for everything signed in an [`InsecureMode`]. The mode
//! is in the EIP-712 domain of the digest ([`Domain::of_promises`]): with the mode removed, the
//! signature no longer recovers to the engine.
//!
//! What it does not do: prove that a commitment without a mode comes from an enclave. The engine's
//! attestation proves that.
//!
//! [`Domain::of_promises`]: mortise_format::eip712::Domain::of_promises

use mortise_format::insecure_mode::InsecureMode;

/// Why a commitment or outcome in an insecure mode is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsecureModeError {
    /// The engine runs in debug mode.
    #[error(
        "signed by an engine in debug mode, whose operator can read its memory: it does not bind \
         the engine; use an attested engine"
    )]
    DebugMode,
    /// The engine runs with an emulated security module.
    #[error(
        "signed by an engine with an emulated security module, whose attestation proves nothing: \
         it does not bind the engine; use an attested engine"
    )]
    Emulated,
}

impl From<InsecureMode> for InsecureModeError {
    fn from(mode: InsecureMode) -> Self {
        match mode {
            InsecureMode::Debug => Self::DebugMode,
            InsecureMode::Emulated => Self::Emulated,
        }
    }
}

/// Rejects a commitment or outcome in an insecure mode, except in the one mode that the verifier
/// allows by name. In an allowed mode the result is test data and binds no one.
///
/// # Errors
/// `DebugMode`, `Emulated`.
pub fn check(
    mode: Option<InsecureMode>,
    allowed: Option<InsecureMode>,
) -> Result<(), InsecureModeError> {
    match mode {
        Some(mode) if allowed != Some(mode) => Err(mode.into()),
        _ => Ok(()),
    }
}
