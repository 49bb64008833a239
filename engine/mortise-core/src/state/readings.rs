//! Reading rights: which reader may get which content roots.
//!
//! They are not in the state tree. Each right is an event, which a receipt proves. A proof of
//! absence needs a key, and the keys of unknown readers are unknown, so no such proof can show that
//! there are no other rights. A replay of the log shows it.

use super::State;
use super::corruption::Corruption;
use bincode::{Decode, Encode};
use mortise_format::event::LogPosition;
use mortise_format::ids::Bytes32;
use mortise_format::limits::READING_GRANTS_MAX;
use mortise_format::reading::ReadingGrant;

/// A right and the event that granted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GrantedReading {
    /// The right.
    pub grant: ReadingGrant,
    /// Its event.
    pub at: LogPosition,
}

impl State {
    /// Every reading right, in the order of their events.
    pub fn readings(&self) -> &[GrantedReading] {
        &self.readings
    }

    /// The rights of one reader, in the order of their events.
    pub fn readings_of(&self, reader: Bytes32) -> impl Iterator<Item = &GrantedReading> {
        self.readings.iter().filter(move |granted| granted.grant.reader == reader)
    }

    pub(crate) fn apply_reading(&mut self, grant: &ReadingGrant) -> Result<(), Corruption> {
        if self.readings.iter().any(|r| r.grant.request.id == grant.request.id) {
            return Err(Corruption::RequestKnown);
        }
        if self.readings.len() >= READING_GRANTS_MAX {
            return Err(Corruption::Policy);
        }
        self.readings.push(GrantedReading { grant: *grant, at: self.at });
        Ok(())
    }
}
