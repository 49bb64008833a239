//! Parameters of the methods about the log itself.

use super::super::fields::{Fields, ParamError};
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, LockId, RequestId};
use serde::{Serialize, Serializer};
use serde_json::Value;

type Result<T> = core::result::Result<T, ParamError>;

/// `getReceipt`: the receipt of an event. `{seq, index}`, `{lockId}` (the event that granted it) or
/// `{principal, requestId}` (the event that answered it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetReceipt {
    /// The event at this place of the log.
    At(LogPosition),
    /// The event that granted a lock of the state.
    Lock(LockId),
    /// The event that answered a request, as long as its id is remembered.
    Request(Address, RequestId),
}

impl GetReceipt {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields =
            Fields::of_params(params, &["seq", "index", "lockId", "principal", "requestId"])?;
        let alone = |names: &[&str]| {
            let other = names.iter().find(|name| fields.optional(name).is_some());
            other.map_or(Ok(()), |name| Err(fields.wrong(name, "absent beside the other key")))
        };
        if fields.optional("seq").is_some() || fields.optional("index").is_some() {
            alone(&["lockId", "principal", "requestId"])?;
            let seq = fields.required("seq")?.number()?;
            let index = fields.required("index")?.small_number()?;
            return Ok(Self::At(LogPosition { seq, index }));
        }
        if let Some(lock_id) = fields.optional("lockId") {
            alone(&["principal", "requestId"])?;
            return Ok(Self::Lock(lock_id.lock_id()?));
        }
        if fields.optional("principal").is_none() && fields.optional("requestId").is_none() {
            return Err(fields.missing("lockId"));
        }
        let principal = fields.required("principal")?.address()?;
        Ok(Self::Request(principal, fields.required("requestId")?.request_id()?))
    }
}

/// Prints a [`GetReceipt`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GetReceiptJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_id: Option<LockId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
}

impl Serialize for GetReceipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        let none = GetReceiptJson {
            seq: None,
            index: None,
            lock_id: None,
            principal: None,
            request_id: None,
        };
        let json = match self {
            Self::At(at) => GetReceiptJson { seq: Some(at.seq), index: Some(at.index), ..none },
            Self::Lock(lock_id) => GetReceiptJson { lock_id: Some(*lock_id), ..none },
            Self::Request(principal, id) => {
                GetReceiptJson { principal: Some(*principal), request_id: Some(*id), ..none }
            }
        };
        json.serialize(serializer)
    }
}

/// `getConsistencyProof`: that the log of the first `to` frames begins with that of the first
/// `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GetConsistencyProof {
    /// Frames of the earlier history, 1 or more.
    pub from: u64,
    /// Frames of the later one, `from` or more; those of the newest checkpoint when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

impl GetConsistencyProof {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["from", "to"])?;
        Ok(Self {
            from: fields.required("from")?.number()?,
            to: fields.optional("to").map(|i| i.number()).transpose()?,
        })
    }
}
