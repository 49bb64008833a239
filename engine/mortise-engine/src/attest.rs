//! What a boot proves about itself.
//!
//! ```text
//! binding (engine, epoch, keys, history, policy) -> digest
//!   module: SHA384, more than 16 registers
//!   PCR16: untouched -> extended with the digest -> locked -> read back
//!   document: user_data = digest, no nonce, no public key
//! ```
//! What it is for: the order of effects around the security module. The engine makes one binding
//! per boot, before the boot frame; afterwards no code in the enclave can bind anything else.
//! Documents for callers repeat the binding and add the caller's nonce. The one boot that draws the
//! keys of an engine makes the genesis document before it:
//!
//! ```text
//!   PCR16: untouched
//!   document: user_data = digest of the engine id in a domain of its own, no nonce, no public key
//! ```
//!
//! What it does not do: verify documents (`mortise_verify`), choose attestation roots.
//!
//! Every call of the module blocks: [`crate::actors::Attestor`] has a thread for them.

use crate::ports::{AttestRequest, ModuleDescription, Nsm, NsmError};
use mortise_format::binding::KeyBinding;
use mortise_format::genesis::genesis_document_digest;
use mortise_format::ids::{EngineId, Measurement};
pub use mortise_format::insecure_mode::InsecureMode;
use mortise_format::limits::ATTESTATION_BYTES_MAX;
use mortise_format::pcr::Pcr;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The security module of an engine, if it has one.
#[derive(Clone, Default)]
pub enum Attestation {
    /// No module. Answers say so; do not rely on the promises of such an engine.
    #[default]
    Unattested,
    /// A genuine module.
    Module(Arc<dyn Nsm>),
    /// A module of a development system: under a root of its folder, in software. Its documents
    /// verify where that root is named, and its promises are as good as the machine.
    Development(Arc<dyn Nsm>),
    /// A module in an insecure mode: verifiers refuse its documents unless the mode is allowed.
    Refused(Arc<dyn Nsm>, InsecureMode),
}

impl Attestation {
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Unattested => "unattested",
            Self::Module(_) => "attested",
            Self::Development(_) => "development",
            Self::Refused(_, insecure_mode) => insecure_mode.name(),
        }
    }

    /// The insecure mode that commitments and outcomes of this engine carry, if there is one.
    pub fn insecure_mode(&self) -> Option<InsecureMode> {
        match self {
            Self::Unattested | Self::Module(_) | Self::Development(_) => None,
            Self::Refused(_, insecure_mode) => Some(*insecure_mode),
        }
    }
}

impl fmt::Debug for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mode())
    }
}

/// An insecure mode in words.
pub(crate) fn mode_text(insecure_mode: Option<InsecureMode>) -> &'static str {
    match insecure_mode {
        None => "in no insecure mode",
        Some(InsecureMode::Debug) => "in debug mode",
        Some(InsecureMode::Emulated) => "on an emulated module",
    }
}

/// A boot was not bound, or a document was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
    /// The module failed or refused.
    #[error("the security module: {0}")]
    Module(#[from] NsmError),
    /// The registers of the module are not those that verifiers and key policies expect.
    #[error("the module has {pcrs} registers of {digest}, not more than {BINDING_PCR} of SHA384")]
    NotTheModule {
        /// Digest algorithm of the registers.
        digest: String,
        /// Number of registers.
        pcrs: u16,
    },
    /// Register 16 was extended or locked before this boot: an engine has already booted in this
    /// enclave, or other code runs in it.
    #[error("register 16 is already in use: each boot needs a new enclave")]
    RegisterUsed,
    /// Register 16 does not have the expected value after the extension, or is not locked.
    #[error("register 16 is not the extension with the binding, or is not locked")]
    RegisterMismatch,
    /// The document is empty or too large.
    #[error("the document has {found} bytes; the size must be 1 to {bytes_max}")]
    DocumentSize { bytes_max: usize, found: usize },
    /// The boot document shows another insecure mode than the platform detected: promises would
    /// carry another mode than the log shows.
    #[error(
        "the document of this boot shows it {}, the platform {}",
        mode_text(*shown), mode_text(*found)
    )]
    Mode {
        /// The mode in the document.
        shown: Option<InsecureMode>,
        /// The mode that the platform detected.
        found: Option<InsecureMode>,
    },
    /// The thread that calls the module has ended.
    #[error("the thread that calls the security module has ended")]
    Stopped,
}

/// A boot that was bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootDocument {
    /// The document; empty in an unattested engine.
    pub document: Vec<u8>,
    /// The locked registers; none in an unattested engine.
    pub pcrs: BTreeMap<u16, Vec<u8>>,
}

impl BootDocument {
    /// PCR0, the measurement of the image; `None` in an unattested engine.
    pub fn image(&self) -> Option<Measurement> {
        self.pcrs.get(&IMAGE_PCR).and_then(|value| measurement(value))
    }
}

fn measurement(value: &[u8]) -> Option<Measurement> {
    value.try_into().ok().map(Measurement)
}

/// Reads the measurement of the running image from the module. Blocks.
///
/// # Errors
/// `NotTheModule` for a module with unexpected registers; `Module` if it fails.
pub fn own_image(nsm: &dyn Nsm) -> Result<Measurement, AttestError> {
    check_module(nsm)?;
    let register = nsm.describe_pcr(IMAGE_PCR)?;
    measurement(&register.value).ok_or(AttestError::Module(NsmError::UnexpectedAnswer))
}

/// Binds a boot: once per enclave. Blocks.
///
/// # Errors
/// Before any change: `NotTheModule`, `RegisterUsed`. Then `RegisterMismatch`, `DocumentSize`,
/// `Module`: the boot has failed, and this enclave cannot bind again.
pub fn bind(nsm: &dyn Nsm, binding: &KeyBinding) -> Result<BootDocument, AttestError> {
    check_module(nsm)?;
    check_unused(nsm)?;
    let (digest, expected) = (binding.digest(), binding.pcr16());
    if nsm.extend_pcr(BINDING_PCR, &digest.0)? != expected.0 {
        return Err(AttestError::RegisterMismatch);
    }
    nsm.lock_pcr(BINDING_PCR)?;
    // Read back: verifiers and the key policy will expect exactly this value in the document.
    let after = nsm.describe_pcr(BINDING_PCR)?;
    if !after.locked || after.value != expected.0 {
        return Err(AttestError::RegisterMismatch);
    }
    let request = AttestRequest { user_data: Some(digest.0.to_vec()), ..AttestRequest::default() };
    let document = document(nsm, &request)?;
    Ok(BootDocument { document, pcrs: locked_registers(nsm)? })
}

/// Attests keys at the moment they are drawn: the document names the engine id, which covers them.
/// Blocks.
///
/// Only [`crate::keyring::create`] may use it. No other document has such `user_data`: callers
/// choose nothing but a nonce.
///
/// # Errors
/// `NotTheModule`; `RegisterUsed` when this enclave was bound before; `DocumentSize`, `Module`.
pub fn genesis_document(nsm: &dyn Nsm, engine_id: &EngineId) -> Result<Vec<u8>, AttestError> {
    check_module(nsm)?;
    check_unused(nsm)?;
    let user_data = Some(genesis_document_digest(engine_id).0.to_vec());
    document(nsm, &AttestRequest { user_data, ..AttestRequest::default() })
}

/// No document: the keys of an engine without a security module are drawn by any software.
///
/// # Errors
/// Never.
pub async fn unattested(_: EngineId) -> Result<Vec<u8>, AttestError> {
    Ok(Vec::new())
}

/// Checks that no code of this enclave has used the register of the binding.
fn check_unused(nsm: &dyn Nsm) -> Result<(), AttestError> {
    let before = nsm.describe_pcr(BINDING_PCR)?;
    match before.locked || before.value != Pcr::ZERO.0 {
        true => Err(AttestError::RegisterUsed),
        false => Ok(()),
    }
}

/// Checks that the module measures with SHA-384 and has the register of the binding.
fn check_module(nsm: &dyn Nsm) -> Result<(), AttestError> {
    let ModuleDescription { digest, max_pcrs: pcrs, .. } = nsm.describe()?;
    if digest != DIGEST || pcrs <= BINDING_PCR {
        return Err(AttestError::NotTheModule { digest, pcrs });
    }
    Ok(())
}

/// Asks the module for a document and checks its size. Blocks.
///
/// # Errors
/// `Module` if the module fails; `DocumentSize` for an empty or too large document.
pub fn document(nsm: &dyn Nsm, request: &AttestRequest) -> Result<Vec<u8>, AttestError> {
    let document = nsm.attest(request)?;
    let (bytes_max, found) = (ATTESTATION_BYTES_MAX, document.len());
    if found == 0 || found > bytes_max {
        return Err(AttestError::DocumentSize { bytes_max, found });
    }
    Ok(document)
}

fn locked_registers(nsm: &dyn Nsm) -> Result<BTreeMap<u16, Vec<u8>>, AttestError> {
    let mut pcrs = BTreeMap::new();
    for index in nsm.describe()?.locked_pcrs {
        pcrs.insert(index, nsm.describe_pcr(index)?.value);
    }
    Ok(pcrs)
}

/// The register of the binding: the first one that code in the image can extend.
pub const BINDING_PCR: u16 = 16;
/// The register that measures the whole image.
const IMAGE_PCR: u16 = 0;
/// The digest algorithm of the registers.
const DIGEST: &str = "SHA384";

#[cfg(test)]
mod tests;
