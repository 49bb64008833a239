//! Goal: the verifier accepts the proofs of an engine, and refuses by name each field that is
//! flipped, truncated, lengthened, swapped or taken from another proof.
//!
//! Method: the prover here makes a log with the core's own trees and keys.

pub(crate) mod commitment;
pub(crate) mod entries;
mod fork;
mod history;
mod json;
pub(crate) mod note;
mod receipt;
mod state;
mod statement;
pub(crate) mod succession;
mod tlog_proof;

use mortise_core::event_tree;
use mortise_core::history::{inclusion_path, root};
use mortise_core::tree::StateTree;
use mortise_format::codec;
use mortise_format::eip712::RootStatement;
use mortise_format::entry::{LeafKey, LeafValue};
use mortise_format::event::Event;
use mortise_format::frame::{FRAME_VERSION, FrameHeader, FrameKind, FrameLeaf};
use mortise_format::ids::{Bytes32, EngineId, FrameDigest, LockId, PolicyHash, Root};
use mortise_format::rules::RuleSet;
use mortise_format::secp256k1::Signer;
use mortise_verify::Engine;
use mortise_verify::fork::LeafProof;
use mortise_verify::receipt::Receipt;
use mortise_verify::statement::{SignedStatement, VerifiedStatement};

/// Time of the first frame, milliseconds.
pub const START_MS: u64 = 1_700_000_000_000;

/// A frame with its leaf, statement and events.
#[derive(Debug, Clone)]
pub struct Frame {
    pub signed: SignedStatement,
    pub leaf: Vec<u8>,
    pub events: Vec<Event>,
}

/// A log, its state tree, its key.
pub struct Log {
    pub engine: Engine,
    pub signer: Signer,
    pub epoch: u64,
    pub rules: RuleSet,
    pub frames: Vec<Frame>,
    pub leaves: Vec<[u8; 32]>,
    pub tree: StateTree,
}

/// The signer of number `n`.
pub fn signer(n: u8) -> Signer {
    Signer::from_bytes(&[n; 32]).unwrap()
}

/// Salt of an event.
pub fn salt(seq: u64, index: u32) -> [u8; 32] {
    let mut salt = [0x5a; 32];
    salt[..8].copy_from_slice(&seq.to_le_bytes());
    salt[8..12].copy_from_slice(&index.to_le_bytes());
    salt
}

/// An event that differs for each `n`.
pub fn event(n: u8) -> Event {
    Event::LocksExpired { lock_ids: [LockId([n; 32])].into() }
}

impl Log {
    /// An empty log of engine and key number `n`.
    pub fn new(n: u8) -> Self {
        let signer = signer(n);
        let engine = Engine { id: EngineId([n; 32]), address: signer.address() };
        let (frames, leaves) = (Vec::new(), Vec::new());
        let (epoch, rules, tree) = (1, RuleSet::NEWEST, StateTree::new());
        Self { engine, signer, epoch, rules, frames, leaves, tree }
    }

    /// A log of `count` frames, one second apart, of one to five events each.
    pub fn of(n: u8, count: u8) -> Self {
        let mut log = Self::new(n);
        for i in 0..count {
            let events: Vec<_> = (0..=i % 5).map(|e| event(i.wrapping_mul(7) ^ e)).collect();
            log.push(START_MS + u64::from(i) * 1000, &events);
        }
        log
    }

    /// A log of `shared` frames like any other, then `own` frames that `n` tells from other logs.
    pub fn branch(shared: u8, own: u8, n: u8) -> Self {
        let mut log = Self::of(1, shared);
        log.epoch = u64::from(n);
        for i in 0..own {
            log.push(START_MS + u64::from(shared + i) * 1000, &[event(n), event(i)]);
        }
        log
    }

    /// Frame `seq` and its path in the history of `size` frames.
    pub fn leaf_proof(&self, seq: usize, size: usize) -> LeafProof {
        LeafProof { leaf: self.frames[seq].leaf.clone(), path: self.path(seq, size) }
    }

    /// Inserts an entry into the state; the next frame's root covers it.
    pub fn set(&mut self, key: &LeafKey, value: &LeafValue, salt: &[u8; 32]) {
        let position = key.position(&self.engine.id);
        self.tree.update(&[(position, Some(value.hash(salt)))]);
    }

    /// Seals a frame and signs its statement.
    pub fn push(&mut self, time_ms: u64, events: &[Event]) {
        let seq = u64::try_from(self.frames.len()).unwrap();
        let encoded = events.iter().map(codec::encode);
        let hashes = (0u32..).zip(encoded).map(|(i, e)| event_tree::leaf_hash(&salt(seq, i), &e));
        let header = FrameHeader {
            version: FRAME_VERSION,
            rules: self.rules,
            kind: FrameHeader::kind_byte(FrameKind::Events),
            engine_id: self.engine.id,
            epoch: self.epoch,
            seq,
            time_ms,
            previous: FrameDigest([8; 32]),
            event_count: u32::try_from(events.len()).unwrap(),
            event_root: event_tree::root(&hashes.collect::<Vec<_>>()),
            state_root: self.tree.root(),
            policy_hash: PolicyHash([3; 32]),
            clear_bytes: 0,
            cipher_bytes: 0,
        };
        let (clear_digest, cipher_digest) = (Bytes32([1; 32]), Bytes32([2; 32]));
        let leaf = FrameLeaf { header, clear_digest, cipher_digest, mac: Bytes32([4; 32]) };
        self.leaves.push(leaf.history_leaf());
        let statement = self.statement_of(&leaf);
        let signed = self.sign(statement);
        self.frames.push(Frame { signed, leaf: codec::encode(&leaf), events: events.to_vec() });
    }

    fn statement_of(&self, leaf: &FrameLeaf) -> RootStatement {
        let header = &leaf.header;
        RootStatement {
            engine_id: header.engine_id,
            epoch: header.epoch,
            seq: header.seq,
            time_ms: header.time_ms,
            frame_digest: leaf.digest(),
            event_root: header.event_root,
            event_count: header.event_count,
            state_root: header.state_root,
            history_root: Root(root(&self.leaves)),
            history_size: header.seq + 1,
            policy_hash: header.policy_hash,
        }
    }

    /// Signs any statement, as a dishonest holder of the key can.
    pub fn sign(&self, statement: RootStatement) -> SignedStatement {
        let signature = self.signer.sign(&statement.digest());
        SignedStatement { statement, signature }
    }

    /// The receipt of an event.
    pub fn receipt(&self, seq: usize, index: u32) -> Receipt {
        let frame = &self.frames[seq];
        let number = frame.signed.statement.seq;
        let encoded: Vec<_> = frame.events.iter().map(codec::encode).collect();
        let hashes = (0u32..).zip(&encoded);
        let hashes = hashes.map(|(i, e)| event_tree::leaf_hash(&salt(number, i), e));
        let at = usize::try_from(index).unwrap();
        let path = event_tree::prove(&hashes.collect::<Vec<_>>(), at).unwrap();
        let signed = frame.signed.clone();
        Receipt { signed, index, event: encoded[at].clone(), salt: salt(number, index), path }
    }

    /// The path of a frame in the history of the first `size` frames.
    pub fn path(&self, seq: usize, size: usize) -> Vec<[u8; 32]> {
        inclusion_path(&self.leaves[..size], seq).unwrap()
    }

    /// A verified statement.
    pub fn verified(&self, seq: usize) -> VerifiedStatement {
        mortise_verify::statement::verify(&self.engine, &self.frames[seq].signed).unwrap()
    }

    /// The newest verified statement.
    pub fn newest(&self) -> VerifiedStatement {
        self.verified(self.frames.len() - 1)
    }
}
