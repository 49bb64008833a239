//! Which code may boot on the log: the approval in force, and the version that runs.
//!
//! The approval is in the state tree (INV-18), so that the engine can prove to anyone which images
//! may boot, or that none was approved yet. The engine at boot and an auditor apply the same rule:
//! [`State::check_image`].

use super::State;
use super::corruption::Corruption;
use super::leaves::Before;
use bincode::{Decode, Encode};
use mortise_format::entry::{LeafKey, LeafValue};
use mortise_format::event::LogPosition;
use mortise_format::ids::Measurement;
use mortise_format::images::{ImageApproval, Version};

/// An approval and the event that made it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ApprovedImages {
    /// What the operators signed.
    pub approval: ImageApproval,
    /// Its event.
    pub at: LogPosition,
}

/// The part of the state that decides which code may boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Images {
    in_force: Option<ApprovedImages>,
    /// Code version of the current epoch; zero for a text that is not a version.
    running: Version,
}

/// Why code may not boot on the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageRefusal {
    /// Its version is below the minimum of the approval in force.
    #[error("version {running} is below {minimum}, the lowest that may boot on this log")]
    TooOld {
        /// The version of the code.
        running: Version,
        /// The lowest one that may boot.
        minimum: Version,
    },
    /// Its measurement is not among those that operators approved.
    #[error("the image {found} is not among the {approved} that operators approved")]
    NotApproved {
        /// PCR0 of the image.
        found: Measurement,
        /// How many are approved.
        approved: usize,
    },
}

impl State {
    /// The approval of images in force, if there was ever one.
    pub fn approved_images(&self) -> Option<&ApprovedImages> {
        self.images.in_force.as_ref()
    }

    /// The serial of the next approval; `None` when the serials are used up.
    pub fn next_approval(&self) -> Option<u64> {
        self.approved_images().map_or(Some(1), |a| a.approval.serial.checked_add(1))
    }

    /// The lowest code version that may boot: zero until operators set one.
    pub fn minimum_version(&self) -> Version {
        self.approved_images().map_or_else(Version::default, |a| a.approval.minimum_version)
    }

    /// Code version of the current epoch; zero before the first epoch, and for a text that is not a
    /// version.
    pub fn running_version(&self) -> Version {
        self.images.running
    }

    /// Checks whether code of this version and measurement may boot on the log. Without a
    /// measurement (no attestation) only the version is checked.
    ///
    /// # Errors
    /// `TooOld`, then `NotApproved`.
    pub fn check_image(
        &self,
        running: Version,
        image: Option<&Measurement>,
    ) -> Result<(), ImageRefusal> {
        let minimum = self.minimum_version();
        if running < minimum {
            return Err(ImageRefusal::TooOld { running, minimum });
        }
        let images = self.approved_images().map_or(&[][..], |a| a.approval.images.as_slice());
        match image {
            Some(found) if !images.is_empty() && !images.contains(found) => {
                Err(ImageRefusal::NotApproved { found: *found, approved: images.len() })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn apply_version(&mut self, version: &str) {
        self.images.running = Version::parse(version).unwrap_or_default();
    }

    pub(crate) fn apply_approval(&mut self, approval: &ImageApproval) -> Result<(), Corruption> {
        if Some(approval.serial) != self.next_approval() {
            return Err(Corruption::RequestKnown);
        }
        let lowers =
            approval.minimum_version < self.minimum_version() || approval.rules < self.rules();
        if lowers || !approval.has_proper_images() {
            return Err(Corruption::Policy);
        }
        self.keep_images();
        let at = self.at;
        self.images.in_force = Some(ApprovedImages { approval: approval.clone(), at });
        self.dirty.images();
        Ok(())
    }

    /// Keeps the value of the approval in force before the current frame changes it.
    fn keep_images(&mut self) {
        let key = LeafKey::Images;
        let seq = self.changed_seq(&key);
        match seq.zip(self.leaf_value(&key)) {
            None => self.keep_absent(key),
            Some((seq, held)) if seq != self.at.seq => {
                self.dirty.keep(Before { key, held: Some((held, seq)) });
            }
            Some(_) => {}
        }
    }

    pub(super) fn images_leaf(&self) -> Option<LeafValue> {
        let ApprovedImages { approval, at } = self.approved_images()?;
        Some(LeafValue::Images {
            serial: approval.serial,
            images: approval.images.clone(),
            minimum_version: approval.minimum_version,
            rules: approval.rules,
            approved_at: *at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing;
    use alloc::string::ToString as _;
    use alloc::vec::Vec;
    use mortise_format::event::Event;
    use mortise_format::ids::EngineId;
    use mortise_format::rules::RuleSet;
    use mortise_format::secret::Secret;

    const OLD: Version = Version { major: 0, minor: 9, patch: 10 };
    const NEW: Version = Version { major: 0, minor: 10, patch: 0 };

    fn state() -> State {
        State::new(EngineId([1; 32]), testing::policy(), Secret::new([2; 32]), 3)
    }

    fn image(byte: u8) -> Measurement {
        Measurement([byte; 48])
    }

    fn approval(serial: u64, images: &[u8], minimum_version: Version) -> ImageApproval {
        let images = images.iter().copied().map(image).collect();
        let rules = RuleSet::OLDEST;
        ImageApproval { serial, images, minimum_version, rules, valid_until: 9 }
    }

    fn apply(state: &mut State, seq: u64, approval: ImageApproval) -> Result<(), Corruption> {
        let event = Event::ImagesApproved { approval, signatures: Vec::new() };
        state.apply(LogPosition { seq, index: 1 }, &event)
    }

    #[test]
    fn without_an_approval_every_image_boots() {
        let state = state();
        assert_eq!(state.check_image(Version::default(), Some(&image(7))), Ok(()));
        assert_eq!(state.check_image(Version::default(), None), Ok(()));
        assert_eq!(state.leaf_value(&LeafKey::Images), None);
    }

    #[test]
    fn an_image_boots_from_the_lowest_version_on_and_among_the_approved() {
        let mut state = state();
        apply(&mut state, 4, approval(1, &[5, 6], NEW)).unwrap();
        assert_eq!(state.check_image(NEW, Some(&image(6))), Ok(()));
        let (running, minimum) = (OLD, NEW);
        let too_old = Err(ImageRefusal::TooOld { running, minimum });
        assert_eq!(state.check_image(OLD, Some(&image(6))), too_old);
        assert_eq!(state.check_image(OLD, Some(&image(7))), too_old);
        let not_approved = Err(ImageRefusal::NotApproved { found: image(7), approved: 2 });
        assert_eq!(state.check_image(NEW, Some(&image(7))), not_approved);
        assert_eq!(state.check_image(NEW, None), Ok(()));
        apply(&mut state, 5, approval(2, &[], NEW)).unwrap();
        assert_eq!(state.check_image(NEW, Some(&image(7))), Ok(()));
        assert_eq!(state.check_image(OLD, None), too_old);
    }

    #[test]
    fn an_approval_that_does_not_follow_is_corruption() {
        let mut state = state();
        let wrong = Err(Corruption::RequestKnown);
        assert_eq!(apply(&mut state, 4, approval(2, &[], OLD)), wrong);
        apply(&mut state, 4, approval(1, &[], NEW)).unwrap();
        assert_eq!(apply(&mut state, 5, approval(1, &[], NEW)), wrong);
        assert_eq!(apply(&mut state, 5, approval(2, &[], OLD)), Err(Corruption::Policy));
        assert_eq!(apply(&mut state, 5, approval(2, &[6, 5], NEW)), Err(Corruption::Policy));
    }

    #[test]
    fn the_version_that_runs_is_that_of_the_epoch() {
        let mut state = state();
        for (text, running) in [("0.10.0", NEW), ("0.9.10", OLD), ("next", Version::default())] {
            let (version, previous) = (text.to_string(), Default::default());
            let rules = RuleSet::OLDEST;
            let event = Event::EpochStarted { epoch: 1, version, previous, rules };
            state.apply(LogPosition { seq: 1, index: 0 }, &event).unwrap();
            assert_eq!(state.running_version(), running);
        }
    }

    #[test]
    fn the_entry_says_what_was_before_the_frame() {
        let mut state = state();
        apply(&mut state, 4, approval(1, &[5], OLD)).unwrap();
        let first = state.leaf_value(&LeafKey::Images).unwrap();
        assert_eq!(state.take_before(), [Before { key: LeafKey::Images, held: None }]);
        assert_eq!(state.take_leaves().len(), 2);
        apply(&mut state, 5, approval(2, &[6], OLD)).unwrap();
        apply(&mut state, 5, approval(3, &[7], NEW)).unwrap();
        let before = [Before { key: LeafKey::Images, held: Some((first, 4)) }];
        assert_eq!(state.take_before(), before);
        assert_eq!(state.take_leaves().len(), 1);
    }
}
