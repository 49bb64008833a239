//! Showing one event: its receipt holds nothing of its neighbours, and does not confirm a guess.

use mortise_core::event_tree::leaf_hash;
use mortise_engine::api::Reply;
use mortise_format::codec;
use mortise_format::content_key::event_salt;
use mortise_format::event::Event;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};

/// Goal: the neighbours of a shown event stay hidden. Method: three locks in one frame; every
/// 8 bytes of what the receipt of the middle one shows beside its own event are looked for in the
/// neighbours, and the neighbours, known to the last byte, are guessed.
#[test]
fn receipt_shows_its_event_and_nothing_of_the_others_in_the_frame() {
    let mut driver = Driver::booted(1);
    let signer = driver.signer();
    let asked: Vec<_> = [Party::Owner, Party::OtherOwner, Party::Beneficiary]
        .into_iter()
        .map(|owner| signer.commit(owner, &terms(owner, 0, 50), request(1)))
        .collect();
    let tokens = driver.ask(&asked.iter().collect::<Vec<_>>());
    driver.settle();
    let replies: Vec<Reply> = tokens.iter().map(|token| driver.replies[token].clone()).collect();
    let [Reply::Logged(a, first), Reply::Logged(b, shown), Reply::Logged(_, last)] = &replies[..]
    else {
        panic!("{replies:?}")
    };
    assert_eq!(a.statement().seq, b.statement().seq, "they share a frame");
    let receipt = b.event(*shown).unwrap();
    let hidden = [a.event(*first).unwrap(), b.event(*last).unwrap()];
    // All that goes out beside the event itself.
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
        // The right guess at a neighbour is not confirmed by any hash of the path without its salt.
        let guess = leaf_hash(&receipt.salt, &other.bytes);
        assert!(!receipt.path.contains(&guess));
        assert_ne!(other.salt, receipt.salt);
        assert!(matches!(codec::decode(&other.bytes), Ok(Event::LocksGranted { .. })));
        let real = leaf_hash(&other.salt, &other.bytes);
        assert_ne!(real, guess);
    }
    // With its salt it is: so the test looks at the right hashes.
    let sibling = hidden.iter().map(|other| leaf_hash(&other.salt, &other.bytes));
    let found = sibling.filter(|hash| receipt.path.contains(hash)).count();
    assert_eq!(found, 1, "one of the two is the neighbour in the tree");
    // Salts are of the content key: one does not give the next.
    let key = mortise_format::secret::Secret::new(receipt.salt);
    assert_ne!(event_salt(&key, *last), hidden[1].salt);
}
