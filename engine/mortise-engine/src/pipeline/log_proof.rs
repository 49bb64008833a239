//! What is shown of the log: receipts, checkpoints, consistency, at the newest released frame.
//!
//! The writer says what is to be proven and makes the plan; tiles and events come from the store
//! meanwhile ([`crate::proofs::log_proof`]). Everything that is shown waits for the frames that were in
//! flight when it was asked, as every read does.

use super::inflight::Pending;
use super::{Output, Pipeline};
use crate::api::{Answer, ProofAnswer, ReceiptOf, Reply, Token};
use mortise_core::body::CarriedStatement;
use mortise_core::history::archive::Plan;
use mortise_core::machine::ProvenLeaf;
use mortise_core::state::LeafKey;
use mortise_format::event::LogPosition;

/// What is to be shown.
#[derive(Debug, Clone)]
pub(super) enum LogProofRequest {
    /// The newest checkpoint.
    Checkpoint,
    /// That one size of the log begins another.
    Consistency { from: u64, to: Option<u64> },
    /// An event.
    Receipt(LogPosition),
    /// An entry after a frame.
    Proof(Box<ProofAnswer>, u64),
    /// Something that is not in the log.
    Nothing,
}

/// What is to be fetched and put together for an answer.
#[derive(Debug)]
pub struct LogProofJob {
    /// The statement about the newest released frame, whose history everything is shown in.
    pub newest: CarriedStatement,
    /// Paths and roots to complete.
    pub plans: Vec<Plan>,
    /// The event to read back, with the statement about its frame if it is recent.
    pub event: Option<(LogPosition, Option<CarriedStatement>)>,
    /// A proof under the root of that event's frame.
    pub proof: Option<Box<ProofAnswer>>,
}

impl Pipeline {
    /// Where the event stands whose receipt is asked for.
    pub(super) fn receipt(&self, of: ReceiptOf) -> Pending {
        let state = self.machine.state();
        Pending::LogProof(match of {
            ReceiptOf::At(at) => LogProofRequest::Receipt(at),
            ReceiptOf::Lock(lock_id) => match state.lock(&lock_id) {
                Some(lock) => LogProofRequest::Receipt(lock.granted_at),
                None => return Pending::Read(Answer::None),
            },
            ReceiptOf::Request(principal, id) => {
                let known = state.requests().find(&principal, &id);
                known.map_or(LogProofRequest::Nothing, |remembered| {
                    LogProofRequest::Receipt(remembered.at)
                })
            }
        })
    }

    /// An entry after a recent frame.
    pub(super) fn proof_at(&self, key: LeafKey, seq: u64) -> Pending {
        match self.machine.prove_at(&key, seq) {
            Ok(ProvenLeaf { held, proof }) => {
                let answer = ProofAnswer { key, value: held, proof };
                Pending::LogProof(LogProofRequest::Proof(Box::new(answer), seq))
            }
            Err(window) => Pending::Read(Answer::RootNotKept(window)),
        }
    }

    /// The output that shows something in the history of `newest`.
    pub(super) fn log_proof(
        &self,
        token: Token,
        request: LogProofRequest,
        newest: CarriedStatement,
    ) -> Output {
        let size = newest.statement.history_size;
        let Some(plans) = self.plans(&request, size) else {
            return Output::Reply(token, Reply::Read(Answer::NotInLog { size }));
        };
        let (at, proof) = match request {
            LogProofRequest::Receipt(at) => (Some(at), None),
            // The first event of its frame: it brings the statement about the frame.
            LogProofRequest::Proof(proof, seq) => {
                (Some(LogPosition { seq, index: 0 }), Some(proof))
            }
            LogProofRequest::Checkpoint
            | LogProofRequest::Consistency { .. }
            | LogProofRequest::Nothing => (None, None),
        };
        let event = at.map(|at| (at, self.recent_about(at.seq)));
        Output::LogProof(token, Box::new(LogProofJob { newest, plans, event, proof }))
    }

    fn plans(&self, request: &LogProofRequest, size: u64) -> Option<Vec<Plan>> {
        let archive = self.machine.archive();
        match request {
            LogProofRequest::Checkpoint | LogProofRequest::Proof(..) => Some(Vec::new()),
            LogProofRequest::Consistency { from, to } => {
                let to = to.unwrap_or(size);
                let within = to <= size;
                let path = within.then(|| archive.consistency(*from, to)).flatten()?;
                Some(vec![path, archive.root(*from)?, archive.root(to)?])
            }
            LogProofRequest::Receipt(at) => Some(vec![archive.inclusion(at.seq, size)?]),
            LogProofRequest::Nothing => None,
        }
    }
}
