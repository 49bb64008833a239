//! Approved images: which code may open this log next, and how old it may be.
//!
//! What it is for: the command in which k operators name the measurements (PCR0) of every image
//! that may boot on the log from now on, the lowest code version that may boot, and the rules from
//! the next boot on (`specs/upgrades.md`).
//!
//! What it does not do: give an image the keys. The key policy at the key service does. An image
//! boots only when both name it.
//!
//! Invariants: a set of images and a version have one encoding each.

use crate::ids::Measurement;
use crate::limits::APPROVED_IMAGES_MAX;
use crate::rules::RuleSet;
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use core::fmt;
use core::str::FromStr;

/// Version of the code: three numbers, compared one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Version {
    /// Changes when old code cannot follow.
    pub major: u32,
    /// Changes with what the code can do.
    pub minor: u32,
    /// Changes with every release.
    pub patch: u32,
}

/// A text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version must be three numbers below 2^32 with dots between, without leading zeros")]
pub struct VersionError;

impl Version {
    /// Parses `MAJOR.MINOR.PATCH`, with nothing before or after. A version with a suffix has no
    /// place in the order of releases.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let mut parts = text.split('.').map(number);
        let mut next = || parts.next().ok_or(VersionError)?;
        let version = Self { major: next()?, minor: next()?, patch: next()? };
        if parts.next().is_some() { Err(VersionError) } else { Ok(version) }
    }
}

fn number(digits: &str) -> Result<u32, VersionError> {
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit());
    if !is_plain || digits.len() > 1 && digits.starts_with('0') {
        return Err(VersionError);
    }
    digits.parse().map_err(|_| VersionError)
}

impl FromStr for Version {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What operators sign as `ApproveImages`. It replaces the previous approval entirely.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ImageApproval {
    /// Serial: 1 for the first approval of an engine, then one more each time. So an approval takes
    /// effect once, and only after the approval that its signers saw.
    pub serial: u64,
    /// PCR0 of each approved image, ascending; none: every image that the key policy lets in.
    pub images: Vec<Measurement>,
    /// The lowest code version that may boot. It never goes down.
    pub minimum_version: Version,
    /// The rules from the next boot on. Never below those in force.
    pub rules: RuleSet,
    /// Whole seconds since the Unix epoch.
    pub valid_until: u64,
}

impl ImageApproval {
    /// True for a set in its one form: ascending, each once, within the bound, without the all-zero
    /// PCR0 of enclaves in debug mode.
    pub fn has_proper_images(&self) -> bool {
        let ascends = self.images.is_sorted_by(|a, b| a < b);
        ascends
            && self.images.len() <= APPROVED_IMAGES_MAX
            && !self.images.iter().any(Measurement::is_zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn versions_compare_number_by_number() {
        let texts = ["0.0.0", "0.0.9", "0.0.10", "0.2.0", "1.0.0", "1.0.4294967295", "10.0.0"];
        let versions = texts.map(|text| Version::parse(text).unwrap());
        assert!(versions.is_sorted_by(|a, b| a < b));
        assert_eq!(versions.map(|v| v.to_string()), texts);
    }

    #[test]
    fn a_version_has_one_text() {
        for text in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "01.0.0",
            "1.00.0",
            "1.0.-1",
            "+1.0.0",
            "1.0.0-rc.1",
            "1.0.0+b",
            " 1.0.0",
            "1.0.4294967296",
            "1..0",
            "v1.0.0",
            "1.0.0.",
        ] {
            assert_eq!(Version::parse(text), Err(VersionError), "{text:?}");
        }
    }

    #[test]
    fn a_set_has_one_form() {
        let image = |byte| Measurement([byte; 48]);
        let is_proper = |images: Vec<Measurement>| {
            let minimum_version = Version::default();
            let rules = RuleSet::OLDEST;
            ImageApproval { serial: 1, images, minimum_version, rules, valid_until: 0 }
                .has_proper_images()
        };
        assert!(is_proper(Vec::new()));
        assert!(is_proper((1..=8).map(image).collect()));
        assert!(!is_proper((1..=9).map(image).collect()));
        assert!(!is_proper(alloc::vec![image(2), image(1)]));
        assert!(!is_proper(alloc::vec![image(2), image(2)]));
        assert!(!is_proper(alloc::vec![image(0), image(2)]));
    }
}
