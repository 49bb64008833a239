//! Drafts are outside the state and the log, bounded in number, and lost at a restart.

use mortise_engine::api::Reply;
use mortise_engine::drafts::Draft;
use mortise_engine::query::{
    CreateDraft, DraftLooksAt, DraftRefused, EngineStatus, FindLock, LockOrDraft,
};
use mortise_format::U256;
use mortise_format::command::CancelForm;
use mortise_format::ids::{Address, LockId, RequestId};
use mortise_format::limits::{DRAFTS_MAX, NONCE_DRAFTS_MAX};
use mortise_format::reject::{Limit, Reject};
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{
    LOCK_S_MAX, LOCK_S_MIN, SINGLE_MAX, START_S, UNSERVED_CHAIN, coin, condition, nonce,
};

fn ask(owner: Address, amount: u64, expires_in: u64) -> CreateDraft {
    let (amount, request_id) = (U256::from(amount), None);
    let (condition, looks_at) = (condition(), DraftLooksAt::Account);
    CreateDraft { owner, asset: coin(), amount, expires_in, condition, request_id, looks_at }
}

fn draft(driver: &mut Driver, request: CreateDraft) -> Result<Draft, Reject> {
    driver.read(request).answer.map_err(|refused| match refused {
        DraftRefused::Rejected(rejected) => rejected.reject,
        DraftRefused::PoolFull => panic!("the pool has room"),
    })
}

fn found(driver: &mut Driver, lock_id: LockId) -> Option<LockOrDraft> {
    driver.read(FindLock(lock_id)).answer
}

fn as_draft(draft: Draft) -> Option<LockOrDraft> {
    Some(LockOrDraft::Draft(Box::new(draft)))
}

#[test]
fn draft_is_not_logged_holds_nothing_and_is_lost_at_a_restart() {
    let mut driver = Driver::booted(1);
    let frames = driver.disk.frames().len();
    let made = draft(&mut driver, ask(Party::Owner.address(), 10, 60)).expect("it fits");
    assert_eq!(driver.disk.frames().len(), frames);
    assert_eq!(found(&mut driver, made.lock_id), as_draft(made.clone()));
    let state = driver.pipeline().machine().state();
    assert!(state.balance(&Party::Owner.address(), &coin()).held.is_zero());
    driver.restart();
    assert_eq!(found(&mut driver, made.lock_id), None);
}

/// FAULTS C7: a stranger makes drafts for an owner, and the owner's createLock was refused for 300
/// s. Goal: the quota is the caller's.
#[test]
fn drafts_of_a_stranger_for_an_owner_cost_the_owner_nothing() {
    let mut driver = Driver::booted(2);
    let owner = Party::Owner.address();
    let count = NONCE_DRAFTS_MAX - 1;
    driver.caller.connection = 1;
    let nonces: Vec<u64> = (0..count)
        .map(|_| draft(&mut driver, ask(owner, 10, 60)).expect("it fits").terms.nonce)
        .collect();
    assert_eq!(
        nonces,
        (0..count).map(nonce).collect::<Vec<_>>(),
        "distinct among the drafts of one caller"
    );
    driver.caller.connection = 2;
    let own = draft(&mut driver, ask(owner, 10, 60)).expect("it fits");
    assert_eq!(own.terms.nonce, nonce(0), "the stranger's drafts move no nonce of the owner");
    let signer = driver.signer();
    let reply = driver.answer(&signer.approve(Party::Owner, &own.terms));
    assert!(matches!(reply, Ok(Reply::Logged(..))));
}

/// FAULTS C7: 40,000 drafts of made-up owners evicted a given one in 0.1 to 1.7 s.
#[test]
fn flood_of_one_caller_evicts_no_draft_of_another() {
    let mut driver = Driver::booted(8);
    driver.caller.connection = 1;
    let given = draft(&mut driver, ask(Party::Owner.address(), 10, 60)).expect("it fits");
    driver.caller.connection = 2;
    let mut address = Address([0x33; 20]);
    for n in 0..4 * u64::try_from(DRAFTS_MAX).expect("a small number") {
        address.0[..8].copy_from_slice(&n.to_be_bytes());
        assert!(draft(&mut driver, ask(address, 10, 60)).is_ok());
    }
    assert_eq!(found(&mut driver, given.lock_id), as_draft(given));
}

#[test]
fn flood_of_drafts_stays_within_the_pool_and_locks_are_still_granted() {
    let mut driver = Driver::booted(3);
    let mut address = Address([0x33; 20]);
    for n in 0..u64::try_from(DRAFTS_MAX).expect("a small number") + 300 {
        address.0[..8].copy_from_slice(&n.to_be_bytes());
        driver.caller.connection = n / 50;
        assert!(draft(&mut driver, ask(address, 10, 60)).is_ok());
    }
    let status = driver.read(EngineStatus).answer;
    let room = DRAFTS_MAX - 10..=DRAFTS_MAX;
    assert!(room.contains(&status.draft_count), "{} drafts", status.draft_count);
    let signer = driver.signer();
    let terms = mortise_testkit::scenario::terms(Party::Owner, 0, 10);
    let request = mortise_testkit::scenario::request(1);
    let reply = driver.answer(&signer.commit(Party::Owner, &terms, request));
    assert!(matches!(reply, Ok(Reply::Logged(..))));
}

#[test]
fn draft_is_checked_like_a_lock() {
    let mut driver = Driver::booted(4);
    let owner = Party::Owner.address();
    let (min, max) = (START_S + LOCK_S_MIN, START_S + LOCK_S_MAX);
    let refused = draft(&mut driver, ask(owner, 10, LOCK_S_MIN - 1));
    assert_eq!(refused, Err(Reject::ExpiryTooEarly { min, max }));
    let refused = draft(&mut driver, ask(owner, 10, LOCK_S_MAX + 1));
    assert_eq!(refused, Err(Reject::ExpiryWindow { min, max }));
    assert!(draft(&mut driver, ask(owner, 10, u64::MAX)).is_err());
    let limit = Reject::Limit(Limit::Single, U256::from(SINGLE_MAX));
    assert_eq!(draft(&mut driver, ask(owner, SINGLE_MAX + 1, 60)), Err(limit));
    let mut unserved = ask(owner, 10, 60);
    unserved.condition.target_chain_id = UNSERVED_CHAIN;
    unserved.condition.target_asset.chain_id = UNSERVED_CHAIN;
    let refused = draft(&mut driver, unserved);
    assert_eq!(refused, Err(Reject::UnsupportedChain(UNSERVED_CHAIN)));
    assert!(matches!(draft(&mut driver, ask(Address::ZERO, 10, 60)), Err(Reject::Validation(_))));
}

#[test]
fn signed_draft_becomes_a_lock_with_the_same_id() {
    let mut driver = Driver::booted(5);
    let owner = Party::Owner.address();
    let made = draft(&mut driver, ask(owner, 10, 60)).expect("it fits");
    let signer = driver.signer();
    let reply = driver.answer(&signer.approve(Party::Owner, &made.terms));
    assert!(matches!(reply, Ok(Reply::Logged(..))));
    let lock = found(&mut driver, made.lock_id);
    assert!(matches!(lock, Some(LockOrDraft::Lock(lock)) if lock.lock_id == made.lock_id));
    let other = draft(&mut driver, ask(owner, 10, 60)).expect("it fits");
    assert_eq!(other.terms.nonce, nonce(1));
    let cancel = signer.cancel_draft(Party::Owner, &other.terms, CancelForm::Text);
    assert!(matches!(driver.answer(&cancel), Ok(Reply::Logged(..))));
    assert_eq!(found(&mut driver, other.lock_id), None);
}

#[test]
fn repeated_draft_request_returns_the_same_draft_and_other_content_is_refused() {
    let mut driver = Driver::booted(6);
    let owner = Party::Owner.address();
    let named =
        |amount| CreateDraft { request_id: Some(RequestId([7; 32])), ..ask(owner, amount, 60) };
    let made = draft(&mut driver, named(10)).expect("it fits");
    driver.now_ms += 5_000;
    assert_eq!(draft(&mut driver, named(10)), Ok(made));
    assert!(matches!(draft(&mut driver, named(11)), Err(Reject::RequestIdReused(_))));
}

#[test]
fn draft_is_dropped_after_its_time() {
    let mut driver = Driver::booted(7);
    let made = draft(&mut driver, ask(Party::Owner.address(), 10, 60)).expect("it fits");
    driver.now_ms = made.until_ms - 1;
    assert_eq!(found(&mut driver, made.lock_id), as_draft(made.clone()));
    driver.now_ms = made.until_ms;
    assert_eq!(found(&mut driver, made.lock_id), None);
}
