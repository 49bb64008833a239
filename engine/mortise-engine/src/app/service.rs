//! The four operations, for every caller and both forms.

use super::error::AppError;
use super::sealed::{self, NONCE_BYTES};
use crate::api::ShareKey;
use crate::ports::{
    AppKeys, Clock, ClockError, EncryptionContext, Entropy, SecretBytes, VaultError,
};
use crate::priority::spawn_behind;
use crate::throttle::Throttle;
use mortise_format::ids::{Address, to_hex};
use mortise_format::limits::APP_IN_FLIGHT_MAX;
use mortise_format::secret::Secret;
use mortise_rpc::Base64;
use mortise_rpc::credentials::Credentials;
use mortise_rpc::params::{PlainText, SealedText};
use mortise_rpc::results::{KmsDataKey, KmsDecrypted, KmsEncrypted, KmsRandom};
use mortise_transport::{FairPool, PoolPermit};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Name of the owner in an encryption context.
const CONTEXT_OWNER: &str = "mortise:owner";

/// Back-off for callers beyond the bound of calls in flight.
const RETRY: Duration = Duration::from_millis(200);

/// Settings of the application. They are part of the measured configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppConfig {
    /// Returns data keys in clear to callers that may generate or unwrap them. Off by default: no
    /// data key leaves the enclave.
    pub release_plaintext: bool,
}

/// The owner that a call is for, whose share it counts against, and the credentials it uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// Whose share of the quota the call counts against.
    pub share: ShareKey,
    /// Bound into the wrapping of every key; `None` in the plain form.
    pub owner: Option<Address>,
    /// Credentials for this request only; without them the parent's are used.
    pub credentials: Option<&'a Credentials>,
}

/// An encrypted text with its wrapped key, or a wrapped key alone.
#[derive(Debug, Clone)]
pub struct Message {
    /// Encrypted text and signature; `None` for a wrapped key alone.
    pub sealed: Option<SealedText>,
    /// The wrapped key.
    pub wrapped: Base64,
}

/// The application of an engine.
pub struct App {
    keys: Arc<dyn AppKeys>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    config: AppConfig,
    permits: FairPool,
    rate: Mutex<Throttle>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

impl App {
    pub fn new(
        keys: Arc<dyn AppKeys>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        config: AppConfig,
    ) -> Self {
        let permits = FairPool::new(APP_IN_FLIGHT_MAX);
        let rate = Mutex::new(Throttle::of_app(Instant::now()));
        Self { keys, clock, entropy, config, permits, rate }
    }

    /// The time against which owner signatures expire, milliseconds.
    ///
    /// # Errors
    /// As [`Clock::now_ms`].
    pub fn now_ms(&self) -> Result<u64, ClockError> {
        self.clock.now_ms()
    }

    /// Encrypts a text under a fresh data key.
    ///
    /// # Errors
    /// `Overloaded`; `Keys` if the key service gives no key; `Stopped`.
    pub async fn encrypt(
        &self,
        text: PlainText,
        caller: Caller<'_>,
    ) -> Result<KmsEncrypted, AppError> {
        let _permit = self.permit(caller.share)?;
        let (key, wrapped) = self.data_key(caller).await?;
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let work = move || {
            let sealed = sealed::seal(&key, &wrapped, nonce, text.as_str().as_bytes());
            KmsEncrypted {
                encrypted: Base64(sealed.encrypted),
                signature: Base64(sealed.signature.to_vec()),
                ciphertext_blob: Base64(wrapped),
            }
        };
        run_blocking(work).await
    }

    /// Decrypts a text whose signature matches. Unwraps a key alone if the configuration allows it.
    ///
    /// # Errors
    /// `Withheld`, before the key service is called; `Overloaded`; `Keys` if the wrapped key does
    /// not open for this caller; `Message`, `NotText` if the text does not open; `Stopped`.
    pub async fn decrypt(
        &self,
        message: Message,
        caller: Caller<'_>,
    ) -> Result<KmsDecrypted, AppError> {
        if message.sealed.is_none() && !self.config.release_plaintext {
            return Err(AppError::Withheld);
        }
        let _permit = self.permit(caller.share)?;
        let Message { sealed, wrapped } = message;
        let context = context(caller.owner);
        let key = self.keys.open(&wrapped.0, &context, caller.credentials).await;
        let key = key.map_err(refused_by("Decrypt"))?;
        let Some(sealed) = sealed else {
            let plaintext = Some(Base64(key.to_vec()));
            return Ok(KmsDecrypted { text: None, signature_valid: None, plaintext });
        };
        let key = secret(&key, "Decrypt")?;
        run_blocking(move || {
            let SealedText { encrypted, signature } = sealed;
            let bytes = sealed::open(&key, &wrapped.0, &encrypted.0, &signature.0)?;
            let text = std::str::from_utf8(&bytes).map_err(|_| AppError::NotText)?;
            let text = Some(text.to_owned());
            Ok(KmsDecrypted { text, signature_valid: Some(true), plaintext: None })
        })
        .await?
    }

    /// Generates a wrapped data key. Adds its clear form if the configuration allows it.
    ///
    /// # Errors
    /// `Overloaded`; `Keys`.
    pub async fn generate_data_key(&self, caller: Caller<'_>) -> Result<KmsDataKey, AppError> {
        let _permit = self.permit(caller.share)?;
        let (key, wrapped) = self.data_key(caller).await?;
        let plaintext =
            self.config.release_plaintext.then(|| key.expose(|key| Base64(key.to_vec())));
        Ok(KmsDataKey { ciphertext_blob: Base64(wrapped), plaintext })
    }

    /// Returns random bytes of the key service, 1 to `KMS_RANDOM_BYTES_MAX`.
    ///
    /// # Errors
    /// `Overloaded`; `Keys`.
    pub async fn random(&self, count: u32, caller: Caller<'_>) -> Result<KmsRandom, AppError> {
        let _permit = self.permit(caller.share)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let bytes = self.keys.random(count, caller.credentials).await;
        let bytes = bytes.map_err(refused_by("GenerateRandom"))?;
        Ok(KmsRandom { random: Base64(bytes.to_vec()) })
    }

    /// Each call is a key, a document and a billed call of the key service: it counts against a
    /// quota that no other method shares, and against the caller's share of it.
    fn permit(&self, share: ShareKey) -> Result<PoolPermit, AppError> {
        let permit = self.permits.take(share).ok_or(AppError::Overloaded(RETRY))?;
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.take(share, Instant::now()).map_err(AppError::Overloaded)?;
        Ok(permit)
    }

    async fn data_key(&self, caller: Caller<'_>) -> Result<(Secret, Vec<u8>), AppError> {
        let context = context(caller.owner);
        let made = self.keys.data_key(&context, caller.credentials).await;
        let (key, wrapped) = made.map_err(refused_by("GenerateDataKey"))?;
        Ok((secret(&key, "GenerateDataKey")?, wrapped))
    }
}

/// The part of the encryption context that comes from the caller. The port adds service and
/// purpose (`specs/application.md`).
fn context(owner: Option<Address>) -> EncryptionContext {
    owner.map(|owner| (CONTEXT_OWNER.to_owned(), to_hex(&owner.0))).into_iter().collect()
}

fn refused_by(operation: &'static str) -> impl Fn(VaultError) -> AppError {
    move |error| AppError::Keys { operation, error }
}

fn secret(bytes: &SecretBytes, operation: &'static str) -> Result<Secret, AppError> {
    let whole = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
        refused_by(operation)(VaultError::Refused("the data key does not have 32 bytes".into()))
    })?);
    Ok(Secret::new(*whole))
}

/// Runs work on a blocking thread: a text of 1 MiB would delay every other session.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    spawn_behind(work).await.map_err(|_| AppError::Stopped)
}
