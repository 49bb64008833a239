//! What the engine says of itself: its health, and who it is.

use super::freshness;
use super::reply::{Answered, Json, json, rooted, serving, to_text};
use super::who_reads::Viewer;
use crate::handle::{EngineHandle, Serving};
use crate::phase::Phase;
use crate::query::{EngineStatus, Rooted, StatusAnswer};
use mortise_core::body::CarriedStatement;
use mortise_format::ids::{Address, Bytes32, EngineId, PolicyHash, Root};
use mortise_format::limits::RECENT_ROOTS_MAX;
use mortise_format::lock::Custody;
use mortise_format::merkle::history::TreeHead;
use mortise_format::policy::ChainCustody;
use mortise_format::rules::RuleSet;
use mortise_rpc::results::{
    ApprovedImagesView, ChainInfo, Degraded, EngineInfo, Health, LeaseView, PredecessorView,
};
use mortise_rpc::{ErrorObject, HexBytes};
use mortise_verify::succession::VerifiedSuccession;

async fn status(handle: &EngineHandle) -> Result<Rooted<StatusAnswer>, ErrorObject> {
    rooted(handle, EngineStatus).await
}

/// Answered in every phase: an operator at night asks this first. Ready without a lease is `stale`:
/// what it shows may be old, and nothing else about now is answered.
pub(super) async fn health(handle: &EngineHandle) -> Answered {
    let known = match handle.phase() {
        Phase::Ready => status(handle).await.ok(),
        _ => None,
    };
    let serving = handle.serving();
    let leased = match (serving, &known) {
        (Some(serving), Some(known)) => Some(leased(handle, serving, &known.signed).await?),
        _ => None,
    };
    let phase = handle.phase();
    let statement = known.as_ref().map(|known| &known.signed.statement);
    let is_ready = statement.is_some() && phase == Phase::Ready;
    let (freshness, lease, is_held) = leased.unwrap_or_default();
    let status = match (is_ready, is_held) {
        (true, true) => "healthy",
        (true, false) => "stale",
        (false, _) => phase.name(),
    };
    let answer = json(&Health {
        status: status.into(),
        enclave_id: serving.map_or(EngineId::ZERO, |s| s.identity.engine_id),
        public_key: serving.map_or(Address::ZERO, |s| s.identity.signer.address()),
        state_root: statement.map_or(Root::ZERO, |s| s.state_root),
        timestamp: known.as_ref().map_or(0, |known| known.answer.now_ms / 1000),
        head_time: statement.map_or(0, |s| s.time_ms / 1000),
        epoch: statement.map_or(0, |s| s.epoch),
        seq: statement.map_or(0, |s| s.seq),
        mode: handle.mode().into(),
        version: VERSION.into(),
        phase: phase.name().into(),
        pruning_horizon: statement
            .zip(serving)
            .map_or(0, |(statement, serving)| pruning_horizon(statement.time_ms, serving)),
        degraded: serving.and_then(|serving| serving.readers.reader().damaged()).map(degraded),
        lease,
        fault: match &phase {
            Phase::Fault { name, .. } => Some((*name).into()),
            _ => None,
        },
        log_key: match phase {
            Phase::Witnessing(log_key) => Some(log_key),
            _ => None,
        },
    });
    Ok(Json { freshness: freshness.filter(|_| is_ready), ..answer })
}

/// What goes beside a statement, the lease, and whether it holds. Without witnesses there is no
/// lease, and the engine is healthy without one.
async fn leased(
    handle: &EngineHandle,
    serving: &Serving,
    signed: &CarriedStatement,
) -> Result<(Option<Vec<u8>>, Option<LeaseView>, bool), ErrorObject> {
    let lease = serving.lease.as_deref();
    let (view, evidence) = freshness::shown(handle, lease, signed).await?;
    let state = lease.map(|lease| freshness::state_of(lease, evidence.as_ref()));
    let is_held = state.is_none_or(|(_, is_held)| is_held);
    Ok((Some(to_text(&view)), state.map(|(view, _)| view), is_held))
}

fn degraded(seq: u64) -> Degraded {
    Degraded { name: "LOG_DAMAGED".into(), seq }
}

fn pruning_horizon(time_ms: u64, serving: &Serving) -> u64 {
    (time_ms / 1000).saturating_sub(serving.identity.genesis.policy.retention_s)
}

/// The next power of two: the count of locks, as it is shown to anyone where reads are for parties.
fn rounded(count: usize) -> usize {
    if count == 0 { 0 } else { count.next_power_of_two() }
}

pub(super) async fn engine(handle: &EngineHandle, viewer: Viewer) -> Answered {
    let serving = serving(handle)?;
    let identity = &serving.identity;
    let Rooted { answer: status, signed } = status(handle).await?;
    let statement = &signed.statement;
    let custody = |custody| match custody {
        ChainCustody::Open => Custody::Open,
        ChainCustody::Escrow { .. } => Custody::Escrow,
    };
    let chains = &identity.genesis.policy.chains;
    let count = status.lock_count;
    let lock_count = if viewer.is_public() { count } else { rounded(count) };
    let policy_hash: PolicyHash = statement.policy_hash;
    Ok(json(&EngineInfo {
        engine_id: identity.engine_id,
        address: identity.signer.address(),
        public_key: HexBytes(identity.signer.public_key().to_vec()),
        checkpoint_key: Bytes32(identity.checkpoint.public_key()),
        channel_key: Bytes32(serving.proof.channel.public()),
        origin: identity.origin(),
        log_secret_commitment: identity.log_secret_commitment,
        name: identity.genesis.name.clone(),
        genesis_hash: identity.genesis.hash(),
        predecessor: identity.succession.as_ref().map(predecessor),
        policy_hash,
        version: VERSION.into(),
        rules: status.rules.0,
        newest_rules: RuleSet::NEWEST.0,
        epoch: statement.epoch,
        seq: statement.seq,
        phase: handle.phase().name().into(),
        mode: handle.mode().into(),
        image: serving.proof.boot.image(),
        approved_images: status
            .approved_images
            .map(|a| ApprovedImagesView::new(&a.approval, a.at.seq, a.at.index)),
        durability: identity.genesis.policy.durability(),
        chains: chains
            .iter()
            .map(|c| ChainInfo { chain_id: c.chain_id, custody: custody(c.custody) })
            .collect(),
        lock_count: u64::try_from(lock_count).unwrap_or(u64::MAX),
        oldest_root_seq: status.oldest_root_seq,
        recent_roots_max: RECENT_ROOTS_MAX as u64,
        pruning_horizon: pruning_horizon(statement.time_ms, serving),
    }))
}

fn predecessor(succession: &VerifiedSuccession) -> PredecessorView {
    let TreeHead { size, root } = succession.head();
    PredecessorView { engine_id: succession.predecessor(), size, root }
}

/// Version of the code.
const VERSION: &str = env!("CARGO_PKG_VERSION");
