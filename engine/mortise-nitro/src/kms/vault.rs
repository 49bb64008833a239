//! The engine's keys, under the engine's master key.
//!
//! The context names service, purpose, log and epoch, so that wrapped keys cannot be swapped among
//! logs, epochs and purposes: the service rejects another context. `specs/kms-and-keys.md` lists
//! the names; the key policy and the service's trail contain them too.

use super::client::{DATA_KEY_BYTES, KmsClient};
use super::error::KmsError;
use mortise_engine::ports::{
    EncryptionContext, KeyContext, PortFuture, SecretBytes, ServiceTime, Vault, VaultError,
};
use mortise_format::ids::to_hex;
use mortise_format::secret::Secret;
use std::sync::Arc;

/// Name of the service in a context.
pub(super) const CONTEXT_SERVICE: &str = "mortise:service";
/// Name of the purpose in a context.
pub(super) const CONTEXT_PURPOSE: &str = "mortise:purpose";
const CONTEXT_LOG: &str = "mortise:log";
const CONTEXT_EPOCH: &str = "mortise:epoch";
const SERVICE_ENGINE: &str = "lock-engine";

/// [`Vault`] over the key service.
#[derive(Debug, Clone)]
pub struct KmsVault {
    client: Arc<KmsClient>,
}

impl KmsVault {
    /// Uses the engine's key of the client's configuration.
    pub fn new(client: Arc<KmsClient>) -> Self {
        Self { client }
    }

    async fn make(&self, context: &KeyContext) -> Result<(Secret, Vec<u8>), KmsError> {
        let key = self.client.config().engine_key();
        let made = self.client.generate_data_key(key, &names(context), None).await?;
        Ok((secret(&made.key)?, made.wrapped))
    }

    async fn open(&self, wrapped: &[u8], context: &KeyContext) -> Result<Secret, KmsError> {
        let key = self.client.config().engine_key();
        let opened = self.client.decrypt_data_key(key, wrapped, &names(context), None).await?;
        secret(&opened)
    }
}

/// The encryption context of a key of the engine.
fn names(context: &KeyContext) -> EncryptionContext {
    [
        (CONTEXT_SERVICE, SERVICE_ENGINE.to_owned()),
        (CONTEXT_PURPOSE, context.purpose.name().to_owned()),
        (CONTEXT_LOG, to_hex(&context.engine_id.0)),
        (CONTEXT_EPOCH, context.epoch.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn secret(bytes: &SecretBytes) -> Result<Secret, KmsError> {
    let found = bytes.len();
    let whole = bytes.as_slice().try_into();
    let wrong = |_| KmsError::PlaintextLength { expected: DATA_KEY_BYTES, found };
    Ok(Secret::new(whole.map_err(wrong)?))
}

impl Vault for KmsVault {
    fn service_time(&self) -> Option<ServiceTime> {
        self.client.service_time()
    }

    fn generate<'a>(
        &'a self,
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<(Secret, Vec<u8>), VaultError>> {
        Box::pin(async move { Ok(self.make(context).await?) })
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<Secret, VaultError>> {
        Box::pin(async move { Ok(self.open(wrapped, context).await?) })
    }
}
