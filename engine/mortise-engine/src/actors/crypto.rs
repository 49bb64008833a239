//! The pool for expensive work: recovers signatures, signs frames, opens channel messages.

use crate::channel::{ChannelKey, OpenedRequest};
use crate::keyring::Identity;
use crate::pipeline::{SignJob, SignedPromises};
use crate::released::CommitmentSigner;
use actix::{Actor, Handler, Message, SyncContext};
use bytes::Bytes;
use mortise_channel::OpenError;
use mortise_core::Admitting;
use mortise_core::admit::Step;
use mortise_format::eip712::Digest;
use mortise_format::ids::{Address, Signature};
use mortise_format::rules::RuleSet;
use mortise_format::secp256k1::{SignatureError, recover};
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

/// Authenticates the next part of each command, in their order.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Step>")]
pub struct Admit {
    pub commands: Vec<Admitting>,
    /// Signatures of a part.
    pub signatures: usize,
}

impl Handler<Admit> for Crypto {
    type Result = actix::MessageResult<Admit>;

    fn handle(&mut self, message: Admit, _: &mut SyncContext<Self>) -> Self::Result {
        let Admit { commands, signatures } = message;
        let step = |c: Admitting| c.step(self.rules, &self.identity.engine_id, signatures);
        actix::MessageResult(commands.into_iter().map(step).collect())
    }
}

/// Recovers the signer of a digest.
#[derive(Debug, Message)]
#[rtype(result = "Result<Address, SignatureError>")]
pub struct Recover {
    pub digest: Digest,
    pub signature: Signature,
}

impl Handler<Recover> for Crypto {
    type Result = Result<Address, SignatureError>;

    fn handle(&mut self, asked: Recover, _: &mut SyncContext<Self>) -> Self::Result {
        recover(&asked.digest, &asked.signature)
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

/// Signs the promises of these events, and the statement of their frame.
#[derive(Debug, Message)]
#[rtype(result = "SignedPart")]
pub struct SignPart {
    pub job: SignJob,
    /// One part of a frame signs the statement.
    pub with_statement: bool,
}

/// The signatures of a part of a frame.
#[derive(Debug)]
pub struct SignedPart {
    /// Signature over the statement, in the part that was asked for it.
    pub signature: Option<Signature>,
    /// The signed promises of each event, by index.
    pub promises: SignedPromises,
}

impl Handler<SignPart> for Crypto {
    type Result = actix::MessageResult<SignPart>;

    fn handle(&mut self, message: SignPart, _: &mut SyncContext<Self>) -> Self::Result {
        let SignPart { job: SignJob { statement, events }, with_statement } = message;
        let stated = &statement.statement;
        let sign = |(index, event)| (index, self.signer.sign(stated, index, &event));
        let promises = events.into_iter().map(sign).collect();
        let signature = with_statement.then(|| self.signer.sign_statement(stated));
        actix::MessageResult(SignedPart { signature, promises })
    }
}
