//! The four operations, whoever asks and in whichever form.

use super::error::AppError;
use super::sealed::{self, NONCE_BYTES};
use crate::ports::{
    AppKeys, Clock, ClockError, EncryptionContext, Entropy, SecretBytes, VaultError,
};
use mortise_format::ids::{Address, to_hex};
use mortise_format::limits::APP_IN_FLIGHT_MAX;
use mortise_format::secret::Secret;
use mortise_rpc::Base64;
use mortise_rpc::credentials::Credentials;
use mortise_rpc::params::{PlainText, SealedText};
use mortise_rpc::results::{KmsDataKey, KmsDecrypted, KmsEncrypted, KmsRandom};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

/// Name of the owner in an encryption context.
const CONTEXT_OWNER: &str = "mortise:owner";

/// What of the application is decided by measured configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppConfig {
    /// Give data keys in clear to whoever may have them generated or unwrapped. Off by default:
    /// then no data key ever leaves the enclave.
    pub release_plaintext: bool,
}

/// For whom, and with whose credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The owner, bound into the wrapping of every key; none in the plain form.
    pub owner: Option<Address>,
    /// Of the request alone; without them, those of the parent.
    pub credentials: Option<&'a Credentials>,
}

/// An encrypted text with its wrapped key, or a wrapped key alone.
#[derive(Debug, Clone)]
pub struct Message {
    /// Encrypted text and signature; none for the bare key.
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
    places: Semaphore,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

impl App {
    /// Over these keys.
    pub fn new(
        keys: Arc<dyn AppKeys>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        config: AppConfig,
    ) -> Self {
        Self { keys, clock, entropy, config, places: Semaphore::new(APP_IN_FLIGHT_MAX) }
    }

    /// The time by which signatures of owners are judged.
    ///
    /// # Errors
    /// As [`Clock::now_ms`].
    pub fn now_ms(&self) -> Result<u64, ClockError> {
        self.clock.now_ms()
    }

    /// Encrypts a text under a fresh data key.
    ///
    /// # Errors
    /// `Overloaded`; `Keys` when the key service gives none; `Stopped`.
    pub async fn encrypt(
        &self,
        text: PlainText,
        asked: Asked<'_>,
    ) -> Result<KmsEncrypted, AppError> {
        let _place = self.place()?;
        let (key, wrapped) = self.data_key(asked).await?;
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

    /// Decrypts a text whose signature is right, or unwraps a bare key where that is allowed.
    ///
    /// # Errors
    /// `Withheld` before anybody is asked; `Overloaded`; `Keys` when the wrapped key does not open
    /// for this caller; `Message`, `NotText` when the text does not; `Stopped`.
    pub async fn decrypt(
        &self,
        message: Message,
        asked: Asked<'_>,
    ) -> Result<KmsDecrypted, AppError> {
        if message.sealed.is_none() && !self.config.release_plaintext {
            return Err(AppError::Withheld);
        }
        let _place = self.place()?;
        let Message { sealed, wrapped } = message;
        let context = context(asked.owner);
        let key = self.keys.open(&wrapped.0, &context, asked.credentials).await;
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

    /// A fresh data key, wrapped; in clear too where that is allowed.
    ///
    /// # Errors
    /// `Overloaded`; `Keys`.
    pub async fn generate_data_key(&self, asked: Asked<'_>) -> Result<KmsDataKey, AppError> {
        let _place = self.place()?;
        let (key, wrapped) = self.data_key(asked).await?;
        let plaintext =
            self.config.release_plaintext.then(|| key.expose(|key| Base64(key.to_vec())));
        Ok(KmsDataKey { ciphertext_blob: Base64(wrapped), plaintext })
    }

    /// Random bytes of the key service, 1 to `KMS_RANDOM_BYTES_MAX`.
    ///
    /// # Errors
    /// `Overloaded`; `Keys`.
    pub async fn random(&self, count: u32, asked: Asked<'_>) -> Result<KmsRandom, AppError> {
        let _place = self.place()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let bytes = self.keys.random(count, asked.credentials).await;
        let bytes = bytes.map_err(refused_by("GenerateRandom"))?;
        Ok(KmsRandom { random: Base64(bytes.to_vec()) })
    }

    fn place(&self) -> Result<SemaphorePermit<'_>, AppError> {
        self.places.try_acquire().map_err(|_| AppError::Overloaded)
    }

    async fn data_key(&self, asked: Asked<'_>) -> Result<(Secret, Vec<u8>), AppError> {
        let context = context(asked.owner);
        let made = self.keys.data_key(&context, asked.credentials).await;
        let (key, wrapped) = made.map_err(refused_by("GenerateDataKey"))?;
        Ok((secret(&key, "GenerateDataKey")?, wrapped))
    }
}

/// What the caller binds into a wrapping; the port adds service and purpose
/// (`specs/application.md`).
fn context(owner: Option<Address>) -> EncryptionContext {
    owner.map(|owner| (CONTEXT_OWNER.to_owned(), to_hex(&owner.0))).into_iter().collect()
}

fn refused_by(operation: &'static str) -> impl Fn(VaultError) -> AppError {
    move |error| AppError::Keys { operation, error }
}

fn secret(bytes: &SecretBytes, operation: &'static str) -> Result<Secret, AppError> {
    let whole = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
        refused_by(operation)(VaultError::Refused("the data key has not 32 bytes".into()))
    })?);
    Ok(Secret::new(*whole))
}

/// Does work on a thread that may take long: a text of 1 MiB would hold up every other session.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| AppError::Stopped)
}
