//! The five certificates from a pinned root down to the leaf that signs documents.

use super::certificate::Certificate;
use super::document::{CABUNDLE_COUNT, Payload};
use super::error::{AttestationError, Link};
use super::root::RootFingerprint;
use p384::ecdsa::VerifyingKey;

/// The certificates of a document in order: root, region, zone, instance, leaf.
pub(super) struct Chain {
    certificates: [Certificate; CABUNDLE_COUNT + 1],
}

impl Chain {
    /// Reads the certificates, checks the first one against the pins, and checks each issuer
    /// name against the subject above it. Checks no signature.
    ///
    /// The first certificate of the bundle is used only when its SHA-256 is pinned. The caller's
    /// pin is the anchor, so a bundle cannot supply its own.
    ///
    /// # Errors
    /// `RootNotPinned`, `Certificate`.
    pub(super) fn parse(
        payload: &Payload<'_>,
        roots: &[RootFingerprint],
    ) -> Result<Self, AttestationError> {
        let [root, region, zone, instance] = payload.cabundle;
        let found = RootFingerprint::of_der(root);
        if !roots.contains(&found) {
            return Err(AttestationError::RootNotPinned { found });
        }
        let certificates = [
            Certificate::parse(Link::Root, root)?,
            Certificate::parse(Link::Region, region)?,
            Certificate::parse(Link::Zone, zone)?,
            Certificate::parse(Link::Instance, instance)?,
            Certificate::parse(Link::Leaf, payload.certificate)?,
        ];
        for [above, below] in certificates.array_windows() {
            below.check_issuer(above)?;
        }
        Ok(Self { certificates })
    }

    /// Every certificate is valid at `at_ms`, or becomes so within `leeway_ms`.
    ///
    /// # Errors
    /// `NotYetValid`, `Expired`: of the highest certificate that is not valid.
    pub(super) fn check_validity(
        &self,
        at_ms: u64,
        leeway_ms: u64,
    ) -> Result<(), AttestationError> {
        self.certificates.iter().try_for_each(|c| c.check_validity(at_ms, leeway_ms))
    }

    /// Every certificate is signed by the one above it. The check runs from the leaf up, so a
    /// forged chain fails at the first signature. The pin already covers the root's own signature.
    ///
    /// # Errors
    /// `ChainSignatureMismatch`.
    pub(super) fn check_signatures(&self) -> Result<(), AttestationError> {
        for [above, below] in self.certificates.array_windows().rev() {
            below.check_signature(above)?;
        }
        Ok(())
    }

    /// The key that signs documents.
    pub(super) fn leaf_key(&self) -> &VerifyingKey {
        let [.., leaf] = &self.certificates;
        &leaf.key
    }
}
