//! Presence and absence of entries under a stated state root.

use super::entries::values;
use super::{Log, START_MS, event};
use mortise_format::asset::Asset;
use mortise_format::codec::encode;
use mortise_format::entry::{LeafKey, LeafValue};
use mortise_format::ids::{Address, LockId, PolicyHash};
use mortise_format::limits::REQUEST_BYTES_MAX;
use mortise_format::merkle::state::{ProofEnd, StateProof, StateProofError};
use mortise_format::merkle::{TreeKey, ValueHash};
use mortise_verify::state::{StateError, verify_absence, verify_entry, verify_leaf};
use mortise_verify::statement::VerifiedStatement;
use proptest::prelude::*;

const SALT: [u8; 32] = [0x77; 32];

fn lock(n: u8) -> LeafKey {
    LeafKey::Lock(LockId([n; 32]))
}

/// A log whose newest state holds `count` locks.
fn log(count: u8) -> Log {
    let mut log = Log::new(1);
    let [value, ..] = values();
    (0..count).for_each(|n| log.set(&lock(n), &value, &SALT));
    log.push(START_MS, &[event(0)]);
    log
}

fn proof(log: &Log, key: &LeafKey) -> StateProof {
    log.tree.prove(&key.position(&log.engine.id))
}

#[test]
fn entries_of_every_kind_verify_under_the_stated_root() {
    let mut log = Log::new(1);
    let keys = [
        lock(1),
        LeafKey::Account(Address([1; 20]), Asset::native(1)),
        LeafKey::Account(Address([2; 20]), Asset::native(1)),
        LeafKey::Principal(Address([1; 20])),
        LeafKey::Policy,
        LeafKey::Images,
    ];
    for (key, value) in keys.iter().zip(values()) {
        log.set(key, &value, &SALT);
    }
    log.push(START_MS, &[event(0)]);
    let statement = log.newest();
    for (key, value) in keys.iter().zip(values()) {
        let proof = proof(&log, key);
        let leaf = verify_leaf(&statement, key, &encode(&value), &SALT, &proof).unwrap();
        assert_eq!((leaf.value(), leaf.key()), (&value, key));
        let entry = verify_entry(&statement, key, &value.hash(&SALT), &proof).unwrap();
        assert_eq!(entry.open(&encode(&value), &SALT).unwrap(), leaf);
        let absent = verify_absence(&statement, key, &proof);
        assert_eq!(absent, Err(StateError::Proof(StateProofError::ShowsPresence)));
    }
    let absent = verify_absence(&statement, &lock(9), &proof(&log, &lock(9))).unwrap();
    assert_eq!(absent.key(), &lock(9));
}

#[test]
fn each_changed_part_of_a_presence_proof_is_refused_by_name() {
    let log = log(20);
    let (statement, key, [value, ..]) = (log.newest(), lock(3), values());
    let (value, proof) = (encode(&value), proof(&log, &key));
    let check = |key: &LeafKey, value: &[u8], salt: &[u8; 32], proof: &StateProof| {
        verify_leaf(&statement, key, value, salt, proof).map(|_| ())
    };
    let mismatch = Err(StateError::Proof(StateProofError::RootMismatch));
    assert_eq!(check(&key, &value, &SALT, &proof), Ok(()));
    for at in 0..value.len() {
        let mut flipped = value.clone();
        flipped[at] ^= 1;
        assert_eq!(check(&key, &flipped, &SALT, &proof), mismatch);
    }
    assert_eq!(check(&key, &value[1..], &SALT, &proof), mismatch);
    assert_eq!(check(&key, &[&value[..], &[0]].concat(), &SALT, &proof), mismatch);
    assert_eq!(check(&key, &value, &[0x78; 32], &proof), mismatch);
    assert_eq!(check(&lock(4), &value, &SALT, &proof), mismatch);
    let large = StateError::ValueTooLarge { found: REQUEST_BYTES_MAX + 1 };
    assert_eq!(check(&key, &[0].repeat(REQUEST_BYTES_MAX + 1), &SALT, &proof), Err(large));
    for wrong in wrong_proofs(&proof) {
        let refused = check(&key, &value, &SALT, &wrong);
        assert!(matches!(refused, Err(StateError::Proof(_))), "{wrong:?}: {refused:?}");
    }
}

/// The proof with each sibling flipped, removed, repeated, or swapped with its neighbour.
fn wrong_proofs(proof: &StateProof) -> Vec<StateProof> {
    let (siblings, end) = (proof.siblings().to_vec(), proof.end());
    let mut wrong = Vec::new();
    for at in 0..siblings.len() {
        let mut flipped = siblings.clone();
        flipped[at][11] ^= 1;
        let mut doubled = siblings.clone();
        doubled.insert(at, siblings[at]);
        let mut swapped = siblings.clone();
        swapped.swap(at, (at + 1) % siblings.len());
        let mut cut = siblings.clone();
        cut.remove(at);
        wrong.extend([flipped, doubled, swapped, cut].into_iter().filter(|s| *s != siblings));
    }
    wrong.push([&siblings[..], &[[0; 32]]].concat());
    wrong.push([&siblings[..], &[[1; 32]]].concat());
    wrong.into_iter().map(|siblings| StateProof::from_parts(siblings, end).unwrap()).collect()
}

#[test]
fn each_changed_part_of_an_absence_proof_is_refused_by_name() {
    let log = log(20);
    let statement = log.newest();
    let mut ends = [0, 0];
    for key in (20..60).map(lock) {
        let proof = proof(&log, &key);
        ends[usize::from(proof.end() == ProofEnd::Empty)] += 1;
        assert!(verify_absence(&statement, &key, &proof).is_ok());
        for wrong in wrong_proofs(&proof) {
            let refused = verify_absence(&statement, &key, &wrong);
            assert!(matches!(refused, Err(StateError::Proof(_))), "{wrong:?}: {refused:?}");
        }
        let position = key.position(&log.engine.id);
        let same = ProofEnd::Other { position, value: ValueHash([1; 32]) };
        let wrong = StateProof::from_parts(proof.siblings().to_vec(), same).unwrap();
        let refused = verify_absence(&statement, &key, &wrong);
        assert_eq!(refused, Err(StateError::Proof(StateProofError::OtherIsSame)));
        let mut far = position;
        far.0[0] ^= 0x80;
        let off = ProofEnd::Other { position: TreeKey(far.0), value: ValueHash([1; 32]) };
        let wrong = StateProof::from_parts(proof.siblings().to_vec(), off).unwrap();
        let refused = verify_absence(&statement, &key, &wrong);
        let named = StateProofError::OtherOffTheWay { shared: 0, siblings: proof.siblings().len() };
        assert_eq!(refused, Err(StateError::Proof(named)));
    }
    assert!(ends.iter().all(|count| *count > 0), "both ends of an absence occur: {ends:?}");
}

#[test]
fn proof_is_refused_under_another_root_or_for_another_engine() {
    let (mut log, other) = (log(20), Log::of(2, 1));
    let (key, [value, ..]) = (lock(3), values());
    let (first, proof) = (log.newest(), proof(&log, &key));
    log.set(&lock(99), &value, &SALT);
    log.push(START_MS + 1000, &[event(1)]);
    let mismatch = Err(StateError::Proof(StateProofError::RootMismatch));
    let check = |statement: &VerifiedStatement| {
        verify_leaf(statement, &key, &encode(&value), &SALT, &proof).map(|_| ())
    };
    assert_eq!(check(&first), Ok(()));
    assert_eq!(check(&log.newest()), mismatch);
    assert_eq!(check(&other.newest()), mismatch);
}

#[test]
fn value_of_another_kind_or_no_value_is_refused() {
    let mut log = Log::new(1);
    let policy = LeafValue::Policy(PolicyHash([1; 32]));
    log.set(&lock(1), &policy, &SALT);
    let junk = mortise_format::entry::value_hash(b"junk", &SALT);
    log.tree.update(&[(lock(2).position(&log.engine.id), Some(junk))]);
    log.push(START_MS, &[event(0)]);
    let statement = log.newest();
    let open = |key: &LeafKey, value: &[u8]| {
        verify_leaf(&statement, key, value, &SALT, &proof(&log, key)).map(|_| ())
    };
    assert_eq!(open(&lock(1), &encode(&policy)), Err(StateError::Kind));
    assert!(matches!(open(&lock(2), b"junk"), Err(StateError::Encoding(_))));
    let entry = verify_entry(&statement, &lock(2), &junk, &proof(&log, &lock(2))).unwrap();
    assert_eq!(entry.clone().open(b"other", &SALT), Err(StateError::Opening));
    assert_eq!(entry.open(b"junk", &[0; 32]), Err(StateError::Opening));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_key_is_present_or_absent_and_never_both(count in 0u8..80, asked in any::<u8>()) {
        let log = log(count);
        let (statement, key, [value, ..]) = (log.newest(), lock(asked), values());
        let proof = proof(&log, &key);
        let present = verify_leaf(&statement, &key, &encode(&value), &SALT, &proof).is_ok();
        let absent = verify_absence(&statement, &key, &proof).is_ok();
        prop_assert_eq!((present, absent), (asked < count, asked >= count));
    }
}
