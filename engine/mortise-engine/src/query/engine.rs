//! Queries about the engine: its status, its newest statement, its policy.

use super::{Context, Query};
use mortise_core::state::ApprovedImages;
use mortise_format::ids::{EngineId, PolicyHash, Root};
use mortise_format::policy::Policy;
use mortise_format::rules::RuleSet;

/// Identity, head and state root.
#[derive(Debug, Clone, Copy)]
pub struct EngineStatus;

/// Identity, head and state root.
#[derive(Debug, Clone)]
pub struct StatusAnswer {
    pub engine_id: EngineId,
    pub epoch: u64,
    /// Rules of the epoch.
    pub rules: RuleSet,
    /// Last frame.
    pub seq: u64,
    /// State root after the last frame.
    pub state_root: Root,
    /// Policy in force.
    pub policy_hash: PolicyHash,
    /// Engine time now, milliseconds.
    pub now_ms: u64,
    /// Engine time of the last frame, milliseconds.
    pub head_time_ms: u64,
    pub lock_count: usize,
    pub draft_count: usize,
    /// The oldest frame whose state root can still prove entries.
    pub oldest_root_seq: u64,
    /// The approval of images that is in force.
    pub approved_images: Option<ApprovedImages>,
}

impl Query for EngineStatus {
    type Answer = StatusAnswer;

    fn read(self, context: Context<'_>) -> StatusAnswer {
        let (state, head) = (context.state(), context.machine.head());
        StatusAnswer {
            engine_id: *state.engine_id(),
            epoch: head.epoch,
            rules: head.rules,
            seq: head.next_seq.saturating_sub(1),
            state_root: context.machine.state_root(),
            policy_hash: state.policy_hash(),
            now_ms: context.now_ms,
            head_time_ms: head.time_ms,
            lock_count: state.lock_count(),
            draft_count: context.drafts.count(),
            approved_images: state.approved_images().cloned(),
            oldest_root_seq: context.machine.proven_window().oldest,
        }
    }
}

/// The newest signed statement, which every answer carries.
#[derive(Debug, Clone, Copy)]
pub struct NewestStatement;

impl Query for NewestStatement {
    type Answer = ();

    fn read(self, _: Context<'_>) {}
}

#[derive(Debug, Clone, Copy)]
pub struct PolicyInForce;

impl Query for PolicyInForce {
    type Answer = Policy;

    fn read(self, context: Context<'_>) -> Policy {
        context.state().policy().clone()
    }
}
