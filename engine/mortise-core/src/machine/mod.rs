//! The machine: state, state tree, history and the head of the chain, moved frame by frame.
//!
//! What it is for: one value that both makes frames (`open`, `execute`, `close`: the live engine)
//! and follows them (`follow`: restart and audit), with the same `apply` underneath.
//!
//! What it does not do: ship, sign, wait. A closed frame is already applied; whether it may be
//! spoken of is for the pipeline to say, when it is durable.
//!
//! ```text
//! live    open -> execute* -> close ------------------> frame, statement
//! replay  frame -> chain, MAC, open -> apply* -> roots -> statement, equal to what is stored
//! ```
//!
//! Invariants: INV-10 (time never goes back), INV-12 (every frame is one leaf of the history, in
//! order), a followed frame reproduces its own roots or is a named error.

mod follow;
mod image;
mod live;

pub use follow::FollowError;
pub use image::{ImageError, MachineImage};
pub use live::{CloseError, Executed, OpenFrame, event_leaves};

use crate::body::{BootRecord, ClearBody, Statement};
use crate::history::Frontier;
use crate::keys::LogKeys;
use crate::state::{Leaf, State};
use crate::tree::{Position as TreePosition, StateTree, ValueHash};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mortise_format::eip712::RootStatement;
use mortise_format::frame::Frame;
use mortise_format::ids::{EngineId, FrameDigest, Root};
use mortise_format::policy::Policy;

/// The end of the log that a machine has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Head {
    /// Seq of the next frame; 0 for an empty log.
    pub next_seq: u64,
    /// Digest of the last frame; zero for an empty log.
    pub digest: FrameDigest,
    /// Epoch of the last frame; 0 for an empty log.
    pub epoch: u64,
    /// Engine time of the last frame, milliseconds.
    pub time_ms: u64,
}

/// A boot of the engine: where it began and how its data key is wrapped.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: u64,
    /// Its boot frame.
    pub first_seq: u64,
    /// What the boot frame says in clear.
    pub boot: BootRecord,
}

/// State, tree, history and head.
#[derive(Debug)]
pub struct Machine {
    state: State,
    tree: StateTree,
    history: Frontier,
    head: Head,
    epochs: Vec<EpochRecord>,
    /// Statements about frames that no later frame carries yet, in order.
    uncarried: VecDeque<Statement>,
}

impl Machine {
    /// The machine of an empty log. `map_seed` is a secret number (see [`State::new`]).
    pub fn new(engine_id: EngineId, policy: Policy, keys: &LogKeys, map_seed: u64) -> Self {
        let state = State::new(engine_id, policy, keys.state_salt().clone(), map_seed);
        let head = Head { next_seq: 0, digest: FrameDigest::ZERO, epoch: 0, time_ms: 0 };
        let (tree, history) = (StateTree::new(), Frontier::new());
        let (epochs, uncarried) = (Vec::new(), VecDeque::new());
        Self { state, tree, history, head, epochs, uncarried }
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state tree as of the last closed frame.
    pub fn tree(&self) -> &StateTree {
        &self.tree
    }

    /// The history.
    pub fn history(&self) -> &Frontier {
        &self.history
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Every boot of the engine so far, in order.
    pub fn epochs(&self) -> &[EpochRecord] {
        &self.epochs
    }

    /// Statements about frames that no later frame carries yet, in order.
    pub fn uncarried(&self) -> impl Iterator<Item = &Statement> {
        self.uncarried.iter()
    }

    /// Root of the state after the last closed frame.
    pub fn state_root(&self) -> Root {
        self.tree.root()
    }

    /// Brings the tree up to the state.
    fn update_tree(&mut self) {
        let leaves: Vec<_> = self.state.take_leaves().into_iter().map(change).collect();
        self.tree.update(&leaves);
    }

    /// Appends a frame to history and head, and states what is now so.
    fn advance(&mut self, frame: &Frame, clear: &ClearBody) -> Statement {
        let header = frame.header();
        self.uncarried.drain(..clear.statements.len().min(self.uncarried.len()));
        if let Some(boot) = &clear.boot {
            let (epoch, first_seq) = (header.epoch, header.seq);
            self.epochs.push(EpochRecord { epoch, first_seq, boot: boot.record.clone() });
        }
        self.history.append(frame.leaf().history_leaf());
        let digest = frame.digest();
        self.head =
            Head { next_seq: header.seq + 1, digest, epoch: header.epoch, time_ms: header.time_ms };
        let statement = RootStatement {
            engine_id: header.engine_id,
            epoch: header.epoch,
            seq: header.seq,
            time_ms: header.time_ms,
            frame_digest: digest,
            event_root: header.event_root,
            event_count: header.event_count,
            state_root: header.state_root,
            history_root: Root(self.history.root()),
            history_size: self.history.size(),
            policy_hash: header.policy_hash,
        };
        let stated = Statement { statement, history_path: self.history.newest_path() };
        self.uncarried.push_back(stated.clone());
        stated
    }
}

fn change((position, value): Leaf) -> (TreePosition, Option<ValueHash>) {
    (TreePosition(position), value.map(ValueHash))
}
