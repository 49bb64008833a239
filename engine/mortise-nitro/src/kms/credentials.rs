//! Credentials for the key service: parsed strictly, kept until newer ones arrive.
//!
//! ```text
//! parent (port 5003) --line--> feed --> newest --> usable() --> one signature
//! ```
//! The parent makes them and could use them itself, so they are no secret from it. The key policy
//! binds what they allow to the attestation. They are still never logged. A line that is malformed
//! or too long ends the connection; the previous credentials stay. The feed then reconnects with
//! growing pauses.

use super::backoff::Backoff;
use super::dialer::{ByteStream, Dialer};
use super::error::{CredentialsFault, KmsError};
use super::timestamp::parse_rfc3339;
use mortise_engine::ports::{Clock, Entropy};
use mortise_format::limits::CREDENTIALS_LINE_BYTES_MAX;
use mortise_rpc::credentials::Credentials;
use mortise_rpc::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Longest access key id.
const ACCESS_KEY_ID_BYTES_MAX: usize = 128;
/// Longest secret access key. AWS uses 40 bytes.
const SECRET_BYTES_MAX: usize = 1024;
/// Longest session token. AWS stays below 4 KiB.
const TOKEN_BYTES_MAX: usize = 12 * 1024;
/// Pauses between attempts to connect to the parent.
const REDIAL: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(10) };

/// Credentials that are valid in a signature and cannot inject anything into a header.
pub(super) struct SigningCredentials {
    access_key_id: String,
    /// `AWS4` and the secret access key.
    seed: Zeroizing<Vec<u8>>,
    token: Option<Zeroizing<String>>,
    expires_ms: Option<u64>,
}

impl SigningCredentials {
    /// Checks form and length of every part.
    ///
    /// # Errors
    /// [`CredentialsFault`], all but `NotCredentials`.
    pub(super) fn parse(given: &Credentials) -> Result<Self, CredentialsFault> {
        let id = &given.access_key_id;
        let id_fits = (1..=ACCESS_KEY_ID_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if !id_fits {
            return Err(CredentialsFault::AccessKeyId);
        }
        if !is_printable(&given.secret_access_key, SECRET_BYTES_MAX) {
            return Err(CredentialsFault::SecretAccessKey);
        }
        if given.token.as_ref().is_some_and(|token| !is_printable(token, TOKEN_BYTES_MAX)) {
            return Err(CredentialsFault::Token);
        }
        let expires_ms = match &given.expiration {
            None => None,
            Some(text) => Some(parse_rfc3339(text).ok_or(CredentialsFault::Expiration)?),
        };
        let seed = Zeroizing::new([b"AWS4", given.secret_access_key.as_bytes()].concat());
        let token = given.token.clone().map(Zeroizing::new);
        Ok(Self { access_key_id: id.clone(), seed, token, expires_ms })
    }

    pub(super) fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.as_str())
    }

    /// Passes the seed of the signing key to `use_seed`.
    pub(super) fn with_signing_seed<T>(&self, use_seed: impl FnOnce(&[u8]) -> T) -> T {
        use_seed(&self.seed)
    }

    /// Returns true from the moment of expiry on.
    pub(super) fn has_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|end| now_ms >= end)
    }
}

impl std::fmt::Debug for SigningCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningCredentials([redacted])")
    }
}

/// Returns true for visible ASCII without spaces that is not empty.
fn is_printable(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Parses one line of the parent.
fn parse_line(line: &[u8]) -> Result<SigningCredentials, CredentialsFault> {
    let value = json::parse(line).map_err(|_| CredentialsFault::NotCredentials)?;
    let given: Credentials =
        serde_json::from_value(value).map_err(|_| CredentialsFault::NotCredentials)?;
    SigningCredentials::parse(&given)
}

/// Keeps the newest credentials of the parent.
#[derive(Debug, Clone)]
pub struct CredentialStore {
    newest: watch::Receiver<Option<Arc<SigningCredentials>>>,
}

impl CredentialStore {
    /// Reads credentials over `dialer`, for as long as the store or a clone of it lives. Needs a
    /// running tokio runtime.
    pub fn from_parent(dialer: Arc<dyn Dialer>, entropy: Arc<dyn Entropy>) -> Self {
        let (sender, newest) = watch::channel(None);
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = feed(dialer.as_ref(), entropy.as_ref(), &sender) => {}
            }
        });
        Self { newest }
    }

    /// A store that always returns these credentials.
    ///
    /// # Errors
    /// [`CredentialsFault`].
    pub fn fixed(given: &Credentials) -> Result<Self, CredentialsFault> {
        let credentials = Arc::new(SigningCredentials::parse(given)?);
        // The sender can be dropped: a receiver without one keeps the last value.
        let (_, newest) = watch::channel(Some(credentials));
        Ok(Self { newest })
    }

    /// Returns the newest credentials. Waits at most `timeout` for some that have not expired.
    ///
    /// Expired ones are returned all the same when no newer arrive: the parent's source may fail
    /// for a while, clocks differ, and AWS accepts some credentials beyond the time that the
    /// metadata service gave. The service decides.
    ///
    /// # Errors
    /// `NoCredentials`, `NoTime`.
    pub(super) async fn usable(
        &self,
        clock: &dyn Clock,
        timeout: Duration,
    ) -> Result<Arc<SigningCredentials>, KmsError> {
        let mut newest = self.newest.clone();
        let is_good = |held: &Option<Arc<SigningCredentials>>| {
            held.as_ref().is_some_and(|held| clock.now_ms().is_ok_and(|now| !held.has_expired(now)))
        };
        // After the timeout or the end of the feed, the current value is what there is.
        drop(tokio::time::timeout(timeout, newest.wait_for(is_good)).await);
        clock.now_ms()?;
        self.newest.borrow().clone().ok_or(KmsError::NoCredentials)
    }
}

/// Why a connection to the parent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum FeedEnd {
    #[error("the parent cannot be dialed: {0}")]
    Dial(std::io::ErrorKind),
    #[error("the connection broke: {0}")]
    Broken(std::io::ErrorKind),
    #[error("the parent closed the connection")]
    Disconnected,
    #[error("a line is longer than {CREDENTIALS_LINE_BYTES_MAX} bytes")]
    LineTooLong,
    #[error("a line is rejected: {0}")]
    Line(CredentialsFault),
}

type Newest = watch::Sender<Option<Arc<SigningCredentials>>>;

async fn feed(dialer: &dyn Dialer, entropy: &dyn Entropy, newest: &Newest) {
    let mut failures = 0;
    loop {
        let end = match dialer.dial().await {
            Err(error) => FeedEnd::Dial(error.kind()),
            Ok(stream) => read_lines(stream, newest, &mut failures).await,
        };
        tracing::warn!(%end, failures, "no connection for the parent's credentials");
        tokio::time::sleep(REDIAL.pause(failures, entropy)).await;
        failures = failures.saturating_add(1);
    }
}

/// Reads lines until one is rejected or the connection ends. A valid line resets `failures`.
async fn read_lines(stream: Box<dyn ByteStream>, newest: &Newest, failures: &mut u32) -> FeedEnd {
    let mut reader = BufReader::new(stream);
    loop {
        let line = match read_line(&mut reader).await {
            Ok(line) => line,
            Err(end) => return end,
        };
        match parse_line(&line) {
            Ok(credentials) => {
                newest.send_replace(Some(Arc::new(credentials)));
                *failures = 0;
            }
            Err(fault) => return FeedEnd::Line(fault),
        }
    }
}

async fn read_line(
    reader: &mut BufReader<Box<dyn ByteStream>>,
) -> Result<Zeroizing<Vec<u8>>, FeedEnd> {
    // Full capacity from the start, so that growing leaves no copy of a secret behind.
    let mut line = Zeroizing::new(Vec::with_capacity(CREDENTIALS_LINE_BYTES_MAX));
    let mut bounded = reader.take(CREDENTIALS_LINE_BYTES_MAX as u64);
    let read = bounded.read_until(b'\n', &mut line).await;
    read.map_err(|error| FeedEnd::Broken(error.kind()))?;
    match line.last() {
        Some(b'\n') => Ok(line),
        _ if line.len() == CREDENTIALS_LINE_BYTES_MAX => Err(FeedEnd::LineTooLong),
        _ => Err(FeedEnd::Disconnected),
    }
}

#[cfg(test)]
mod tests;
