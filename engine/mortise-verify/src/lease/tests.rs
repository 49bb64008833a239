//! Goal: every way in which an old answer could pass for a new one is refused by name.

use super::*;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use ed25519_dalek::{Signer as _, SigningKey};
use mortise_format::checkpoint::{checkpoint_text, cosigned_message};
use mortise_format::ids::Root;
use mortise_format::merkle::history::{leaf_hash, node_hash};
use mortise_format::note::KeyUse;

const ORIGIN: &str = "engine.example/log";
const NOW: u64 = 1_800_000_000;
const BOUNDS: LeaseBounds = LeaseBounds { now: NOW, max_age: 60, skew: 5 };

fn signing(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn key(usage: KeyUse, name: &str, n: u8) -> NoteKey {
    NoteKey::new(usage, name, signing(n).verifying_key().to_bytes()).unwrap()
}

fn witness(n: u8) -> NoteKey {
    key(KeyUse::Witness, &format!("w{n}.example"), n)
}

/// Two of three.
fn witnesses() -> Witnesses {
    Witnesses::new(vec![witness(1), witness(2), witness(3)], 2).unwrap()
}

/// The checkpoint of a head, cosigned by witness 1, 2, 3 at these times.
fn note(head: &TreeHead, times: &[(u8, u64)]) -> String {
    let text = checkpoint_text(ORIGIN, head);
    let log = key(KeyUse::Log, ORIGIN, 9);
    let mut note = format!("{text}\n");
    note += &log.signature_line(&signing(9).sign(text.as_bytes()).to_bytes());
    for (n, time) in times {
        let signature = signing(*n).sign(cosigned_message(*time, &text).as_bytes());
        let bytes = [&time.to_be_bytes()[..], &signature.to_bytes()].concat();
        note += &witness(*n).signature_line(&bytes);
    }
    note
}

/// The heads of one frame and of two, with the path between them.
fn heads() -> (TreeHead, TreeHead, [u8; 32]) {
    let (first, second) = (leaf_hash(b"first"), leaf_hash(b"second"));
    let two = node_hash(&first, &second);
    (TreeHead { size: 1, root: Root(first) }, TreeHead { size: 2, root: Root(two) }, second)
}

fn check(
    stated: &TreeHead,
    stated_at: u64,
    note: &str,
    path: &[[u8; 32]],
) -> Result<(u64, LeaseGround), LeaseError> {
    let (log, witnesses) = (key(KeyUse::Log, ORIGIN, 9), witnesses());
    let trust = LogTrust { origin: ORIGIN, log: &log, witnesses: &witnesses };
    let evidence = Evidence { note: note.as_bytes(), path };
    let lease = verify_head(stated, stated_at, &evidence, &trust, &BOUNDS)?;
    Ok((lease.as_of(), lease.ground()))
}

#[test]
fn time_of_a_cosigned_head_is_the_second_newest_of_its_two_of_three_witnesses() {
    let (one, ..) = heads();
    for (times, as_of) in [
        (&[(1, NOW), (2, NOW - 9)][..], NOW - 9),
        (&[(1, NOW - 30), (2, NOW - 9), (3, NOW - 2)], NOW - 9),
        (&[(1, 0), (2, NOW - 60), (3, NOW + 5)], NOW - 60),
        // a clock beyond the skew counts for nothing, the other two do
        (&[(1, NOW - 7), (2, NOW - 9), (3, NOW + 6)], NOW - 9),
    ] {
        let found = check(&one, 0, &note(&one, times), &[]);
        assert_eq!(found, Ok((as_of, LeaseGround::Cosigned)), "{times:?}");
    }
}

#[test]
fn old_and_future_times_are_refused_to_the_second() {
    let (one, ..) = heads();
    let at = |a, b| check(&one, NOW, &note(&one, &[(1, a), (2, b)]), &[]);
    assert!(at(NOW - 60, NOW).is_ok());
    assert_eq!(at(NOW - 61, NOW), Err(LeaseError::LeaseOld { age: 61, max_age: 60 }));
    assert!(at(NOW + 5, NOW + 5).is_ok());
    let ahead = |ahead| Err(LeaseError::LeaseFromTheFuture { ahead, skew: 5 });
    assert_eq!(at(NOW + 6, NOW + 7), ahead(7));
    // one clock is right, and one is no quorum
    assert_eq!(at(NOW, NOW + 6), ahead(6));
}

#[test]
fn statement_under_a_later_head_is_as_old_as_itself() {
    let (one, two, path) = heads();
    let later = note(&two, &[(1, NOW), (2, NOW)]);
    assert_eq!(check(&one, NOW - 60, &later, &[path]), Ok((NOW - 60, LeaseGround::Contained)));
    // yesterday's answer under today's checkpoint
    let old = check(&one, NOW - 86_400, &later, &[path]);
    assert_eq!(old, Err(LeaseError::LeaseOld { age: 86_400, max_age: 60 }));
    let future = check(&one, NOW + 6, &later, &[path]);
    assert_eq!(future, Err(LeaseError::LeaseFromTheFuture { ahead: 6, skew: 5 }));
}

#[test]
fn checkpoint_that_does_not_contain_the_statement_is_refused() {
    let (one, two, path) = heads();
    let later = note(&two, &[(1, NOW), (2, NOW)]);
    let mismatch = Err(LeaseError::HeadMismatch { stated: 1, size: 2 });
    for wrong in [&[][..], &[[7; 32]], &[path, path]] {
        assert_eq!(check(&one, NOW, &later, wrong), mismatch);
    }
    let other = TreeHead { size: 1, root: Root([7; 32]) };
    assert_eq!(check(&other, NOW, &later, &[path]), mismatch);
    // a fork of the same size, and a head from before the statement
    let earlier = note(&one, &[(1, NOW), (2, NOW)]);
    let fork = check(&other, NOW, &earlier, &[]);
    assert_eq!(fork, Err(LeaseError::HeadMismatch { stated: 1, size: 1 }));
    let before = check(&two, NOW, &earlier, &[path]);
    assert_eq!(before, Err(LeaseError::HeadMismatch { stated: 2, size: 1 }));
}

#[test]
fn note_without_a_quorum_or_of_another_log_is_no_evidence() {
    let (one, ..) = heads();
    let quorum = CheckpointError::Quorum { quorum: 2, found: 1 };
    let found = check(&one, NOW, &note(&one, &[(1, NOW)]), &[]);
    assert_eq!(found, Err(LeaseError::Checkpoint(quorum)));
    // a cosignature with another time than the signed one
    let good = note(&one, &[(1, NOW), (2, NOW)]);
    let line = good.lines().last().unwrap().to_string();
    let moved = note(&one, &[(1, NOW), (2, NOW + 1)]);
    let cut = line.len() - 80;
    let forged = good.replace(&line[..cut], &moved.lines().last().unwrap()[..cut]);
    let refused = check(&one, NOW, &forged, &[]);
    assert!(matches!(refused, Err(LeaseError::Checkpoint(_))), "{refused:?}");
    let other = good.replace(ORIGIN, "other.example/log");
    let refused = check(&one, NOW, &other, &[]);
    assert_eq!(refused, Err(LeaseError::Checkpoint(CheckpointError::Origin)));
}

#[test]
fn kth_newest_needs_k_times() {
    let of = |times: &[u64], k| kth_newest(times.iter().copied(), k);
    assert_eq!(of(&[5, 9, 7], 1), Some(9));
    assert_eq!(of(&[5, 9, 7], 3), Some(5));
    assert_eq!(of(&[5, 9, 7], 4), None);
    assert_eq!(of(&[5], 0), None);
}

#[test]
fn default_limit_is_that_of_a_policy_which_names_none() {
    let service = mortise_format::policy::Service::DEFAULT;
    let AgeLimit { max_age, skew } = AgeLimit::DEFAULT;
    assert_eq!((max_age, skew), (service.lease_s.into(), service.skew_s.into()));
}
