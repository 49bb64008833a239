//! What a boot proves of itself, and to whom.
//!
//! ```text
//! binding (engine, epoch, keys, history, policy) -> digest
//!   module: SHA384, more than 16 registers
//!   PCR16: untouched -> extended with the digest -> locked -> read back
//!   document: user_data = digest, no nonce, no public key
//! ```
//! What it is for: the order of effects around the security module. A binding is made once per
//! boot, before the boot frame; from then on nothing that runs in the enclave can bind anything
//! else. Documents for callers repeat it with their nonce.
//!
//! What it does not do: judge documents (`mortise_verify`), choose roots of trust.
//!
//! Every call of the module blocks: [`crate::actors::Attestor`] has a thread for them.

use crate::ports::{AttestRequest, ModuleDescription, Nsm, NsmError};
use mortise_format::binding::KeyBinding;
use mortise_format::ids::Measurement;
pub use mortise_format::insecure_mode::InsecureMode;
use mortise_format::limits::ATTESTATION_BYTES_MAX;
use mortise_format::pcr::Pcr;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Whether a security module stands behind the engine's keys.
#[derive(Clone, Default)]
pub enum Attestation {
    /// None: answers about the engine say so, and nobody should rely on its promises.
    #[default]
    Unattested,
    /// This one.
    Module(Arc<dyn Nsm>),
    /// This one, whose documents every verifier refuses, for this reason.
    Refused(Arc<dyn Nsm>, InsecureMode),
}

impl Attestation {
    /// The mode on the wire.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Unattested => "unattested",
            Self::Module(_) => "attested",
            Self::Refused(_, insecure_mode) => insecure_mode.name(),
        }
    }

    /// Why what the engine signs about locks binds nobody, if it does not: the mark of its
    /// promises.
    pub fn insecure_mode(&self) -> Option<InsecureMode> {
        match self {
            Self::Unattested | Self::Module(_) => None,
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
        None => "without a mark on its promises",
        Some(InsecureMode::Debug) => "in debug mode",
        Some(InsecureMode::Emulated) => "on an emulated module",
    }
}

/// Why a boot was not bound, or a document not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
    /// The module failed or refused.
    #[error("the security module: {0}")]
    Module(#[from] NsmError),
    /// The module's registers are not those that every verifier and key policy expects.
    #[error("the module has {pcrs} registers of {digest}, not more than {BINDING_PCR} of SHA384")]
    NotTheModule {
        /// The digest that it names.
        digest: String,
        /// How many registers it has.
        pcrs: u16,
    },
    /// Register 16 was extended or locked before this boot: an engine has booted in this enclave
    /// already, or something else runs in it.
    #[error("register 16 is used already: each boot needs an enclave of its own")]
    RegisterUsed,
    /// Register 16 did not become what the binding calls for, or did not stay locked.
    #[error("register 16 is not the extension with the binding, or is not locked")]
    RegisterMismatch,
    /// The document is empty or over its limit.
    #[error("the document has {found} bytes, more than 0 and at most {bytes_max} are taken")]
    DocumentSize {
        /// Most bytes.
        bytes_max: usize,
        /// Its bytes.
        found: usize,
    },
    /// The document of the boot admits another insecure_mode than the platform found: what is promised
    /// would carry another mark than the log shows.
    #[error("the document of this boot shows it {}, the platform {}", mode_text(*shown), mode_text(*found))]
    Mode {
        /// What the document admits.
        shown: Option<InsecureMode>,
        /// What the platform found.
        found: Option<InsecureMode>,
    },
    /// The thread that asks the module has ended.
    #[error("nobody asks the security module any more")]
    Stopped,
}

/// A boot that was bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootDocument {
    /// The document; empty while unattested.
    pub document: Vec<u8>,
    /// The locked registers; none while unattested.
    pub pcrs: BTreeMap<u16, Vec<u8>>,
}

impl BootDocument {
    /// PCR0, the measurement of the image; none while unattested.
    pub fn image(&self) -> Option<Measurement> {
        self.pcrs.get(&IMAGE_PCR).and_then(|value| measurement(value))
    }
}

fn measurement(value: &[u8]) -> Option<Measurement> {
    value.try_into().ok().map(Measurement)
}

/// The measurement of the image that runs, as the module has it. Blocks.
///
/// # Errors
/// `NotTheModule`, `Module`.
pub fn own_image(nsm: &dyn Nsm) -> Result<Measurement, AttestError> {
    check_module(nsm)?;
    let register = nsm.describe_pcr(IMAGE_PCR)?;
    measurement(&register.value).ok_or(AttestError::Module(NsmError::UnexpectedAnswer))
}

/// Binds a boot: once per enclave. Blocks.
///
/// # Errors
/// `NotTheModule`, `RegisterUsed` before anything was changed; then `RegisterMismatch`,
/// `DocumentSize`, `Module`. After any of these the enclave cannot bind any more: the boot failed.
pub fn bind(nsm: &dyn Nsm, binding: &KeyBinding) -> Result<BootDocument, AttestError> {
    check_module(nsm)?;
    let before = nsm.describe_pcr(BINDING_PCR)?;
    if before.locked || before.value != Pcr::ZERO.0 {
        return Err(AttestError::RegisterUsed);
    }
    let (digest, expected) = (binding.digest(), binding.pcr16());
    if nsm.extend_pcr(BINDING_PCR, &digest.0)? != expected.0 {
        return Err(AttestError::RegisterMismatch);
    }
    nsm.lock_pcr(BINDING_PCR)?;
    // Read back: what the document will say is what the key policy and every verifier expect.
    let after = nsm.describe_pcr(BINDING_PCR)?;
    if !after.locked || after.value != expected.0 {
        return Err(AttestError::RegisterMismatch);
    }
    let request = AttestRequest { user_data: Some(digest.0.to_vec()), ..AttestRequest::default() };
    let document = document(nsm, &request)?;
    Ok(BootDocument { document, pcrs: locked_registers(nsm)? })
}

/// The module measures with SHA-384 and has the register of the binding.
fn check_module(nsm: &dyn Nsm) -> Result<(), AttestError> {
    let ModuleDescription { digest, max_pcrs: pcrs, .. } = nsm.describe()?;
    if digest != DIGEST || pcrs <= BINDING_PCR {
        return Err(AttestError::NotTheModule { digest, pcrs });
    }
    Ok(())
}

/// A document of the module, within its bound. Blocks.
///
/// # Errors
/// `Module`, `DocumentSize`.
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

/// The register of the binding: the first that the image's code may extend.
pub const BINDING_PCR: u16 = 16;
/// The register of the whole image.
const IMAGE_PCR: u16 = 0;
/// The digest of every register.
const DIGEST: &str = "SHA384";

#[cfg(test)]
mod tests;
