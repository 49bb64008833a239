//! The application's keys, under their own master key.
//!
//! `mortise:service` and `mortise:purpose` are always set here, so that no context of a caller can
//! equal one of the engine's. The application's master key is another one as well.

use super::client::{DataKey, KmsClient};
use super::vault::{CONTEXT_PURPOSE, CONTEXT_SERVICE};
use mortise_engine::ports::{AppKeys, EncryptionContext, PortFuture, SecretBytes, VaultError};
use mortise_rpc::credentials::Credentials;
use std::sync::Arc;

/// Service and purpose of every context of the application.
const APP: &str = "app";

/// [`AppKeys`] over the key service.
#[derive(Debug, Clone)]
pub struct KmsAppKeys {
    client: Arc<KmsClient>,
}

impl KmsAppKeys {
    /// Uses the application's key of the client's configuration.
    pub fn new(client: Arc<KmsClient>) -> Self {
        Self { client }
    }
}

/// The caller's context, with the two reserved names set.
fn forced(context: &EncryptionContext) -> EncryptionContext {
    let mut forced = context.clone();
    forced.insert(CONTEXT_SERVICE.to_owned(), APP.to_owned());
    forced.insert(CONTEXT_PURPOSE.to_owned(), APP.to_owned());
    forced
}

impl AppKeys for KmsAppKeys {
    fn data_key<'a>(
        &'a self,
        context: &'a EncryptionContext,
        credentials: Option<&'a Credentials>,
    ) -> PortFuture<'a, Result<(SecretBytes, Vec<u8>), VaultError>> {
        Box::pin(async move {
            let key = self.client.config().app_key();
            let made = self.client.generate_data_key(key, &forced(context), credentials).await;
            let DataKey { key, wrapped } = made?;
            Ok((key, wrapped))
        })
    }

    fn open<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a EncryptionContext,
        credentials: Option<&'a Credentials>,
    ) -> PortFuture<'a, Result<SecretBytes, VaultError>> {
        Box::pin(async move {
            let (key, context) = (self.client.config().app_key(), forced(context));
            Ok(self.client.decrypt_data_key(key, wrapped, &context, credentials).await?)
        })
    }

    fn random<'a>(
        &'a self,
        count: usize,
        credentials: Option<&'a Credentials>,
    ) -> PortFuture<'a, Result<SecretBytes, VaultError>> {
        Box::pin(async move { Ok(self.client.generate_random(count, credentials).await?) })
    }
}
