//! The genesis document: the attestation that an engine made when it drew its keys.
//!
//! What it is for: the document of a boot says that an enclave *holds* the keys of an engine. An
//! administrator of the key service could have made them outside and had the enclave unseal them.
//! The genesis document says that an enclave *drew* them (`specs/attestation.md`, decision 0014).
//!
//! What it does not do: find the document. It is in the first frame of a log, and in the answers of
//! `getBootAttestation` and `getAttestation`.

use super::error::{AttestationError, Hex, or_absent};
use super::policy::PcrPolicy;
use super::root::RootFingerprint;
use super::verify::{ArchivedAttestation, ArchivedCheck, Claims, Expect, verify_archived};
use alloc::format;
use alloc::string::String;
use mortise_format::genesis::genesis_document_digest;
use mortise_format::ids::{Bytes32, EngineId};
use mortise_format::pcr::Pcr;

/// The register of the binding.
const BINDING_PCR: u8 = 16;

/// Why a document does not prove that the keys of an engine were drawn inside an enclave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisDocumentError {
    /// There is no document. Engines have none that were created before documents were made, or
    /// without a security module, or whose keys were not drawn inside.
    #[error("the engine has no genesis document")]
    Missing,
    /// The document fails verification.
    #[error("the genesis document: {0}")]
    Document(AttestationError),
    /// The document answers a caller, who chose the nonce.
    #[error("the genesis document has a nonce: it was made for a caller")]
    Nonce,
    /// The document has a public key: it was made for a key service.
    #[error("the genesis document has a public key: it was made for a key service")]
    PublicKey,
    /// The enclave had bound keys before it made the document. Keys are drawn before.
    #[error("the genesis document has PCR16 {found}: it was made after a boot bound its keys")]
    Register {
        /// The register in the document.
        found: Pcr,
    },
    /// The document was made for other keys.
    #[error(
        "the genesis document names {}, not the digest {expected} of this engine's keys",
        or_absent(.found)
    )]
    Keys {
        /// The digest of the engine id.
        expected: Bytes32,
        /// What `user_data` has; `None` when it is absent.
        found: Option<Hex>,
    },
}

impl GenesisDocumentError {
    /// A stable name, which begins with `GenesisDocument`.
    pub fn name(&self) -> String {
        let debug = match self {
            Self::Document(error) => format!("{error:?}"),
            other => format!("{other:?}"),
        };
        let variant = debug.split(|c: char| !c.is_ascii_alphanumeric()).next();
        format!("GenesisDocument{}", variant.unwrap_or_default())
    }
}

/// Verifies the genesis document of an engine, at the document's own time. `pcrs` approves the
/// image that created the engine, which need not be the image that runs it now. A condition on
/// PCR16, which no image has at that time, is left out.
///
/// **What a success proves**, if the pinned root is good: an enclave, not in debug mode, of an
/// image that `pcrs` approves asked for this document at the document's own time, before it bound
/// any boot. If that image asks for such a document only for keys that it drew itself, as the
/// images of this project do, then the keys that the engine id covers (signing key, checkpoint key,
/// log secret) were drawn inside that enclave, for this genesis.
///
/// **What it does not prove**: that the keys stayed inside: an administrator of the key service who
/// opened its policy later could unwrap them; that the image is good, or its randomness; who holds
/// the keys now (the document of a boot, or a live one, shows that); that the engine's log is whole
/// or the only one; anything about the image under [`PcrPolicy::any_image`].
///
/// # Errors
/// In this order: `Missing` for an empty document; `Document` with what [`verify_archived`]
/// refuses; `Nonce`; `PublicKey`; `Register`; `Keys`.
pub fn verify_genesis(
    document: &[u8],
    engine_id: &EngineId,
    roots: &[RootFingerprint],
    pcrs: &PcrPolicy,
) -> Result<ArchivedAttestation, GenesisDocumentError> {
    if document.is_empty() {
        return Err(GenesisDocumentError::Missing);
    }
    let (pcrs, claims) = (&pcrs.without(BINDING_PCR), Claims::unchecked());
    let check = ArchivedCheck { roots, pcrs, claims, nonce: Expect::Anything };
    let verified = verify_archived(document, &check).map_err(GenesisDocumentError::Document)?;
    let shown = verified.document();
    if shown.nonce().is_some() {
        return Err(GenesisDocumentError::Nonce);
    }
    if shown.public_key().is_some() {
        return Err(GenesisDocumentError::PublicKey);
    }
    if let Some(found) = shown.pcr(BINDING_PCR).copied().filter(|pcr| !pcr.is_zero()) {
        return Err(GenesisDocumentError::Register { found });
    }
    let expected = genesis_document_digest(engine_id);
    match shown.user_data() == Some(&expected.0[..]) {
        true => Ok(verified),
        false => Err(GenesisDocumentError::Keys { expected, found: Hex::of(shown.user_data()) }),
    }
}
