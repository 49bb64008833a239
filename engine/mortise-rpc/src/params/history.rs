//! Parameters of the methods about the log itself.

use super::super::fields::{Item, ParamError};
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, Bytes32, LockId, RequestId};
use serde::{Serialize, Serializer};
use serde_json::Value;

type Result<T> = core::result::Result<T, ParamError>;

/// `getReceipt`: the receipt of an event. `{seq, index}`, the same with `reader`, `{lockId}` (the
/// event that granted it) or `{principal, requestId}` (the event that answered it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetReceipt {
    /// The event at this place of the log, for one of its parties.
    At(LogPosition),
    /// The same for a reader with a right, sealed to its X25519 key.
    ForReader {
        /// The place.
        at: LogPosition,
        /// The key.
        reader: Bytes32,
    },
    /// The event that granted a lock of the state.
    Lock(LockId),
    /// The event that answered a request, as long as its id is remembered.
    Request(Address, RequestId),
}

params! {
    /// The keys of a receipt, of which a caller names one.
    #[derive(Clone, Copy, Default)]
    struct ReceiptKeys {
        seq: Option<u64> = optional("seq", Item::number);
        index: Option<u32> = optional("index", Item::small_number);
        reader: Option<Bytes32> = optional("reader", Item::bytes32);
        lock_id: Option<LockId> = optional("lockId", Item::lock_id);
        principal: Option<Address> = optional("principal", Item::address);
        request_id: Option<RequestId> = optional("requestId", Item::request_id);
    }
}

impl ReceiptKeys {
    fn is_half_named(&self) -> bool {
        self.seq.is_some() != self.index.is_some()
            || self.principal.is_some() != self.request_id.is_some()
    }

    /// Why the fields do not name exactly one key.
    fn error(&self) -> ParamError {
        let is_position = self.seq.is_some() || self.index.is_some() || self.reader.is_some();
        let other = match (self.lock_id, self.principal, self.request_id) {
            (Some(_), ..) if is_position => Some("lockId"),
            (lock_id, Some(_), _) if is_position || lock_id.is_some() => Some("principal"),
            (lock_id, _, Some(_)) if is_position || lock_id.is_some() => Some("requestId"),
            _ => None,
        };
        if let Some(other) = other {
            return ParamError::wrong(other, "absent beside the other key");
        }
        ParamError::missing(match (is_position, self.principal, self.request_id) {
            (true, ..) if self.seq.is_none() => "seq",
            (true, ..) => "index",
            (false, None, None) => "lockId",
            (false, None, _) => "principal",
            (false, Some(_), _) => "requestId",
        })
    }
}

impl GetReceipt {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let keys = ReceiptKeys::parse(params)?;
        let ReceiptKeys { seq, index, reader, lock_id, principal, request_id } = keys;
        match (seq.zip(index), reader, lock_id, principal.zip(request_id)) {
            _ if keys.is_half_named() => Err(keys.error()),
            (Some((seq, index)), reader, None, None) => {
                let at = LogPosition { seq, index };
                Ok(reader.map_or(Self::At(at), |reader| Self::ForReader { at, reader }))
            }
            (None, None, Some(lock_id), None) => Ok(Self::Lock(lock_id)),
            (None, None, None, Some((principal, id))) => Ok(Self::Request(principal, id)),
            _ => Err(keys.error()),
        }
    }
}

impl Serialize for GetReceipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        let mut keys = ReceiptKeys::default();
        match *self {
            Self::At(at) => (keys.seq, keys.index) = (Some(at.seq), Some(at.index)),
            Self::ForReader { at, reader } => {
                (keys.seq, keys.index) = (Some(at.seq), Some(at.index));
                keys.reader = Some(reader);
            }
            Self::Lock(lock_id) => keys.lock_id = Some(lock_id),
            Self::Request(principal, id) => {
                (keys.principal, keys.request_id) = (Some(principal), Some(id));
            }
        }
        keys.serialize(serializer)
    }
}

params! {
    /// `getConsistencyProof`: proves that the history of `to` frames extends that of `from`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetConsistencyProof {
        /// Frames of the earlier history, 1 or more.
        from: u64 = required("from", Item::number);
        /// Frames of the later history, `from` or more; those of the newest checkpoint when absent.
        to: Option<u64> = optional("to", Item::number);
    }
}
