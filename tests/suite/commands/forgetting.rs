//! What nothing needs leaves the state: principals, accounts, totals and their leaves.

use mortise_engine::api::Reply;
use mortise_engine::query::ProveEntry;
use mortise_format::asset::Asset;
use mortise_format::entry::LeafKey;
use mortise_format::ids::Address;
use mortise_format::limits::LOCK_LEGS_MAX;
use mortise_format::lock::LockTerms;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{START_S, fact, leg, request, terms};

/// Principals, accounts, totals, leaves of the tree.
fn counts(driver: &Driver) -> [usize; 4] {
    let machine = driver.pipeline().machine();
    let state = machine.state();
    let leaves = usize::try_from(machine.tree().len()).expect("few leaves");
    [state.principal_count(), state.account_count(), state.total_count(), leaves]
}

/// Moves the clock and lets only time work.
fn wait(driver: &mut Driver, seconds: u64) {
    driver.now_ms += seconds * 1000;
    driver.tick();
    driver.settle();
}

/// Goal: FAULTS B4. Fresh owners with fresh tokens cost nothing after their locks, by time alone.
#[test]
fn state_is_back_at_its_baseline_after_retention() {
    let mut driver = Driver::booted(1);
    let baseline = counts(&driver);
    let owners = [Party::Owner, Party::OtherOwner, Party::Stranger, Party::Operator];
    let signer = driver.signer();
    for (n, owner) in (0u8..).zip(owners) {
        let token = |i: u8| Asset::erc20(1, Address([16 * n + i + 1; 20]));
        let most = u8::try_from(LOCK_LEGS_MAX).expect("few legs");
        let legs = (0..most).map(|i| leg(token(i), 1)).collect();
        let fresh = LockTerms { legs, ..terms(owner, 0, 1) };
        let reply = driver.answer(&signer.commit(owner, &fresh, request(1)));
        assert!(matches!(reply, Ok(Reply::Logged(..))), "{reply:?}");
        if n == 0 {
            let lock_id = signer.lock_id(&fresh);
            drop(driver.answer(&signer.release(Party::Beneficiary, lock_id, request(2))));
        }
    }
    let observers = [Party::ObserverA, Party::ObserverB];
    drop(driver.answer(&signer.fact(&observers, &fact(Party::Arbiter, 5, 1, START_S))));
    let full = counts(&driver);
    let accounts = owners.len() * LOCK_LEGS_MAX + 1;
    assert_eq!(full[..3], [owners.len() + 1, accounts, accounts]);

    wait(&mut driver, 3 * 3600);
    wait(&mut driver, 3600);
    wait(&mut driver, 120);
    driver.restart();
    assert_eq!(counts(&driver)[..3], [owners.len(), 0, 0], "their nonces can still be used");
    wait(&mut driver, 23 * 3600);
    assert_eq!(counts(&driver), baseline);
    let owner = LeafKey::Principal(Party::Owner.address());
    assert_eq!(driver.read(ProveEntry(owner)).answer.value, None);

    let frames = driver.pipeline().machine().head().next_seq;
    for _ in 0..5 {
        wait(&mut driver, 3600);
    }
    assert_eq!(driver.pipeline().machine().head().next_seq, frames, "nothing is left to do");
    driver.restart();
    assert_eq!(counts(&driver), baseline);
}
