//! The two forms of the application.

use super::FormArgs;
use super::plain::Plain;
use crate::connection::{ConnectionArgs, DEFAULT_URL};
use crate::failure::Failure;
use crate::key::KEY_VARIABLE;
use crate::output::Output;
use crate::session::Session;
use mortise_format::ids::Address as Owner;
use mortise_rpc::Base64;
use mortise_rpc::params::PlainText;
use mortise_rpc::results::{KmsDataKey, KmsDecrypted, KmsEncrypted, KmsRandom};
use mortise_transport::Address;
use serde_json::json;
use std::path::Path;

/// The request port of `mortise-dev dev` in the folder where it was started.
const DEV_SOCKET: &str = ".mortise/dev/engine.sock";

/// How long a signature for one decryption is valid, seconds.
const VALID_S: u64 = 60;

/// The form in use.
pub(super) enum KmsApi<'a> {
    /// Texts belong to an owner.
    Native(Box<Session<'a>>, Option<Owner>),
    /// Texts have no owner.
    Plain(Plain),
}

impl<'a> KmsApi<'a> {
    pub(super) async fn choose(
        form: &FormArgs,
        connection: &'a ConnectionArgs,
        output: &Output,
    ) -> Result<Self, Failure> {
        let address = match (form.cid, form.plain) {
            (Some(cid), _) => format!("vsock:{cid}:{}", form.port),
            (None, true) if connection.url == DEFAULT_URL && Path::new(DEV_SOCKET).exists() => {
                format!("unix:{DEV_SOCKET}")
            }
            (None, true) => connection.url.clone(),
            (None, false) if form.credentials.is_some() => {
                return Err(Failure::usage("--credentials needs --plain or --cid"));
            }
            (None, false) if is_ownerless(form, connection)? && Path::new(DEV_SOCKET).exists() => {
                output.note("no owner (--key, --owner): using the plain form of mortise-dev dev");
                format!("unix:{DEV_SOCKET}")
            }
            (None, false) => {
                let session = Box::new(Session::connect(connection, output).await?);
                return Ok(Self::Native(session, form.owner));
            }
        };
        if connection.proof.is_required()? {
            return Err(Failure::usage("--plain and --cid do not encrypt: remove --attest-root"));
        }
        if form.owner.is_some() {
            return Err(Failure::usage("--plain and --cid have no owner: remove --owner"));
        }
        let address = address.parse::<Address>().map_err(|error| {
            let needs = "the plain form needs unix:, vsock: or hybrid:";
            Failure::usage(format!("{address}: {error}; {needs}"))
        })?;
        Plain::new(address, form.credentials.as_deref()).map(Self::Plain)
    }

    pub(super) async fn encrypt(&self, text: PlainText) -> Result<KmsEncrypted, Failure> {
        match self {
            Self::Native(session, owner) => {
                let owner = named(session, *owner)?;
                Ok(session.client.kms_encrypt(text, owner).await?)
            }
            Self::Plain(plain) => {
                let parts = plain.ask(json!({"operation": "encrypt", "message": text})).await?;
                Ok(KmsEncrypted {
                    encrypted: parts.base64("encrypted")?,
                    signature: parts.base64("signature")?,
                    ciphertext_blob: parts.base64("ciphertext_blob")?,
                })
            }
        }
    }

    pub(super) async fn decrypt(&self, parts: KmsEncrypted) -> Result<KmsDecrypted, Failure> {
        match self {
            Self::Native(session, _) => {
                let owner = session.signer()?;
                let valid_until = session.client.now().await?.saturating_add(VALID_S);
                Ok(session.client.kms_decrypt(&owner, parts, valid_until).await?)
            }
            Self::Plain(plain) => {
                let answer = plain
                    .ask(json!({"operation": "decrypt", "encrypted": parts.encrypted,
                        "signature": parts.signature, "ciphertext_blob": parts.ciphertext_blob}))
                    .await?;
                let (text, signature_valid) = answer.text_and_verdict()?;
                Ok(KmsDecrypted { text, signature_valid, plaintext: None })
            }
        }
    }

    pub(super) async fn generate_data_key(&self) -> Result<KmsDataKey, Failure> {
        match self {
            Self::Native(session, owner) => {
                let owner = named(session, *owner)?;
                Ok(session.client.kms_generate_data_key(owner).await?)
            }
            Self::Plain(plain) => {
                let answer = plain.ask(json!({"operation": "genkey"})).await?;
                Ok(KmsDataKey {
                    ciphertext_blob: answer.base64("ciphertext_blob")?,
                    plaintext: answer.base64("plaintext").ok(),
                })
            }
        }
    }

    pub(super) async fn unwrap(&self, ciphertext_blob: Base64) -> Result<KmsDecrypted, Failure> {
        match self {
            Self::Native(session, _) => {
                let owner = session.signer()?;
                let valid_until = session.client.now().await?.saturating_add(VALID_S);
                Ok(session.client.kms_unwrap(&owner, ciphertext_blob, valid_until).await?)
            }
            Self::Plain(plain) => {
                let asked = json!({"operation": "decrypt", "ciphertext_blob": ciphertext_blob});
                let plaintext = Some(plain.ask(asked).await?.base64("plaintext")?);
                Ok(KmsDecrypted { text: None, signature_valid: None, plaintext })
            }
        }
    }

    pub(super) async fn random(&self, bytes: u32) -> Result<KmsRandom, Failure> {
        match self {
            Self::Native(session, _) => Ok(session.client.kms_generate_random(bytes).await?),
            Self::Plain(plain) => {
                let asked = json!({"operation": "generate-random", "number_of_bytes": bytes});
                Ok(KmsRandom { random: plain.ask(asked).await?.base64("random")? })
            }
        }
    }

    pub(super) async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Native(session, _) => session.close().await,
            Self::Plain(_) => Ok(()),
        }
    }
}

/// True for a first try with `mortise-dev dev`: no key or owner, the default URL, no attestation.
fn is_ownerless(form: &FormArgs, connection: &ConnectionArgs) -> Result<bool, Failure> {
    let has_key = connection.key.is_some() || std::env::var_os(KEY_VARIABLE).is_some();
    let is_default = connection.url == DEFAULT_URL;
    Ok(form.owner.is_none() && !has_key && is_default && !connection.proof.is_required()?)
}

fn named(session: &Session<'_>, owner: Option<Owner>) -> Result<Owner, Failure> {
    match owner {
        Some(owner) => Ok(owner),
        None => Ok(session.signer()?.address()),
    }
}
