//! JSON answers of an engine convert to inputs of the verifier; contradictory ones are refused.

use super::commitment::{promise, sign, terms};
use super::entries::values;
use super::{Log, START_MS, event};
use mortise_format::codec::encode;
use mortise_format::entry::LeafKey;
use mortise_format::ids::{Bytes32, LockId, Root};
use mortise_format::merkle::state::ProofEnd;
use mortise_rpc::HexBytes;
use mortise_rpc::results::{CommitmentView, OtherLeaf, ProofResult, ReceiptView, StatementView};
use mortise_verify::commitment::Expected;
use mortise_verify::json::{
    AnswerError, Claimed, JsonError, answer, commitment, hashes, receipt, state,
};
use mortise_verify::state::{verify_absence, verify_leaf};
use mortise_verify::statement;

fn view(log: &Log) -> ReceiptView {
    let receipt = log.receipt(4, 2);
    ReceiptView {
        epoch: receipt.signed.statement.epoch,
        seq: receipt.signed.statement.seq,
        index: receipt.index,
        event: HexBytes(receipt.event),
        salt: Bytes32(receipt.salt),
        path: receipt.path.into_iter().map(Bytes32).collect(),
        statement: StatementView::from(&receipt.signed.statement),
        statement_signature: receipt.signed.signature,
        leaf: HexBytes(log.frames[4].leaf.clone()),
        history_path: log.path(4, 5).into_iter().map(Bytes32).collect(),
    }
}

#[test]
fn receipt_in_json_verifies() {
    let log = Log::of(1, 5);
    let view = view(&log);
    assert_eq!(receipt(&view), Ok(log.receipt(4, 2)));
    let wrong = |change: fn(&mut ReceiptView)| {
        let mut view = view.clone();
        change(&mut view);
        receipt(&view).unwrap_err()
    };
    assert_eq!(wrong(|v| v.epoch += 1), JsonError::Epoch);
    assert_eq!(wrong(|v| v.seq += 1), JsonError::Seq);
    assert_eq!(wrong(|v| v.statement.seq += 1), JsonError::Seq);
    assert_eq!(wrong(|v| v.statement.time = u64::MAX), JsonError::Time);
}

fn proof_view(log: &Log, key: &LeafKey) -> ProofResult {
    let position = key.position(&log.engine.id);
    let (proof, signed) = (log.tree.prove(&position), &log.frames[0].signed);
    let [value, ..] = values();
    let (present, other) = match proof.end() {
        ProofEnd::Present => (true, None),
        ProofEnd::Empty => (false, None),
        ProofEnd::Other { position, value } => {
            let (position, value_hash) = (Bytes32(position.0), Bytes32(value.0));
            (false, Some(OtherLeaf { position, value_hash }))
        }
    };
    ProofResult {
        present,
        position: Bytes32(position.0),
        value: present.then(|| HexBytes(encode(&value))),
        salt: present.then_some(Bytes32([6; 32])),
        other,
        siblings: proof.siblings().iter().map(|s| Bytes32(*s)).collect(),
        seq: 0,
        state_root: signed.statement.state_root,
        statement: StatementView::from(&signed.statement),
        statement_signature: signed.signature,
    }
}

fn stated_log() -> Log {
    let mut log = Log::new(1);
    let [value, ..] = values();
    for n in 0..20 {
        log.set(&LeafKey::Lock(LockId([n; 32])), &value, &[6; 32]);
    }
    log.push(START_MS, &[event(0)]);
    log
}

#[test]
fn proofs_in_json_verify_as_presence_or_absence() {
    let log = stated_log();
    for n in 0..40 {
        let key = LeafKey::Lock(LockId([n; 32]));
        let answer = state(&proof_view(&log, &key), &key).unwrap();
        let stated = statement::verify(&log.engine, &answer.signed).unwrap();
        match answer.claimed {
            Claimed::Present { value, salt } => {
                assert!(n < 20 && verify_leaf(&stated, &key, &value, &salt, &answer.proof).is_ok());
            }
            Claimed::Absent => {
                assert!(n >= 20 && verify_absence(&stated, &key, &answer.proof).is_ok());
            }
        }
    }
}

#[test]
fn contradictory_proofs_are_refused_by_name() {
    let (log, key) = (stated_log(), LeafKey::Lock(LockId([3; 32])));
    let wrong = |change: fn(&mut ProofResult)| {
        let mut view = proof_view(&log, &key);
        change(&mut view);
        state(&view, &key).unwrap_err()
    };
    assert_eq!(wrong(|v| v.seq += 1), JsonError::Seq);
    assert_eq!(wrong(|v| v.state_root = Root::ZERO), JsonError::StateRoot);
    assert_eq!(wrong(|v| v.position.0[0] ^= 1), JsonError::TreeKey);
    assert_eq!(wrong(|v| v.present = false), JsonError::Mixed);
    assert_eq!(wrong(|v| v.value = None), JsonError::Mixed);
    assert_eq!(wrong(|v| v.salt = None), JsonError::Mixed);
    let other = OtherLeaf { position: Bytes32::ZERO, value_hash: Bytes32::ZERO };
    let mut mixed = proof_view(&log, &key);
    mixed.other = Some(other);
    assert_eq!(state(&mixed, &key), Err(JsonError::Mixed));
    let long = wrong(|v| v.siblings.resize(257, Bytes32::ZERO));
    assert!(matches!(long, JsonError::Proof(_)));
    let asked = LeafKey::Lock(LockId([4; 32]));
    assert_eq!(state(&proof_view(&log, &key), &asked), Err(JsonError::TreeKey));
}

#[test]
fn commitment_in_json_verifies_and_a_contradictory_one_is_refused() {
    let (log, terms) = (Log::of(1, 3), terms());
    let signed = sign(&log, promise(&log, &terms, 2, 1));
    let (promise, id) = (&signed.commitment, &log.engine.id);
    let view = CommitmentView::new(id, None, &terms, promise, signed.signature);
    let input = commitment(&view, id).unwrap();
    assert_eq!(input, signed);
    let verified =
        mortise_verify::commitment::verify(&log.engine, &input, &Expected::terms(&terms));
    assert!(verified.is_ok());
    let wrong = |change: fn(&mut CommitmentView)| {
        let mut view = view.clone();
        change(&mut view);
        commitment(&view, id)
    };
    assert_eq!(wrong(|v| v.settlement_deadline += 1), Err(JsonError::Commitment));
    assert_eq!(wrong(|v| v.locked_amount = Default::default()), Err(JsonError::Commitment));
    assert_eq!(wrong(|v| v.ccm_attestation.timestamp += 1), Err(JsonError::Commitment));
    assert_eq!(wrong(|v| v.ccm_attestation.enclave_id.0[0] ^= 1), Err(JsonError::Commitment));
    assert_eq!(wrong(|v| v.ccm_attestation.commitment_hash.0[0] ^= 1), Err(JsonError::Commitment));
    assert_eq!(wrong(|v| v.claim_by += 1), Err(JsonError::Commitment));
}

#[test]
fn answer_is_read_with_or_without_its_envelope() {
    let view = view(&Log::of(1, 5));
    let bare = serde_json::to_string(&view).unwrap();
    let enveloped = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{bare}}}");
    for text in [&bare, &enveloped] {
        assert_eq!(answer(text.as_bytes()), Ok(view.clone()));
    }
    let read = |text: &str| answer::<ReceiptView>(text.as_bytes()).unwrap_err();
    assert_eq!(read("{"), AnswerError::Json);
    assert_eq!(read("{\"a\":1,\"a\":2}"), AnswerError::Json);
    assert_eq!(read("{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32001}}"), AnswerError::Refused);
    assert_eq!(read("{}"), AnswerError::Form);
    assert_eq!(read(&bare.replace("\"salt\":\"0x", "\"salt\":\"0x00")), AnswerError::Form);
    let statement = statement::verify(
        &Log::of(1, 5).engine,
        &mortise_verify::json::statement(&view.statement, view.statement_signature).unwrap(),
    );
    let (statement, path) = (statement.unwrap(), hashes(&view.history_path));
    let head = statement.head();
    assert!(mortise_verify::receipt::verify_frame(&statement, &view.leaf.0, &path, &head).is_ok());
}
