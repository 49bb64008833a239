//! Commits many locks, checks that they survive, and that commitments of this insecure mode are
//! refused unless the client allows it.

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
/// The insecure mode in every commitment of the machine.
const MODE: InsecureMode = InsecureMode::Emulated;

/// The commitments of an engine.
pub struct Committed {
    /// The id of every lock.
    pub locks: Vec<LockId>,
    /// The newest statement after them.
    pub newest: SignedStatementView,
}

/// Commits `count` locks; the client verifies each commitment.
pub async fn commit(at: &Endpoint, count: u32) -> Result<Committed, String> {
    let mut tasks = JoinSet::new();
    for n in 0..CONNECTIONS {
        let own = count / CONNECTIONS + u32::from(n < count % CONNECTIONS);
        let client = Client::new(at.clone()).allow_insecure(MODE);
        tasks.spawn(async move { commit_some(&client, own).await });
    }
    let mut locks = Vec::new();
    while let Some(done) = tasks.join_next().await {
        locks.extend(done.map_err(text)??);
    }
    let newest = Client::new(at.clone()).check_root().await.map_err(text)?;
    Ok(Committed { locks, newest })
}

async fn commit_some(client: &Client, count: u32) -> Result<Vec<LockId>, String> {
    let (mut owner, mut locks) = (Signer::random(), Vec::new());
    for n in 0..count {
        if n % LOCKS_PER_OWNER == 0 {
            owner = Signer::random();
        }
        let committed = client.commit(&owner, &lock_of(&owner)).await.map_err(text)?;
        match committed.commitment.ccm_attestation.mode {
            Some(MODE) => locks.push(committed.commitment.lock_id),
            other => return Err(format!("a commitment in mode {MODE} expected, not {other:?}")),
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

/// A client that does not allow the mode refuses the commitment, and without the mode the signature
/// is invalid.
pub async fn insecure_commitment_is_refused(at: &Endpoint) -> Result<(), String> {
    let owner = Signer::random();
    let strict = Client::new(at.clone()).commit(&owner, &lock_of(&owner)).await;
    match strict {
        Err(ClientError::Check(refused))
            if refused.to_string().contains("does not bind the engine") => {}
        other => {
            return Err(format!("a commitment in an insecure mode was not refused: {other:?}"));
        }
    }
    let client = Client::new(at.clone()).allow_insecure(MODE);
    let identity = client.identity().await.map_err(text)?;
    let mut commitment = client.commit(&owner, &lock_of(&owner)).await.map_err(text)?.commitment;
    commitment.ccm_attestation.mode = None;
    let digest = commitment.digest(&identity.engine_id);
    if check::promise(&identity, &commitment).is_ok() {
        return Err("a commitment whose mode was removed was accepted".into());
    }
    commitment.ccm_attestation.commitment_hash = Bytes32(digest.0);
    match check::promise(&identity, &commitment) {
        Err(check::CheckError::Commitment(_)) => Ok(()),
        other => Err(format!("the mode was removed and the hash changed, and: {other:?}")),
    }
}

/// Requires that an engine still has the same statement about the same frame, and the locks.
pub async fn kept(at: &Endpoint, committed: &Committed, sample: usize) -> Result<(), String> {
    let client = Client::new(at.clone());
    let seq = committed.newest.statement.seq;
    let params = GetStateRoot { at_seq: Some(seq), signed: true };
    let again = match client.state_root(params).await.map_err(text)? {
        StateRootResult::Signed { statement, signature } => {
            SignedStatementView { statement: *statement, signature }
        }
        other => return Err(format!("a root without its statement: {other:?}")),
    };
    if again != committed.newest {
        let (kept, found) = (committed.newest.statement.state_root, again.statement.state_root);
        return Err(format!("frame {seq} had root {kept}, now another statement: {found}"));
    }
    let step = (committed.locks.len() / sample.max(1)).max(1);
    for lock_id in committed.locks.iter().step_by(step) {
        if client.lock(*lock_id).await.map_err(text)?.is_none() {
            return Err(format!("{lock_id} is gone"));
        }
    }
    Ok(())
}
