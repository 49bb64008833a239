//! The rules of an engine for tests, and terms, requests, claims and facts that fit them.
//!
//! Numbers are small, so that every limit is reached with few commands.

use crate::keys::Party;
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition, TokenId};
use mortise_format::eip712::{Claim, Request};
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::genesis::Genesis;
use mortise_format::ids::{Address, Bytes32, LockId, RequestId};
use mortise_format::lock::{LegTerms, LockTerms};
use mortise_format::nonce::{hours_at, nonce_of};
use mortise_format::policy::{
    AssetLimits, AssetPolicy, ChainCustody, ChainPolicy, Edition, Policy,
};
use mortise_format::reject::{Field, NonceFault, Reject};
use mortise_format::witness::Origin;

/// Engine time at which tests start: seconds, a whole hour.
pub const START_S: u64 = 1_800_000_000;
/// The same in hours.
pub const START_HOUR: u32 = 500_000;
/// The same in milliseconds.
pub const START_MS: u64 = START_S * 1000;
/// Version of the code that runs in tests without a server.
pub const VERSION: &str = "1.4.7";

/// A chain in custody `open`.
pub const OPEN_CHAIN: u64 = 1;
/// Another chain in custody `open`, with a short claim window: fills happen here.
pub const FILL_CHAIN: u64 = 10;
/// A chain in custody `escrow`, with a notice that is long enough for every lock.
pub const ESCROW_CHAIN: u64 = 42_161;
/// A chain in custody `escrow`, with a notice that is too short for most locks.
pub const SHORT_NOTICE_CHAIN: u64 = 8_453;
/// A chain that is not in the policy.
pub const UNSERVED_CHAIN: u64 = 137;

/// Seconds between `expires` and `claimBy` of locks that are filled on [`FILL_CHAIN`].
pub const CLAIM_WINDOW_S: u64 = 60;
/// Seconds between `claimBy` and `settleBy`.
pub const BUFFER_S: u64 = 300;
/// Seconds that an ended lock stays in the state.
pub const RETENTION_S: u64 = 600;
/// Shortest lock, seconds.
pub const LOCK_S_MIN: u64 = 30;
/// Longest lock, seconds.
pub const LOCK_S_MAX: u64 = 3600;
/// Most in one lock, of any asset without limits of its own.
pub const SINGLE_MAX: u64 = 1000;
/// Most held of one account.
pub const ACCOUNT_MAX: u64 = 3000;
/// Most held of one asset.
pub const ASSET_MAX: u64 = 4000;
/// Most open locks of an owner.
pub const CONCURRENT_MAX: u32 = 6;
/// Most logged commands of a principal in a minute.
pub const COMMANDS_PER_MINUTE_MAX: u32 = 20;
/// Most remembered requests of a principal.
pub const REQUESTS_MAX: u32 = 30;
/// Oldest head of a fact, seconds.
pub const FACT_AGE_S_MAX: u64 = 120;
/// Shortest notice on [`ESCROW_CHAIN`], seconds.
pub const NOTICE_S: u64 = 7200;
/// Shortest notice on [`SHORT_NOTICE_CHAIN`], seconds.
pub const SHORT_NOTICE_S: u64 = 900;
/// Margin before the owner can leave, seconds.
pub const MARGIN_S: u64 = 60;
/// Observers that must agree.
pub const OBSERVERS_MIN: u32 = 2;

/// The native coin of [`OPEN_CHAIN`].
pub fn coin() -> Asset {
    Asset::native(OPEN_CHAIN)
}

/// A token on [`OPEN_CHAIN`] with limits of its own, a thousand times those of the others.
pub fn token() -> Asset {
    Asset::erc20(OPEN_CHAIN, Address([0x70; 20]))
}

/// The native coin of [`ESCROW_CHAIN`].
pub fn escrowed() -> Asset {
    Asset::native(ESCROW_CHAIN)
}

fn limits(factor: u64) -> AssetLimits {
    AssetLimits {
        single_max: U256::from(SINGLE_MAX * factor),
        account_max: U256::from(ACCOUNT_MAX * factor),
        asset_max: U256::from(ASSET_MAX * factor),
    }
}

/// The rules.
pub fn policy() -> Policy {
    let escrow = |byte, notice_s| ChainCustody::Escrow { contract: Address([byte; 20]), notice_s };
    let chain =
        |chain_id, custody, claim_window_s| ChainPolicy { chain_id, custody, claim_window_s };
    let mut observers = Party::OBSERVERS.map(Party::address).to_vec();
    observers.sort_unstable();
    Policy {
        lock_s_min: LOCK_S_MIN,
        lock_s_max: LOCK_S_MAX,
        settlement_buffer_s: BUFFER_S,
        concurrent_max: CONCURRENT_MAX,
        commands_per_minute_max: COMMANDS_PER_MINUTE_MAX,
        requests_max: REQUESTS_MAX,
        retention_s: RETENTION_S,
        draft_ttl_s: 300,
        fact_age_s_max: FACT_AGE_S_MAX,
        notice_margin_s: MARGIN_S,
        default_limits: limits(1),
        assets: vec![AssetPolicy { asset: token(), limits: limits(1000) }],
        chains: vec![
            chain(OPEN_CHAIN, ChainCustody::Open, 600),
            chain(FILL_CHAIN, ChainCustody::Open, CLAIM_WINDOW_S),
            chain(SHORT_NOTICE_CHAIN, escrow(0xe2, SHORT_NOTICE_S), 600),
            chain(ESCROW_CHAIN, escrow(0xe1, NOTICE_S), 600),
        ],
        observers,
        observers_min: OBSERVERS_MIN,
        operators: vec![Party::Operator.address()],
        operators_min: 1,
        witnesses: Vec::new(),
        witnesses_min: 0,
        witnesses_faulty_max: 0,
        edition: Edition::DEFAULT,
    }
}

/// The operators of [`with_operators`], two of whom must sign.
pub const OPERATORS: [Party; 3] = [Party::Operator, Party::Stranger, Party::Engine];

/// The rules with three operators, two of whom must sign.
pub fn with_operators(mut policy: Policy) -> Policy {
    policy.operators = OPERATORS.map(Party::address).to_vec();
    policy.operators.sort_unstable();
    policy.operators_min = 2;
    policy
}

/// Signers that are too few of [`OPERATORS`], repeated, or not operators, and the reject that
/// names why.
pub fn not_enough_operators() -> [(Vec<Party>, Reject); 7] {
    let [a, b, _] = OPERATORS;
    [
        (vec![a], Reject::Unauthorized),
        (vec![a, a], Reject::Validation(Field::Signatures)),
        (vec![a, b, a], Reject::Validation(Field::Signatures)),
        (vec![a, Party::Owner], Reject::Unauthorized),
        (vec![a, b, Party::Owner], Reject::Unauthorized),
        (vec![Party::ObserverA, Party::ObserverB], Reject::Unauthorized),
        (Vec::new(), Reject::Validation(Field::Signatures)),
    ]
}

/// A genesis with these rules.
pub fn genesis() -> Genesis {
    let (name, salt) = ("tests".into(), Bytes32([0x11; 32]));
    let origin = Origin::C2sp { domain: "tests.example".into() };
    Genesis { name, salt, policy: policy(), origin, predecessor: None }
}

/// A condition on [`FILL_CHAIN`].
pub fn condition() -> Condition {
    Condition {
        target_chain_id: FILL_CHAIN,
        target_asset: Asset::native(FILL_CHAIN),
        target_amount: U256::from(90u64),
        recipient: Address([0x4e; 20]),
        execution_data: None,
    }
}

/// A nonce of the hour in which tests start, by its number; a nonce with an hour stays as it is.
pub fn nonce(n: u64) -> u64 {
    if n >> 32 == 0 { nonce_of(START_HOUR, 0) + n } else { n }
}

/// The refusal of a nonce at a time in seconds, when `next` is the owner's next one.
pub fn nonce_refused(now_s: u64, fault: NonceFault, next: u64) -> Reject {
    let (oldest_hour, newest_hour) = hours_at(now_s).into_inner();
    Reject::NonceNotFree { fault, next: nonce(next), oldest_hour, newest_hour }
}

/// The refusal of a used nonce in the hour of the start.
pub fn nonce_used(next: u64) -> Reject {
    nonce_refused(START_S, NonceFault::Used, next)
}

/// Terms that fit the rules: `amount` of the coin, for ten minutes from the start, with
/// beneficiary and arbiter, and a [`nonce`].
pub fn terms(owner: Party, n: u64, amount: u64) -> LockTerms {
    LockTerms {
        owner: owner.address(),
        beneficiary: Party::Beneficiary.address(),
        arbiter: Party::Arbiter.address(),
        nonce: nonce(n),
        expires: START_S + 600,
        condition: condition(),
        legs: vec![leg(coin(), amount)],
    }
}

/// The same with the fields that the existing client knows only.
pub fn plain_terms(owner: Party, nonce: u64, amount: u64) -> LockTerms {
    let (beneficiary, arbiter) = (Address::ZERO, Address::ZERO);
    LockTerms { beneficiary, arbiter, ..terms(owner, nonce, amount) }
}

/// One leg.
pub fn leg(asset: Asset, amount: u64) -> LegTerms {
    LegTerms { asset, amount: U256::from(amount) }
}

/// A non-fungible token of [`OPEN_CHAIN`].
pub fn nft(id: u64) -> Asset {
    let asset_type = mortise_format::asset::AssetType::Erc721;
    let token_id = TokenId::from_value(U256::from(id));
    Asset { chain_id: OPEN_CHAIN, asset_type, token: Address([0x71; 20]), token_id }
}

/// A request that is valid for an hour from the start.
pub fn request(id: u64) -> Request {
    request_until(id, START_S + 3600)
}

/// A request that is valid until then.
pub fn request_until(id: u64, valid_until: u64) -> Request {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&id.to_be_bytes());
    Request { id: RequestId(bytes), valid_until }
}

/// A claim of one amount for the beneficiary.
pub fn claim(lock_id: LockId, claim_index: u32, amount: u64, request: Request) -> Claim {
    Claim {
        lock_id,
        claim_index,
        claimant: Party::Beneficiary.address(),
        amounts: vec![U256::from(amount)],
        evidence: Bytes32([0xef; 32]),
        request,
    }
}

/// A fact about an owner's balance of [`escrowed`], at a head of this time.
pub fn fact(owner: Party, balance: u64, head_number: u64, head_time: u64) -> BalanceFact {
    BalanceFact {
        asset: escrowed(),
        account: owner.address(),
        head_number,
        head_hash: Bytes32([0xb1; 32]),
        head_time,
        balance: U256::from(balance),
        withdrawing: U256::ZERO,
        withdrawal: Withdrawal::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::nonce::HOUR_S;

    #[test]
    fn rules_are_a_policy() {
        assert_eq!(policy().check(), Ok(()));
        assert_eq!(u64::from(START_HOUR) * HOUR_S, START_S);
    }
}
