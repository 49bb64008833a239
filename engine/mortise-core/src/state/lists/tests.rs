//! Goal: lists are what a sorted list of the locks gives, under every filter, whatever came, ended
//! or left, and after a load.
//!
//! Method: random events beside a plain vector. Pages of a list, joined, are compared with the
//! vector; a page after any change continues where the list was left.

use super::*;
use crate::state::DueLocks;
use crate::state::testing;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec;
use mortise_format::U256;
use mortise_format::asset::Condition;
use mortise_format::claim::Claim;
use mortise_format::event::{Authority, Content, Event, GrantedLock, LogPosition, RequestKey};
use mortise_format::ids::{Bytes32, EngineId, FrameDigest, LockId, RequestId, Signature};
use mortise_format::lock::{Custody, LegTerms, LockTerms};
use mortise_format::policy::{ChainCustody, ChainPolicy, Policy};
use mortise_format::request::Request;
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;
use proptest::prelude::*;

const START_S: u64 = 1_800_000_000;
const ENGINE: EngineId = EngineId([1; 32]);
const ALL: [Status; 7] = [
    Status::Active,
    Status::Partial,
    Status::Fulfilled,
    Status::Settled,
    Status::Released,
    Status::Cancelled,
    Status::Expired,
];

/// Parties by number; zero is the zero address.
fn party(n: u8) -> Address {
    Address([n; 20])
}

/// What the model knows of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    id: LockId,
    owner: Address,
    beneficiary: Address,
    arbiter: Address,
    status: Status,
    has_claimed: bool,
}

struct Bench {
    state: State,
    at: LogPosition,
    now_s: u64,
    rows: Vec<Row>,
    made: u64,
}

fn coin(n: u8) -> Asset {
    Asset::erc20(1, party(n))
}

fn policy() -> Policy {
    let mut policy = testing::policy();
    let custody = ChainCustody::Open;
    policy.chains.push(ChainPolicy { chain_id: 1, custody, claim_window_s: 1 });
    let (limits, max) = (&mut policy.default_limits, U256::MAX);
    (limits.single_max, limits.account_max, limits.asset_max) = (max, max, max);
    (policy.concurrent_max, policy.requests_max) = (u32::MAX, u32::MAX);
    policy
}

impl Bench {
    fn new() -> Self {
        let state = State::new(ENGINE, policy(), Secret::new([2; 32]), 3);
        let at = LogPosition { seq: 0, index: 0 };
        let mut bench = Self { state, at, now_s: START_S, rows: Vec::new(), made: 0 };
        let (version, previous, rules) = ("1".into(), FrameDigest::ZERO, RuleSet::OLDEST);
        bench.apply(&Event::EpochStarted { epoch: 1, version, previous, rules });
        bench.frame(0);
        bench
    }

    fn apply(&mut self, event: &Event) {
        self.state.apply(self.at, event).expect("it fits");
        self.at.index += 1;
    }

    /// A frame after some seconds, in which what is due happens.
    fn frame(&mut self, seconds: u64) {
        self.now_s += seconds;
        self.at = LogPosition { seq: self.at.seq + 1, index: 0 };
        self.apply(&Event::TimeAdvanced { time_ms: self.now_s * 1000 });
        let DueLocks { expired, settled, pruned } = self.state.take_due(self.now_s, 16);
        self.change(&expired, |row| row.status = Status::Expired);
        self.apply(&Event::LocksExpired { lock_ids: expired });
        self.change(&settled, |row| {
            row.has_claimed = false;
            if row.status == Status::Fulfilled {
                row.status = Status::Settled;
            }
        });
        self.apply(&Event::LocksSettled { lock_ids: settled });
        self.rows.retain(|row| !pruned.contains(&row.id));
        self.apply(&Event::LocksPruned { lock_ids: pruned });
        self.state.take_leaves();
    }

    fn change(&mut self, ids: &[LockId], change: impl Fn(&mut Row)) {
        self.rows.iter_mut().filter(|row| ids.contains(&row.id)).for_each(change);
    }

    /// One batch of locks, each of other parties.
    fn grant(&mut self, parties: &[(u8, u8, u8)]) {
        let locks: Vec<_> = parties.iter().map(|of| self.granted(*of)).collect();
        let request_keys = [].into();
        self.apply(&Event::LocksGranted { locks, batch: Bytes32::ZERO, request_keys });
    }

    fn granted(&mut self, (owner, beneficiary, arbiter): (u8, u8, u8)) -> GrantedLock {
        self.made += 1;
        // Ids are in no order of the grants.
        let lock_id = LockId(*blake3::hash(&self.made.to_be_bytes()).as_bytes());
        let expires = self.now_s + 20 + self.made % 40;
        let (beneficiary, arbiter) = (party(beneficiary), party(arbiter));
        let terms = LockTerms {
            owner: party(owner),
            beneficiary,
            arbiter,
            nonce: (self.made - 1) % 256,
            expires,
            condition: Condition {
                target_chain_id: 1,
                target_asset: coin(1),
                target_amount: U256::ONE,
                recipient: party(1),
                execution_data: None,
            },
            legs: vec![LegTerms { asset: coin(1 + owner % 2), amount: U256::from(2u64) }],
        };
        let (id, owner, status) = (lock_id, terms.owner, Status::Active);
        self.rows.push(Row { id, owner, beneficiary, arbiter, status, has_claimed: false });
        GrantedLock {
            lock_id,
            terms: Arc::new(terms),
            authority: Authority::Approval,
            signature: Signature([7; 65]),
            claim_by: expires + 1,
            settle_by: expires + 2,
            custody: Custody::Open,
        }
    }

    fn request(&mut self) -> RequestKey {
        self.made += 1;
        let mut id = RequestId([0; 32]);
        id.0[..8].copy_from_slice(&self.made.to_be_bytes());
        let content = Content { digest: Bytes32::ZERO, tags: [0; 8] };
        RequestKey { principal: party(200), id, valid_until: self.now_s + 10, content }
    }

    /// A claim of one unit, a release or a cancellation of an open lock.
    fn end(&mut self, which: usize, how: u8) {
        let open: Vec<_> = self.rows.iter().filter(|row| row.status.is_open()).collect();
        let Some(row) = open.get(which % open.len().max(1)).copied().copied() else { return };
        let (lock_id, signature) = (row.id, Signature([7; 65]));
        let request_key = self.request();
        let request = Request { id: request_key.id, valid_until: request_key.valid_until };
        let (status, event) = match how % 4 {
            0 => (
                Status::Released,
                Event::LockReleased { lock_id, signature, request_key, freed: Vec::new() },
            ),
            1 => {
                let (principal, request_keys) = (row.owner, vec![request_key]);
                let (consents, freed) = (Vec::new(), Vec::new());
                let cancelled =
                    Event::LockCancelled { lock_id, consents, principal, request_keys, freed };
                (Status::Cancelled, cancelled)
            }
            _ => {
                let last = row.status == Status::Partial;
                let status = if last { Status::Fulfilled } else { Status::Partial };
                let (amounts, evidence) = (vec![U256::ONE], Bytes32::ZERO);
                let (claim_index, claimant) = (u32::from(last), party(9));
                let claim = Claim { lock_id, claim_index, claimant, amounts, evidence, request };
                (status, Event::LockClaimed { claim, signature, request_key, status })
            }
        };
        self.apply(&event);
        self.change(&[lock_id], |row| {
            row.has_claimed |= matches!(event, Event::LockClaimed { .. });
            row.status = status;
        });
    }

    /// The same state after a restart from a snapshot.
    fn reload(&mut self) {
        let image = self.state.image();
        let state = State::of_image(ENGINE, Secret::new([2; 32]), 11, &image);
        self.state = state.expect("the image is whole");
    }

    fn expected(&self, filter: &LockFilter) -> Vec<LockId> {
        let selects = |row: &&Row| {
            filter.owner.is_none_or(|owner| owner == row.owner)
                && filter.beneficiary.is_none_or(|party| party == row.beneficiary)
                && filter.arbiter.is_none_or(|party| party == row.arbiter)
                && filter.status.is_none_or(|status| status == row.status)
                && (!filter.open_only || row.status.is_open())
        };
        self.rows.iter().filter(selects).map(|row| row.id).collect()
    }

    /// The pages of a list, joined.
    fn listed(&self, filter: &LockFilter) -> Vec<LockId> {
        let (mut filter, mut ids) = (filter.clone(), Vec::new());
        loop {
            let page = self.state.list(&filter);
            assert!(page.locks.len() <= filter.limit);
            ids.extend(page.locks.iter().map(|lock| lock.lock_id));
            match page.next {
                Some(next) => filter.after = Some(next),
                None => return ids,
            }
        }
    }

    fn check(&self, limit: usize) {
        assert_eq!(self.state.check(), Ok(()));
        for filter in filters(limit) {
            assert_eq!(self.listed(&filter), self.expected(&filter), "{filter:?}");
        }
        for (owner, asset) in [1u8, 2, 3].iter().flat_map(|n| [(*n, coin(1)), (*n, coin(2))]) {
            let holds = |row: &&Row| {
                row.owner == party(owner)
                    && (row.status.is_open() || row.has_claimed)
                    && asset == coin(1 + owner % 2)
            };
            let expected: Vec<_> = self.rows.iter().filter(holds).map(|row| row.id).collect();
            let (locks, all) = self.state.holds_of(&party(owner), &asset, usize::MAX);
            let found: Vec<_> = locks.iter().map(|lock| lock.lock_id).collect();
            assert_eq!((found, all), (expected, true));
            let few = self.state.holds_of(&party(owner), &asset, limit).0;
            assert!(few.len() == locks.len().min(limit) && locks.starts_with(&few));
        }
    }
}

/// Every combination of filters.
fn filters(limit: usize) -> impl Iterator<Item = LockFilter> {
    let parties = || [None, Some(party(1)), Some(party(2)), Some(party(77))];
    let statuses = || core::iter::once(None).chain(ALL.map(Some));
    let of_status = move |[owner, beneficiary, arbiter]: [Option<Address>; 3]| {
        statuses().flat_map(move |status| {
            [false, true].map(|open_only| {
                let after = None;
                LockFilter { owner, beneficiary, arbiter, status, open_only, after, limit }
            })
        })
    };
    let of_arbiter =
        move |owner, beneficiary| parties().map(|arbiter| [owner, beneficiary, arbiter]);
    let of_owner = move |owner| parties().into_iter().flat_map(move |b| of_arbiter(owner, b));
    parties().into_iter().flat_map(of_owner).flat_map(of_status)
}

#[derive(Debug, Clone)]
enum Step {
    Grant(Vec<(u8, u8, u8)>),
    End(usize, u8),
    Pass(u64),
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let parties = (1..4u8, 0..4u8, 0..4u8);
    prop_oneof![
        3 => prop::collection::vec(parties, 1..6).prop_map(Step::Grant),
        3 => (any::<usize>(), any::<u8>()).prop_map(|(which, how)| Step::End(which, how)),
        2 => (0..40u64).prop_map(Step::Pass),
        1 => Just(Step::Reload),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn lists_are_what_a_sorted_list_of_the_locks_gives(
        steps in prop::collection::vec(step(), 1..60), limit in 1usize..9,
    ) {
        let mut bench = Bench::new();
        for step in steps {
            match step {
                // The nonces of an owner fit its window.
                Step::Grant(parties) if bench.made < 200 => bench.grant(&parties),
                Step::Grant(_) => {}
                Step::End(which, how) => bench.end(which, how),
                Step::Pass(seconds) => bench.frame(seconds),
                Step::Reload => bench.reload(),
            }
            prop_assert_eq!(bench.state.check(), Ok(()));
        }
        bench.check(limit);
        bench.reload();
        bench.check(limit);
    }

    /// Goal: a walk that goes on while locks come, end and leave shows every lock that was there
    /// all the time, once and in order; also when the lock at the cursor left, or the engine
    /// restarted.
    #[test]
    fn walk_shows_every_lock_that_stayed_whatever_left_meanwhile(
        steps in prop::collection::vec(step(), 1..40), limit in 1usize..4,
    ) {
        let mut bench = Bench::new();
        (0..12).for_each(|n| bench.grant(&[(1, n % 3, 1), (2, 1, n % 2), (1, 1, 1)]));
        let mut filter = LockFilter { beneficiary: Some(party(1)), limit, ..LockFilter::default() };
        let start = bench.expected(&filter);
        let mut shown = Vec::new();
        for step in steps.into_iter().chain(core::iter::repeat_n(Step::Pass(0), 60)) {
            let page = bench.state.list(&filter);
            shown.extend(page.locks.iter().map(|lock| lock.lock_id));
            let Some(next) = page.next else { break };
            filter.after = Some(next);
            match step {
                Step::Grant(parties) => bench.grant(&parties[..1]),
                Step::End(which, how) => bench.end(which, how),
                Step::Pass(seconds) => bench.frame(seconds),
                Step::Reload => bench.reload(),
            }
        }
        let end = bench.expected(&LockFilter { after: None, ..filter });
        let once: BTreeSet<_> = shown.iter().collect();
        prop_assert_eq!(once.len(), shown.len(), "a lock is shown twice");
        let stayed = start.iter().filter(|id| end.contains(id));
        let is_of_both = |id: &&LockId| end.contains(*id) && start.contains(*id);
        let of_start: Vec<_> = shown.iter().filter(is_of_both).collect();
        prop_assert_eq!(of_start, stayed.collect::<Vec<_>>());
    }
}

#[test]
fn walk_ends_at_the_scan_bound_and_the_next_page_continues_there() {
    let mut bench = Bench::new();
    // Owners with windows of their own, so that nonces do not run out.
    let mut all = Vec::new();
    for n in 0..30u8 {
        for _ in 0..100 {
            bench.grant(&[(10 + n, 1, 1)]);
            all.push(bench.rows.last().expect("just made").id);
        }
    }
    let last = *all.last().expect("there are locks");
    bench.grant(&[(50, 1, 2)]);
    let filter = LockFilter {
        beneficiary: Some(party(1)),
        arbiter: Some(party(2)),
        limit: 5,
        ..LockFilter::default()
    };
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let page = bench.state.list(&LockFilter { after, ..filter.clone() });
        pages.push(page.locks.len());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [0, 0, 1], "3001 entries are looked at in three pages");
    assert_eq!(bench.state.lock(&last).expect("it is there").terms.owner, party(39));
    // The first page looked at exactly the bound.
    let first = bench.state.list(&filter).next.expect("more follows");
    let at_bound = bench.state.lock(&all[LIST_SCAN_MAX - 1]).expect("it is there");
    assert_eq!(first, at_bound.place);
}

/// Goal: a party is known while a lock names it; its slot then serves another.
#[test]
fn parties_leave_with_their_last_lock() {
    let mut bench = Bench::new();
    bench.grant(&[(1, 5, 6), (1, 5, 0), (1, 0, 5)]);
    assert_eq!(bench.state.lists.parties.parties.iter().count(), 2);
    (0..3).for_each(|_| bench.end(0, 0));
    bench.frame(100);
    assert!(bench.rows.is_empty(), "everything is pruned");
    assert_eq!(bench.state.lists.parties.parties.iter().count(), 0);
    bench.grant(&[(1, 8, 7)]);
    let of = |n| LockFilter { beneficiary: Some(party(n)), limit: 9, ..LockFilter::default() };
    assert_eq!(bench.listed(&of(8)).len(), 1);
    assert_eq!((bench.listed(&of(5)).len(), bench.listed(&of(6)).len()), (0, 0));
    bench.check(2);
}
