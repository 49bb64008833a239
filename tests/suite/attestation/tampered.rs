//! Documents with a byte changed, bytes cut or bytes added are all refused.

use super::genuine::{Genuine, archived, productive};
use super::name;
use mortise_sim::rng::Rng;
use mortise_verify::attestation::{AttestationError, CborError, PcrPolicy};
use std::collections::BTreeMap;
use std::time::Instant;

/// Changed bytes of each document but the first, of which every byte is changed.
const SAMPLE: u64 = 400;
/// Larger edits of each document.
const DAMAGES: usize = 500;
/// Threads of the every-byte test.
const THREADS: usize = 2;

/// How often each error was the answer.
type Tally = BTreeMap<String, usize>;

/// Changes one byte at each offset, and counts the errors by name.
fn refusals(genuine: &Genuine, places: &[(usize, u8)]) -> Tally {
    let mut tally = Tally::new();
    let mut bytes = genuine.bytes.clone();
    for (at, change) in places {
        bytes[*at] ^= change;
        let refused = archived(&bytes, &PcrPolicy::any_image());
        let error = refused.expect_err(&format!("{}: byte {at} ^ {change}", genuine.file));
        *tally.entry(name(&error)).or_default() += 1;
        bytes[*at] ^= change;
    }
    tally
}

#[test]
fn genuine_document_with_any_byte_changed_is_refused() {
    let Some(genuine) = productive().into_iter().next() else { return };
    let started = Instant::now();
    let mut rng = Rng::new(384);
    let places: Vec<_> = (0..genuine.bytes.len()).map(|at| (at, change(&mut rng))).collect();
    let mut tally = Tally::new();
    std::thread::scope(|scope| {
        let parts = places.chunks(places.len().div_ceil(THREADS));
        let running: Vec<_> = parts.map(|part| scope.spawn(|| refusals(&genuine, part))).collect();
        for part in running {
            for (name, count) in part.join().expect("every change is refused") {
                *tally.entry(name).or_default() += count;
            }
        }
    });
    println!("{} bytes changed in {:?}: {tally:?}", places.len(), started.elapsed());
    assert_eq!(tally.values().sum::<usize>(), genuine.bytes.len());
    for expected in ["Envelope", "RootNotPinned", "Certificate", "SignatureMismatch"] {
        assert!(tally.contains_key(expected), "{expected} is no answer: {tally:?}");
    }
}

#[test]
fn other_genuine_documents_with_a_sampled_byte_changed_are_refused() {
    for (seed, genuine) in (1..).zip(productive().iter().skip(1)) {
        let started = Instant::now();
        let mut rng = Rng::new(seed);
        let length = u64::try_from(genuine.bytes.len()).unwrap();
        let place = |_| (usize::try_from(rng.below(length)).unwrap(), change(&mut rng));
        let places: Vec<_> = (0..SAMPLE).map(place).collect();
        let tally = refusals(genuine, &places);
        println!("{}: {SAMPLE} changes in {:?}: {tally:?}", genuine.file, started.elapsed());
    }
}

#[test]
fn genuine_documents_with_bytes_moved_cut_or_inserted_are_refused_without_a_panic() {
    let mut rng = Rng::new(18);
    for genuine in productive() {
        for _ in 0..DAMAGES {
            let damaged = damage(&genuine.bytes, &mut rng);
            let answer = archived(&damaged, &PcrPolicy::any_image());
            assert!(answer.is_err() || damaged == genuine.bytes, "{}", genuine.file);
        }
    }
}

/// Cuts a slice out of the document and inserts it, or random bytes, elsewhere.
fn damage(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let length = u64::try_from(bytes.len()).unwrap();
    let mut below = |bound: u64| usize::try_from(rng.below(bound)).unwrap();
    let (from, to) = (below(length), below(length));
    let size = below(64).min(bytes.len() - from);
    let mut piece = bytes[from..from + size].to_vec();
    let mut damaged = bytes.to_vec();
    match below(4) {
        0 => drop(damaged.drain(from..from + size)),
        1 => drop(damaged.splice(to..to, piece)),
        2 => drop(damaged.splice(to..(to + size).min(bytes.len()), piece)),
        _ => {
            piece.iter_mut().for_each(|byte| *byte = below(256).to_be_bytes()[7]);
            drop(damaged.splice(from..from + size, piece));
        }
    }
    damaged
}

/// A mask for XOR that is not zero.
fn change(rng: &mut Rng) -> u8 {
    u8::try_from(rng.below(255) + 1).unwrap()
}

#[test]
fn cut_and_extended_documents_are_refused_at_every_length() {
    for genuine in productive() {
        let refused = |bytes: &[u8]| archived(bytes, &PcrPolicy::any_image());
        for length in 0..genuine.bytes.len() {
            let error = refused(&genuine.bytes[..length]).unwrap_err();
            let cut = matches!(error, AttestationError::Envelope(CborError::Truncated { .. }));
            assert!(cut, "{length}: {error}");
        }
        let longer = [&genuine.bytes[..], &[0]].concat();
        let offset = genuine.bytes.len();
        let trailing = AttestationError::Envelope(CborError::Trailing { offset });
        assert_eq!(refused(&longer), Err(trailing));
    }
}

#[test]
fn oversized_document_is_refused_before_it_is_parsed() {
    let giant = vec![0x84; 16 * 1024 + 1];
    let (bytes_max, found) = (16 * 1024, giant.len());
    let refused = archived(&giant, &PcrPolicy::any_image());
    assert_eq!(refused, Err(AttestationError::DocumentTooLarge { bytes_max, found }));
}
