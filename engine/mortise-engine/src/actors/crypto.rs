//! The pool for what costs time: recovering signatures, signing frames, opening messages of the
//! channel.

use crate::channel::{ChannelKey, OpenedRequest};
use crate::keyring::Identity;
use crate::pipeline::{SignJob, SignedFrame};
use crate::released::CommitmentSigner;
use actix::{Actor, Handler, Message, SyncContext};
use bytes::Bytes;
use mortise_channel::OpenError;
use mortise_core::{Admitted, admit};
use mortise_format::command::Command;
use mortise_format::reject::Reject;
use std::sync::Arc;

/// A worker of the pool.
#[derive(Debug)]
pub struct Crypto {
    identity: Arc<Identity>,
    promiser: CommitmentSigner,
}

impl Crypto {
    /// A worker for an engine.
    pub fn new(identity: Arc<Identity>) -> Self {
        let promiser = CommitmentSigner::new(&identity);
        Self { identity, promiser }
    }
}

impl Actor for Crypto {
    type Context = SyncContext<Self>;
}

/// Authenticate commands.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Result<Admitted, Reject>>")]
pub struct Admit(pub Vec<Command>);

impl Handler<Admit> for Crypto {
    type Result = Vec<Result<Admitted, Reject>>;

    fn handle(&mut self, message: Admit, _: &mut SyncContext<Self>) -> Self::Result {
        let admit = |command| admit(&self.identity.engine_id, command);
        message.0.into_iter().map(admit).collect()
    }
}

/// Open a message of the channel.
#[derive(Debug, Message)]
#[rtype(result = "Result<OpenedRequest, OpenError>")]
pub struct OpenMessage {
    /// The key of the boot.
    pub key: Arc<ChannelKey>,
    /// Its id.
    pub key_id: u64,
    /// The message.
    pub message: Bytes,
}

impl Handler<OpenMessage> for Crypto {
    type Result = Result<OpenedRequest, OpenError>;

    fn handle(&mut self, open: OpenMessage, _: &mut SyncContext<Self>) -> Self::Result {
        open.key.open(open.key_id, &open.message)
    }
}

/// Sign a part of a frame's promises, and its statement when `is_first`.
#[derive(Debug, Message)]
#[rtype(result = "SignedFrame")]
pub struct SignFrame(pub SignJob);

impl Handler<SignFrame> for Crypto {
    type Result = actix::MessageResult<SignFrame>;

    fn handle(&mut self, message: SignFrame, _: &mut SyncContext<Self>) -> Self::Result {
        let SignJob { statement, events } = message.0;
        let stated = &statement.statement;
        let sign = |(index, event)| (index, self.promiser.sign(stated, index, &event));
        let promises = events.into_iter().map(sign).collect();
        let signature = self.promiser.sign_statement(stated);
        actix::MessageResult(SignedFrame { seq: stated.seq, signature, promises })
    }
}
