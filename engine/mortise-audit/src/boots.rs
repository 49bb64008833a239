//! The boots of a log: which image held the keys, by its own document at the document's own time.

use crate::report::{BootAttestation, GenesisAttestation};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use mortise_core::body::Boot;
use mortise_format::ids::EngineId;
use mortise_verify::attestation::{
    ArchivedCheck, AttestationError, Claims, Document, Expect, GenesisDocumentError, KeyBinding,
    Pcr, PcrPolicy, PolicyError, RootFingerprint, verify_archived, verify_genesis,
};

/// Which images are accepted.
#[derive(Debug, Clone)]
pub enum Images {
    /// Any image that is not in debug mode. The report names the images and approves none.
    Any,
    /// Images with an approved value in each named register. PCR1 and PCR2 need not be named: PCR0
    /// covers all their bytes.
    Approved(BTreeMap<u8, BTreeSet<Pcr>>),
}

impl Images {
    fn policy(&self, shown: &Document) -> Result<PcrPolicy, PolicyError> {
        let Self::Approved(sets) = self else { return Ok(PcrPolicy::any_image()) };
        let mut sets = sets.clone();
        for index in [1, 2] {
            if let (false, Some(pcr)) = (sets.contains_key(&index), shown.pcr(index)) {
                sets.insert(index, BTreeSet::from([*pcr]));
            }
        }
        PcrPolicy::new(sets)
    }
}

/// The trust anchors for attestation documents.
#[derive(Debug, Clone)]
pub struct BootTrust {
    /// Pinned roots.
    pub roots: Vec<RootFingerprint>,
    /// Approved images: of every boot, and of the enclave that drew the keys.
    pub images: Images,
    /// Whether a log without a genesis document is a finding.
    pub is_genesis_required: bool,
}

impl BootTrust {
    /// Verifies the genesis document of the first frame.
    pub(crate) fn check_genesis(
        &self,
        boot: &Boot,
        engine_id: &EngineId,
    ) -> Result<GenesisAttestation, GenesisDocumentError> {
        if boot.genesis_document.is_empty() && !self.is_genesis_required {
            return Ok(GenesisAttestation::Missing);
        }
        let look =
            |pcrs: &PcrPolicy| verify_genesis(&boot.genesis_document, engine_id, &self.roots, pcrs);
        let shown = look(&PcrPolicy::any_image())?;
        let missing = |_| AttestationError::PcrMissing { index: 0 };
        let pcrs = self.images.policy(shown.document()).map_err(missing);
        let verified = look(&pcrs.map_err(GenesisDocumentError::Document)?)?;
        let document = verified.document();
        Ok(GenesisAttestation::Verified {
            module_id: String::from(document.module_id()),
            timestamp_ms: document.timestamp_ms(),
            pcr0: document.pcr(0).copied(),
            any_image: matches!(self.images, Images::Any),
        })
    }

    /// Verifies the document of a boot against the binding in the log.
    pub(crate) fn check(
        &self,
        boot: &Boot,
        binding: &KeyBinding,
    ) -> Result<BootAttestation, AttestationError> {
        let look = |pcrs: &PcrPolicy| {
            let (roots, claims) = (self.roots.as_slice(), Claims::bound_to(binding));
            let check = ArchivedCheck { roots, pcrs, claims, nonce: Expect::Anything };
            verify_archived(&boot.document, &check)
        };
        let shown = look(&PcrPolicy::any_image())?;
        // A set without PCR0 approves nothing. The error names the missing register.
        let pcrs = self.images.policy(shown.document());
        let pcrs = pcrs.map_err(|_| AttestationError::PcrMissing { index: 0 })?;
        let verified = look(&pcrs)?;
        let document = verified.document();
        Ok(BootAttestation::Verified {
            module_id: String::from(document.module_id()),
            timestamp_ms: document.timestamp_ms(),
            pcr0: document.pcr(0).copied(),
            any_image: matches!(self.images, Images::Any),
        })
    }
}
