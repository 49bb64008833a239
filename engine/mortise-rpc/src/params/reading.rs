//! Parameters that read the log: grantReading, getReadingKeys, getEvents, subscribe.

use super::super::fields::{Item, ParamError};
use super::signatures;
use alloc::vec::Vec;
use mortise_format::command::Command;
use mortise_format::eip712::Request;
use mortise_format::ids::{Bytes32, RequestId, Signature};
use mortise_format::limits::{EVENTS_FRAMES_MAX, EVENTS_WAIT_MS_MAX};
use mortise_format::reading::ReadingGrant;

type Result<T> = core::result::Result<T, ParamError>;

fields! {
    impl ReadingGrant {
        reader: Bytes32 = required("reader", Item::bytes32);
        from_epoch: u64 = required("fromEpoch", Item::number);
        to_epoch: u64 = required("toEpoch", Item::number);
        request: Request = flatten();
    }
}

params! {
    /// `grantReading`: operators give a reader the right to read the log.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct GrantReading {
        /// The reader and its epochs. All of it is signed, so that nothing has a default.
        grant: ReadingGrant = flatten();
        /// One per operator, at most `OBSERVERS_MAX`.
        signatures: Vec<Signature> = required("signatures", signatures);
    }
}

impl GrantReading {
    /// The command.
    pub fn into_command(self) -> Command {
        Command::GrantReading { grant: self.grant, signatures: self.signatures }
    }
}

params! {
    /// `getReadingKeys`: the keys of a reading right, sealed to its reader.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetReadingKeys {
        /// X25519 public key of the reader.
        reader: Bytes32 = required("reader", Item::bytes32);
        /// The request that granted the right; the reader's newest right when absent.
        request_id: Option<RequestId> = optional("requestId", Item::request_id);
        /// The first epoch to return: `nextEpoch` of the previous answer.
        from_epoch: Option<u64> = optional("fromEpoch", Item::number);
    }
}

params! {
    /// `getEvents`: released frames, sealed as they are stored. A reader who has the right also
    /// gets their content keys.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetEvents {
        /// The first frame.
        from: u64 = required("from", Item::number);
        /// Most frames of the answer, 1 to `EVENTS_FRAMES_MAX`; large frames make it fewer.
        count: u32 = defaulted("count", frame_count, Self::COUNT_DEFAULT);
        /// Adds the content keys of the frames, sealed to this X25519 key.
        reader: Option<Bytes32> = optional("reader", Item::bytes32);
        /// Longest wait for the first frame when it is not released yet, at most
        /// `EVENTS_WAIT_MS_MAX`.
        wait_ms: u64 = defaulted("waitMs", wait_ms, 0);
    }
}

impl GetEvents {
    /// Frames when no count is named.
    pub const COUNT_DEFAULT: u32 = 64;
}

fn frame_count(item: &Item<'_>) -> Result<u32> {
    item.count(EVENTS_FRAMES_MAX, "an integer from 1 to the bound of frames")
}

fn wait_ms(item: &Item<'_>) -> Result<u64> {
    let wait_ms = item.number()?;
    let fits = wait_ms <= EVENTS_WAIT_MS_MAX;
    if fits { Ok(wait_ms) } else { Err(item.wrong("milliseconds up to the bound of waiting")) }
}

params! {
    /// `subscribe`: every frame from one on, as it is released. On a stream of JSON values only.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Subscribe {
        /// The first frame; the next one to be released when absent.
        from: Option<u64> = optional("from", Item::number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use serde_json::{Value, json};

    #[test]
    fn parameters_read_back_as_they_are_printed() {
        let request = Request { id: RequestId([3; 32]), valid_until: 9 };
        let reader = Bytes32([7; 32]);
        let grant = ReadingGrant { reader, from_epoch: 1, to_epoch: 0, request };
        let granted = GrantReading { grant, signatures: alloc::vec![Signature([5; 65])] };
        let printed = serde_json::to_value(&granted).unwrap();
        assert_eq!(GrantReading::parse(&printed), Ok(granted));
        for (request_id, from_epoch) in [(None, None), (Some(request.id), Some(4))] {
            let asked = GetReadingKeys { reader, request_id, from_epoch };
            let printed = serde_json::to_value(asked).unwrap();
            assert_eq!(GetReadingKeys::parse(&printed), Ok(asked));
        }
        for reader in [None, Some(reader)] {
            let asked = GetEvents { from: 5, count: 256, reader, wait_ms: 30_000 };
            let printed = serde_json::to_value(asked).unwrap();
            assert_eq!(GetEvents::parse(&printed), Ok(asked));
        }
        for from in [None, Some(8)] {
            let printed = serde_json::to_value(Subscribe { from }).unwrap();
            assert_eq!(Subscribe::parse(&printed), Ok(Subscribe { from }));
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_field() {
        let field = |p: Value| String::from(GetEvents::parse(&p).unwrap_err().field());
        assert_eq!(field(json!({})), "from");
        for count in [0, 257] {
            assert_eq!(field(json!({"from": 0, "count": count})), "count");
        }
        assert_eq!(field(json!({"from": 0, "waitMs": 30_001})), "waitMs");
        assert_eq!(field(json!({"from": 0, "reader": "0x01"})), "reader");
        let field = |p: Value| String::from(GrantReading::parse(&p).unwrap_err().field());
        let reader = Bytes32([7; 32]);
        assert_eq!(field(json!({"reader": reader, "fromEpoch": 1})), "toEpoch");
    }
}
