//! Goal: nothing of a principal or account that left is found again, in state or tree.
//!
//! Method: events are applied as they are, and after each frame the tree that follows the changes
//! is compared with one made from scratch.

use super::*;
use crate::state::{Before, testing};
use crate::tree::{StateTree, TreeKey, ValueHash};
use alloc::sync::Arc;
use alloc::vec::Vec;
use mortise_format::U256;
use mortise_format::asset::Condition;
use mortise_format::event::{Authority, Event, GrantedLock, LogPosition};
use mortise_format::ids::{Bytes32, EngineId, FrameDigest, LockId, Signature};
use mortise_format::lock::{Custody, LegTerms, LockTerms};
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_format::policy::{ChainCustody, ChainPolicy};
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;

const START_S: u64 = 1_800_000_000;
const A: Address = Address([0xa; 20]);
const B: Address = Address([0xb; 20]);

struct Bench {
    state: State,
    tree: StateTree,
    at: LogPosition,
    now_s: u64,
}

fn coin() -> Asset {
    Asset::native(1)
}

impl Bench {
    fn new(rules: RuleSet) -> Self {
        let mut policy = testing::policy();
        let custody = ChainCustody::Open;
        policy.chains.push(ChainPolicy { chain_id: 1, custody, claim_window_s: 1 });
        policy.concurrent_max = 99;
        let max = U256::MAX;
        (policy.default_limits.single_max, policy.default_limits.account_max) = (max, max);
        policy.default_limits.asset_max = max;
        let mut state = State::new(EngineId([1; 32]), policy, Secret::new([2; 32]), 3);
        let (mut tree, at) = (StateTree::new(), LogPosition { seq: 0, index: 0 });
        let policy = state.take_leaves().into_iter();
        tree.update(&policy.map(|(at, v)| (TreeKey(at), v.map(ValueHash))).collect::<Vec<_>>());
        let mut bench = Self { state, tree, at, now_s: START_S };
        let (version, previous) = ("1".into(), FrameDigest::ZERO);
        bench.apply(&Event::EpochStarted { epoch: 1, version, previous, rules });
        bench.frame(START_S);
        bench
    }

    fn apply(&mut self, event: &Event) {
        self.state.apply(self.at, event).expect("it fits");
        self.at.index += 1;
    }

    /// Closes the frame and opens one at `now_s`.
    fn frame(&mut self, now_s: u64) {
        self.close();
        (self.at, self.now_s) = (LogPosition { seq: self.at.seq + 1, index: 0 }, now_s);
        self.apply(&Event::TimeAdvanced { time_ms: now_s * 1000 });
    }

    /// Brings the tree up to the state, and back and forth over the frame.
    fn close(&mut self) -> Vec<Before> {
        let root = self.tree.root();
        let before = self.state.take_before();
        let mut changes = Vec::new();
        for (position, value) in self.state.take_leaves() {
            changes.push((TreeKey(position), value.map(ValueHash)));
        }
        self.tree.update(&changes);
        let mut all: Vec<crate::state::Leaf> = Vec::new();
        self.state.leaves_in_order(|leaves| all.extend_from_slice(leaves));
        all.sort_unstable();
        let all = all.into_iter().map(|(at, v)| (TreeKey(at), ValueHash(v.expect("it is there"))));
        let whole = StateTree::from_sorted(all).expect("each leaf once");
        assert_eq!(self.tree.root(), whole.root(), "the tree has exactly the state");
        let turned: Vec<_> = self.state.turned_back(before.iter()).into_iter().collect();
        let mut back = whole;
        back.update(&turned);
        assert_eq!(back.root(), root, "what the leaves held before leads back");
        assert_eq!(self.state.check(), Ok(()));
        before
    }

    /// A lock of an owner, of one unit; the owner's nonce is `n` of this hour.
    fn grant(&mut self, owner: Address, n: u32, asset: Asset) -> LockId {
        let mut id = [owner.0[0]; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        id[4..12].copy_from_slice(&self.now_s.to_be_bytes());
        let lock_id = LockId(id);
        let condition = Condition {
            target_chain_id: 1,
            target_asset: coin(),
            target_amount: U256::ONE,
            recipient: A,
            execution_data: None,
        };
        let terms = LockTerms {
            owner,
            beneficiary: Address::ZERO,
            arbiter: Address::ZERO,
            nonce: nonce_of(hour_at(self.now_s), n),
            expires: self.now_s + 60,
            condition,
            legs: [LegTerms { asset, amount: U256::ONE }].into(),
        };
        let lock = GrantedLock {
            lock_id,
            terms: Arc::new(terms),
            authority: Authority::Approval,
            signature: Signature([7; 65]),
            claim_by: self.now_s + 60,
            settle_by: self.now_s + 61,
            custody: Custody::Open,
        };
        let (locks, request_keys) = ([lock].into(), [].into());
        self.apply(&Event::LocksGranted { locks, batch: Bytes32::ZERO, request_keys });
        lock_id
    }

    fn end(&mut self, lock_id: LockId) {
        self.apply(&Event::LocksExpired { lock_ids: [lock_id].into() });
        self.apply(&Event::LocksPruned { lock_ids: [lock_id].into() });
    }

    fn record(&self, owner: &Address) -> Option<&Principal> {
        self.state.principal(owner)
    }
}

/// Goal: the account that an owner used last is looked up by slot. When the slot went to another
/// owner, the asset alone would find that owner's money.
#[test]
fn slot_that_went_to_another_owner_is_not_an_owners_account() {
    let mut bench = Bench::new(RuleSet::NEWEST);
    let lock_id = bench.grant(A, 0, coin());
    let slot = bench.record(&A).unwrap().last_account;
    bench.end(lock_id);
    bench.frame(START_S + 1);
    assert!(bench.state.account(&A, &coin()).is_none(), "nothing needs it");
    bench.grant(B, 0, coin());
    assert_eq!(bench.state.accounts[slot].owner, B, "the slot is B's now");
    assert_eq!(bench.record(&A).unwrap().last_account, slot, "and A still names it");

    let found = bench.state.account_of(bench.record(&A), &coin());
    assert_eq!(found, None, "B's account is not A's");
    bench.grant(A, 1, coin());
    let held = |owner| bench.state.account(owner, &coin()).map(|account| account.held);
    assert_eq!((held(&A), held(&B)), (Some(U256::ONE), Some(U256::ONE)));
    bench.close();
}

/// Goal: the changed leaves name slots. What left keeps its key among them, also when its slot is
/// used again and when it comes back, all in one frame.
#[test]
fn what_left_leaves_the_tree_also_when_its_slot_is_used_again_in_the_same_frame() {
    let mut bench = Bench::new(RuleSet::NEWEST);
    let lock_id = bench.grant(A, 0, coin());
    bench.end(lock_id);
    bench.frame(START_S + 26 * 3600);
    assert!(bench.record(&A).is_none() && bench.state.account(&A, &coin()).is_none());
    bench.grant(B, 0, coin());
    bench.grant(A, 0, coin());
    let before = bench.close();
    for key in [LeafKey::Principal(A), LeafKey::Account(A, coin())] {
        let first = before.iter().find(|before| before.key == key);
        assert!(first.is_some_and(|before| before.held.is_some()), "{key:?} was there");
    }
    for key in [LeafKey::Principal(B), LeafKey::Account(B, coin())] {
        let first = before.iter().find(|before| before.key == key);
        assert!(first.is_some_and(|before| before.held.is_none()), "{key:?} was absent");
    }
    bench.frame(START_S + 26 * 3600 + 1);
    bench.close();
}

#[test]
fn principal_leaves_when_its_last_nonce_is_too_old_and_its_account_at_once() {
    let mut bench = Bench::new(RuleSet::NEWEST);
    let lock_id = bench.grant(A, 0, coin());
    bench.frame(START_S + 3599);
    assert!(bench.record(&A).is_some() && bench.state.account_count() == 1, "a lock is open");
    bench.end(lock_id);
    bench.frame(START_S + 26 * 3600 - 1);
    assert!(bench.record(&A).is_some(), "its nonces can still be used");
    let counts = |b: &Bench| (b.state.account_count(), b.state.total_count(), b.tree.len());
    assert_eq!((bench.state.account_count(), bench.state.total_count()), (0, 0));
    bench.close();
    bench.frame(START_S + 26 * 3600);
    bench.close();
    assert!(bench.record(&A).is_none());
    assert_eq!(counts(&bench), (0, 0, 1), "the policy is the only leaf");
}

#[test]
fn before_rule_set_3_nothing_is_forgotten_and_then_everything_that_is_idle() {
    let mut bench = Bench::new(RuleSet(2));
    bench.frame(START_S + 100 * 3600);
    bench.apply_draft(A, 5);
    bench.frame(START_S + 200 * 3600);
    assert!(bench.record(&A).is_some() && !bench.state.has_idle(u64::MAX));
    let rules = RuleSet(3);
    let (version, previous) = ("1".into(), FrameDigest::ZERO);
    bench.apply(&Event::EpochStarted { epoch: 2, version, previous, rules });
    assert!(bench.state.has_idle(START_S + 200 * 3600));
    bench.frame(START_S + 200 * 3600);
    assert!(bench.record(&A).is_none());
    bench.close();
}

#[test]
fn one_frame_forgets_a_bounded_number_in_order_of_time() {
    let mut bench = Bench::new(RuleSet::NEWEST);
    let many = u16::try_from(FORGOTTEN_MAX).unwrap() + 10;
    for n in 0..many {
        let mut owner = Address([1; 20]);
        owner.0[..2].copy_from_slice(&n.to_be_bytes());
        // So many new owners a minute are taken.
        if n % 500 == 0 {
            bench.frame(START_S + u64::from(n) / 500 * 60);
        }
        bench.apply_draft(owner, nonce_of(hour_at(START_S), 0));
    }
    assert!(!bench.state.has_idle(START_S + 26 * 3600 + FORGET_LATE_S_MAX - 1));
    assert!(bench.state.has_idle(START_S + 26 * 3600 + FORGET_LATE_S_MAX));
    bench.frame(START_S + 26 * 3600);
    assert_eq!(bench.state.principal_count(), 10);
    let mut last = Address([1; 20]);
    last.0[..2].copy_from_slice(&(many - 1).to_be_bytes());
    assert!(bench.record(&last).is_some(), "the lowest keys went first");
    bench.frame(START_S + 26 * 3600);
    assert_eq!(bench.state.principal_count(), 0);
    bench.close();
}

impl Bench {
    /// An owner cancels a draft, which uses a nonce.
    fn apply_draft(&mut self, owner: Address, nonce: u64) {
        use mortise_format::command::{CancelForm, SignedCancel};
        let condition = Condition {
            target_chain_id: 1,
            target_asset: coin(),
            target_amount: U256::ONE,
            recipient: A,
            execution_data: None,
        };
        let terms = LockTerms {
            owner,
            beneficiary: Address::ZERO,
            arbiter: Address::ZERO,
            nonce,
            expires: 1,
            condition,
            legs: [LegTerms { asset: coin(), amount: U256::ONE }].into(),
        };
        let consent = SignedCancel { form: CancelForm::Text, signature: Signature([7; 65]) };
        let (lock_id, request_key) = (LockId([1; 32]), None);
        let terms = alloc::boxed::Box::new(terms);
        self.apply(&Event::DraftCancelled { lock_id, terms, consent, request_key });
    }
}
