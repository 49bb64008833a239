//! Released frames: durable, signed, in order. Their answers may leave.

use crate::keyring::Identity;
use mortise_core::body::{CarriedStatement, SealedBody};
use mortise_core::event_tree::EventTree;
use mortise_core::keys::EpochKeys;
use mortise_core::machine::event_leaves;
use mortise_core::promise::{EventContext, Promise, signed_structs_of};
use mortise_format::codec;
use mortise_format::content_key::event_salt;
use mortise_format::eip712::{Domain, Place, RootStatement};
use mortise_format::event::Event;
use mortise_format::frame::FrameLeaf;
use mortise_format::ids::Signature;
use mortise_format::lock::Durability;
use mortise_format::secp256k1::Signer;
use std::sync::{Arc, OnceLock};

/// All data for answers about one frame. The same frame read back from the log gives the same
/// answers, byte for byte.
#[derive(Debug)]
pub struct ReleasedFrame {
    signed: Arc<CarriedStatement>,
    leaf: FrameLeaf,
    body: SealedBody,
    keys: EpochKeys,
    tree: OnceLock<EventTree>,
    promises: Vec<(u32, Vec<(Promise, Signature)>)>,
}

/// One event of a released frame, with its proof.
#[derive(Debug, Clone)]
pub struct ReleasedEvent {
    /// The bytes of the event: a leaf of the event tree.
    pub bytes: Vec<u8>,
    pub salt: [u8; 32],
    /// The path from the leaf to the event root.
    pub path: Vec<[u8; 32]>,
}

impl ReleasedFrame {
    /// `promises` must contain those of every event with a waiting caller.
    pub fn new(
        signed: Arc<CarriedStatement>,
        leaf: FrameLeaf,
        body: SealedBody,
        keys: EpochKeys,
        promises: Vec<(u32, Vec<(Promise, Signature)>)>,
    ) -> Self {
        Self { signed, leaf, body, keys, tree: OnceLock::new(), promises }
    }

    /// The statement about the frame.
    pub fn signed(&self) -> &CarriedStatement {
        &self.signed
    }

    /// The same, for an answer that keeps it.
    pub fn shared_signed(&self) -> &Arc<CarriedStatement> {
        &self.signed
    }

    /// The frame's leaf in the history.
    pub fn leaf(&self) -> &FrameLeaf {
        &self.leaf
    }

    pub fn statement(&self) -> &RootStatement {
        &self.signed.statement
    }

    /// An event with its proof; `None` if there is no such event.
    pub fn event(&self, index: u32) -> Option<ReleasedEvent> {
        let at = usize::try_from(index).ok()?;
        let bytes = self.body.events().nth(at)?.to_vec();
        let seq = self.statement().seq;
        let build = || EventTree::new(event_leaves(&self.keys, seq, &self.body));
        let path = self.tree.get_or_init(build).path(at)?;
        let salt = event_salt(&self.keys.content(seq), index);
        Some(ReleasedEvent { bytes, salt, path })
    }

    pub fn decoded(&self, index: u32) -> Option<Event> {
        let at = usize::try_from(index).ok()?;
        codec::decode(self.body.events().nth(at)?).ok()
    }

    /// The signed promises of an event.
    pub fn promises(&self, index: u32) -> &[(Promise, Signature)] {
        let found = self.promises.iter().find(|(i, _)| *i == index);
        found.map_or(&[], |(_, promises)| promises)
    }
}

/// The context that the engine signs with event `index` of a frame, under a policy of this
/// durability.
pub fn context(statement: &RootStatement, index: u32, durability: Durability) -> EventContext {
    let place = Place {
        epoch: statement.epoch,
        seq: statement.seq,
        index,
        event_root: statement.event_root,
        state_root: statement.state_root,
        policy_hash: statement.policy_hash,
    };
    EventContext { place, time_ms: statement.time_ms, durability }
}

/// Signs the commitments and outcomes of events. Deterministic: the same event gives the same
/// bytes, live and from the log.
#[derive(Debug, Clone)]
pub struct CommitmentSigner {
    signer: Signer,
    domain: Domain,
    durability: Durability,
}

impl CommitmentSigner {
    /// Signs as this engine, with the insecure mode of the boot and the policy of the genesis.
    pub fn new(identity: &Identity) -> Self {
        let domain = Domain::of_promises(&identity.engine_id, identity.insecure_mode);
        let (signer, durability) = (identity.signer.clone(), identity.genesis.policy.durability());
        Self { signer, domain, durability }
    }

    /// Signs the promises of an event.
    pub fn sign(
        &self,
        statement: &RootStatement,
        index: u32,
        event: &Event,
    ) -> Vec<(Promise, Signature)> {
        let promises = signed_structs_of(event, &context(statement, index, self.durability));
        let sign = |promise: Promise| {
            let signature = self.signer.sign(&promise.digest(&self.domain));
            (promise, signature)
        };
        promises.into_iter().map(sign).collect()
    }

    pub fn sign_statement(&self, statement: &RootStatement) -> Signature {
        self.signer.sign(&statement.digest())
    }
}
