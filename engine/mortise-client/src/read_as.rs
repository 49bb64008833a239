//! Reads as a party: `ReadRequest`s of a local key (`specs/reading.md`, "Who may ask").
//!
//! What it is for: engines whose policy says `reads: parties` show locks, balances and nonces to
//! their parties alone. A client that reads as a party signs each read.
//!
//! Invariant: a `ReadRequest` leaves inside the channel only, unless the caller allows clear. In
//! clear, its carrier can show it in a channel of its own until it ends.

use crate::attestation::now_ms;
use crate::channel::Peer;
use crate::client::Client;
use crate::error::ClientError;
use crate::signer::Signer;
use mortise_rpc::{Call, Method, SignedRead};
use serde::Serialize;
use serde_json::Value;

/// Who reads.
#[derive(Debug, Clone)]
pub(crate) struct ReadAs {
    signer: Signer,
    is_allowed_in_clear: bool,
}

/// Time that a `ReadRequest` is good for: half of what an engine takes, so that clocks may differ.
const VALID_S: u64 = mortise_format::limits::READ_VALID_S_MAX / 2;

impl Client {
    /// Reads as this party, whose key signs each read. Inside the channel alone: a client that
    /// sends in clear signs none, and sees what anyone sees.
    #[must_use]
    pub fn reading_as(mut self, signer: Signer) -> Self {
        self.read_as = Some(ReadAs::in_channel(signer));
        self
    }

    /// As [`Client::reading_as`], and in clear too. A carrier of such a read can repeat it, and
    /// see later states, until it ends. For engines with `clearReads`, and for receipts by place.
    #[must_use]
    pub fn reading_in_clear_as(mut self, signer: Signer) -> Self {
        self.read_as = Some(ReadAs { signer, is_allowed_in_clear: true });
        self
    }

    /// The parameters of a call with the `ReadRequest` that belongs to them; `None` if none does.
    pub(crate) async fn with_read<P: Serialize>(
        &self,
        method: Method,
        params: &P,
        read_as: Option<&ReadAs>,
        peer: Option<&Peer>,
    ) -> Result<Option<Value>, ClientError> {
        let Some(read_as) = read_as.filter(|_| method.takes_read()) else { return Ok(None) };
        let engine_id = match peer {
            Some(peer) => peer.proven.identity().engine_id,
            None if !read_as.is_allowed_in_clear => return Ok(None),
            // Boxed: the identity of an engine that is not pinned is asked for by a call.
            None => Box::pin(self.identity()).await?.engine_id,
        };
        let Ok(mut params) = serde_json::to_value(params) else { return Ok(None) };
        // What does not parse here is refused by the engine, by its field.
        let Ok(call) = Call::parse(method, &params) else { return Ok(None) };
        let (reader, valid_until) = (read_as.signer.address(), now_ms() / 1000 + VALID_S);
        let Some(request) = call.read_request(reader, valid_until) else { return Ok(None) };
        let signature = read_as.signer.sign(&request.digest(&engine_id));
        let read = serde_json::to_value(SignedRead { reader, valid_until, signature });
        if let (Some(fields), Ok(read)) = (params.as_object_mut(), read) {
            fields.insert("read".to_owned(), read);
        }
        Ok(Some(params))
    }
}

impl ReadAs {
    /// Who reads, inside the channel alone.
    pub(crate) fn in_channel(signer: Signer) -> Self {
        Self { signer, is_allowed_in_clear: false }
    }
}
