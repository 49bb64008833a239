//! What unit tests of this crate share.

use alloc::vec::Vec;
use mortise_format::U256;
use mortise_format::policy::{AssetLimits, Edition, Policy};

/// A policy; no test that uses it depends on its rules.
pub(crate) fn policy() -> Policy {
    let zero = U256::ZERO;
    let default_limits = AssetLimits { single_max: zero, account_max: zero, asset_max: zero };
    Policy {
        lock_s_min: 1,
        lock_s_max: 1,
        settlement_buffer_s: 1,
        concurrent_max: 1,
        commands_per_minute_max: 1,
        requests_max: 1,
        retention_s: 1,
        draft_ttl_s: 1,
        fact_age_s_max: 1,
        notice_margin_s: 1,
        default_limits,
        assets: Vec::new(),
        chains: Vec::new(),
        observers: Vec::new(),
        observers_min: 0,
        operators: Vec::new(),
        operators_min: 0,
        witnesses: Vec::new(),
        witnesses_min: 0,
        witnesses_faulty_max: 0,
        edition: Edition::DEFAULT,
    }
}
