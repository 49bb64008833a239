//! Many locks, that they are still there, and that they bind no one: the machine's module is an
//! emulator's.

use crate::booted::text;
use mortise_client::{Client, ClientError, Endpoint, NewLock, SignedStatementView, Signer, check};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::ids::{Bytes32, LockId};
use mortise_format::insecure_mode::InsecureMode;
use mortise_rpc::params::GetStateRoot;
use mortise_rpc::results::StateRootResult;
use tokio::task::JoinSet;

/// Connections that commit at once.
const CONNECTIONS: u32 = 8;
/// Locks of one owner: below the limit of the policy.
const LOCKS_PER_OWNER: u32 = 16;
/// How long a lock lives, seconds: longer than a run.
const LOCK_S: u64 = 1800;
/// What every promise of the machine is marked as.
const MARK: InsecureMode = InsecureMode::Emulated;

/// What was promised.
pub struct Promised {
    /// Every lock.
    pub locks: Vec<LockId>,
    /// The newest statement after them.
    pub newest: SignedStatementView,
}

/// Commits so many locks; the client checks each commitment.
pub async fn commit(at: &Endpoint, count: u32) -> Result<Promised, String> {
    let mut tasks = JoinSet::new();
    for n in 0..CONNECTIONS {
        let own = count / CONNECTIONS + u32::from(n < count % CONNECTIONS);
        let client = Client::new(at.clone()).allow_insecure(MARK);
        tasks.spawn(async move { commit_some(&client, own).await });
    }
    let mut locks = Vec::new();
    while let Some(done) = tasks.join_next().await {
        locks.extend(done.map_err(text)??);
    }
    let newest = Client::new(at.clone()).check_root().await.map_err(text)?;
    Ok(Promised { locks, newest })
}

async fn commit_some(client: &Client, count: u32) -> Result<Vec<LockId>, String> {
    let (mut owner, mut locks) = (Signer::random(), Vec::new());
    for n in 0..count {
        if n % LOCKS_PER_OWNER == 0 {
            owner = Signer::random();
        }
        let committed = client.commit(&owner, &lock_of(&owner)).await.map_err(text)?;
        match committed.commitment.ccm_attestation.mode {
            Some(MARK) => locks.push(committed.commitment.lock_id),
            other => return Err(format!("a promise marked {MARK} expected, not {other:?}")),
        }
    }
    Ok(locks)
}

fn lock_of(owner: &Signer) -> NewLock {
    let condition = Condition {
        target_chain_id: 10,
        target_asset: Asset::native(10),
        target_amount: U256::from(990u64),
        recipient: owner.address(),
        execution_data: None,
    };
    NewLock::of_one(Asset::native(1), U256::from(1000u64), LOCK_S, condition)
}

/// A promise of the machine is refused by whoever does not take its mark by name, and without the
/// mark it is nobody's.
pub async fn binds_no_one(at: &Endpoint) -> Result<(), String> {
    let owner = Signer::random();
    let strict = Client::new(at.clone()).commit(&owner, &lock_of(&owner)).await;
    match strict {
        Err(ClientError::Check(refused))
            if refused.to_string().contains("does not bind the engine") => {}
        other => return Err(format!("a marked promise was not refused: {other:?}")),
    }
    let client = Client::new(at.clone()).allow_insecure(MARK);
    let identity = client.identity().await.map_err(text)?;
    let mut promise = client.commit(&owner, &lock_of(&owner)).await.map_err(text)?.commitment;
    promise.ccm_attestation.mode = None;
    let digest = promise.digest(&identity.engine_id);
    if check::promise(&identity, &promise).is_ok() {
        return Err("a promise whose mark was cut out was believed".into());
    }
    promise.ccm_attestation.commitment_hash = Bytes32(digest.0);
    match check::promise(&identity, &promise) {
        Err(check::CheckError::Commitment(_)) => Ok(()),
        other => Err(format!("a mark was cut out, hash and all, and: {other:?}")),
    }
}

/// That an engine has what was promised: the same statement about the same frame, and the locks.
pub async fn kept(at: &Endpoint, promised: &Promised, sample: usize) -> Result<(), String> {
    let client = Client::new(at.clone());
    let seq = promised.newest.statement.seq;
    let params = GetStateRoot { at_seq: Some(seq), signed: true };
    let again = match client.state_root(params).await.map_err(text)? {
        StateRootResult::Signed { statement, signature } => {
            SignedStatementView { statement: *statement, signature }
        }
        other => return Err(format!("a root without its statement: {other:?}")),
    };
    if again != promised.newest {
        let (kept, found) = (promised.newest.statement.state_root, again.statement.state_root);
        return Err(format!("frame {seq} had root {kept}, now another statement: {found}"));
    }
    let step = (promised.locks.len() / sample.max(1)).max(1);
    for lock_id in promised.locks.iter().step_by(step) {
        if client.lock(*lock_id).await.map_err(text)?.is_none() {
            return Err(format!("{lock_id} is gone"));
        }
    }
    Ok(())
}
