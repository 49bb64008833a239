//! The code that boots in a [`Driver`](super::Driver): its version, its enclave, what it checks.

use crate::scenario::VERSION;
use mortise_engine::attest::{self, AttestError};
use mortise_engine::boot::{BootError, NewEpoch, Replayed};
use mortise_engine::ports::Nsm;
use mortise_format::ids::EngineId;
use mortise_format::images::Version;
use mortise_format::rules::RuleSet;
use std::fmt;
use std::sync::Arc;

/// The code of a boot.
#[derive(Clone)]
pub struct Code {
    /// Its version.
    pub version: &'static str,
    /// The security module of its enclave; none: unattested. Each boot needs a new one.
    pub module: Option<Arc<dyn Nsm>>,
    /// The rules that its operator asks for.
    pub rules: Option<RuleSet>,
    /// It ignores the approvals in the log, as code of another author could.
    pub ignores_approvals: bool,
}

impl Default for Code {
    fn default() -> Self {
        Self { version: VERSION, module: None, rules: None, ignores_approvals: false }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({})", self.version)
    }
}

impl Code {
    /// Checks the approvals in the log, and returns the rules of the boot.
    pub(super) fn check(&self, replayed: &Replayed) -> Result<RuleSet, BootError> {
        if self.ignores_approvals {
            let last = replayed.machine.head().rules;
            let last = if last == RuleSet::NONE { RuleSet::NEWEST } else { last };
            return Ok(self.rules.unwrap_or(last));
        }
        let image = self.module.as_deref().map(attest::own_image).transpose()?;
        let version = Version::parse(self.version).expect("tests name versions");
        replayed.check_image(version, image.as_ref())?;
        replayed.next_rules(self.rules)
    }

    /// The document of the keys that this boot draws; empty while unattested.
    pub(super) fn genesis_document(&self, engine_id: &EngineId) -> Result<Vec<u8>, AttestError> {
        match &self.module {
            None => Ok(Vec::new()),
            Some(module) => attest::genesis_document(module.as_ref(), engine_id),
        }
    }

    /// The document of the boot; empty while unattested.
    pub(super) fn document(&self, epoch: &NewEpoch) -> Result<Vec<u8>, BootError> {
        match &self.module {
            None => Ok(Vec::new()),
            Some(module) => Ok(attest::bind(module.as_ref(), &epoch.binding)?.document),
        }
    }
}
