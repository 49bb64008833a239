//! Attestation documents: the one of the boot, and those for callers.
//!
//! A document for a caller contains the binding of the boot, the caller's nonce, the newest
//! released statement and its lease. It therefore proves the current state, not only the signing
//! key.

use super::freshness;
use super::reply::{Answered, Json, json, rooted, serving, to_text, unexpected};
use crate::handle::{EngineHandle, NoDocument, Proof, Serving};
use crate::ports::AttestRequest;
use crate::query::NewestStatement;
use mortise_core::body::CarriedStatement;
use mortise_format::binding::{KeyBinding, LeaseDigest};
use mortise_format::domains::keccak256;
use mortise_format::eip712::Digest;
use mortise_format::errors::Code;
use mortise_format::ids::Bytes32;
use mortise_rpc::params::{GetAttestation, GetBootAttestation};
use mortise_rpc::results::{
    Attestation, AttestedLease, BindingView, BootAttestation, StatementView,
};
use mortise_rpc::{ErrorObject, HexBytes};

/// `getBootAttestation`. Without a security module the document is empty, and `mode` says so.
pub(super) async fn boot(handle: &EngineHandle, params: GetBootAttestation) -> Answered {
    let serving = serving(handle)?;
    let proof = &serving.proof;
    match params.nonce {
        Some(nonce) if proof.attestor.is_some() => {
            let document = document(handle, proof, proof.user_data(None, None), nonce.0).await?;
            Ok(json(&boot_answer(handle, serving, document)))
        }
        // Any caller can ask for it at any rate, so the same bytes are signed and rendered once.
        _ => {
            let of_boot = || boot_answer(handle, serving, proof.boot.document.clone());
            let text = proof.boot_answer.get_or_init(|| to_text(&of_boot()));
            Ok(Json::text(text.clone()))
        }
    }
}

fn boot_answer(handle: &EngineHandle, serving: &Serving, document: Vec<u8>) -> BootAttestation {
    let (proof, signer) = (&serving.proof, &serving.identity.signer);
    let pcrs = proof.boot.pcrs.iter();
    BootAttestation {
        enclave_id: serving.identity.engine_id,
        public_key: signer.address(),
        boot_time: serving.boot_ms / 1000,
        code_hash: code_hash(serving),
        pcrs: pcrs.map(|(index, value)| (index.to_string(), HexBytes(value.clone()))).collect(),
        signature: signer.sign(&Digest(keccak256(&[&document]))),
        aws_attestation_document: HexBytes(document),
        mode: handle.mode().into(),
        binding: proof.attestor.is_some().then(|| view(&proof.binding)),
        genesis_document: genesis_document(serving),
    }
}

/// The document that was made when the keys were drawn, if one was.
fn genesis_document(serving: &Serving) -> Option<HexBytes> {
    let document = &serving.identity.genesis_document;
    (!document.is_empty()).then(|| HexBytes(document.clone()))
}

/// The first 32 bytes of PCR0; zero in an unattested engine.
fn code_hash(serving: &Serving) -> Bytes32 {
    let pcr0 = serving.proof.boot.pcrs.get(&0).and_then(|value| value.first_chunk());
    pcr0.map_or(Bytes32::ZERO, |first| Bytes32(*first))
}

pub(super) async fn live(handle: &EngineHandle, params: GetAttestation) -> Answered {
    let proof = &serving(handle)?.proof;
    if proof.attestor.is_none() {
        return Err(ErrorObject::new(Code::Unattested));
    }
    let signed = rooted(handle, NewestStatement).await?.signed;
    let lease = attested_lease(handle, &signed).await?;
    let covered = lease.as_ref().map(|lease| {
        LeaseDigest { checkpoint: lease.checkpoint.as_bytes(), as_of: lease.as_of }.digest()
    });
    let user_data = proof.user_data(Some(&signed.statement.digest()), covered);
    let document = document(handle, proof, user_data, params.nonce.0.to_vec()).await?;
    let answer = json(&Attestation {
        mode: handle.mode().into(),
        aws_attestation_document: HexBytes(document),
        binding: view(&proof.binding),
        statement: StatementView::from(&signed.statement),
        statement_signature: signed.signature,
        lease,
        genesis_document: genesis_document(serving(handle)?),
    });
    Ok(answer.read_at(signed))
}

/// The lease that the document is to cover. Without it, a parent could answer a new nonce with the
/// old head of an engine that another one superseded.
///
/// # Errors
/// LEASE_EXPIRED if there is none, before a document is made.
async fn attested_lease(
    handle: &EngineHandle,
    signed: &CarriedStatement,
) -> Result<Option<AttestedLease>, ErrorObject> {
    let Some(lease) = serving(handle)?.lease.as_deref() else { return Ok(None) };
    let (shown, evidence) = freshness::shown(handle, Some(lease), signed).await?;
    lease.check(evidence.as_ref()).map_err(freshness::expired)?;
    let shown = shown.checkpoint.zip(evidence).map(|(checkpoint, evidence)| AttestedLease {
        checkpoint,
        as_of: evidence.as_of_ms / 1000,
        history_path: shown.history_path,
    });
    shown.map(Some).ok_or_else(unexpected)
}

impl Proof {
    /// The digest of the binding, followed by the digest of the statement, if there is one, and by
    /// that of its lease.
    fn user_data(&self, statement: Option<&Digest>, lease: Option<Bytes32>) -> Vec<u8> {
        let mut user_data = self.binding.digest().0.to_vec();
        user_data.extend(statement.iter().flat_map(|digest| digest.0));
        user_data.extend(lease.iter().flat_map(|digest| digest.0));
        user_data
    }
}

async fn document(
    handle: &EngineHandle,
    proof: &Proof,
    user_data: Vec<u8>,
    nonce: Vec<u8>,
) -> Result<Vec<u8>, ErrorObject> {
    let (user_data, nonce) = (Some(user_data), Some(nonce));
    let request = AttestRequest { user_data, nonce, public_key: None };
    handle.document(proof, request).await.map_err(|error| match error {
        NoDocument::Unattested => ErrorObject::new(Code::Unattested),
        NoDocument::TooMany(wait) => {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            ErrorObject::overloaded(wait_ms.saturating_add(1))
        }
        NoDocument::Failed(error) => {
            tracing::error!(%error, "the security module made no document for a caller");
            ErrorObject::new(Code::AttestationFailed)
        }
    })
}

fn view(binding: &KeyBinding) -> BindingView {
    let keys = &binding.keys;
    BindingView {
        engine_id: binding.engine_id,
        epoch: binding.epoch,
        signing_key: HexBytes(keys.signing.to_vec()),
        checkpoint_key: keys.checkpoint.map(Bytes32),
        channel_key: keys.channel.map(Bytes32),
        history_size: binding.history_size,
        history_root: binding.history_root,
        policy_hash: binding.policy_hash,
    }
}
