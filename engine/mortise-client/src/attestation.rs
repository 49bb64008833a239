//! Verifies which code holds the engine's keys, from attestation documents.
//!
//! What it is for: turn an answer of `getAttestation` into [`Proven`], the keys that an enclave of
//! an approved image holds now; turn the document of a boot into the same for any later time.
//!
//! What it does not do: decide which images are approved (the caller's [`Trust`] does); remember
//! what was proven. Pin it with [`crate::Client::pinned`], or let [`crate::Client::attested`] do
//! both.

use crate::identity::Identity;
use mortise_format::binding::{BoundKeys, KeyBinding};
use mortise_format::eip712::RootStatement;
use mortise_format::ids::{Address, Bytes32};
use mortise_format::secp256k1::{address_of_compressed, recover};
use mortise_rpc::HexBytes;
use mortise_rpc::results::{Attestation, AttestedLease, BindingView, BootAttestation};
use mortise_verify::attestation::{
    ArchivedCheck, AttestationError, Claims, Document, Expect, GenesisDocumentError, ImageRule,
    LeaseClaim, LeaseDigest, LiveCheck, PcrPolicy, RootFingerprint, verify_archived,
    verify_genesis, verify_live,
};
use mortise_verify::lease::AgeLimit;
use std::time::{SystemTime, UNIX_EPOCH};

/// The caller's trust anchors for attestation.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Roots of trust: [`mortise_verify::attestation::AWS_NITRO_ROOT_G1`] for real enclaves.
    pub roots: Vec<RootFingerprint>,
    /// Approved images.
    pub pcrs: PcrPolicy,
    /// How old the lease in a document may be when the document is made.
    pub limit: AgeLimit,
    /// Whether the engine must show that its keys were drawn inside.
    pub origin: KeyOrigin,
}

/// What is asked about where the keys of an engine were drawn. A genesis document that is there and
/// fails its check is refused in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyOrigin {
    /// An enclave of an approved image drew them. The default: without it an administrator of the
    /// key service may have planted keys that it made itself.
    #[default]
    DrawnInside,
    /// Anywhere: for an engine that was created before there were genesis documents.
    Anywhere,
}

/// Why an answer proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The engine states that it has no security module.
    #[error("the engine is unattested")]
    Unattested,
    /// The answer's binding has no secp256k1 key.
    #[error("the answer's binding has no signing key")]
    SigningKey,
    /// The document fails verification.
    #[error("the attestation document: {0}")]
    Document(#[from] AttestationError),
    /// The statement is about another engine or boot than the binding.
    #[error("the statement is about another engine or epoch than the document")]
    Statement,
    /// The statement is not signed by the bound key.
    #[error("the statement is not signed by the key that the document binds")]
    StatementSignature,
    /// The genesis document is missing where it is required, or fails verification.
    #[error(transparent)]
    Genesis(#[from] GenesisDocumentError),
    /// The answer names another engine id or address than its document binds.
    #[error("the answer names {found}, the document binds {expected}")]
    Identity {
        /// Engine and address that the document binds.
        expected: Address,
        /// Engine and address that the answer names.
        found: Address,
    },
}

/// What a document proved. Only the checks of this module make one.
///
/// **What it proves**: what `mortise_verify::attestation::verify_live` (or `verify_archived`)
/// proves with the binding as claim: an enclave of an approved image holds the keys and continued
/// the log from the bound position. Live also: the statement was its newest released one when the
/// document was made. With [`Proven::genesis`] also: what
/// `mortise_verify::attestation::verify_genesis` proves.
///
/// **What it does not prove**: that the peer of a connection is that enclave; only bytes signed by
/// the bound keys, or encrypted to the bound channel key, are its.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    binding: KeyBinding,
    address: Address,
    document: Document,
    statement: Option<RootStatement>,
    as_of: Option<u64>,
    root: RootFingerprint,
    image_rule: ImageRule,
    genesis: Option<Document>,
}

impl Proven {
    /// Everything that the document binds.
    pub fn binding(&self) -> &KeyBinding {
        &self.binding
    }

    /// The keys of the boot.
    pub fn keys(&self) -> &BoundKeys {
        &self.binding.keys
    }

    /// Engine and address, to pin.
    pub fn identity(&self) -> Identity {
        Identity { engine_id: self.binding.engine_id, address: self.address }
    }

    /// The root under which the document was verified.
    pub fn root(&self) -> RootFingerprint {
        self.root
    }

    /// Whether the image is an approved one, or any image passed.
    pub fn image_rule(&self) -> ImageRule {
        self.image_rule
    }

    /// The verified document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// When the enclave last knew from its witnesses that its statement is the newest, seconds. A
    /// document of an engine without witnesses names no such time: there, a superseded engine can
    /// answer a new nonce with its old head.
    pub fn as_of(&self) -> Option<u64> {
        self.as_of
    }

    /// The genesis document: an enclave of an approved image, which need not be today's, drew the
    /// keys at its time. `None` if the engine has none: then the keys may have been made outside.
    pub fn genesis(&self) -> Option<&Document> {
        self.genesis.as_ref()
    }

    /// The newest released statement when the document was made; `None` for a boot's document.
    pub fn statement(&self) -> Option<&RootStatement> {
        self.statement.as_ref()
    }
}

fn bound(view: &BindingView) -> Result<(KeyBinding, Address), ProofError> {
    let keys = view.keys().ok_or(ProofError::SigningKey)?;
    let address = address_of_compressed(&keys.signing).ok_or(ProofError::SigningKey)?;
    let binding = KeyBinding {
        engine_id: view.engine_id,
        epoch: view.epoch,
        keys,
        history_size: view.history_size,
        history_root: view.history_root,
        policy_hash: view.policy_hash,
    };
    Ok((binding, address))
}

/// Checks the genesis document of an engine whose binding is verified.
fn genesis_of(
    document: Option<&HexBytes>,
    binding: &KeyBinding,
    trust: &Trust,
) -> Result<Option<Document>, GenesisDocumentError> {
    let bytes = document.map(|document| document.0.as_slice()).unwrap_or_default();
    match verify_genesis(bytes, &binding.engine_id, &trust.roots, &trust.pcrs) {
        Ok(verified) => Ok(Some(verified.document().clone())),
        Err(GenesisDocumentError::Missing) if trust.origin == KeyOrigin::Anywhere => Ok(None),
        Err(error) => Err(error),
    }
}

/// Checks an answer of `getAttestation` to a request with `nonce`, which was drawn for that request
/// alone.
///
/// # Errors
/// `SigningKey`, `Document`, `Statement`, `StatementSignature`, `Genesis`, in this order.
pub fn verify(
    answer: &Attestation,
    nonce: &Bytes32,
    now_ms: u64,
    trust: &Trust,
) -> Result<Proven, ProofError> {
    let (binding, address) = bound(&answer.binding)?;
    let statement = RootStatement::from(&answer.statement);
    let digest = Bytes32(statement.digest().0);
    let lease = answer.lease.as_ref().map(|lease| claimed(lease, trust.limit));
    let bound = Claims::bound_at(&binding, &digest);
    let claims = Claims { public_key: Expect::Absent, lease, ..bound };
    let (roots, pcrs) = (trust.roots.as_slice(), &trust.pcrs);
    let check = LiveCheck { roots, pcrs, claims, nonce: &nonce.0, now_ms };
    let verified = verify_live(&answer.aws_attestation_document.0, &check)?;
    if (statement.engine_id, statement.epoch) != (binding.engine_id, binding.epoch) {
        return Err(ProofError::Statement);
    }
    if recover(&statement.digest(), &answer.statement_signature) != Ok(address) {
        return Err(ProofError::StatementSignature);
    }
    let (document, statement) = (verified.document().clone(), Some(statement));
    let as_of = answer.lease.as_ref().map(|lease| lease.as_of);
    let (root, image_rule) = (verified.root(), verified.image_rule());
    let genesis = genesis_of(answer.genesis_document.as_ref(), &binding, trust)?;
    Ok(Proven { binding, address, document, statement, as_of, root, image_rule, genesis })
}

/// The lease that the document must cover.
fn claimed(lease: &AttestedLease, limit: AgeLimit) -> LeaseClaim {
    let AttestedLease { checkpoint, as_of, .. } = lease;
    let covered = LeaseDigest { checkpoint: checkpoint.as_bytes(), as_of: *as_of };
    LeaseClaim { digest: covered.digest(), as_of: *as_of, limit }
}

/// Checks the document of a boot at its own time, as `getBootAttestation` without a nonce gives it.
///
/// # Errors
/// `Unattested`, `SigningKey`, `Document`, `Identity`, `Genesis`, in this order.
pub fn verify_boot(answer: &BootAttestation, trust: &Trust) -> Result<Proven, ProofError> {
    let view = answer.binding.as_ref().ok_or(ProofError::Unattested)?;
    let (binding, address) = bound(view)?;
    let claims = Claims { public_key: Expect::Absent, ..Claims::bound_to(&binding) };
    let (roots, pcrs) = (trust.roots.as_slice(), &trust.pcrs);
    let check = ArchivedCheck { roots, pcrs, claims, nonce: Expect::Absent };
    let verified = verify_archived(&answer.aws_attestation_document.0, &check)?;
    if (answer.enclave_id, answer.public_key) != (binding.engine_id, address) {
        return Err(ProofError::Identity { expected: address, found: answer.public_key });
    }
    let genesis = genesis_of(answer.genesis_document.as_ref(), &binding, trust)?;
    Ok(Proven {
        binding,
        address,
        document: verified.document().clone(),
        statement: None,
        as_of: None,
        root: verified.root(),
        image_rule: verified.image_rule(),
        genesis,
    })
}

/// The verifier's clock.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
