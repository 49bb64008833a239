//! Reading the log: grantReading, getReadingKeys, getEvents, subscribe.

use super::super::fields::{Fields, Item, ParamError};
use super::{RequestJson, request};
use alloc::vec::Vec;
use mortise_format::command::Command;
use mortise_format::ids::{Bytes32, RequestId, Signature};
use mortise_format::limits::{EVENTS_FRAMES_MAX, EVENTS_WAIT_MS_MAX, OBSERVERS_MAX};
use mortise_format::reading::ReadingGrant;
use serde::{Serialize, Serializer};
use serde_json::Value;

type Result<T> = core::result::Result<T, ParamError>;

/// `grantReading`: operators let somebody read the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantReading {
    /// Who may read what.
    pub grant: ReadingGrant,
    /// One per operator, at most `OBSERVERS_MAX`.
    pub signatures: Vec<Signature>,
}

impl GrantReading {
    /// Parses the parameters. All of them are signed, so that none has a default.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let known = &["reader", "fromEpoch", "toEpoch", "requestId", "validUntil", "signatures"];
        let fields = Fields::of_params(params, known)?;
        let grant = ReadingGrant {
            reader: fields.required("reader")?.bytes32()?,
            from_epoch: fields.required("fromEpoch")?.number()?,
            to_epoch: fields.required("toEpoch")?.number()?,
            request: request(&fields)?,
        };
        let list = fields.required("signatures")?.list(OBSERVERS_MAX)?;
        let signatures = list.iter().map(Item::signature).collect::<Result<_>>()?;
        Ok(Self { grant, signatures })
    }

    /// The command.
    pub fn into_command(self) -> Command {
        Command::GrantReading { grant: self.grant, signatures: self.signatures }
    }
}

/// Prints a [`GrantReading`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantReadingJson<'a> {
    reader: Bytes32,
    from_epoch: u64,
    to_epoch: u64,
    #[serde(flatten)]
    request: RequestJson,
    signatures: &'a [Signature],
}

impl Serialize for GrantReading {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        let json = GrantReadingJson {
            reader: self.grant.reader,
            from_epoch: self.grant.from_epoch,
            to_epoch: self.grant.to_epoch,
            request: RequestJson::from(&self.grant.request),
            signatures: &self.signatures,
        };
        json.serialize(serializer)
    }
}

/// `getReadingKeys`: the keys of a reading right, sealed to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetReadingKeys {
    /// X25519 public key of the reader.
    pub reader: Bytes32,
    /// Of this right; of his last one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// Only from this epoch on: `nextEpoch` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_epoch: Option<u64>,
}

impl GetReadingKeys {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["reader", "requestId", "fromEpoch"])?;
        Ok(Self {
            reader: fields.required("reader")?.bytes32()?,
            request_id: fields.optional("requestId").map(|i| i.request_id()).transpose()?,
            from_epoch: fields.optional("fromEpoch").map(|i| i.number()).transpose()?,
        })
    }
}

/// `getEvents`: released frames, sealed as they are stored, and for a reader who has the right
/// their content keys too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetEvents {
    /// The first frame.
    pub from: u64,
    /// At most so many, 1 to `EVENTS_FRAMES_MAX`; fewer come when they are large.
    pub count: u32,
    /// With the content keys of the frames, sealed to this X25519 key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<Bytes32>,
    /// Waits so long for the first frame when it is not released yet, at most `EVENTS_WAIT_MS_MAX`.
    pub wait_ms: u64,
}

impl GetEvents {
    /// How many frames when no number is named.
    pub const COUNT_DEFAULT: u32 = 64;

    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["from", "count", "reader", "waitMs"])?;
        let count = fields.optional("count").map(|item| frame_count(&item)).transpose()?;
        let wait_ms = fields.optional("waitMs").map(|item| wait(&item)).transpose()?;
        Ok(Self {
            from: fields.required("from")?.number()?,
            count: count.unwrap_or(Self::COUNT_DEFAULT),
            reader: fields.optional("reader").map(|i| i.bytes32()).transpose()?,
            wait_ms: wait_ms.unwrap_or(0),
        })
    }
}

fn frame_count(item: &Item<'_>) -> Result<u32> {
    let count = item.small_number()?;
    let fits = count > 0 && usize::try_from(count).is_ok_and(|count| count <= EVENTS_FRAMES_MAX);
    if fits { Ok(count) } else { Err(item.wrong("an integer from 1 to the bound of frames")) }
}

fn wait(item: &Item<'_>) -> Result<u64> {
    let wait_ms = item.number()?;
    let fits = wait_ms <= EVENTS_WAIT_MS_MAX;
    if fits { Ok(wait_ms) } else { Err(item.wrong("milliseconds up to the bound of waiting")) }
}

/// `subscribe`: every frame from one on, as it is released. On a stream of JSON values only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Subscribe {
    /// The first frame; the next one to be released when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
}

impl Subscribe {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["from"])?;
        Ok(Self { from: fields.optional("from").map(|i| i.number()).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use mortise_format::eip712::Request;
    use serde_json::json;

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
