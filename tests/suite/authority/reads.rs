//! Reads change nothing and log nothing.

use super::{cells, page};
use mortise_core::state::LeafKey;
use mortise_engine::api::{DraftLooksAt, DraftRequest, LockFilter, Query, ReceiptOf, Reply};
use mortise_format::U256;
use mortise_format::ids::Bytes32;
use mortise_format::lock::LockTerms;
use mortise_rpc::params::{Expiry, SimulateLock};
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{coin, condition, leg, plain_terms};

/// The query that a method sends to the ledger; none if the session answers it alone.
fn query(method: &str, lock: &LockTerms, driver: &Driver) -> Option<Query> {
    let owner = Party::Owner.address();
    let lock_id = driver.signer().lock_id(lock);
    let filter = LockFilter { owner: Some(owner), limit: 10, ..LockFilter::default() };
    Some(match method {
        "health" | "getBootAttestation" | "getEngineInfo" => Query::Status,
        "getEnclaveId" | "getEnclavePublicKey" => return None,
        // The application API has no access to the ledger.
        name if name.starts_with("kms") => return None,
        "createLock" => Query::Draft(DraftRequest {
            owner,
            asset: coin(),
            amount: U256::ONE,
            expires_in: 60,
            condition: condition(),
            request_id: None,
            looks_at: DraftLooksAt::Account,
        }),
        "verifyFulfillment" | "getLock" => Query::Lock(lock_id),
        "getLockHistory" => Query::History(lock_id),
        "getActiveLocks" => Query::OpenLocks(owner),
        "listLocks" => Query::Locks(filter),
        "getLockedBalance" => Query::Holds(owner, coin()),
        "getBalance" => Query::Balance(owner, coin()),
        "getStateRoot" | "getAttestation" => Query::Statement,
        "suggestNonce" => Query::SuggestNonce(owner),
        "simulateLock" => Query::Simulate(Box::new(SimulateLock {
            owner,
            beneficiary: None,
            arbiter: None,
            legs: vec![leg(coin(), 1)],
            nonce: None,
            expiry: Expiry::At(lock.expires),
            condition: condition(),
        })),
        "getPolicy" => Query::Policy,
        "getProof" => Query::Proof(LeafKey::Lock(lock_id)),
        "getReceipt" => Query::Locate(ReceiptOf::Lock(lock_id)),
        "getReadingKeys" => Query::Readings(Bytes32([0x7e; 32])),
        // The read plane answers these from the released log.
        "getEvents" | "subscribe" | "getCheckpoint" | "getConsistencyProof" => return None,
        "cleanupExpiredLocks" => Query::Sweep,
        other => panic!("no query is written for {other}"),
    })
}

#[test]
fn every_method_that_needs_no_signature_leaves_state_and_log_as_they_were() {
    let mut driver = Driver::booted(1);
    let lock = plain_terms(Party::Owner, 0, 100);
    let approve = driver.signer().approve(Party::Owner, &lock);
    assert!(matches!(driver.answer(&approve), Reply::Logged(..)));
    let rows = cells(&page(), 3);
    assert!(rows.len() > 10);
    for row in rows {
        let Some(query) = query(&row[0], &lock, &driver) else { continue };
        let frames = driver.disk.frames().len();
        let before = driver.pipeline().machine().state().snapshot();
        let reply = driver.read(query);
        assert!(matches!(reply, Reply::Read(_) | Reply::Rooted(..)), "{}: {reply:?}", row[0]);
        assert_eq!(driver.disk.frames().len(), frames, "{}", row[0]);
        assert_eq!(driver.pipeline().machine().state().snapshot(), before, "{}", row[0]);
    }
}
