//! What is shown of the log: receipts, checkpoints, consistency, at the newest released frame.
//!
//! The writer says what is to be proven and makes the plan; tiles and events come from the store
//! meanwhile ([`crate::proofs::show`]). Everything that is shown waits for the frames that were in
//! flight when it was asked, as every read does.

use super::inflight::Pending;
use super::{Output, Pipeline};
use crate::api::{Answer, ProofAnswer, ReceiptOf, Reply, Token};
use mortise_core::body::SignedStatement;
use mortise_core::history::archive::Plan;
use mortise_core::machine::ProvenLeaf;
use mortise_core::state::LeafKey;
use mortise_format::event::Position;

/// What is to be shown.
#[derive(Debug, Clone)]
pub(super) enum Show {
    /// The newest checkpoint.
    Checkpoint,
    /// That one size of the log begins another.
    Consistency { from: u64, to: Option<u64> },
    /// An event.
    Receipt(Position),
    /// An entry after a frame.
    Proof(Box<ProofAnswer>, u64),
    /// Something that is not in the log.
    Nothing,
}

/// What is to be fetched and put together for an answer.
#[derive(Debug)]
pub struct ShowJob {
    /// The statement about the newest released frame, whose history everything is shown in.
    pub newest: SignedStatement,
    /// Paths and roots to complete.
    pub plans: Vec<Plan>,
    /// The event to read back, with the statement about its frame if it is recent.
    pub event: Option<(Position, Option<SignedStatement>)>,
    /// A proof under the root of that event's frame.
    pub proof: Option<Box<ProofAnswer>>,
}

impl Pipeline {
    /// Where the event stands whose receipt is asked for.
    pub(super) fn receipt(&self, of: ReceiptOf) -> Pending {
        let state = self.machine.state();
        Pending::Show(match of {
            ReceiptOf::At(at) => Show::Receipt(at),
            ReceiptOf::Lock(lock_id) => match state.lock(&lock_id) {
                Some(lock) => Show::Receipt(lock.granted_at),
                None => return Pending::Read(Answer::None),
            },
            ReceiptOf::Request(principal, id) => {
                let known = state.requests().find(&principal, &id);
                known.map_or(Show::Nothing, |remembered| Show::Receipt(remembered.at))
            }
        })
    }

    /// An entry after a recent frame.
    pub(super) fn proof_at(&self, key: LeafKey, seq: u64) -> Pending {
        match self.machine.prove_at(&key, seq) {
            Ok(ProvenLeaf { held, proof }) => {
                let answer = ProofAnswer { key, value: held, proof };
                Pending::Show(Show::Proof(Box::new(answer), seq))
            }
            Err(window) => Pending::Read(Answer::RootNotKept(window)),
        }
    }

    /// The output that shows something in the history of `newest`.
    pub(super) fn show(&self, token: Token, show: Show, newest: SignedStatement) -> Output {
        let size = newest.stated.statement.history_size;
        let Some(plans) = self.plans(&show, size) else {
            return Output::Reply(token, Reply::Read(Answer::NotInLog { size }));
        };
        let (at, proof) = match show {
            Show::Receipt(at) => (Some(at), None),
            // The first event of its frame: it brings the statement about the frame.
            Show::Proof(proof, seq) => (Some(Position { seq, index: 0 }), Some(proof)),
            Show::Checkpoint | Show::Consistency { .. } | Show::Nothing => (None, None),
        };
        let event = at.map(|at| (at, self.recent_about(at.seq)));
        Output::Show(token, Box::new(ShowJob { newest, plans, event, proof }))
    }

    fn plans(&self, show: &Show, size: u64) -> Option<Vec<Plan>> {
        let archive = self.machine.archive();
        match show {
            Show::Checkpoint | Show::Proof(..) => Some(Vec::new()),
            Show::Consistency { from, to } => {
                let to = to.unwrap_or(size);
                let within = to <= size;
                let path = within.then(|| archive.consistency(*from, to)).flatten()?;
                Some(vec![path, archive.root(*from)?, archive.root(to)?])
            }
            Show::Receipt(at) => Some(vec![archive.inclusion(at.seq, size)?]),
            Show::Nothing => None,
        }
    }
}
