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
    /// As the flags want it: with an engine that has proven itself, sealed, or in clear.
    pub async fn connect(connection: &'a ConnectionArgs) -> Result<Self, Failure> {
        let Self { client, connection, trust } = Self::in_clear(connection)?;
        let client = connection.proof.apply(client).await?;
        Ok(Self { client, connection, trust })
    }

    /// In clear; connects at the first call. For commands that look at proofs themselves.
    pub fn open(connection: &'a ConnectionArgs) -> Result<Self, Failure> {
        if connection.proof.is_asked()? {
            return Err(Failure::usage("this command speaks in clear: leave out --attest-root"));
        }
        Self::in_clear(connection)
    }

    fn in_clear(connection: &'a ConnectionArgs) -> Result<Self, Failure> {
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
