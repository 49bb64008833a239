//! Commits one lock through the machine. Its promise must carry the insecure mode, because the
//! security module is emulated.

use super::report::LockFigures;
use mortise_cli::failure::Failure;
use mortise_client::{Client, NewLock, Signer};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::insecure_mode::InsecureMode;
use std::time::Instant;

/// The insecure mode of every promise of an engine on an emulated module.
const MODE: InsecureMode = InsecureMode::Emulated;
/// Lifetime of the lock, seconds.
const LOCK_S: u64 = 300;

/// Commits a lock over the gateway and reads it back; the client checks the commitment.
pub(super) async fn commit(url: &str) -> Result<LockFigures, Failure> {
    let endpoint = url.parse().map_err(|error| Failure::system(format!("{url}: {error}")))?;
    let client = Client::new(endpoint).allow_insecure(MODE);
    let policy = client.policy().await?.policy;
    let chains: Vec<u64> = policy.chains.iter().map(|chain| chain.chain_id).collect();
    let (source, target) = (chains.first().copied(), chains.last().copied());
    let (Some(source), Some(target)) = (source, target) else {
        return Err(Failure::check("the policy of this engine serves no chain"));
    };
    let owner = Signer::random();
    let condition = Condition {
        target_chain_id: target,
        target_asset: Asset::native(target),
        target_amount: U256::from(990u64),
        recipient: owner.address(),
        execution_data: None,
    };
    let lock = NewLock::of_one(Asset::native(source), U256::from(1000u64), LOCK_S, condition);
    // connect before the clock starts
    client.suggest_nonce(owner.address()).await?;
    let begun = Instant::now();
    let committed = client.commit(&owner, &lock).await?;
    let commit_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let (lock_id, mode) = (committed.commitment.lock_id, committed.commitment.ccm_attestation.mode);
    if mode != Some(MODE) {
        return Err(Failure::check(format!(
            "the promise of {lock_id} does not carry the mode {MODE}"
        )));
    }
    match client.lock(lock_id).await? {
        Some(_) => Ok(LockFigures { lock_id, mode: MODE, commit_ms }),
        None => Err(Failure::check(format!("the engine committed {lock_id} but does not list it"))),
    }
}
