//! The machine: state, state tree, history and the head of the chain, moved frame by frame.
//!
//! What it is for: one value that both makes frames (`open`, `execute`, `close`: the live engine)
//! and follows them (`follow`: restart and audit), with the same `apply` underneath.
//!
//! What it does not do: ship, sign, wait. A closed frame is already applied; the pipeline releases
//! its answers when it is durable.
//!
//! ```text
//! live    open -> execute* -> close ------------------> frame, statement
//! replay  frame -> chain, MAC, open -> apply* -> roots -> statement, equal to what is stored
//! ```
//!
//! Invariants: INV-10 (time never goes back), INV-12 (every frame is one leaf of the history, in
//! order), INV-19 (rules follow the log), a followed frame reproduces its own roots or is a named
//! error.

mod chain;
mod follow;
mod live;
mod opened;
mod recent;
mod rules;
mod snapshot;

pub use chain::{Chain, statement_about};
pub use follow::{FollowError, Reviewer};
pub use live::{CloseError, Executed, OpenFrame, event_leaves};
pub use opened::{OpenedFrame, Opener, read_clear};
pub use recent::{ProvenLeaf, RecentRoots, RootNotKept};
pub use rules::RulesRefusal;
pub use snapshot::{
    SNAPSHOT_VERSION, SealedPart, SnapshotError, SnapshotKeys, SnapshotLoad, SnapshotStep, Taking,
};

use crate::body::{BootRecord, ClearBody, FrameStatement};
use crate::history::Frontier;
use crate::history::archive::Archive;
use crate::keys::LogKeys;
use crate::state::{Leaf, State};
use crate::tree::{StateTree, TreeKey, ValueHash};
use alloc::vec::Vec;
use mortise_format::frame::Frame;
use mortise_format::ids::{EngineId, FrameDigest, Root};
use mortise_format::policy::Policy;
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;

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
    /// The rules of its epoch; none for an empty log.
    pub rules: RuleSet,
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
    chain: Chain,
    archive: Archive,
    recent: RecentRoots,
    taking: Option<Taking>,
}

impl Machine {
    /// The machine of an empty log. `map_seed` is a secret number (see [`State::new`]).
    pub fn new(engine_id: EngineId, policy: Policy, keys: &LogKeys, map_seed: u64) -> Self {
        Self::with_state_salt(engine_id, policy, keys.state_salt().clone(), map_seed)
    }

    /// The same for an auditor, who has the state-salt key and no log secret.
    pub fn with_state_salt(
        engine_id: EngineId,
        policy: Policy,
        state_salt: Secret,
        map_seed: u64,
    ) -> Self {
        let state = State::new(engine_id, policy, state_salt, map_seed);
        let (tree, chain) = (StateTree::new(), Chain::new(engine_id));
        let (archive, recent) = (Archive::new(), RecentRoots::default());
        Self { state, tree, chain, archive, recent, taking: None }
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state tree as of the last closed frame.
    pub fn tree(&self) -> &StateTree {
        &self.tree
    }

    /// The chain of frames: what of the log needs no key.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The chain alone, once nothing more can be applied. Its head is the last applied frame.
    pub fn into_chain(self) -> Chain {
        self.chain
    }

    /// The history.
    pub fn history(&self) -> &Frontier {
        &self.chain.history
    }

    /// The nodes from which proofs about every frame are made.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.chain.head
    }

    /// Every boot of the engine so far, in order.
    pub fn epochs(&self) -> &[EpochRecord] {
        &self.chain.epochs
    }

    /// Statements about frames that no later frame carries yet, in order.
    pub fn uncarried(&self) -> impl Iterator<Item = &FrameStatement> {
        self.chain.uncarried.iter()
    }

    /// Root of the state after the last closed frame.
    pub fn state_root(&self) -> Root {
        self.tree.root()
    }

    /// Brings the tree up to the state.
    fn update_tree(&mut self) {
        let (seq, before) = (self.chain.head.next_seq, self.state.take_before());
        self.recent.push(seq, self.tree.root(), before);
        let leaves: Vec<_> = self.state.take_leaves().into_iter().map(change).collect();
        self.tree.update(&leaves);
    }

    /// Appends a frame to history and head, and states what is now so.
    fn advance(&mut self, frame: &Frame, clear: &ClearBody) -> FrameStatement {
        self.archive.append(frame.leaf().history_leaf());
        self.chain.advance(frame, clear)
    }
}

fn change((position, value): Leaf) -> (TreeKey, Option<ValueHash>) {
    (TreeKey(position), value.map(ValueHash))
}
