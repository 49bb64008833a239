//! A receipt discloses one event: it contains nothing of its neighbours and confirms no guess.

use mortise_core::event_tree::leaf_hash;
use mortise_engine::api::{Replied, Reply};
use mortise_format::codec;
use mortise_format::content_key::event_salt;
use mortise_format::event::Event;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};

/// Goal: the neighbours of a disclosed event stay hidden. Method: three locks in one frame. No 8
/// bytes of the middle one's receipt, outside its own event, occur in the neighbours; and a correct
/// guess of a whole neighbour cannot be confirmed.
#[test]
fn receipt_discloses_its_event_and_nothing_of_the_others_in_the_frame() {
    let mut driver = Driver::booted(1);
    let signer = driver.signer();
    let asked: Vec<_> = [Party::Owner, Party::OtherOwner, Party::Stranger]
        .into_iter()
        .map(|owner| signer.commit(owner, &terms(owner, 0, 50), request(1)))
        .collect();
    let tokens = driver.ask(&asked.iter().collect::<Vec<_>>());
    driver.settle();
    let replies: Vec<Replied> = tokens.iter().map(|token| driver.replies[token].clone()).collect();
    let [Ok(Reply::Logged(a, first)), Ok(Reply::Logged(b, shown)), Ok(Reply::Logged(_, last))] =
        &replies[..]
    else {
        panic!("{replies:?}")
    };
    assert_eq!(a.statement().seq, b.statement().seq, "they share a frame");
    let receipt = b.event(*shown).unwrap();
    let hidden = [a.event(*first).unwrap(), b.event(*last).unwrap()];
    // Everything in the receipt but the event itself.
    let mut beside = receipt.salt.to_vec();
    receipt.path.iter().for_each(|hash| beside.extend_from_slice(hash));
    beside.extend(codec::encode(b.leaf()));
    beside.extend(codec::encode(b.signed()));
    for other in &hidden {
        let secret = |window: &[u8]| !receipt.bytes.windows(8).any(|own| own == window);
        for window in other.bytes.windows(8).filter(|w| secret(w)) {
            let is_plain = window.iter().filter(|byte| **byte != 0).count() > 4;
            let is_seen = beside.windows(8).any(|seen| seen == window);
            assert!(!(is_plain && is_seen), "{window:02x?}");
        }
        // Without its salt, no hash of the path confirms a correct guess of a neighbour.
        let guess = leaf_hash(&receipt.salt, &other.bytes);
        assert!(!receipt.path.contains(&guess));
        assert_ne!(other.salt, receipt.salt);
        assert!(matches!(codec::decode(&other.bytes), Ok(Event::LocksGranted { .. })));
        let real = leaf_hash(&other.salt, &other.bytes);
        assert_ne!(real, guess);
    }
    // With its salt it does, so the test compares the right hashes.
    let sibling = hidden.iter().map(|other| leaf_hash(&other.salt, &other.bytes));
    let found = sibling.filter(|hash| receipt.path.contains(hash)).count();
    assert_eq!(found, 1, "one of the two is the neighbour in the tree");
    // Salts derive from the content key: one salt does not give the next.
    let key = mortise_format::secret::Secret::new(receipt.salt);
    assert_ne!(event_salt(&key, *last), hidden[1].salt);
}
