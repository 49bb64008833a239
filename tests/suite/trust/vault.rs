//! Two more key services: one with a key policy of images, and one that ignores the encryption
//! context.

use super::module::TestModule;
use mortise_engine::ports::{KeyContext, Nsm, PortFuture, Vault, VaultError};
use mortise_format::secret::Secret;
use mortise_testkit::vault::TestVault;
use std::future::ready;
use std::sync::Arc;

/// Gives keys to the one image of its key policy.
pub struct PolicyVault {
    inner: Arc<dyn Vault>,
    module: Arc<TestModule>,
}

impl PolicyVault {
    /// The service as the enclave of `module` reaches it.
    pub fn new(inner: &Arc<dyn Vault>, module: &Arc<TestModule>) -> Self {
        Self { inner: Arc::clone(inner), module: Arc::clone(module) }
    }

    fn check(&self) -> Result<(), VaultError> {
        let approved = TestModule::of_image(0).describe_pcr(0).expect("it has a register 0");
        let found = self.module.describe_pcr(0).expect("it has a register 0");
        match found == approved {
            true => Ok(()),
            false => Err(VaultError::Denied("the policy names another PCR0".into())),
        }
    }
}

impl Vault for PolicyVault {
    fn generate<'a>(
        &'a self,
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<(Secret, Vec<u8>), VaultError>> {
        match self.check() {
            Ok(()) => self.inner.generate(context),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<Secret, VaultError>> {
        match self.check() {
            Ok(()) => self.inner.unwrap(wrapped, context),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

/// Unwraps every key that it wrapped, under any context, so that only the engine's own checks can
/// detect a swap.
pub struct SlackVault(pub TestVault);

impl Vault for SlackVault {
    fn generate<'a>(
        &'a self,
        _: &'a KeyContext,
    ) -> PortFuture<'a, Result<(Secret, Vec<u8>), VaultError>> {
        self.0.generate(&ANY)
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        _: &'a KeyContext,
    ) -> PortFuture<'a, Result<Secret, VaultError>> {
        self.0.unwrap(wrapped, &ANY)
    }
}

static ANY: KeyContext = KeyContext {
    engine_id: mortise_format::ids::EngineId::ZERO,
    epoch: 0,
    purpose: mortise_engine::ports::KeyPurpose::Epoch,
};
