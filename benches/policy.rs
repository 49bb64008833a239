//! The lock policy of the benches.

use mortise_format::U256;
use mortise_format::policy::{
    AssetLimits, ChainCustody, ChainPolicy, Edition, Policy, Service, StateLimits,
};

/// Rules that no command of a bench comes near.
pub fn policy(settlement_buffer_s: u64, retention_s: u64) -> Policy {
    let limits =
        AssetLimits { single_max: U256::MAX, account_max: U256::MAX, asset_max: U256::MAX };
    let chain =
        |chain_id| ChainPolicy { chain_id, custody: ChainCustody::Open, claim_window_s: 60 };
    let state = StateLimits { new_principals_per_minute_max: u32::MAX, ..StateLimits::DEFAULT };
    Policy {
        lock_s_min: 30,
        lock_s_max: 3600,
        settlement_buffer_s,
        concurrent_max: u32::MAX,
        commands_per_minute_max: u32::MAX,
        requests_max: u32::MAX,
        retention_s,
        draft_ttl_s: 300,
        fact_age_s_max: 120,
        notice_margin_s: 60,
        default_limits: limits,
        assets: Vec::new(),
        chains: vec![chain(1), chain(10)],
        observers: Vec::new(),
        observers_min: 0,
        operators: Vec::new(),
        operators_min: 0,
        witnesses: Vec::new(),
        witnesses_min: 0,
        witnesses_faulty_max: 0,
        edition: Edition::Second(Service { state, ..Service::DEFAULT }),
    }
}
