//! Calls witnesses through the parent: one call for each connection.

use crate::ports::{PortFuture, WitnessUnreachable, Witnesses};
use mortise_format::codec;
use mortise_format::limits::WITNESS_REQUEST_BYTES_MAX;
use mortise_format::witness::{WitnessCall, WitnessKey, WitnessReply};
use mortise_transport::{Address, MessageReader, MessageWriter, WITNESS_MAGIC, connect};

/// A call or a reply with its envelope.
const MESSAGE_BYTES_MAX: usize = WITNESS_REQUEST_BYTES_MAX + 1024;

/// Witnesses that the parent at this address relays calls to.
#[derive(Debug, Clone)]
pub struct RemoteWitnesses(pub Address);

impl RemoteWitnesses {
    async fn call(&self, call: &WitnessCall) -> Result<(u16, Vec<u8>), WitnessUnreachable> {
        let lost = |error: &dyn std::fmt::Display| WitnessUnreachable(error.to_string());
        let stream = connect(&self.0).await.map_err(|error| lost(&error))?;
        let (read, write) = tokio::io::split(stream);
        let mut writer = MessageWriter::new(write, MESSAGE_BYTES_MAX);
        writer.queue_magic(WITNESS_MAGIC);
        writer.queue(0, &codec::encode(call)).map_err(|error| lost(&error))?;
        writer.flush().await.map_err(|error| lost(&error))?;
        let mut reader = MessageReader::new(read, MESSAGE_BYTES_MAX);
        let message = reader.read().await.map_err(|error| lost(&error))?;
        let message = message.ok_or_else(|| lost(&"the parent closed the connection"))?;
        match codec::decode(&message.payload).map_err(|error| lost(&error))? {
            WitnessReply::Answered { status, body } => Ok((status, body)),
            WitnessReply::Unknown => Err(lost(&"the parent has no address of this witness")),
            WitnessReply::Unreachable => Err(lost(&"the parent cannot reach this witness")),
        }
    }
}

impl Witnesses for RemoteWitnesses {
    fn add_checkpoint<'a>(
        &'a self,
        witness: &'a WitnessKey,
        body: Vec<u8>,
    ) -> PortFuture<'a, Result<(u16, Vec<u8>), WitnessUnreachable>> {
        let call = WitnessCall { witness: witness.key, body };
        Box::pin(async move { self.call(&call).await })
    }
}
