//! The client: one call is one attempt, or several after transient failures.
//!
//! ```text
//! credentials -> recipient (fresh key, fresh document) -> sign -> send -> read -> open
//!      ^------------------ pause, only after a transient failure ---------------'
//! ```
//! Every attempt has its own recipient, so that an answer to an earlier attempt opens nothing.
//! Blocking work - the module, generating and using RSA keys - runs on the runtime's blocking
//! threads.

use super::backoff::Backoff;
use super::credentials::{CredentialStore, SigningCredentials};
use super::dialer::Dialer;
use super::error::{KmsError, Wait};
use super::operation::{Answered, Operation};
use super::recipient::{Recipient, RecipientKey, Recipients};
use super::sigv4::{self, Unsigned};
use super::timestamp::format_basic;
use super::transport::{Answer, Transport};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use mortise_config::{KeyArn, KeyServiceError, KmsConfig, Timeouts};
use mortise_engine::ports::{Clock, EncryptionContext, Entropy, Nsm, SecretBytes, ServiceTime};
use mortise_engine::priority::spawn_behind;
use mortise_rpc::credentials::Credentials;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const CONTENT_TYPE_JSON: &str = "application/x-amz-json-1.1";
/// Bytes of a data key: AES-256.
pub(super) const DATA_KEY_BYTES: usize = 32;

/// A difference of clocks that explains a rejected signature. AWS accepts 5 to 15 minutes; the time
/// of the way is below a minute.
const SIGNATURE_SKEW_S: u64 = 4 * 60;

/// The dependencies of the client.
#[derive(Clone)]
pub struct KmsPlatform {
    /// Connects to the service through the parent's proxy.
    pub dialer: Arc<dyn Dialer>,
    /// Credentials that the parent supplies.
    pub credentials: CredentialStore,
    pub nsm: Arc<dyn Nsm>,
    /// The trusted clock. Dates signatures; checks certificates and credentials.
    pub clock: Arc<dyn Clock>,
    /// Source of the jitter of pauses.
    pub entropy: Arc<dyn Entropy>,
}

/// A fresh data key.
#[derive(Debug)]
pub struct DataKey {
    /// 32 bytes.
    pub key: SecretBytes,
    /// The same key, encrypted under the master key.
    pub wrapped: Vec<u8>,
}

/// A client of the key service that gives keys only to attested code.
///
/// Calls need a running tokio runtime, of any flavour, with time and I/O enabled.
pub struct KmsClient {
    config: KmsConfig,
    platform: KmsPlatform,
    transport: Transport,
    recipients: Recipients,
    /// The service's clock in its last answer, beside the trusted one.
    service_time: Mutex<Option<ServiceTime>>,
}

impl std::fmt::Debug for KmsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KmsClient").field("config", &self.config).finish_non_exhaustive()
    }
}

impl KmsClient {
    /// A client of the configured service. Does not connect yet.
    ///
    /// # Errors
    /// `Tls`.
    pub fn new(config: KmsConfig, platform: KmsPlatform) -> Result<Self, KeyServiceError> {
        let (dialer, clock) = (Arc::clone(&platform.dialer), Arc::clone(&platform.clock));
        let transport = Transport::new(&config, dialer, clock)?;
        let recipients = Recipients::new(Arc::clone(&platform.nsm));
        let service_time = Mutex::new(None);
        Ok(Self { config, platform, transport, recipients, service_time })
    }

    pub fn config(&self) -> &KmsConfig {
        &self.config
    }

    /// `GenerateDataKey`: a new key of 32 bytes under `key`, bound to `context`.
    ///
    /// `own` credentials are used for this call only; `None` uses those of the parent.
    ///
    /// # Errors
    /// [`KmsError`].
    pub async fn generate_data_key(
        &self,
        key: &KeyArn,
        context: &EncryptionContext,
        own: Option<&Credentials>,
    ) -> Result<DataKey, KmsError> {
        let operation = Operation::generate_data_key(key, context)?;
        let (key, wrapped) = self.call(&operation, DATA_KEY_BYTES, own).await?;
        Ok(DataKey { key, wrapped })
    }

    /// `Decrypt`: the data key of 32 bytes that is encrypted under `key` in `context`.
    ///
    /// # Errors
    /// [`KmsError`]; `InvalidCiphertext` for another context, `IncorrectKey` for another key.
    pub async fn decrypt_data_key(
        &self,
        key: &KeyArn,
        wrapped: &[u8],
        context: &EncryptionContext,
        own: Option<&Credentials>,
    ) -> Result<SecretBytes, KmsError> {
        let operation = Operation::decrypt(key, wrapped, context)?;
        Ok(self.call(&operation, DATA_KEY_BYTES, own).await?.0)
    }

    /// `GenerateRandom`: `count` bytes, 1 to 1024.
    ///
    /// # Errors
    /// [`KmsError`].
    pub async fn generate_random(
        &self,
        count: usize,
        own: Option<&Credentials>,
    ) -> Result<SecretBytes, KmsError> {
        let operation = Operation::generate_random(count)?;
        Ok(self.call(&operation, count, own).await?.0)
    }

    /// Returns the plaintext of exactly `expected` bytes, and its wrapped form, if any.
    async fn call(
        &self,
        operation: &Operation<'_>,
        expected: usize,
        own: Option<&Credentials>,
    ) -> Result<(SecretBytes, Vec<u8>), KmsError> {
        let own = own.map(SigningCredentials::parse).transpose();
        let own = own.map_err(KmsError::CredentialsMalformed)?.map(Arc::new);
        let attempts = self.attempts(operation, own.as_ref());
        let ended = timeout(self.config.timeouts().overall, attempts).await;
        let (plaintext, wrapped) = ended.map_err(|_| KmsError::TimedOut(Wait::Overall))??;
        if plaintext.len() != expected {
            return Err(KmsError::PlaintextLength { expected, found: plaintext.len() });
        }
        Ok((plaintext, wrapped))
    }

    async fn attempts(
        &self,
        operation: &Operation<'_>,
        own: Option<&Arc<SigningCredentials>>,
    ) -> Result<(SecretBytes, Vec<u8>), KmsError> {
        let Timeouts { attempts_max, pause_first: first, pause_max: max, .. } =
            *self.config.timeouts();
        let mut failures = 0;
        loop {
            let error = match self.attempt(operation, own).await {
                Err(error) if error.is_transient() => error,
                ended => return ended,
            };
            if failures + 1 >= attempts_max {
                return Err(error);
            }
            let pause = Backoff { first, max }.pause(failures, self.platform.entropy.as_ref());
            tracing::warn!(%error, failures, ?pause, "the key service did not answer; retrying");
            sleep(pause).await;
            failures += 1;
        }
    }

    async fn attempt(
        &self,
        operation: &Operation<'_>,
        own: Option<&Arc<SigningCredentials>>,
    ) -> Result<(SecretBytes, Vec<u8>), KmsError> {
        // Before generating the key, which would be useless without credentials.
        let wait = self.config.timeouts().credentials;
        self.credentials(own, wait).await?;
        let Recipient { key, document } = self.recipients.fresh().await?;
        let credentials = self.credentials(own, Duration::ZERO).await?;
        let request = self.sign(operation, operation.body(&document), &credentials)?;
        let answer = self.transport.send(request).await?;
        self.note_time(&answer);
        let read = operation.read(&answer);
        let Answered { envelope, wrapped } = read.map_err(|error| self.explain(error, &answer))?;
        Ok((open(key, envelope).await?, wrapped))
    }

    /// The service's clock in its last answer, beside the trusted one.
    pub fn service_time(&self) -> Option<ServiceTime> {
        *self.service_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_time(&self, answer: &Answer) {
        if let (Some(theirs_s), Ok(now_ms)) = (answer.date_s, self.platform.clock.now_ms()) {
            let mut known = self.service_time.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(ServiceTime { theirs_s, ours_s: now_ms / 1000 });
        }
    }

    /// The service judges the time of a request before its key policy. When it rejects one and its
    /// own clock is far from the trusted one, that is the reason.
    fn explain(&self, error: KmsError, answer: &Answer) -> KmsError {
        let is_dated = matches!(error, KmsError::SignatureRefused | KmsError::ExpiredToken);
        match (answer.date_s, self.platform.clock.now_ms()) {
            (Some(theirs_s), Ok(now_ms)) if is_dated => {
                let ours_s = now_ms / 1000;
                let are_apart = theirs_s.abs_diff(ours_s) >= SIGNATURE_SKEW_S;
                if are_apart { KmsError::ClocksApart { theirs_s, ours_s } } else { error }
            }
            _ => error,
        }
    }

    /// Expired credentials are sent as well: the service decides.
    async fn credentials(
        &self,
        own: Option<&Arc<SigningCredentials>>,
        wait: Duration,
    ) -> Result<Arc<SigningCredentials>, KmsError> {
        match own {
            Some(own) => Ok(Arc::clone(own)),
            None => self.platform.credentials.usable(self.platform.clock.as_ref(), wait).await,
        }
    }

    fn sign(
        &self,
        operation: &Operation<'_>,
        body: Vec<u8>,
        credentials: &SigningCredentials,
    ) -> Result<Request<Full<Bytes>>, KmsError> {
        let date = format_basic(self.platform.clock.now_ms()?).ok_or(KmsError::NoTime)?;
        let (host, target) = (self.config.host(), operation.target());
        let unsigned = Unsigned {
            region: self.config.region(),
            date: &date,
            host: &host,
            content_type: CONTENT_TYPE_JSON,
            target,
            body: &body,
        };
        let authorization = secret_header(&sigv4::authorization(&unsigned, credentials));
        let mut request = Request::post("/")
            .header(HOST, &host)
            .header(CONTENT_TYPE, CONTENT_TYPE_JSON)
            .header("x-amz-date", &date)
            .header("x-amz-target", target)
            .header(AUTHORIZATION, authorization);
        if let Some(token) = credentials.token() {
            request = request.header("x-amz-security-token", secret_header(token));
        }
        let request = request.body(Full::new(Bytes::from(body)));
        Ok(request.expect("every part is checked to be visible ASCII where it enters"))
    }
}

/// A header whose debug form hides its value.
fn secret_header(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text)
        .expect("signatures and checked credentials are visible ASCII and single spaces");
    value.set_sensitive(true);
    value
}

async fn open(key: RecipientKey, envelope: Vec<u8>) -> Result<SecretBytes, KmsError> {
    let opened = spawn_behind(move || key.open(&envelope)).await;
    let ended = |_| KmsError::Attestation("the thread that opens the answer ended");
    Ok(opened.map_err(ended)??)
}
