//! Goal: the receipts, commitments and state proofs that an engine answers as JSON verify offline
//! with `mortise_verify` alone, and each changed field is refused.
//!
//! Method: the answers of a real system, over a socket.

use super::{block_on, new_lock, over_socket};
use mortise_client::verdict::of_promise;
use mortise_client::{Client, Identity, Signer};
use mortise_format::entry::{LeafKey, LeafValue};
use mortise_format::event::Event;
use mortise_format::ids::LockId;
use mortise_format::lock::{Custody, Durability, Status};
use mortise_rpc::params::{GetProof, ProofKey};
use mortise_rpc::results::ReceiptView;
use mortise_testkit::system::System;
use mortise_verify::commitment::{Expected, VerifiedCommitment};
use mortise_verify::json::{self, Claimed};
use mortise_verify::receipt::VerifiedReceipt;
use mortise_verify::verdict::{Claim, Outcome, Tie};
use mortise_verify::{Engine, commitment, fork, receipt, state, statement};

fn verify_receipt(engine: &Engine, view: &ReceiptView) -> Option<VerifiedReceipt> {
    receipt::verify(engine, &json::receipt(view).ok()?).ok()
}

#[test]
fn answers_of_a_running_engine_verify_offline() {
    let system = System::start();
    let client = over_socket(&system.engine_socket());
    block_on(async {
        let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
        let identity = client.identity().await.unwrap();
        let engine = Engine { id: identity.engine_id, address: identity.address };
        let mut receipts = Vec::new();
        for amount in 1..=12 {
            let lock = new_lock(&owner, &solver, &arbiter, amount);
            let answer = client.commit(&owner, &lock).await.unwrap();
            let verified = verify_receipt(&engine, &answer.receipt).expect("the receipt is good");
            let granted = |event: &Event| match event {
                Event::LocksGranted { locks, .. } => locks[0].lock_id,
                other => panic!("{other:?}"),
            };
            assert_eq!(granted(verified.event()), answer.commitment.lock_id);
            let promised = json::commitment(&answer.commitment, &engine.id).unwrap();
            let terms = answer.commitment.terms();
            let expected = Expected {
                custody: Some(Custody::Open),
                durability: Some(Durability::Stored),
                ..Expected::terms(&terms)
            };
            let promise = commitment::verify(&engine, &promised, &expected).unwrap();
            assert!(promise.is_in(&verified));
            let other = receipts.last().map(|(_, other)| other);
            verdict_is_of_this_event(&client, &identity, &promise, (&verified, other));
            receipts.push((answer.receipt, verified));
        }
        for (_, a) in &receipts {
            assert!(
                receipts.iter().all(|(_, b)| fork::between(a.statement(), b.statement()).is_none())
            );
        }
        every_changed_field_is_refused(&engine, &receipts[5].0);
        let Event::LocksGranted { locks, .. } = receipts[0].1.event() else { unreachable!() };
        let held = GetProof { key: ProofKey::Lock(locks[0].lock_id), seq: None };
        let (key, view) = (LeafKey::Lock(locks[0].lock_id), client.proof(held).await.unwrap());
        let answer = json::state(&view, &key).unwrap();
        let stated = statement::verify(&engine, &answer.signed).unwrap();
        let Claimed::Present { value, salt } = answer.claimed else { panic!("it is held") };
        let leaf = state::verify_leaf(&stated, &key, &value, &salt, &answer.proof).unwrap();
        assert!(matches!(leaf.value(), LeafValue::Lock { status: Status::Active, .. }));
        let unknown = LockId([9; 32]);
        let absent = GetProof { key: ProofKey::Lock(unknown), seq: None };
        let (key, view) = (LeafKey::Lock(unknown), client.proof(absent).await.unwrap());
        let answer = json::state(&view, &key).unwrap();
        let stated = statement::verify(&engine, &answer.signed).unwrap();
        assert_eq!(answer.claimed, Claimed::Absent);
        assert!(state::verify_absence(&stated, &key, &answer.proof).is_ok());
    });
}

/// Goal: the client's verdict names how the engine is tied, and takes no receipt of another event.
fn verdict_is_of_this_event(
    client: &Client,
    identity: &Identity,
    promise: &VerifiedCommitment,
    (own, other): (&VerifiedReceipt, Option<&VerifiedReceipt>),
) {
    let verdict = |tie, receipt| of_promise(identity, tie, promise, receipt);
    let good = verdict(client.tie(), Some(own));
    assert_eq!((good.outcome(), good.identity().tie), (Outcome::Proven, Tie::FirstUse));
    assert!(good.has(Claim::Promise) && good.has(Claim::InLog));
    assert!(good.first_line().contains("(taken at first use) promised to hold lock 0x"));
    let alone = verdict(Tie::Pinned, None);
    assert!(alone.outcome() == Outcome::Proven && !alone.has(Claim::InLog));
    if let Some(other) = other {
        assert_eq!(verdict(Tie::Pinned, Some(other)).outcome(), Outcome::NotProven);
    }
}

fn every_changed_field_is_refused(engine: &Engine, good: &ReceiptView) {
    type Change = fn(&mut ReceiptView);
    let changes: [Change; 16] = [
        |r| r.epoch += 1,
        |r| r.seq += 1,
        |r| r.index += 1,
        |r| r.event.0[5] ^= 1,
        |r| r.event.0.push(0),
        |r| r.salt.0[0] ^= 1,
        |r| r.path.push(r.salt),
        |r| r.statement.engine_id.0[0] ^= 1,
        |r| r.statement.time += 1,
        |r| r.statement.frame_digest.0[0] ^= 1,
        |r| r.statement.event_root.0[0] ^= 1,
        |r| r.statement.event_count += 1,
        |r| r.statement.state_root.0[0] ^= 1,
        |r| r.statement.history_root.0[0] ^= 1,
        |r| r.statement.policy_hash.0[0] ^= 1,
        |r| r.statement_signature.0[7] ^= 1,
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(verify_receipt(engine, &bad).is_none(), "change {at}");
    }
}
