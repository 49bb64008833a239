//! A cross-chain swap: an owner locks on one chain, a solver fills on another, an arbiter claims.
//!
//! ```text
//! cargo run --profile quick -p mortise-dev -- dev          # in one terminal
//! cargo run -p mortise-client --example swap         # in another; MORTISE_URL names the engine
//! ```
//! Every answer is checked offline by the client; the fill itself happens outside Mortise.

use mortise_client::{Client, ClientError, NewLock, Signer};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::eip712::Claim;
use mortise_format::ids::{Address, Bytes32};
use mortise_format::lock::Status;
use std::time::Duration;

const USDC_ON_ETHEREUM: &str = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ClientError> {
    let url = std::env::var("MORTISE_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let client = Client::new(url.parse()?);
    let engine = client.identity().await?;
    println!("engine      {} signs as {}", engine.engine_id, engine.address);

    let (owner, solver, arbiter) = (Signer::random(), Signer::random(), Signer::random());
    let lock = NewLock {
        beneficiary: solver.address(),
        arbiter: arbiter.address(),
        ..NewLock::of_one(usdc(), U256::from(1_000_000_000u64), 300, half_an_ether_to(&owner))
    };

    // the owner agrees; the solver holds a promise that it can check without a server
    let committed = client.commit(&owner, &lock).await?;
    let lock_id = committed.commitment.lock_id;
    mortise_client::check::promise(&engine, &committed.commitment)?;
    println!(
        "committed   {lock_id} in frame {}, claim by {}",
        committed.seq, committed.commitment.claim_by
    );

    // the solver fills on Arbitrum; the arbiter saw the fill and says who is to be paid
    let claim = Claim {
        lock_id,
        claim_index: 0,
        claimant: solver.address(),
        amounts: vec![committed.commitment.locked_amount],
        evidence: Bytes32::ZERO,
        request: client.new_request().await?,
    };
    let claimed = client.claim_lock(arbiter.claim(&engine.engine_id, claim)).await?;
    println!("claimed     {} by {}", claimed.status.name(), claimed.outcome.claimant);

    let wait_max = Duration::from_secs(10);
    let lock = client.wait_for_status(lock_id, Status::Fulfilled.into(), wait_max).await?;
    println!(
        "lock        {} until settled, at the latest {:?}",
        lock.status.name(),
        lock.settle_by
    );
    let root = client.check_root().await?;
    println!("state root  {} after frame {}", root.statement.state_root, root.statement.seq);
    Ok(())
}

fn usdc() -> Asset {
    Asset::erc20(1, Address::parse(USDC_ON_ETHEREUM).expect("the constant is an address"))
}

fn half_an_ether_to(owner: &Signer) -> Condition {
    Condition {
        target_chain_id: 42161,
        target_asset: Asset::native(42161),
        target_amount: U256::from(500_000_000_000_000_000u64),
        recipient: owner.address(),
        execution_data: None,
    }
}
