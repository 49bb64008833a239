//! The application: texts that the engine encrypts, and decrypts for their owner alone.
//!
//! Answers prove nothing by themselves. Only a verified attestation and the channel to the key that
//! it binds prove that the engine encrypts, and not a party that relays the call.

use crate::client::Client;
use crate::error::ClientError;
use crate::retry::OnLoss;
use crate::signer::Signer;
use mortise_format::ids::{Address, EngineId, Signature};
use mortise_rpc::params::{
    KmsDecrypt, KmsEncrypt, KmsGenerateDataKey, KmsGenerateRandom, PlainText, SealedText,
};
use mortise_rpc::results::{KmsDataKey, KmsDecrypted, KmsEncrypted, KmsRandom};
use mortise_rpc::{Base64, Method};

type Result<T> = core::result::Result<T, ClientError>;

/// Calls of the application. Errors: see [`ClientError`].
#[expect(clippy::missing_errors_doc, reason = "documented on the block")]
impl Client {
    /// Encrypts a text. Only `owner` can have it decrypted.
    pub async fn kms_encrypt(&self, text: PlainText, owner: Address) -> Result<KmsEncrypted> {
        let params = KmsEncrypt { text, owner };
        self.call(Method::KmsEncrypt, &params, OnLoss::SendAgain).await
    }

    /// Has a text decrypted, as its owner. The signature is valid until `valid_until`, whole
    /// seconds since the Unix epoch.
    pub async fn kms_decrypt(
        &self,
        owner: &Signer,
        encrypted: KmsEncrypted,
        valid_until: u64,
    ) -> Result<KmsDecrypted> {
        let KmsEncrypted { encrypted, signature, ciphertext_blob } = encrypted;
        let message = Some(SealedText { encrypted, signature });
        self.decrypt(owner, message, ciphertext_blob, valid_until).await
    }

    /// Has a bare data key unwrapped, as its owner. Refused with PLAINTEXT_WITHHELD unless the
    /// engine's measured configuration releases data keys.
    pub async fn kms_unwrap(
        &self,
        owner: &Signer,
        ciphertext_blob: Base64,
        valid_until: u64,
    ) -> Result<KmsDecrypted> {
        self.decrypt(owner, None, ciphertext_blob, valid_until).await
    }

    /// A wrapped data key. Only `owner` can have it unwrapped.
    pub async fn kms_generate_data_key(&self, owner: Address) -> Result<KmsDataKey> {
        let params = KmsGenerateDataKey { owner };
        self.call(Method::KmsGenerateDataKey, &params, OnLoss::SendAgain).await
    }

    /// Random bytes of the key service, 1 to 1024.
    pub async fn kms_generate_random(&self, bytes: u32) -> Result<KmsRandom> {
        let params = KmsGenerateRandom { bytes };
        self.call(Method::KmsGenerateRandom, &params, OnLoss::SendAgain).await
    }

    async fn decrypt(
        &self,
        owner: &Signer,
        message: Option<SealedText>,
        ciphertext_blob: Base64,
        valid_until: u64,
    ) -> Result<KmsDecrypted> {
        let engine_id = self.identity().await?.engine_id;
        let params = KmsDecrypt {
            owner: owner.address(),
            message,
            ciphertext_blob,
            valid_until,
            owner_signature: Signature::ZERO,
        };
        let params = owner.sign_decrypt(&engine_id, params);
        self.call(Method::KmsDecrypt, &params, OnLoss::SendAgain).await
    }
}

impl Signer {
    /// `DecryptRequest`, as the owner: fills in the signature.
    pub fn sign_decrypt(&self, engine_id: &EngineId, params: KmsDecrypt) -> KmsDecrypt {
        let owner_signature = self.sign(&params.request().digest(engine_id));
        KmsDecrypt { owner_signature, ..params }
    }
}
