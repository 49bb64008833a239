//! Proofs about the log at the newest released frame: receipts, checkpoints, consistency.
//!
//! The writer only plans a proof. Tiles and events are read from the store outside the writer
//! ([`crate::proofs::log_proof`]). Like every read, a proof waits for the frames that are in flight
//! when the request arrives.

use super::inflight::Pending;
use super::{Output, Pipeline};
use crate::api::{Answer, ProofAnswer, ReceiptOf, Reply, Token};
use mortise_core::body::CarriedStatement;
use mortise_core::history::archive::Plan;
use mortise_core::machine::ProvenLeaf;
use mortise_core::state::LeafKey;
use mortise_format::event::LogPosition;

/// A proof to make.
#[derive(Debug, Clone)]
pub(super) enum LogProofRequest {
    Checkpoint,
    /// The log of `from` frames is a prefix of the log of `to` frames.
    Consistency {
        from: u64,
        to: Option<u64>,
    },
    /// The event at this position.
    Receipt(LogPosition),
    /// A state entry after the frame with this seq.
    Proof(Box<ProofAnswer>, u64),
    /// The object is not in the log.
    Nothing,
}

/// The reads that complete a proof.
#[derive(Debug)]
pub struct LogProofJob {
    /// The statement about the newest released frame. Its history is the one that proofs refer to.
    pub newest: CarriedStatement,
    /// Paths and roots to complete.
    pub plans: Vec<Plan>,
    /// The event to read back, and the statement about its frame if that is recent.
    pub event: Option<(LogPosition, Option<CarriedStatement>)>,
    /// A state proof under the root of that event's frame.
    pub proof: Option<Box<ProofAnswer>>,
}

impl Pipeline {
    /// Finds the position of the event to prove.
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
                known.map_or(LogProofRequest::Nothing, |known| LogProofRequest::Receipt(known.at))
            }
        })
    }

    /// Proves a state entry after a recent frame.
    pub(super) fn proof_at(&self, key: LeafKey, seq: u64) -> Pending {
        match self.machine.prove_at(&key, seq) {
            Ok(ProvenLeaf { held, proof }) => {
                let answer = ProofAnswer { key, value: held, proof };
                Pending::LogProof(LogProofRequest::Proof(Box::new(answer), seq))
            }
            Err(window) => Pending::Read(Answer::RootNotKept(window)),
        }
    }

    /// Plans a proof in the history of `newest`.
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
            // Reading the first event of a frame also finds the statement about the frame.
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
                let is_within = to <= size;
                let path = is_within.then(|| archive.consistency(*from, to)).flatten()?;
                Some(vec![path, archive.root(*from)?, archive.root(to)?])
            }
            LogProofRequest::Receipt(at) => Some(vec![archive.inclusion(at.seq, size)?]),
            LogProofRequest::Nothing => None,
        }
    }
}
