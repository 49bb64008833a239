//! The pool for expensive work: recovers signatures, signs frames, opens channel messages.

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
use mortise_format::rules::RuleSet;
use std::sync::Arc;

/// A worker of the pool.
#[derive(Debug)]
pub struct Crypto {
    identity: Arc<Identity>,
    /// Those of the epoch, which is the life of the pool.
    rules: RuleSet,
    signer: CommitmentSigner,
}

impl Crypto {
    pub fn new(identity: Arc<Identity>, rules: RuleSet) -> Self {
        let signer = CommitmentSigner::new(&identity);
        Self { identity, rules, signer }
    }
}

impl Actor for Crypto {
    type Context = SyncContext<Self>;
}

/// Authenticates commands, in their order.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Result<Admitted, Reject>>")]
pub struct Admit(pub Vec<Command>);

impl Handler<Admit> for Crypto {
    type Result = Vec<Result<Admitted, Reject>>;

    fn handle(&mut self, message: Admit, _: &mut SyncContext<Self>) -> Self::Result {
        let admit = |command| admit(self.rules, &self.identity.engine_id, command);
        message.0.into_iter().map(admit).collect()
    }
}

/// Opens a channel message.
#[derive(Debug, Message)]
#[rtype(result = "Result<OpenedRequest, OpenError>")]
pub struct OpenMessage {
    pub key: Arc<ChannelKey>,
    pub key_id: u64,
    pub message: Bytes,
}

impl Handler<OpenMessage> for Crypto {
    type Result = Result<OpenedRequest, OpenError>;

    fn handle(&mut self, open: OpenMessage, _: &mut SyncContext<Self>) -> Self::Result {
        open.key.open(open.key_id, &open.message)
    }
}

/// Signs the statement of a frame and the promises of these events.
#[derive(Debug, Message)]
#[rtype(result = "SignedFrame")]
pub struct SignFrame(pub SignJob);

impl Handler<SignFrame> for Crypto {
    type Result = actix::MessageResult<SignFrame>;

    fn handle(&mut self, message: SignFrame, _: &mut SyncContext<Self>) -> Self::Result {
        let SignJob { statement, events } = message.0;
        let stated = &statement.statement;
        let sign = |(index, event)| (index, self.signer.sign(stated, index, &event));
        let promises = events.into_iter().map(sign).collect();
        let signature = self.signer.sign_statement(stated);
        actix::MessageResult(SignedFrame { seq: stated.seq, signature, promises })
    }
}
