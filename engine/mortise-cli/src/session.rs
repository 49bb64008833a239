//! The client, key and anchors file of one command.

use crate::anchors::AnchorsFile;
use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::key;
use crate::known::Known;
use crate::mode;
use crate::output::Output;
use mortise_client::{Client, Endpoint, Identity, RetryPolicy, Signer};
use mortise_format::insecure_mode::InsecureMode;

/// What a command that connects to an engine needs.
pub(crate) struct Session<'a> {
    /// The client, pinned if the caller names an anchors file.
    pub client: Client,
    /// Where its answers are printed, with the mode of an insecure engine.
    pub output: Output,
    mode: Option<InsecureMode>,
    connection: &'a ConnectionArgs,
    anchors: AnchorsFile,
    known: Known,
}

impl<'a> Session<'a> {
    /// Connects as the flags say: to an attested engine, encrypted, or in clear. Warns about an
    /// engine that says that it is insecure.
    pub async fn connect(connection: &'a ConnectionArgs, output: &Output) -> Result<Self, Failure> {
        let mut session = Self::unpinned(connection, output).await?;
        if let Some(engine_id) = connection.engine_id {
            session.client = session.client.pinned_by_id(engine_id).await?;
        }
        Ok(session)
    }

    /// The same without the check of `--engine-id`, which an engine that does not serve yet cannot
    /// pass.
    async fn unpinned(connection: &'a ConnectionArgs, output: &Output) -> Result<Self, Failure> {
        let mut session = Self::in_clear(connection, output)?;
        if connection.proof.is_required()? {
            let limit = session.anchors.read()?.limit();
            let client = connection.proof.apply(session.client, limit).await?;
            // Inside the channel alone, where no carrier can repeat what it signs.
            session.client = match key::named(connection.key.as_deref())? {
                Some(signer) => client.reading_as(signer),
                None => client,
            };
        } else {
            session.mode = mode::reported(endpoint(connection)?).await;
            mode::warn(session.mode, output);
        }
        session.output = session.output.in_mode(session.mode).known(session.known.name());
        Ok(session)
    }

    /// For the health of an engine, which may not serve yet. Then nothing says which one it is.
    pub async fn for_health(
        connection: &'a ConnectionArgs,
        output: &Output,
    ) -> Result<Self, Failure> {
        Self::unpinned(connection, output).await
    }

    /// Accepts promises of an engine in this mode.
    pub fn allow_insecure(mut self, allowed: Option<InsecureMode>) -> Self {
        if let Some(allowed) = allowed {
            self.client = self.client.allow_insecure(allowed);
        }
        self
    }

    /// Refuses to request a promise from an insecure engine, unless the caller allows its mode.
    pub fn check_mode(&self, allowed: Option<InsecureMode>) -> Result<(), Failure> {
        mode::check(self.mode, allowed)
    }

    /// In clear; connects at the first call. For commands that check proofs themselves.
    pub fn open(connection: &'a ConnectionArgs, output: &Output) -> Result<Self, Failure> {
        if connection.proof.is_required()? {
            return Err(Failure::usage("this command does not encrypt: remove --attest-root"));
        }
        Self::in_clear(connection, output)
    }

    fn in_clear(connection: &'a ConnectionArgs, output: &Output) -> Result<Self, Failure> {
        let endpoint = endpoint(connection)?;
        let retry = RetryPolicy { attempts_max: connection.attempts, ..RetryPolicy::default() };
        let file = connection.anchors.as_deref();
        let anchors = AnchorsFile::new(file);
        let is_pinned = connection.engine_id.is_some() || anchors.read()?.engine()?.is_some();
        let known = Known::of(is_pinned, file, connection.proof.is_required()?);
        known.check_new(connection.expect_new)?;
        let client = anchors.pin(Client::new(endpoint).with_retry(retry))?;
        Ok(Self { client, output: *output, mode: None, connection, anchors, known })
    }

    /// The caller's key.
    pub fn signer(&self) -> Result<Signer, Failure> {
        key::load(self.connection.key.as_deref())
    }

    /// The engine that answers.
    pub async fn identity(&self) -> Result<Identity, Failure> {
        Ok(self.client.identity().await?)
    }

    /// Checks `--engine-id` once the engine serves.
    pub async fn check_named(&self) -> Result<(), Failure> {
        if let Some(expected) = self.connection.engine_id {
            self.client.check_engine_id(expected).await?;
        }
        Ok(())
    }

    /// Who signed, for a sentence.
    pub fn signed_by(&self) -> &'static str {
        match self.known {
            Known::Pinned => "signed by the engine that you named",
            _ => "signed by the engine that answered",
        }
    }

    /// Says which engine it was, unless the caller named it.
    async fn say_who(&self) {
        let identity = match self.known {
            Known::Pinned => return,
            _ => self.client.identity().await,
        };
        let note = identity.ok().and_then(|id| self.known.note(&id, &self.connection.url));
        if let Some(note) = note {
            self.output.note(&note);
        }
    }

    /// Checks the newest statement of the engine against the one in the anchors file, if it has
    /// one.
    pub async fn check_newest(&self) -> Result<(), Failure> {
        if self.anchors.is_named() && self.client.last_statement().is_some() {
            self.client.check_root().await?;
        }
        Ok(())
    }

    /// Ends a command that changed nothing. With an anchors file, the newest statement of the
    /// engine is checked against the one in the file, whatever the command was about: an engine on
    /// a rewound log is not healthy.
    pub async fn close(self) -> Result<(), Failure> {
        self.check_newest().await?;
        self.anchors.keep(&self.client).await?;
        self.say_who().await;
        Ok(())
    }

    /// The same after a change that the engine made: a file that cannot be updated is a warning,
    /// because the change is made.
    pub async fn close_after_change(self) {
        if let Err(failure) = self.anchors.keep(&self.client).await {
            self.output.note(&format!("Warning: anchors not updated: {}", failure.text()));
        }
        self.say_who().await;
    }
}

fn endpoint(connection: &ConnectionArgs) -> Result<Endpoint, Failure> {
    let url = &connection.url;
    url.parse().map_err(|error| Failure::usage(format!("--url {url}: {error}")))
}
