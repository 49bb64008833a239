//! Which measurements a verifier accepts.

use super::error::AttestationError;
use alloc::collections::{BTreeMap, BTreeSet};
use mortise_format::pcr::Pcr;

/// The registers that every policy must name: image, kernel with boot ramdisk, application.
const REQUIRED: [u8; 3] = [0, 1, 2];
/// The registers that a policy may also name: role, instance, signing certificate, binding.
const OPTIONAL: [u8; 4] = [3, 4, 8, 16];

/// Why sets of values are not a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// PCR0, PCR1 or PCR2 is not named: a policy without it would accept other code.
    #[error("the policy does not name PCR{index}, which every policy must")]
    RequiredPcrMissing {
        /// The register.
        index: u8,
    },
    /// A register is named that has no meaning here.
    #[error("the policy names PCR{index}; it may name 0, 1, 2, 3, 4, 8 and 16")]
    PcrNotSupported {
        /// The register.
        index: u8,
    },
    /// A register has an empty set of approved values, so that no document could pass.
    #[error("the policy approves no value of PCR{index}")]
    NoValue {
        /// The register.
        index: u8,
    },
    /// The value of an enclave in debug mode is approved for PCR0, PCR1 or PCR2.
    #[error("the policy approves the all-zero PCR{index} of debug mode")]
    DebugValue {
        /// The register.
        index: u8,
    },
}

/// How a policy treats the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageRule {
    /// PCR0, PCR1 and PCR2 must each be one of the approved values.
    Approved,
    /// Any image that does not run in debug mode passes.
    Any,
}

/// Sets of approved values, by register.
///
/// PCR0, PCR1 and PCR2 are always named, unless the caller chooses [`PcrPolicy::any_image`]. PCR3,
/// PCR4, PCR8 and PCR16 are optional. Each register has a *set*: during an upgrade the old and the
/// new image are both approved. Sets are compared register by register. PCR0 alone covers the whole
/// image, so values of two images cannot be mixed unless SHA-384 is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcrPolicy {
    sets: BTreeMap<u8, BTreeSet<Pcr>>,
    image: ImageRule,
}

impl PcrPolicy {
    /// A policy that approves these values.
    ///
    /// # Errors
    /// In this order: `RequiredPcrMissing`, `PcrNotSupported`, `NoValue`, `DebugValue`.
    pub fn new(sets: BTreeMap<u8, BTreeSet<Pcr>>) -> Result<Self, PolicyError> {
        for index in REQUIRED {
            if !sets.contains_key(&index) {
                return Err(PolicyError::RequiredPcrMissing { index });
            }
        }
        check_sets(&sets)?;
        Ok(Self { sets, image: ImageRule::Approved })
    }

    /// A policy that approves one image and has no other condition.
    ///
    /// # Errors
    /// `DebugValue`.
    pub fn one_image(pcr0: Pcr, pcr1: Pcr, pcr2: Pcr) -> Result<Self, PolicyError> {
        let sets = [(0, pcr0), (1, pcr1), (2, pcr2)];
        Self::new(sets.into_iter().map(|(index, pcr)| (index, BTreeSet::from([pcr]))).collect())
    }

    /// Accepts any image that is not in debug mode. Use it to print a document, never to trust one.
    ///
    /// A document that passes proves only that *some* enclave made it.
    #[must_use]
    pub fn any_image() -> Self {
        Self { sets: BTreeMap::new(), image: ImageRule::Any }
    }

    /// How the image is treated.
    pub fn image_rule(&self) -> ImageRule {
        self.image
    }

    /// The approved values of a register; `None` when the policy does not name it.
    pub fn approved(&self, index: u8) -> Option<&BTreeSet<Pcr>> {
        self.sets.get(&index)
    }

    /// The same policy without a condition on this register.
    pub(super) fn without(&self, index: u8) -> Self {
        let mut policy = self.clone();
        policy.sets.remove(&index);
        policy
    }

    /// Checks registers against the policy, in order of their index.
    ///
    /// # Errors
    /// `PcrMissing`, `PcrNotApproved`.
    pub(super) fn check(&self, pcrs: &BTreeMap<u8, Pcr>) -> Result<(), AttestationError> {
        for (index, approved) in &self.sets {
            let found = *pcrs.get(index).ok_or(AttestationError::PcrMissing { index: *index })?;
            if !approved.contains(&found) {
                let approved = approved.len();
                return Err(AttestationError::PcrNotApproved { index: *index, approved, found });
            }
        }
        Ok(())
    }
}

fn check_sets(sets: &BTreeMap<u8, BTreeSet<Pcr>>) -> Result<(), PolicyError> {
    for (index, values) in sets {
        let index = *index;
        let required = REQUIRED.contains(&index);
        if !required && !OPTIONAL.contains(&index) {
            return Err(PolicyError::PcrNotSupported { index });
        }
        if values.is_empty() {
            return Err(PolicyError::NoValue { index });
        }
        if required && values.contains(&Pcr::ZERO) {
            return Err(PolicyError::DebugValue { index });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::pcr::PCR_BYTES;

    fn pcr(byte: u8) -> Pcr {
        Pcr([byte; PCR_BYTES])
    }

    fn sets(indices: &[u8]) -> BTreeMap<u8, BTreeSet<Pcr>> {
        indices.iter().map(|index| (*index, BTreeSet::from([pcr(index + 1)]))).collect()
    }

    #[test]
    fn policy_without_pcr_0_1_or_2_is_refused() {
        for (named, index) in [(&[][..], 0), (&[1, 2, 3], 0), (&[0, 2, 16], 1), (&[0, 1, 8], 2)] {
            let refused = PcrPolicy::new(sets(named));
            assert_eq!(refused, Err(PolicyError::RequiredPcrMissing { index }));
        }
        assert!(PcrPolicy::new(sets(&[0, 1, 2, 3, 4, 8, 16])).is_ok());
    }

    #[test]
    fn policy_of_unknown_registers_empty_sets_or_debug_values_is_refused() {
        for index in [5, 7, 15, 17, 31, 255] {
            let mut named = sets(&[0, 1, 2]);
            named.insert(index, BTreeSet::from([pcr(9)]));
            assert_eq!(PcrPolicy::new(named), Err(PolicyError::PcrNotSupported { index }));
        }
        let mut empty = sets(&[0, 1, 2]);
        empty.insert(8, BTreeSet::new());
        assert_eq!(PcrPolicy::new(empty), Err(PolicyError::NoValue { index: 8 }));
        let debug = PcrPolicy::one_image(pcr(1), Pcr::ZERO, pcr(3));
        assert_eq!(debug, Err(PolicyError::DebugValue { index: 1 }));
    }

    #[test]
    fn each_value_of_a_set_passes_and_no_other() {
        let mut named = sets(&[0, 1, 2]);
        named.insert(0, BTreeSet::from([pcr(1), pcr(7)]));
        let policy = PcrPolicy::new(named).unwrap();
        let with = |value| BTreeMap::from([(0, value), (1, pcr(2)), (2, pcr(3)), (16, pcr(4))]);
        assert_eq!(policy.check(&with(pcr(1))), Ok(()));
        assert_eq!(policy.check(&with(pcr(7))), Ok(()));
        let refused = AttestationError::PcrNotApproved { index: 0, approved: 2, found: pcr(2) };
        assert_eq!(policy.check(&with(pcr(2))), Err(refused));
        let mut lacking = with(pcr(1));
        lacking.remove(&2);
        assert_eq!(policy.check(&lacking), Err(AttestationError::PcrMissing { index: 2 }));
    }
}
