//! The code that boots in a [`Driver`](super::Driver): its version, its enclave, what it checks.

use crate::scenario::VERSION;
use mortise_engine::attest;
use mortise_engine::boot::{BootError, NewEpoch, Replayed};
use mortise_engine::ports::Nsm;
use mortise_format::images::Version;
use std::fmt;
use std::sync::Arc;

/// The code of a boot.
#[derive(Clone)]
pub struct Code {
    /// Its version.
    pub version: &'static str,
    /// The security module of its enclave; none: unattested. Each boot needs a new one.
    pub module: Option<Arc<dyn Nsm>>,
    /// It ignores the approvals in the log, as code of another author could.
    pub ignores_approvals: bool,
}

impl Default for Code {
    fn default() -> Self {
        Self { version: VERSION, module: None, ignores_approvals: false }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({})", self.version)
    }
}

impl Code {
    /// Checks the approvals in the log.
    pub(super) fn check(&self, replayed: &Replayed) -> Result<(), BootError> {
        if self.ignores_approvals {
            return Ok(());
        }
        let image = self.module.as_deref().map(attest::own_image).transpose()?;
        let version = Version::parse(self.version).expect("tests name versions");
        replayed.check_image(version, image.as_ref())
    }

    /// The document of the boot; empty while unattested.
    pub(super) fn document(&self, epoch: &NewEpoch) -> Result<Vec<u8>, BootError> {
        match &self.module {
            None => Ok(Vec::new()),
            Some(module) => Ok(attest::bind(module.as_ref(), &epoch.binding)?.document),
        }
    }
}
