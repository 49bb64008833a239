//! A client that trusts only its pins checks receipts, checkpoints, consistency and proofs at an
//! older root with `mortise_verify` and `mortise_format` alone, before and after a restart. Each
//! changed part is refused by name.

use super::{block_on, new_lock, over_socket};
use mortise_client::{Client, Signer};
use mortise_format::codec;
use mortise_format::entry::LeafKey;
use mortise_format::errors::Code;
use mortise_format::event::{Event, LogPosition};
use mortise_format::ids::{Address, LockId, RequestId};
use mortise_format::note::{KeyUse, NoteKey};
use mortise_rpc::params::{GetConsistencyProof, GetProof, GetReceipt, ProofKey};
use mortise_rpc::results::{
    CheckpointResult, CommitResult, ConsistencyResult, ReceiptResult, ReceiptView,
};
use mortise_testkit::system::System;
use mortise_verify::checkpoint::{self, VerifiedCheckpoint};
use mortise_verify::history::{TreeHead, verify_consistency};
use mortise_verify::json::{self, Claimed};
use mortise_verify::named::NamedError;
use mortise_verify::receipt::{VerifiedReceipt, verify_frame};
use mortise_verify::{Engine, receipt, state, statement, tlog_proof};

/// The verifier's pins.
struct Verifier {
    engine: Engine,
    origin: String,
    log: NoteKey,
}

type Named<T> = Result<T, &'static str>;

fn name(error: impl NamedError) -> &'static str {
    error.name()
}

impl Verifier {
    async fn of(client: &Client) -> Self {
        let info = client.engine_info().await.unwrap();
        let engine = Engine { id: info.engine_id, address: info.address };
        let log = NoteKey::new(KeyUse::Log, &info.origin, info.checkpoint_key.0).unwrap();
        Self { engine, origin: info.origin, log }
    }

    fn receipt(&self, view: &ReceiptView) -> Named<VerifiedReceipt> {
        let input = json::receipt(view).map_err(name)?;
        let verified = receipt::verify(&self.engine, &input).map_err(name)?;
        let (stated, path) = (verified.statement(), json::hashes(&view.history_path));
        verify_frame(stated, &view.leaf.0, &path, &stated.head()).map_err(name)?;
        Ok(verified)
    }

    /// Verifies a receipt and its frame in the newest checkpoint, with our code and as a standard
    /// proof.
    fn shown(&self, shown: &ReceiptResult) -> Named<VerifiedReceipt> {
        let verified = self.receipt(&shown.receipt)?;
        let leaf = &shown.receipt.leaf.0;
        let text = shown.tlog_proof.as_bytes();
        let proven = tlog_proof::verify(text, leaf, &self.origin, &self.log).map_err(name)?;
        let head = TreeHead { size: shown.inclusion.size, root: shown.inclusion.root };
        let path = json::hashes(&shown.inclusion.path);
        verify_frame(verified.statement(), leaf, &path, &head).map_err(name)?;
        let same = proven.checkpoint().head() == &head
            && proven.inclusion().index() == verified.position().seq;
        if same { Ok(verified) } else { Err("OtherHead") }
    }

    fn checkpoint(&self, shown: &CheckpointResult) -> Named<VerifiedCheckpoint> {
        let note = shown.checkpoint.as_bytes();
        let verified = checkpoint::verify(note, &self.origin, &self.log).map_err(name)?;
        let signed = json::statement(&shown.statement, shown.statement_signature).map_err(name)?;
        let stated = statement::verify(&self.engine, &signed).map_err(name)?;
        let shown_head = TreeHead { size: shown.size, root: shown.root };
        let same = stated.head() == shown_head
            && *verified.head() == shown_head
            && shown.origin == self.origin;
        if same { Ok(verified) } else { Err("OtherHead") }
    }

    fn consistency(&self, shown: &ConsistencyResult) -> Named<(TreeHead, TreeHead)> {
        let head =
            |view: &mortise_rpc::results::HeadView| TreeHead { size: view.size, root: view.root };
        let (from, to) = (head(&shown.from), head(&shown.to));
        verify_consistency(&from, &to, &json::hashes(&shown.path)).map_err(name)?;
        Ok((from, to))
    }

    /// Whether a lock was in the state after a frame.
    async fn held(&self, client: &Client, lock_id: LockId, seq: Option<u64>) -> bool {
        let key = LeafKey::Lock(lock_id);
        let params = GetProof { key: ProofKey::Lock(lock_id), seq };
        let answer = json::state(&client.proof(params).await.unwrap(), &key).unwrap();
        let stated = statement::verify(&self.engine, &answer.signed).unwrap();
        assert!(seq.is_none_or(|seq| seq == stated.seq()));
        match answer.claimed {
            Claimed::Present { value, salt } => {
                state::verify_leaf(&stated, &key, &value, &salt, &answer.proof).unwrap();
                true
            }
            Claimed::Absent => {
                state::verify_absence(&stated, &key, &answer.proof).unwrap();
                false
            }
        }
    }
}

/// A client that reads as a new owner, and the owner.
fn owner_at(system: &System) -> (Client, Signer) {
    let owner = Signer::random();
    (over_socket(&system.engine_socket()).reading_in_clear_as(owner.clone()), owner)
}

async fn commit_some(client: &Client, owner: &Signer, count: u64) -> Vec<CommitResult> {
    let (solver, arbiter) = (Signer::random(), Signer::random());
    let mut answers = Vec::new();
    for amount in 1..=count {
        let lock = new_lock(owner, &solver, &arbiter, amount);
        answers.push(client.commit(owner, &lock).await.unwrap());
    }
    answers
}

fn request_of(view: &ReceiptView) -> (Address, RequestId) {
    match codec::decode(&view.event.0) {
        Ok(Event::LocksGranted { request_keys, .. }) => {
            (request_keys[0].principal, request_keys[0].id)
        }
        other => panic!("{other:?}"),
    }
}

/// A receipt requested by each of its three keys equals the first answer, byte for byte.
async fn is_shown_again(client: &Client, verifier: &Verifier, first: &CommitResult) {
    let view = &first.receipt;
    let (principal, request) = request_of(view);
    let keys = [
        // The client reads as the owner.
        GetReceipt::At(LogPosition { seq: view.seq, index: view.index }),
        GetReceipt::Lock(first.commitment.lock_id),
        GetReceipt::Request(principal, request),
    ];
    for key in keys {
        let shown = client.receipt(key).await.unwrap();
        let bytes = |view: &ReceiptView| serde_json::to_string(view).unwrap();
        assert_eq!(bytes(&shown.receipt), bytes(view));
        let verified = verifier.shown(&shown).unwrap();
        assert_eq!(verified.position().seq, view.seq);
        assert!(shown.inclusion.size > view.seq);
    }
}

#[test]
fn proofs_of_the_log_verify_before_and_after_a_restart() {
    let mut system = System::start();
    let (client, owner) = owner_at(&system);
    let (firsts, earlier, verifier) = block_on(async {
        let verifier = Verifier::of(&client).await;
        let firsts = commit_some(&client, &owner, 6).await;
        for first in &firsts {
            is_shown_again(&client, &verifier, first).await;
        }
        let checkpoint = client.checkpoint().await.unwrap();
        let earlier = *verifier.checkpoint(&checkpoint).unwrap().head();
        // Each lock is in the state after its own frame and not after the frame before.
        for first in &firsts {
            let (lock_id, seq) = (first.commitment.lock_id, first.receipt.seq);
            assert!(verifier.held(&client, lock_id, Some(seq)).await);
            assert!(!verifier.held(&client, lock_id, Some(seq - 1)).await);
            assert!(verifier.held(&client, lock_id, None).await);
        }
        (firsts, earlier, verifier)
    });
    system.stop_engine().expect("an engine that is asked to stop stops");
    system.start_engine();
    let client = over_socket(&system.engine_socket()).reading_in_clear_as(owner.clone());
    block_on(async {
        commit_some(&client, &owner, 2).await;
        for first in &firsts {
            is_shown_again(&client, &verifier, first).await;
        }
        let newest = client.checkpoint().await.unwrap();
        let later = *verifier.checkpoint(&newest).unwrap().head();
        let asked = GetConsistencyProof { from: earlier.size, to: None };
        let shown = client.consistency_proof(asked).await.unwrap();
        assert_eq!(verifier.consistency(&shown), Ok((earlier, later)));
        let info = client.engine_info().await.unwrap();
        assert!(info.oldest_root_seq < info.seq && info.recent_roots_max >= 64);
        let lock_id = firsts[0].commitment.lock_id;
        assert!(verifier.held(&client, lock_id, Some(info.oldest_root_seq)).await);
    });
}

#[test]
fn proof_that_does_not_exist_is_refused_by_name() {
    let system = System::start();
    let (client, owner) = owner_at(&system);
    block_on(async {
        let firsts = commit_some(&client, &owner, 1).await;
        let size = client.checkpoint().await.unwrap().size;
        let lock_id = firsts[0].commitment.lock_id;
        let (principal, _) = request_of(&firsts[0].receipt);
        for (key, expected) in [
            (GetReceipt::At(LogPosition { seq: size + 9, index: 0 }), Code::NotInLog),
            (GetReceipt::At(LogPosition { seq: 0, index: 99 }), Code::NotInLog),
            (GetReceipt::Request(principal, RequestId([9; 32])), Code::NotInLog),
            (GetReceipt::Lock(LockId([9; 32])), Code::LockNotFound),
        ] {
            assert_eq!(client.receipt(key).await.unwrap_err().code(), Some(expected), "{key:?}");
        }
        for (from, to) in [(0, None), (2, Some(1)), (1, Some(size + 9)), (size + 9, None)] {
            let refused = client.consistency_proof(GetConsistencyProof { from, to }).await;
            assert_eq!(refused.unwrap_err().code(), Some(Code::NotInLog), "{from} {to:?}");
        }
        let params = GetProof { key: ProofKey::Lock(lock_id), seq: Some(size + 9) };
        let refused = client.proof(params).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::RootNotKept));
    });
}

#[test]
fn each_changed_part_of_a_proof_is_refused_by_name() {
    let system = System::start();
    let (client, owner) = owner_at(&system);
    block_on(async {
        let verifier = Verifier::of(&client).await;
        let firsts = commit_some(&client, &owner, 5).await;
        let good = client.receipt(GetReceipt::Lock(firsts[2].commitment.lock_id)).await.unwrap();
        let other = client.receipt(GetReceipt::Lock(firsts[3].commitment.lock_id)).await.unwrap();
        receipts_are_refused(&verifier, &good, &other);
        let note = client.checkpoint().await.unwrap();
        checkpoints_are_refused(&verifier, &note);
        let asked = GetConsistencyProof { from: 3, to: Some(6) };
        let shown = client.consistency_proof(asked).await.unwrap();
        consistency_is_refused(&verifier, &shown);
    });
}

fn receipts_are_refused(verifier: &Verifier, good: &ReceiptResult, other: &ReceiptResult) {
    assert!(verifier.shown(good).is_ok());
    type Change = fn(&mut ReceiptResult, &ReceiptResult);
    let changes: [(Change, &str); 22] = [
        (|r, _| r.receipt.epoch += 1, "Epoch"),
        (|r, _| r.receipt.seq += 1, "Seq"),
        (|r, _| r.receipt.index += 1, "Index"),
        (|r, _| r.receipt.event.0[9] ^= 1, "Root"),
        (|r, _| r.receipt.salt.0[0] ^= 1, "Root"),
        (|r, _| r.receipt.path.truncate(0), "PathLength"),
        (|r, o| r.receipt.statement_signature = o.receipt.statement_signature, "Signer"),
        (|r, o| r.receipt.leaf = o.receipt.leaf.clone(), "FrameDigest"),
        (|r, _| r.receipt.leaf.0[294] ^= 1, "FrameDigest"),
        (|r, _| r.receipt.leaf.0.truncate(294), "LeafSize"),
        (|r, _| r.receipt.leaf.0.push(0), "LeafSize"),
        (|r, _| r.receipt.history_path[0].0[3] ^= 1, "RootMismatch"),
        (|r, _| r.receipt.history_path.push(r.receipt.salt), "PathLength"),
        (|r, _| r.inclusion.size += 1_000_000, "PathLength"),
        (|r, _| r.inclusion.root.0[0] ^= 1, "RootMismatch"),
        (|r, _| r.inclusion.path[0].0[0] ^= 1, "RootMismatch"),
        (|r, _| r.inclusion.path.truncate(1), "PathLength"),
        (|r, o| r.tlog_proof = o.tlog_proof.clone(), "RootMismatch"),
        (|r, _| r.tlog_proof = r.tlog_proof.replacen("index ", "index 0", 1), "Index"),
        (|r, _| r.tlog_proof = r.tlog_proof.replacen("@v1", "@v2", 1), "Header"),
        (|r, _| r.tlog_proof = r.tlog_proof.replacen('\u{2014}', "-", 1), "SignatureLine"),
        (|r, _| r.tlog_proof.truncate(r.tlog_proof.len() - 1), "NoFinalNewline"),
    ];
    for (at, (change, expected)) in changes.into_iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad, other);
        assert_eq!(verifier.shown(&bad).map(|_| ()), Err(expected), "change {at}");
    }
}

fn checkpoints_are_refused(verifier: &Verifier, good: &CheckpointResult) {
    type Change = fn(&mut CheckpointResult);
    let changes: [(Change, &str); 7] = [
        (|c| c.size += 1, "OtherHead"),
        (|c| c.root.0[0] ^= 1, "OtherHead"),
        (|c| c.checkpoint.insert(0, 'x'), "Origin"),
        (|c| c.checkpoint = c.checkpoint.replacen("\n\n", "\nmore\n\n", 1), "LogSignature"),
        (|c| c.checkpoint.truncate(40), "NoFinalNewline"),
        (|c| c.checkpoint.push_str(&c.checkpoint.clone()), "Lines"),
        (|c| c.statement.history_root.0[0] ^= 1, "Signer"),
    ];
    for (at, (change, expected)) in changes.into_iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(verifier.checkpoint(&bad).map(|_| ()), Err(expected), "change {at}");
    }
}

fn consistency_is_refused(verifier: &Verifier, good: &ConsistencyResult) {
    type Change = fn(&mut ConsistencyResult);
    let changes: [(Change, &str); 7] = [
        (|c| c.from.size = 0, "FromEmpty"),
        (|c| c.from.size = 7, "Shrunk"),
        (|c| c.from.root.0[0] ^= 1, "EarlierRootMismatch"),
        (|c| c.to.root.0[0] ^= 1, "RootMismatch"),
        (|c| c.path.truncate(1), "PathLength"),
        (|c| c.path.push(c.path[0]), "PathLength"),
        (|c| c.path[0].0[0] ^= 1, "EarlierRootMismatch"),
    ];
    for (at, (change, expected)) in changes.into_iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(verifier.consistency(&bad).map(|_| ()), Err(expected), "change {at}");
    }
}
