//! Reads change nothing and log nothing.

use super::{cells, page};
use mortise_core::state::LeafKey;
use mortise_engine::api::{LockFilter, Reply};
use mortise_engine::query::{
    CreateDraft, DraftLooksAt, EngineStatus, FindBalance, FindGrant, FindHistory, FindHolds,
    FindLock, FindReadings, ListOpen, ListPage, NewestStatement, PolicyInForce, ProveEntry,
    Simulate, SuggestNonce,
};
use mortise_format::U256;
use mortise_format::ids::Bytes32;
use mortise_format::lock::LockTerms;
use mortise_rpc::params::{Expiry, SimulateLock};
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{coin, condition, leg, plain_terms};

/// Asks what a method asks of the ledger, and gets an answer. False if the session answers the
/// method alone.
fn is_asked(method: &str, lock: &LockTerms, driver: &mut Driver) -> bool {
    let (owner, asset) = (Party::Owner.address(), coin());
    let lock_id = driver.signer().lock_id(lock);
    let filter = LockFilter { owner: Some(owner), limit: 10, ..LockFilter::default() };
    match method {
        "health" | "getBootAttestation" | "getEngineInfo" => drop(driver.read(EngineStatus)),
        "getEnclaveId" | "getEnclavePublicKey" => return false,
        // The application API has no access to the ledger.
        name if name.starts_with("kms") => return false,
        "createLock" => assert!(driver.read(draft()).answer.is_ok()),
        "verifyFulfillment" | "getLock" => drop(driver.read(FindLock(lock_id))),
        "getLockHistory" => drop(driver.read(FindHistory(lock_id))),
        "getActiveLocks" => drop(driver.read(ListOpen(owner))),
        "listLocks" => drop(driver.read(ListPage(filter))),
        "getLockedBalance" => drop(driver.read(FindHolds { owner, asset })),
        "getBalance" => drop(driver.read(FindBalance { owner, asset })),
        "getStateRoot" | "getAttestation" => drop(driver.read(NewestStatement)),
        "suggestNonce" => drop(driver.read(SuggestNonce(owner))),
        "simulateLock" => drop(driver.read(simulate(lock.expires))),
        "getPolicy" => drop(driver.read(PolicyInForce)),
        "getProof" => drop(driver.read(ProveEntry(LeafKey::Lock(lock_id)))),
        "getReceipt" => drop(driver.read(FindGrant(lock_id))),
        "getReadingKeys" => drop(driver.read(FindReadings(Bytes32([0x7e; 32])))),
        // The read plane answers these from the released log.
        "getEvents" | "subscribe" | "getCheckpoint" | "getConsistencyProof" => return false,
        "cleanupExpiredLocks" => assert_eq!(driver.sweep(), 0),
        other => panic!("no query is written for {other}"),
    }
    true
}

fn draft() -> CreateDraft {
    CreateDraft {
        owner: Party::Owner.address(),
        asset: coin(),
        amount: U256::ONE,
        expires_in: 60,
        condition: condition(),
        request_id: None,
        looks_at: DraftLooksAt::Account,
    }
}

fn simulate(expires: u64) -> Simulate {
    Simulate(SimulateLock {
        owner: Party::Owner.address(),
        beneficiary: None,
        arbiter: None,
        legs: vec![leg(coin(), 1)],
        nonce: None,
        expiry: Expiry::At(expires),
        condition: condition(),
    })
}

#[test]
fn every_method_that_needs_no_signature_leaves_state_and_log_as_they_were() {
    let mut driver = Driver::booted(1);
    let lock = plain_terms(Party::Owner, 0, 100);
    let approve = driver.signer().approve(Party::Owner, &lock);
    assert!(matches!(driver.answer(&approve), Ok(Reply::Logged(..))));
    let rows = cells(&page(), 3);
    assert!(rows.len() > 10);
    for row in rows {
        let frames = driver.disk.frames().len();
        let before = driver.pipeline().machine().state().snapshot();
        if !is_asked(&row[0], &lock, &mut driver) {
            continue;
        }
        assert_eq!(driver.disk.frames().len(), frames, "{}", row[0]);
        assert_eq!(driver.pipeline().machine().state().snapshot(), before, "{}", row[0]);
    }
}
