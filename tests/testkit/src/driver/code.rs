//! The code that boots in a [`Driver`](super::Driver): its version, its enclave, its manners.

use crate::scenario::VERSION;
use mortise_engine::attest;
use mortise_engine::boot::{BootError, NewEpoch, Replayed};
use mortise_engine::ports::Nsm;
use mortise_format::images::Version;
use std::fmt;
use std::sync::Arc;

/// What boots.
#[derive(Clone)]
pub struct Code {
    /// Its version.
    pub version: &'static str,
    /// The security module of its enclave; none: unattested. Each boot needs another.
    pub module: Option<Arc<dyn Nsm>>,
    /// It boots whatever the log says about images: other code than ours.
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
    /// Asks the log whether this code may boot.
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
