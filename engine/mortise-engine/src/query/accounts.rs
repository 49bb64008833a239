//! Queries about accounts: balances, nonces, and the rights of readers.

use super::{Context, Query};
use mortise_core::state::locks::Lock;
use mortise_core::state::{Balance, GrantedReading};
use mortise_format::asset::Asset;
use mortise_format::ids::{Address, Bytes32};
use mortise_format::limits::OWNER_LOCKS_MAX;
use mortise_format::lock::Custody;
use mortise_format::nonce::{HOUR_S, hour_at, nonce_of};
use mortise_format::policy::ChainCustody;

/// Balance of an account.
#[derive(Debug, Clone, Copy)]
pub struct FindBalance {
    pub owner: Address,
    pub asset: Asset,
}

/// A balance.
#[derive(Debug, Clone)]
pub struct BalanceAnswer {
    pub balance: Balance,
    /// Custody class; `None` if the policy does not have the chain.
    pub custody: Option<Custody>,
    /// Time of the chain head in the last fact, seconds.
    pub head_time: Option<u64>,
}

impl Query for FindBalance {
    type Answer = BalanceAnswer;

    fn read(self, context: Context<'_>) -> BalanceAnswer {
        let Self { owner, asset } = &self;
        let state = context.state();
        let chain = state.policy().chain(asset.chain_id);
        let fact = state.account(owner, asset).and_then(|account| account.fact.as_ref());
        BalanceAnswer {
            balance: state.balance(owner, asset),
            custody: chain.map(|chain| match chain.custody {
                ChainCustody::Open => Custody::Open,
                ChainCustody::Escrow { .. } => Custody::Escrow,
            }),
            head_time: fact.map(|fact| fact.head_time),
        }
    }
}

/// Balance of an account with the locks that hold it, at most `OWNER_LOCKS_MAX`.
#[derive(Debug, Clone, Copy)]
pub struct FindHolds {
    pub owner: Address,
    pub asset: Asset,
}

/// A balance with the locks that make it up.
#[derive(Debug, Clone)]
pub struct HoldsAnswer {
    pub balance: Balance,
    /// Locks that hold a part of the balance, the oldest first.
    pub locks: Vec<Lock>,
    /// False when others hold a part too.
    pub is_whole: bool,
}

impl Query for FindHolds {
    type Answer = HoldsAnswer;

    /// As many locks as four pages.
    const COST: u32 = 8;

    fn read(self, context: Context<'_>) -> HoldsAnswer {
        let Self { owner, asset } = &self;
        let state = context.state();
        let (locks, is_whole) = state.holds_of(owner, asset, OWNER_LOCKS_MAX);
        let (balance, locks) = (state.balance(owner, asset), locks.into_iter().cloned().collect());
        HoldsAnswer { balance, locks, is_whole }
    }
}

/// A nonce that no lock and no draft of the owner uses.
#[derive(Debug, Clone, Copy)]
pub struct SuggestNonce(pub Address);

impl Query for SuggestNonce {
    type Answer = u64;

    fn read(self, context: Context<'_>) -> u64 {
        next_nonce(&context, &self.0)
    }
}

pub(super) fn next_nonce(context: &Context<'_>, owner: &Address) -> u64 {
    let state = context.state();
    let nonces = state.principal(owner).map(|p| p.nonces).unwrap_or_default();
    let (rules, now_s) = (state.rules(), context.now_ms / 1000);
    let next = nonces.next_free(rules, now_s);
    let is_free = |nonce| nonces.is_free(rules, now_s, nonce);
    context.drafts.next_nonce(context.caller, owner, next, is_free)
}

/// A nonce that is likely to be free and says nothing of those that the owner used: the second of
/// the hour. Under rules without hours in nonces, the next free one.
pub(super) fn nonce_by_time(context: &Context<'_>, owner: &Address) -> u64 {
    if !context.state().rules().has_hours_in_nonces() {
        return next_nonce(context, owner);
    }
    let now_s = context.now_ms / 1000;
    let (hour, second) = (hour_at(now_s), now_s % HOUR_S);
    let nonce = nonce_of(hour, u32::try_from(second).unwrap_or_default());
    context.drafts.next_nonce(context.caller, owner, nonce, |_| true)
}

/// The reading rights of an X25519 key, in the order of their events.
#[derive(Debug, Clone, Copy)]
pub struct FindReadings(pub Bytes32);

impl Query for FindReadings {
    type Answer = Vec<GrantedReading>;

    const COST: u32 = 2;

    fn read(self, context: Context<'_>) -> Self::Answer {
        context.state().readings_of(self.0).copied().collect()
    }
}
