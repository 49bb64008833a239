//! The place of a lock in lists: that of its grant.
//!
//! What it is for: lists are in the order of grants, and a page continues behind the place of the
//! last entry that was looked at. A place means the same in every list and whatever left since: it
//! names a grant, not an entry that has to be there. It is eight bytes, because every lock is in
//! several lists.
//!
//! ```text
//! 43 bits  frame of the grant
//! 14 bits  event in the frame
//!  7 bits  lock in the event
//! ```
//! What it does not do: name a lock to anyone but the engine. On the wire it is an opaque string.

use crate::hex;
use crate::limits::{BATCH_LOCKS_MAX, FRAME_EVENTS_MAX};
use crate::log_position::LogPosition;
use bincode::{Decode, Encode};
use core::fmt;

const EVENT_BITS: u32 = 14;
const LOCK_BITS: u32 = 7;
/// A thousand frames a second for almost three hundred years.
const SEQ_MAX: u64 = u64::MAX >> (EVENT_BITS + LOCK_BITS);

const _: () = assert!(FRAME_EVENTS_MAX < 1 << EVENT_BITS);
const _: () = assert!(BATCH_LOCKS_MAX < 1 << LOCK_BITS);

/// The place of a lock in every list that it is in. Ordered as the grants are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ListCursor(u64);

impl ListCursor {
    /// The place of the lock with this number in the grant at `at`. `None` for a grant that no
    /// frame within its bounds holds.
    pub fn of(at: LogPosition, number: u32) -> Option<Self> {
        let (event, number) = (u64::from(at.index), u64::from(number));
        let fits = at.seq <= SEQ_MAX && event >> EVENT_BITS == 0 && number >> LOCK_BITS == 0;
        fits.then_some(Self((at.seq << EVENT_BITS | event) << LOCK_BITS | number))
    }

    /// The event that granted the lock.
    pub fn granted_at(self) -> LogPosition {
        let event = self.0 >> LOCK_BITS;
        let index = u32::try_from(event & ((1 << EVENT_BITS) - 1)).unwrap_or(u32::MAX);
        LogPosition { seq: event >> EVENT_BITS, index }
    }

    /// The place as a number.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// The place of this number.
    pub fn from_u64(place: u64) -> Self {
        Self(place)
    }

    /// Parses the only text of a place: 16 hex digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 8];
        let is_lower = text.bytes().all(|digit| !digit.is_ascii_uppercase());
        hex::decode_into(text, &mut bytes).ok().filter(|()| is_lower)?;
        Some(Self(u64::from_be_bytes(bytes)))
    }
}

impl fmt::Display for ListCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(feature = "json")]
mod json {
    use super::ListCursor;
    use alloc::string::String;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    impl Serialize for ListCursor {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for ListCursor {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Self::parse(&text).ok_or_else(|| D::Error::custom("not a cursor of a list"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    fn place(seq: u64, index: u32, number: u32) -> Option<ListCursor> {
        ListCursor::of(LogPosition { seq, index }, number)
    }

    #[test]
    fn places_are_in_the_order_of_grants_and_distinct() {
        let in_order = [
            (0, 0, 0),
            (0, 0, 1),
            (0, 0, 63),
            (0, 1, 0),
            (0, 8191, 63),
            (1, 0, 0),
            (1, 0, 5),
            (1, 300, 0),
            (1 << 32, 0, 0),
            (SEQ_MAX, 8191, 63),
        ];
        let places: alloc::vec::Vec<_> =
            in_order.iter().map(|(seq, index, n)| place(*seq, *index, *n).unwrap()).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
        for ((seq, index, _), place) in in_order.iter().zip(places) {
            assert_eq!(place.granted_at(), LogPosition { seq: *seq, index: *index });
            assert_eq!(ListCursor::from_u64(place.to_u64()), place);
        }
    }

    #[test]
    fn grants_beyond_the_bounds_have_no_place() {
        assert_eq!(place(SEQ_MAX + 1, 0, 0), None);
        assert_eq!(place(0, 1 << EVENT_BITS, 0), None);
        assert_eq!(place(0, 0, 1 << LOCK_BITS), None);
    }

    #[test]
    fn text_of_a_place_is_the_only_one_that_parses_to_it() {
        let place = place(77, 3, 2).unwrap();
        let text = place.to_string();
        assert_eq!(ListCursor::parse(&text), Some(place));
        let others =
            ["", "0x0000000009a00182", "9a00182", "000000000009A00182", "00000000000000g0"];
        assert!(others.iter().all(|other| ListCursor::parse(other).is_none()));
        assert_eq!(ListCursor::parse(&text.to_uppercase()), None, "{text} has a letter");
    }
}
