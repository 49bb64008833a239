use super::*;
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};

fn caller(connection: u64) -> ShareKey {
    ShareKey { connection, hint: 0 }
}

fn draft(owner: u64, nonce: u64, created_ms: u64, data: usize) -> Draft {
    let condition = Condition {
        target_chain_id: 1,
        target_asset: Asset::native(1),
        target_amount: U256::ONE,
        recipient: Address([1; 20]),
        execution_data: (data > 0).then(|| vec![7; data]),
    };
    let mut address = [0; 20];
    address[..8].copy_from_slice(&owner.to_be_bytes());
    let owner = Address(address);
    let (beneficiary, arbiter, legs) = (Address::ZERO, Address::ZERO, Vec::new());
    let terms = LockTerms { owner, beneficiary, arbiter, nonce, expires: 0, condition, legs };
    let parts: [&[u8]; 3] = [&nonce.to_be_bytes(), &owner.0, &created_ms.to_be_bytes()];
    let lock_id = LockId(mortise_format::domains::keccak256(&parts));
    Draft { lock_id, terms, created_ms, until_ms: created_ms + 300_000, request_id: None }
}

/// Adds `count` drafts of made-up owners; the number that was accepted.
fn flood(drafts: &mut Drafts, connection: u64, count: u64, now_ms: u64, data: usize) -> usize {
    let made = |n: u64| draft((connection << 32) + n, 0, now_ms, data);
    (0..count).filter(|n| drafts.insert(caller(connection), made(*n)).is_ok()).count()
}

/// Every index agrees with the drafts.
fn check(drafts: &Drafts) {
    let total: usize = drafts.by_id.values().map(|(_, draft)| bytes_of(draft)).sum();
    assert_eq!(drafts.bytes, total);
    assert!(total <= DRAFTS_BYTES_MAX && drafts.count() <= DRAFTS_MAX);
    assert_eq!(drafts.by_time.len(), drafts.count());
    let held = drafts.by_caller.values();
    assert_eq!(held.clone().map(|held| held.by_age.len()).sum::<usize>(), drafts.count());
    assert_eq!(held.clone().map(|held| held.nonces.len()).sum::<usize>(), drafts.count());
    assert_eq!(held.clone().map(|held| held.bytes).sum::<usize>(), total);
    assert!(held.clone().all(|held| held.bytes <= CALLER_BYTES_MAX && held.bytes > 0));
    let by_bytes: BTreeSet<_> = drafts.by_caller.iter().map(|(key, h)| (h.bytes, *key)).collect();
    assert_eq!(drafts.by_bytes, by_bytes);
}

/// FAULTS C7: 40,000 drafts of made-up owners evicted a given draft before a wallet could sign it.
#[test]
fn flood_of_one_caller_evicts_its_own_drafts_alone() {
    let mut drafts = Drafts::default();
    let given = draft(1, 0, 0, 0);
    drafts.insert(caller(1), given.clone()).unwrap();
    assert_eq!(flood(&mut drafts, 2, 40_000, 1, 0), 40_000);
    assert_eq!(drafts.find(&given.lock_id, 2), Some(&given));
    assert_eq!(drafts.count(), 1 + CALLER_BYTES_MAX / DRAFT_BYTES_MIN);
    check(&drafts);
}

/// FAULTS C7: a hundred drafts of a stranger for an owner, and the owner was refused for 300 s.
#[test]
fn drafts_of_a_stranger_for_an_owner_take_nothing_from_the_owner() {
    let mut drafts = Drafts::default();
    let owner = draft(1, 0, 0, 0).terms.owner;
    for n in 0..500 {
        drafts.insert(caller(2), draft(1, n, 0, 0)).unwrap();
    }
    assert_eq!(drafts.next_nonce(caller(1), &owner, 0, |_| true), 0);
    assert_eq!(drafts.insert(caller(1), draft(1, 0, 1, 0)), Ok(()));
    check(&drafts);
}

#[test]
fn full_pool_takes_from_whoever_holds_most_and_a_caller_within_its_share_keeps_young_drafts() {
    let mut drafts = Drafts::default();
    let given = draft(1, 0, 0, 0);
    drafts.insert(caller(1), given.clone()).unwrap();
    for n in 2..40 {
        assert_eq!(flood(&mut drafts, n, 1000, 1, 0), 1000, "caller {n}");
        check(&drafts);
    }
    assert!(drafts.bytes + DRAFT_BYTES_MIN > DRAFTS_BYTES_MAX, "it is full");
    let second = draft(2, 0, 2, 0);
    drafts.insert(caller(100), second.clone()).unwrap();
    for draft in [&given, &second] {
        assert!(drafts.find(&draft.lock_id, 3).is_some(), "one draft is no more than its share");
    }
    check(&drafts);
}

/// Goal: when every caller has its even share, young drafts stay and the newcomer is refused; old
/// ones give way.
#[test]
fn pool_of_young_drafts_refuses_the_newcomer_and_old_ones_give_way() {
    let mut drafts = Drafts::default();
    let callers = u64::try_from(DRAFTS_BYTES_MAX / DRAFT_BYTES_MIN).unwrap();
    for n in 0..callers {
        assert_eq!(flood(&mut drafts, n, 1, 0, 0), 1);
    }
    check(&drafts);
    let newcomer = draft(1, 0, DRAFT_YOUNG_MS - 1, 0);
    assert_eq!(drafts.insert(caller(callers), newcomer), Err(PoolFull));
    assert_eq!(drafts.count(), DRAFTS_BYTES_MAX / DRAFT_BYTES_MIN);
    assert_eq!(drafts.insert(caller(callers), draft(1, 0, DRAFT_YOUNG_MS, 0)), Ok(()));
    check(&drafts);
}

#[test]
fn execution_data_counts() {
    let mut drafts = Drafts::default();
    flood(&mut drafts, 1, 1000, 0, EXECUTION_DATA_BYTES_MAX);
    let most = CALLER_BYTES_MAX / (DRAFT_BYTES + EXECUTION_DATA_BYTES_MAX);
    assert_eq!(drafts.count(), most);
    check(&drafts);
}

#[test]
fn drafts_of_one_owner_at_one_caller_have_distinct_nonces_up_to_a_bound_and_expire() {
    let mut drafts = Drafts::default();
    let owner = draft(7, 0, 0, 0).terms.owner;
    for expected in 0..NONCE_DRAFTS_MAX {
        let nonce = drafts.next_nonce(caller(1), &owner, 0, |_| true);
        assert_eq!(nonce, expected);
        drafts.insert(caller(1), draft(7, nonce, expected, 0)).unwrap();
    }
    let beyond = drafts.next_nonce(caller(1), &owner, 0, |_| true);
    assert_eq!(beyond, 0, "the offset is bounded");
    drafts.forget(300_000 + 2);
    assert_eq!(drafts.next_nonce(caller(1), &owner, 0, |_| true), 0);
    assert_eq!(u64::try_from(drafts.count()), Ok(NONCE_DRAFTS_MAX - 3));
    drafts.forget(u64::MAX);
    assert_eq!((drafts.count(), drafts.bytes, drafts.by_caller.len()), (0, 0, 0));
    check(&drafts);
}

#[test]
fn two_callers_with_the_same_terms_cannot_take_the_draft_from_each_other() {
    let mut drafts = Drafts::default();
    let same = draft(1, 0, 0, 0);
    drafts.insert(caller(1), same.clone()).unwrap();
    drafts.insert(caller(2), same.clone()).unwrap();
    assert_eq!(drafts.insert(caller(2), same.clone()), Ok(()), "again is once");
    assert_eq!(drafts.count(), 2);
    flood(&mut drafts, 2, 2000, 0, 0);
    assert!(drafts.find(&same.lock_id, 1).is_some());
    check(&drafts);
    drafts.remove(&same.lock_id);
    assert!(drafts.find(&same.lock_id, 1).is_none());
    check(&drafts);
}
