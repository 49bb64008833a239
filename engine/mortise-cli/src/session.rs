//! One command's client, key and trust file.

use crate::args::ConnectionArgs;
use crate::failure::Failure;
use crate::key;
use crate::trust::TrustFile;
use mortise_client::{Client, Identity, RetryPolicy, Signer};

/// What a command that speaks to an engine needs.
pub struct Session<'a> {
    /// The client, pinned when there is a trust file.
    pub client: Client,
    connection: &'a ConnectionArgs,
    trust: TrustFile,
}

impl<'a> Session<'a> {
    /// Connects at the first call.
    pub fn open(connection: &'a ConnectionArgs) -> Result<Self, Failure> {
        let endpoint = connection
            .url
            .parse()
            .map_err(|e| Failure::usage(format!("--url {}: {e}", connection.url)))?;
        let retry = RetryPolicy { attempts_max: connection.attempts, ..RetryPolicy::default() };
        let trust = TrustFile::new(connection.trust.as_deref());
        let client = trust.pin(Client::new(endpoint).with_retry(retry))?;
        Ok(Self { client, connection, trust })
    }

    /// The caller's key.
    pub fn signer(&self) -> Result<Signer, Failure> {
        key::load(self.connection.key.as_deref())
    }

    /// The engine that answers.
    pub async fn identity(&self) -> Result<Identity, Failure> {
        Ok(self.client.identity().await?)
    }

    /// Writes the trust file, if there is one.
    pub async fn close(self) -> Result<(), Failure> {
        self.trust.keep(&self.client).await
    }
}
