//! The identity and the epoch keys that a boot unseals.
//!
//! Genesis makes a signing key, a log secret and a checkpoint key. It has them attested, seals them
//! under a data key of the vault and stores them as a blob. The clear part of the blob determines
//! the engine id. Every boot unseals the keys and checks them against that id
//! (`specs/genesis-and-loss.md`).
//!
//! Invariant: only [`create`] asks for a genesis document, for keys that it drew itself. A boot
//! that unseals keys cannot know who drew them, so it never makes one (decision 0014).

use crate::attest::AttestError;
use crate::checkpoint::CheckpointSigner;
use crate::epoch_keys::EpochCache;
use crate::ports::{Entropy, KeyContext, KeyPurpose, Vault, VaultError};
use mortise_core::body::document_digest;
use mortise_core::keys::{EpochKeys, LogKeys};
use mortise_core::machine::EpochRecord;
use mortise_core::sealed_value::{open_value, seal_value};
pub use mortise_format::blobs::{GENESIS_BLOB, KEYS_BLOB, SealedKeys};
use mortise_format::codec::{self, CodecError};
use mortise_format::domains;
use mortise_format::genesis::{Genesis, GenesisKeys, engine_id};
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::note::{KeyUse, NoteError, NoteKey};
use mortise_format::policy::PolicyError;
use mortise_format::secp256k1::Signer;
use mortise_format::secret::Secret;
use mortise_verify::named::NamedError as _;
use mortise_verify::succession::{self, SuccessionError, VerifiedSuccession};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why an identity was not made or unsealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The vault refused or could not be reached.
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("a stored blob does not decode: {0}")]
    Codec(#[from] CodecError),
    #[error("the genesis is inconsistent: {0}")]
    Policy(#[from] PolicyError),
    /// The genesis is not a valid successor of the predecessor that it names.
    #[error("the genesis is not a valid successor of its predecessor: {}: {_0}", _0.name())]
    Predecessor(SuccessionError),
    /// The security module made no document for the drawn keys. Nothing was stored.
    #[error("the attestation of the drawn keys: {0}")]
    Attest(#[from] AttestError),
    /// The unsealed keys are not those that the engine id covers, or the genesis document is not
    /// the one that was sealed with them.
    #[error("the sealed keys do not belong to the engine id")]
    Mismatch,
    /// A wrapped epoch key opens to a key that its boot frame does not commit to.
    #[error("the key of epoch {epoch} is not the one that its boot frame commits to")]
    KeyCommitment { epoch: u64 },
}

impl IdentityError {
    /// A stable name, see [`crate::boot::BootError::name`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Vault(VaultError::Denied(_)) => "KEY_DENIED",
            Self::Vault(VaultError::Refused(_)) => "KEY_REFUSED",
            Self::Vault(VaultError::ClocksApart(_)) => "CLOCK_DISPUTED",
            Self::Vault(VaultError::Unavailable(_)) => "KEY_SERVICE_UNAVAILABLE",
            Self::Codec(_) => "GENESIS_BLOB",
            Self::Policy(_) => "GENESIS_POLICY",
            Self::Predecessor(_) => "GENESIS_PREDECESSOR",
            Self::Attest(_) => "ATTESTATION",
            Self::Mismatch => "GENESIS_KEYS_MISMATCH",
            Self::KeyCommitment { .. } => "KEY_COMMITMENT",
        }
    }
}

/// The identity of an engine, with its secrets.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Never changes.
    pub engine_id: EngineId,
    /// Signs statements, commitments and outcomes.
    pub signer: Signer,
    /// Signs checkpoints.
    pub checkpoint: CheckpointSigner,
    /// Commitment to the log secret. The engine id covers it.
    pub log_secret_commitment: Bytes32,
    pub log_keys: LogKeys,
    pub genesis: Genesis,
    /// The predecessor of an engine that was created in a recovery.
    pub succession: Option<VerifiedSuccession>,
    /// The document that was made when the keys were drawn; empty for none.
    pub genesis_document: Vec<u8>,
    /// The insecure mode of this boot, which commitments and outcomes carry. Such promises do not
    /// bind the engine.
    pub insecure_mode: Option<InsecureMode>,
}

impl Identity {
    /// The public keys that genesis created.
    pub fn genesis_keys(&self) -> GenesisKeys {
        let (signing, checkpoint) = (self.signer.public_key(), self.checkpoint.public_key());
        GenesisKeys { signing, checkpoint }
    }

    /// The same identity in another mode.
    #[must_use]
    pub fn with_insecure_mode(self, insecure_mode: Option<InsecureMode>) -> Self {
        Self { insecure_mode, ..self }
    }

    /// The verifier key of the log: its name is the origin.
    ///
    /// # Errors
    /// `KeyName`, which a checked genesis excludes.
    pub fn log_key(&self) -> Result<NoteKey, NoteError> {
        NoteKey::new(KeyUse::Log, &self.origin(), self.checkpoint.public_key())
    }

    /// The first line of every checkpoint of the engine.
    pub fn origin(&self) -> String {
        self.genesis.origin.line(&self.engine_id, &self.checkpoint.public_key())
    }
}

/// The secrets of an engine: signing key, log secret, seed of the checkpoint key. Wiped on drop.
struct GenesisSecrets(Zeroizing<[u8; 96]>);

impl GenesisSecrets {
    fn part(&self, which: usize) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(&self.0[which * 32..][..32]);
        out
    }

    fn signer(&self) -> Option<Signer> {
        Signer::from_bytes(&self.part(0)).ok()
    }

    fn log_secret(&self) -> Secret {
        Secret::new(*self.part(1))
    }

    fn checkpoint(&self) -> CheckpointSigner {
        CheckpointSigner::from_seed(&self.part(2))
    }

    /// Draws fresh secrets.
    fn draw(entropy: &dyn Entropy) -> (Self, Signer) {
        loop {
            let mut secrets = Self(Zeroizing::new([0; 96]));
            entropy.fill(&mut *secrets.0);
            // Zero or above the group order, about once in 2^128 draws: draw again.
            if let Some(signer) = secrets.signer() {
                return (secrets, signer);
            }
        }
    }
}

/// Makes the keys of a new engine, has them attested and seals them.
///
/// `attest` gives the genesis document of the engine id ([`crate::attest::genesis_document`]), or
/// nothing in an unattested engine. It is called once, for keys that were drawn here.
///
/// # Errors
/// `Policy` for an inconsistent genesis; `Predecessor` if the operators, witnesses or keys of the
/// named predecessor did not agree to the succession; `Attest` if there is no document; `Vault` if
/// the key service gives no key.
pub async fn create(
    genesis: &Genesis,
    vault: &dyn Vault,
    entropy: &dyn Entropy,
    attest: impl AsyncFnOnce(EngineId) -> Result<Vec<u8>, AttestError>,
) -> Result<(EngineId, SealedKeys), IdentityError> {
    genesis.check()?;
    succession_of(genesis)?;
    let (secrets, signer) = GenesisSecrets::draw(entropy);
    let log_secret_commitment = secrets.log_secret().commitment(domains::LOG_SECRET_COMMITMENT);
    let checkpoint = secrets.checkpoint().public_key();
    let keys = GenesisKeys { signing: signer.public_key(), checkpoint };
    let engine_id = engine_id(&keys, &log_secret_commitment, &genesis.hash());
    let genesis_document = attest(engine_id).await?;
    let context = KeyContext { engine_id, epoch: 0, purpose: KeyPurpose::Genesis };
    let (data_key, wrapped_key) = vault.generate(&context).await?;
    let cipher = seal_value(&data_key, &sealed_with(&engine_id, &genesis_document), &*secrets.0);
    let sealed = SealedKeys { keys, log_secret_commitment, wrapped_key, cipher, genesis_document };
    Ok((engine_id, sealed))
}

/// What the secrets are sealed with, beside their key: the engine and its genesis document, so that
/// the store can neither take the document away nor put another in its place.
fn sealed_with(engine_id: &EngineId, genesis_document: &[u8]) -> Vec<u8> {
    let mut context = engine_id.0.to_vec();
    if !genesis_document.is_empty() {
        context.extend(document_digest(genesis_document).0);
    }
    context
}

/// Verifies the predecessor that a genesis names; `None` if it names none.
fn succession_of(genesis: &Genesis) -> Result<Option<VerifiedSuccession>, IdentityError> {
    let named = genesis.predecessor.as_ref();
    named.map(|_| succession::verify(genesis)).transpose().map_err(IdentityError::Predecessor)
}

/// Unseals the keys of an engine and checks them against its id.
///
/// # Errors
/// `Policy`, `Predecessor` for a bad genesis; `Vault` if the key service gives no key; `Mismatch`
/// if the unsealed keys are not those of the engine id, or were sealed with another document.
pub async fn unseal(
    genesis: Genesis,
    sealed: &SealedKeys,
    vault: &dyn Vault,
) -> Result<Identity, IdentityError> {
    genesis.check()?;
    let succession = succession_of(&genesis)?;
    let log_secret_commitment = sealed.log_secret_commitment;
    let engine_id = engine_id(&sealed.keys, &log_secret_commitment, &genesis.hash());
    let context = KeyContext { engine_id, epoch: 0, purpose: KeyPurpose::Genesis };
    let data_key = vault.unwrap(&sealed.wrapped_key, &context).await?;
    let context = sealed_with(&engine_id, &sealed.genesis_document);
    let opened = open_value(&data_key, &context, &sealed.cipher);
    let opened = Zeroizing::new(opened.ok_or(IdentityError::Mismatch)?);
    let mut secrets = GenesisSecrets(Zeroizing::new([0; 96]));
    if opened.len() != secrets.0.len() {
        return Err(IdentityError::Mismatch);
    }
    secrets.0.copy_from_slice(&opened);
    let signer = secrets.signer().ok_or(IdentityError::Mismatch)?;
    let (checkpoint, log_secret) = (secrets.checkpoint(), secrets.log_secret());
    let keys = GenesisKeys { signing: signer.public_key(), checkpoint: checkpoint.public_key() };
    if keys != sealed.keys
        || log_secret.commitment(domains::LOG_SECRET_COMMITMENT) != log_secret_commitment
    {
        return Err(IdentityError::Mismatch);
    }
    let log_keys = LogKeys::new(log_secret, &engine_id);
    Ok(Identity {
        engine_id,
        signer,
        checkpoint,
        log_secret_commitment,
        log_keys,
        genesis,
        succession,
        genesis_document: sealed.genesis_document.clone(),
        insecure_mode: None,
    })
}

/// The keys of epochs. Each is unwrapped when it is first needed, see `epoch_keys`.
pub struct KeyRing {
    vault: Arc<dyn Vault>,
    engine_id: EngineId,
    log_keys: LogKeys,
    known: EpochCache,
}

impl KeyRing {
    pub fn new(vault: Arc<dyn Vault>, identity: &Identity) -> Self {
        let (engine_id, log_keys) = (identity.engine_id, identity.log_keys.clone());
        Self { vault, engine_id, log_keys, known: EpochCache::default() }
    }

    /// The keys of a recorded epoch.
    ///
    /// # Errors
    /// `Vault`; `KeyCommitment` if the wrapped key was swapped.
    pub async fn keys_of(&self, record: &EpochRecord) -> Result<EpochKeys, IdentityError> {
        self.known.keys_of(record.epoch, self.unwrap(record)).await
    }

    async fn unwrap(&self, record: &EpochRecord) -> Result<EpochKeys, IdentityError> {
        let context = self.context(record.epoch);
        let data_key = self.vault.unwrap(&record.boot.wrapped_key, &context).await?;
        if data_key.commitment(domains::KEY_COMMITMENT) != record.boot.key_commitment {
            return Err(IdentityError::KeyCommitment { epoch: record.epoch });
        }
        Ok(self.log_keys.epoch(&data_key, &self.engine_id, record.epoch))
    }

    /// Generates the key of a new epoch. Returns the derived keys, the wrapped key and the
    /// commitment to the key.
    ///
    /// # Errors
    /// `Vault` if the key service gives no key.
    pub async fn new_epoch(
        &self,
        epoch: u64,
    ) -> Result<(EpochKeys, Vec<u8>, Bytes32), IdentityError> {
        let context = self.context(epoch);
        let (data_key, wrapped) = self.vault.generate(&context).await?;
        let keys = self.log_keys.epoch(&data_key, &self.engine_id, epoch);
        self.known.insert(epoch, keys.clone());
        Ok((keys, wrapped, data_key.commitment(domains::KEY_COMMITMENT)))
    }

    fn context(&self, epoch: u64) -> KeyContext {
        KeyContext { engine_id: self.engine_id, epoch, purpose: KeyPurpose::Epoch }
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({})", self.engine_id)
    }
}

/// Decodes the two genesis blobs.
///
/// # Errors
/// `Codec` if one of them does not decode.
pub fn decode_blobs(genesis: &[u8], keys: &[u8]) -> Result<(Genesis, SealedKeys), IdentityError> {
    Ok((codec::decode(genesis)?, SealedKeys::decode(keys)?))
}
