//! Each method has one typed call, over the socket and over HTTP.

use super::{block_on, condition, new_lock, over_http, over_socket};
use mortise_client::{Client, ClientError, Signer};
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::eip712::Claim;
use mortise_format::errors::Code;
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::ids::{Bytes32, LockId};
use mortise_format::lock::{LegTerms, LockTerms, Status};
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_rpc::params::{
    CommitBatch, CommitLock, CreateLock, Expiry, FulfillmentProof, GetBootAttestation, GetProof,
    GetStateRoot, ListLocks, ProofKey, SignLock, SimulateLock, SubmitChainFact, VerifyFulfillment,
};
use mortise_rpc::results::{LockStatus, StateRootResult};
use mortise_testkit::keys::{Party, TestSigner};
use mortise_testkit::system::parties::now_s;
use mortise_testkit::system::{ESCROW_CHAIN, System};
use std::process::Command;
use std::time::Duration;

/// A client over the socket and one over HTTP.
fn over_both(calls: impl AsyncFn(&Client)) {
    let system = System::start();
    for client in [over_socket(&system.engine_socket()), over_http(&system)] {
        block_on(calls(&client));
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Option<Code> {
    result.expect_err("a refusal was expected").code()
}

#[test]
fn every_method_reports_the_same_engine_identity() {
    over_both(async |client| {
        let identity = client.identity().await.unwrap();
        let health = client.health().await.unwrap();
        assert_eq!((health.enclave_id, health.public_key), (identity.engine_id, identity.address));
        assert_eq!((health.status.as_str(), health.phase.as_str()), ("healthy", "ready"));
        assert_eq!(client.enclave_id().await.unwrap(), identity.engine_id);
        assert_eq!(client.enclave_public_key().await.unwrap(), identity.address);
        assert_eq!(client.check_identity().await.unwrap(), identity);
        let info = client.engine_info().await.unwrap();
        assert_eq!((info.engine_id, info.address), (identity.engine_id, identity.address));
        let boot = client.boot_attestation(GetBootAttestation { nonce: None }).await.unwrap();
        assert_eq!((boot.enclave_id, boot.mode.as_str()), (identity.engine_id, "unattested"));
        assert!(boot.pcrs.is_empty() && boot.aws_attestation_document.0.is_empty());
        let policy = client.policy().await.unwrap();
        assert_eq!(policy.policy_hash, info.policy_hash);
    });
}

#[test]
fn lock_is_simulated_committed_read_proven_extended_and_claimed() {
    over_both(async |client| {
        let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
        let engine = client.identity().await.unwrap();
        let asset = Asset::native(1);
        let asked = SimulateLock {
            owner: owner.address(),
            beneficiary: Some(solver.address()),
            arbiter: Some(arbiter.address()),
            legs: vec![LegTerms { asset, amount: U256::from(1000u64) }],
            nonce: None,
            expiry: Expiry::In(600),
            condition: condition(&owner),
        };
        let simulated = client.simulate(asked.clone()).await.unwrap();
        assert!(simulated.ok && simulated.failures.is_empty(), "{simulated:?}");
        let wrong = SimulateLock { expiry: Expiry::In(1), ..asked };
        let failures = client.simulate(wrong).await.unwrap().failures;
        assert_eq!(failures[0].entry(), Some(Code::ExpiryWindow));

        let lock = new_lock(&owner, &solver, &arbiter, 1000);
        let committed = client.commit(&owner, &lock).await.unwrap();
        let lock_id = committed.commitment.lock_id;
        let found = client.lock(lock_id).await.unwrap().expect("it is in the state");
        assert_eq!((found.status, found.amount), (Status::Active.into(), U256::from(1000u64)));
        assert_eq!(
            client.active_locks(owner.address()).await.unwrap(),
            std::slice::from_ref(&found)
        );
        let listed = ListLocks { owner: Some(owner.address()), limit: 9, ..ListLocks::default() };
        assert_eq!(client.list_locks(listed).await.unwrap().locks, [found]);
        let balance = client.balance(owner.address(), asset).await.unwrap();
        let locked = client.locked_balance(owner.address(), asset).await.unwrap();
        assert_eq!((balance.held, locked.locked), (U256::from(1000u64), U256::from(1000u64)));
        assert_eq!(balance.total.checked_sub(balance.available), Some(balance.held));
        let proof =
            client.proof(GetProof { key: ProofKey::Lock(lock_id), seq: None }).await.unwrap();
        assert!(proof.present && proof.state_root == proof.statement.state_root);
        let absent = GetProof { key: ProofKey::Lock(LockId([9; 32])), seq: None };
        assert!(!client.proof(absent).await.unwrap().present);

        let expires = committed.commitment.expires_at + 60;
        let request = client.new_request().await.unwrap();
        let extend = owner.extend(&engine.engine_id, lock_id, expires, request);
        let extended = client.extend_lock(extend).await.unwrap();
        assert_eq!(
            (extended.commitment.lock_id, extended.commitment.expires_at),
            (lock_id, expires)
        );
        for (claim_index, amount, status) in
            [(0, 400, Status::Partial), (1, 600, Status::Fulfilled)]
        {
            let claim = Claim {
                lock_id,
                claim_index,
                claimant: solver.address(),
                amounts: vec![U256::from(amount as u64)],
                evidence: Bytes32::ZERO,
                request: client.new_request().await.unwrap(),
            };
            let claimed = client.claim_lock(arbiter.claim(&engine.engine_id, claim)).await.unwrap();
            assert_eq!(claimed.status, status.into());
        }
        let waited = Duration::from_secs(5);
        let ended = client.wait_for_status(lock_id, Status::Fulfilled.into(), waited).await;
        assert_eq!(ended.unwrap().claim_index, 2);
    });
}

#[test]
fn lock_is_released_by_its_beneficiary_or_cancelled_by_both() {
    over_both(async |client| {
        let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
        let engine = client.identity().await.unwrap().engine_id;
        let lock = new_lock(&owner, &solver, &arbiter, 10);
        let first = client.commit(&owner, &lock).await.unwrap().commitment.lock_id;
        let second = client.commit(&owner, &lock).await.unwrap().commitment.lock_id;
        let request = client.new_request().await.unwrap();
        let released = client.release_lock(solver.release(&engine, first, request)).await.unwrap();
        assert_eq!(released.status, Status::Released.into());
        let request = client.new_request().await.unwrap();
        let alone = owner.cancel(&engine, second, request, None);
        assert_eq!(code(client.cancel_lock(alone).await), Some(Code::ConsentRequired));
        let request = client.new_request().await.unwrap();
        let agreed = solver.cancel_consent(&engine, &second, &request);
        let both = owner.cancel(&engine, second, request, Some(agreed));
        let cancelled = client.cancel_lock(both).await.unwrap();
        assert_eq!(cancelled.status, Status::Cancelled.into());
        let request = client.new_request().await.unwrap();
        let late = solver.release(&engine, second, request);
        assert_eq!(code(client.release_lock(late).await), Some(Code::AlreadyTerminal));
        let waited = client.wait_for_status(first, Status::Fulfilled.into(), Duration::ZERO).await;
        assert!(matches!(waited, Err(ClientError::EndedOtherwise { .. })), "{waited:?}");
        let gone = client.wait_for_status(LockId([9; 32]), Status::Active.into(), Duration::ZERO);
        assert!(matches!(gone.await, Err(ClientError::LockGone)));
    });
}

#[test]
fn draft_is_created_and_signed_and_a_wrong_proof_for_it_is_refused() {
    over_both(async |client| {
        let owner = Signer::random();
        let create = CreateLock {
            owner: owner.address(),
            session_key: None,
            asset: Asset::native(1),
            amount: U256::from(50u64),
            expires_in: 600,
            condition: condition(&owner),
            request_id: None,
        };
        let made = client.create_lock(create.clone()).await.unwrap();
        assert_eq!(made.lock.status, LockStatus::Pending);
        let terms = create.terms(made.lock.nonce, made.lock.expires_at);
        let signature = owner.lock_approval(&made.lock.id, &terms).unwrap();
        let params = SignLock { lock_id: made.lock.id, signature, terms: None };
        let signed = client.sign_lock(params.clone(), &terms).await.unwrap();
        assert_eq!(signed.status, Status::Active.into());
        assert_eq!(client.sign_lock(params, &terms).await.unwrap(), signed);
        let fulfillment_proof = FulfillmentProof {
            transaction_hash: Bytes32([1; 32]),
            block_number: 1,
            block_hash: Bytes32([2; 32]),
            log_index: 0,
            merkle_proof: None,
        };
        let fulfil = VerifyFulfillment { lock_id: made.lock.id, fulfillment_proof };
        assert_eq!(code(client.verify_fulfillment(fulfil).await), Some(Code::ProofInvalid));
        // The owner alone can drop a draft.
        let other = client.create_lock(create).await.unwrap().lock.id;
        let engine = client.identity().await.unwrap().engine_id;
        let request = client.new_request().await.unwrap();
        let dropped =
            client.cancel_lock(owner.cancel(&engine, other, request, None)).await.unwrap();
        assert_eq!(dropped.status, Status::Cancelled.into());
    });
}

#[test]
fn batch_is_granted_whole_or_not_at_all() {
    over_both(async |client| {
        let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
        let engine = client.identity().await.unwrap().engine_id;
        let now = client.now().await.unwrap();
        let hour = hour_at(now);
        let terms = |nonce, amount| LockTerms {
            owner: owner.address(),
            beneficiary: solver.address(),
            arbiter: arbiter.address(),
            nonce: nonce_of(hour, nonce),
            expires: now + 600,
            condition: condition(&owner),
            legs: vec![LegTerms { asset: Asset::native(1), amount }],
        };
        let batch = async |amounts: [U256; 2], first: u32| {
            let locks = [terms(first, amounts[0]), terms(first + 1, amounts[1])];
            let ids = locks.iter().map(|l| l.lock_id(&engine)).collect::<Vec<_>>();
            let hash = mortise_format::eip712::batch_hash(&ids);
            let mut intents = Vec::new();
            for lock in locks {
                let request = client.new_request().await.unwrap();
                intents.push(owner.lock_intent(&engine, lock, &hash, request));
            }
            CommitBatch { intents }
        };
        let too_much = batch([U256::from(5u64), U256::MAX], 0).await;
        assert_eq!(code(client.commit_batch(too_much).await), Some(Code::Limit));
        assert!(client.active_locks(owner.address()).await.unwrap().is_empty());
        let fits = batch([U256::from(5u64), U256::from(6u64)], 0).await;
        let granted = client.commit_batch(fits.clone()).await.unwrap();
        assert_eq!(granted.commitments.len(), 2);
        assert_eq!(client.commit_batch(fits.clone()).await.unwrap(), granted);
        let alone = CommitLock { intent: fits.intents[0].clone() };
        assert!(code(client.commit_lock(alone).await).is_some(), "a part of a batch is no lock");
        assert_eq!(client.suggest_nonce(owner.address()).await.unwrap(), nonce_of(hour, 2));
    });
}

#[test]
fn fact_signed_by_the_observers_backs_an_escrow_lock() {
    let system = System::start();
    let client = over_socket(&system.engine_socket());
    block_on(async {
        let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
        let engine = client.identity().await.unwrap().engine_id;
        let asset = Asset::native(ESCROW_CHAIN);
        let mut lock = new_lock(&owner, &solver, &arbiter, 70);
        lock.legs[0].asset = asset;
        assert!(client.commit(&owner, &lock).await.is_err(), "nothing is known of the balance");
        let fact = BalanceFact {
            asset,
            account: owner.address(),
            head_number: 1,
            head_hash: Bytes32([1; 32]),
            head_time: now_s(),
            balance: U256::from(100u64),
            withdrawing: U256::ZERO,
            withdrawal: Withdrawal::None,
        };
        let asked = TestSigner::new(engine).fact(&[Party::ObserverA, Party::ObserverC], &fact);
        let mortise_format::command::Command::RecordFact { fact, signatures } = asked.command
        else {
            panic!("a fact is recorded")
        };
        let one = SubmitChainFact { fact, signatures: signatures[..1].to_vec() };
        assert!(code(client.submit_chain_fact(one).await).is_some(), "one observer is not enough");
        client.submit_chain_fact(SubmitChainFact { fact, signatures }).await.unwrap();
        client.commit(&owner, &lock).await.unwrap();
        let balance = client.balance(owner.address(), asset).await.unwrap();
        assert_eq!((balance.total, balance.available), (U256::from(100u64), U256::from(30u64)));
        let again = client.commit(&owner, &lock).await;
        assert_eq!(code(again), Some(Code::InsufficientAvailable));
        assert_eq!(client.cleanup_expired_locks().await.unwrap().cleaned, 0);
    });
}

#[test]
fn statements_are_checked_kept_and_returned_again() {
    over_both(async |client| {
        let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
        client.commit(&owner, &new_lock(&owner, &solver, &arbiter, 10)).await.unwrap();
        let newest = client.check_root().await.unwrap();
        assert_eq!(client.last_statement(), Some(newest.clone()));
        let bare = GetStateRoot { at_seq: None, signed: false };
        let StateRootResult::Root(root) = client.state_root(bare).await.unwrap() else {
            panic!("a bare root was asked for")
        };
        assert_eq!(root, newest.statement.state_root);
        let first = GetStateRoot { at_seq: Some(0), signed: true };
        let StateRootResult::Signed { statement, .. } = client.state_root(first).await.unwrap()
        else {
            panic!("a statement was asked for")
        };
        assert_eq!((statement.seq, statement.history_size), (0, 1));
        let beyond = GetStateRoot { at_seq: Some(newest.statement.seq + 1000), signed: true };
        assert_eq!(code(client.state_root(beyond).await), Some(Code::InvalidParams));
    });
}

fn runs(program: &str, url: &str) -> String {
    let ran = Command::new(program).env("MORTISE_URL", url).output().expect("the example starts");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{text}\n{}", String::from_utf8_lossy(&ran.stderr));
    text
}

#[test]
fn examples_run() {
    let system = System::start();
    let http = format!("http://{}", system.http());
    let unix = format!("unix:{}", system.engine_socket().display());
    for url in [http, unix] {
        let swap = runs(env!("CARGO_BIN_EXE_example-swap"), &url);
        assert!(swap.contains("claimed     FULFILLED"), "{swap}");
        let solver = runs(env!("CARGO_BIN_EXE_example-solver"), &url);
        assert!(solver.contains("both        CANCELLED"), "{solver}");
        assert!(solver.contains("held        0\n"), "{solver}");
    }
}
