//! Drafts are outside the state and the log, bounded in number, and lost at a restart.

use mortise_engine::api::{Answer, DraftRequest, Query, Reply};
use mortise_engine::drafts::Draft;
use mortise_format::U256;
use mortise_format::command::CancelForm;
use mortise_format::ids::{Address, RequestId};
use mortise_format::limits::{DRAFTS_MAX, DRAFTS_PER_OWNER_MAX};
use mortise_format::reject::{Limit, Reject};
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{
    LOCK_S_MAX, LOCK_S_MIN, SINGLE_MAX, START_S, UNSERVED_CHAIN, coin, condition, nonce,
};

fn ask(owner: Address, amount: u64, expires_in: u64) -> DraftRequest {
    let (amount, request_id) = (U256::from(amount), None);
    DraftRequest { owner, asset: coin(), amount, expires_in, condition: condition(), request_id }
}

fn draft(driver: &mut Driver, request: DraftRequest) -> Result<Draft, Reject> {
    match driver.read(Query::Draft(request)) {
        Reply::Read(Answer::Draft(draft)) => Ok(*draft),
        Reply::Refused(refusal) => Err(refusal.reject),
        other => panic!("{other:?} answers no draft"),
    }
}

#[test]
fn draft_is_not_logged_holds_nothing_and_is_lost_at_a_restart() {
    let mut driver = Driver::booted(1);
    let frames = driver.disk.frames().len();
    let made = draft(&mut driver, ask(Party::Owner.address(), 10, 60)).expect("it fits");
    assert_eq!(driver.disk.frames().len(), frames);
    let found = driver.read(Query::Lock(made.lock_id));
    assert!(matches!(found, Reply::Rooted(Answer::Draft(found), _) if *found == made));
    let state = driver.pipeline().machine().state();
    assert!(state.balance(&Party::Owner.address(), &coin()).held.is_zero());
    driver.restart();
    assert!(matches!(driver.read(Query::Lock(made.lock_id)), Reply::Rooted(Answer::None, _)));
}

#[test]
fn drafts_of_one_owner_get_distinct_nonces_up_to_the_quota() {
    let mut driver = Driver::booted(2);
    let owner = Party::Owner.address();
    let count = u64::try_from(DRAFTS_PER_OWNER_MAX).expect("a small number");
    let nonces: Vec<u64> = (0..count)
        .map(|_| draft(&mut driver, ask(owner, 10, 60)).expect("it fits").terms.nonce)
        .collect();
    assert_eq!(nonces, (0..count).map(nonce).collect::<Vec<_>>());
    let limit = Reject::Limit(Limit::Drafts, U256::from(count));
    assert_eq!(draft(&mut driver, ask(owner, 10, 60)), Err(limit));
    assert!(draft(&mut driver, ask(Party::OtherOwner.address(), 10, 60)).is_ok());
}

#[test]
fn flood_of_drafts_stays_within_the_pool_and_locks_are_still_granted() {
    let mut driver = Driver::booted(3);
    let mut address = Address([0x33; 20]);
    for n in 0..u64::try_from(DRAFTS_MAX).expect("a small number") + 300 {
        address.0[..8].copy_from_slice(&n.to_be_bytes());
        assert!(draft(&mut driver, ask(address, 10, 60)).is_ok());
    }
    let Reply::Rooted(Answer::Status(status), _) = driver.read(Query::Status) else {
        panic!("status is read")
    };
    assert_eq!(status.draft_count, DRAFTS_MAX);
    let signer = driver.signer();
    let terms = mortise_testkit::scenario::terms(Party::Owner, 0, 10);
    let request = mortise_testkit::scenario::request(1);
    let reply = driver.answer(&signer.commit(Party::Owner, &terms, request));
    assert!(matches!(reply, Reply::Logged(..)));
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
    assert!(matches!(reply, Reply::Logged(..)));
    let found = driver.read(Query::Lock(made.lock_id));
    assert!(matches!(found, Reply::Rooted(Answer::Lock(lock), _) if lock.lock_id == made.lock_id));
    let other = draft(&mut driver, ask(owner, 10, 60)).expect("it fits");
    assert_eq!(other.terms.nonce, nonce(1));
    let cancel = signer.cancel_draft(Party::Owner, &other.terms, CancelForm::Text);
    assert!(matches!(driver.answer(&cancel), Reply::Logged(..)));
    assert!(matches!(driver.read(Query::Lock(other.lock_id)), Reply::Rooted(Answer::None, _)));
}

#[test]
fn repeated_draft_request_returns_the_same_draft_and_other_content_is_refused() {
    let mut driver = Driver::booted(6);
    let owner = Party::Owner.address();
    let named =
        |amount| DraftRequest { request_id: Some(RequestId([7; 32])), ..ask(owner, amount, 60) };
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
    assert!(matches!(driver.read(Query::Lock(made.lock_id)), Reply::Rooted(Answer::Draft(_), _)));
    driver.now_ms = made.until_ms;
    assert!(matches!(driver.read(Query::Lock(made.lock_id)), Reply::Rooted(Answer::None, _)));
}
