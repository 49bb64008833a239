//! One command's client, key and trust file.

use crate::args::ConnectionArgs;
use crate::failure::Failure;
use crate::key;
use crate::mode;
use crate::output::Output;
use crate::trust::TrustFile;
use mortise_client::{Client, Endpoint, Identity, RetryPolicy, Signer};
use mortise_format::insecure_mode::InsecureMode;

/// What a command that speaks to an engine needs.
pub struct Session<'a> {
    /// The client, pinned when there is a trust file.
    pub client: Client,
    /// Where its answers are printed: with the mode of an engine whose word binds nobody.
    pub output: Output,
    mode: Option<InsecureMode>,
    connection: &'a ConnectionArgs,
    trust: TrustFile,
}

impl<'a> Session<'a> {
    /// As the flags want it: with an engine that has proven itself, sealed, or in clear. One that
    /// admits that its word binds nobody is announced.
    pub async fn connect(connection: &'a ConnectionArgs, output: &Output) -> Result<Self, Failure> {
        let mut session = Self::in_clear(connection, output)?;
        if connection.proof.is_asked()? {
            session.client = connection.proof.apply(session.client).await?;
            return Ok(session);
        }
        session.mode = mode::admitted(endpoint(connection)?).await;
        session.output = output.in_mode(session.mode);
        mode::announce(session.mode, output);
        Ok(session)
    }

    /// Lets the engine be asked for promises in this mode.
    pub fn allowing(mut self, named: Option<InsecureMode>) -> Self {
        if let Some(named) = named {
            self.client = self.client.allow_insecure(named);
        }
        self
    }

    /// Whether a promise may be asked for, when the caller named this mode.
    pub fn check_mode(&self, named: Option<InsecureMode>) -> Result<(), Failure> {
        mode::check(self.mode, named)
    }

    /// In clear; connects at the first call. For commands that look at proofs themselves.
    pub fn open(connection: &'a ConnectionArgs, output: &Output) -> Result<Self, Failure> {
        if connection.proof.is_asked()? {
            return Err(Failure::usage("this command speaks in clear: leave out --attest-root"));
        }
        Self::in_clear(connection, output)
    }

    fn in_clear(connection: &'a ConnectionArgs, output: &Output) -> Result<Self, Failure> {
        let endpoint = endpoint(connection)?;
        let retry = RetryPolicy { attempts_max: connection.attempts, ..RetryPolicy::default() };
        let trust = TrustFile::new(connection.trust.as_deref());
        let client = trust.pin(Client::new(endpoint).with_retry(retry))?;
        Ok(Self { client, output: *output, mode: None, connection, trust })
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

fn endpoint(connection: &ConnectionArgs) -> Result<Endpoint, Failure> {
    let url = &connection.url;
    url.parse().map_err(|error| Failure::usage(format!("--url {url}: {error}")))
}
