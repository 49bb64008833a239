//! A solver's flow: many promises at once, retries that change nothing, giving back.
//!
//! ```text
//! cargo run --profile quick -p mortise-dev -- dev          # in one terminal
//! cargo run -p mortise-client --example solver       # in another; MORTISE_URL names the engine
//! ```

use mortise_client::{Client, ClientError, NewLock, Signer};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::errors::Code;
use mortise_format::ids::{Bytes32, LockId};
use mortise_rpc::params::CommitLock;

const LOCKS: u64 = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ClientError> {
    let url = std::env::var("MORTISE_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let client = Client::new(url.parse()?);
    let engine = client.identity().await?;
    let (owner, solver) = (Signer::random(), Signer::random());
    let asset = Asset::native(1);

    // promises for the solver, all on one balance
    let mut lock_ids = Vec::new();
    for i in 1..=LOCKS {
        let lock = NewLock {
            beneficiary: solver.address(),
            ..NewLock::of_one(asset, U256::from(i * 1_000_000), 300, condition(&owner))
        };
        let committed = client.commit(&owner, &lock).await?;
        println!("promise {i}   {}", committed.commitment.lock_id);
        lock_ids.push(committed.commitment.lock_id);
    }
    let balance = client.balance(owner.address(), asset).await?;
    println!("held        {} of {}", balance.held, balance.total);

    // the same bytes again: the same promise, not another one
    let first = client.lock(lock_ids[0]).await?.ok_or(ClientError::LockGone)?;
    let params = signed_again(&client, &owner, &first).await?;
    let once = client.commit_lock(params.clone()).await?;
    let twice = client.commit_lock(params).await?;
    assert_eq!(once, twice, "a repeated request is answered with the same bytes");
    lock_ids.push(once.commitment.lock_id);

    // the owner alone cannot take a promise back; with the solver it can
    let lock_id = lock_ids[0];
    let request = client.new_request().await?;
    let alone = owner.cancel(&engine.engine_id, lock_id, request, None);
    match client.cancel_lock(alone).await {
        Err(e) if e.code() == Some(Code::ConsentRequired) => println!("owner alone {e}"),
        other => println!("unexpected: {other:?}"),
    }
    let request = client.new_request().await?;
    let agreed = solver.cancel_consent(&engine.engine_id, &lock_id, &request);
    let both = owner.cancel(&engine.engine_id, lock_id, request, Some(agreed));
    println!("both        {}", client.cancel_lock(both).await?.status.name());

    // the rest is given back by the solver alone
    for lock_id in &lock_ids[1..] {
        release(&client, &solver, &engine.engine_id, *lock_id).await?;
    }
    let balance = client.balance(owner.address(), asset).await?;
    assert!(balance.held.is_zero(), "nothing is held any more");
    println!("held        {}", balance.held);
    Ok(())
}

async fn release(
    client: &Client,
    solver: &Signer,
    engine_id: &mortise_format::ids::EngineId,
    lock_id: LockId,
) -> Result<(), ClientError> {
    let request = client.new_request().await?;
    let released = client.release_lock(solver.release(engine_id, lock_id, request)).await?;
    println!("released    {lock_id} {}", released.status.name());
    Ok(())
}

/// A second lock like the first one, signed by hand so that its bytes can be sent twice.
async fn signed_again(
    client: &Client,
    owner: &Signer,
    like: &mortise_rpc::results::LockView,
) -> Result<CommitLock, ClientError> {
    let engine = client.identity().await?;
    let terms = mortise_format::lock::LockTerms {
        owner: owner.address(),
        beneficiary: like.beneficiary,
        arbiter: like.arbiter,
        nonce: client.suggest_nonce(owner.address()).await?,
        expires: client.now().await? + 300,
        condition: like.condition.clone(),
        legs: vec![mortise_format::lock::LegTerms { asset: like.asset, amount: like.amount }],
    };
    let request = client.new_request().await?;
    let intent = owner.lock_intent(&engine.engine_id, terms, &Bytes32::ZERO, request);
    Ok(CommitLock { intent })
}

fn condition(owner: &Signer) -> Condition {
    Condition {
        target_chain_id: 8453,
        target_asset: Asset::native(8453),
        target_amount: U256::from(1u64),
        recipient: owner.address(),
        execution_data: None,
    }
}
