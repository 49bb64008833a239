//! Documents signed by AWS are accepted at their own time, under the caller's pins and policies.

use crate::vectors_rfc6962::{base64, vectors};
use mortise_format::pcr::Pcr;
use mortise_verify::attestation::{
    AWS_NITRO_ROOT_G1, ArchivedAttestation, ArchivedCheck, AttestationError, Claims, Expect, Field,
    ImageRule, LiveCheck, PcrPolicy, RootFingerprint, verify_archived, verify_live,
};
use p384::ecdsa::Signature;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Documents in the folder, and how many of them are in debug mode.
const DOCUMENTS: usize = 5;
const DEBUG_DOCUMENTS: usize = 2;

/// A document and its entry in the index.
pub struct Genuine {
    pub file: String,
    pub bytes: Vec<u8>,
    pub index: Value,
}

impl Genuine {
    fn debug(&self) -> bool {
        self.index["debug_zero_pcr012"].as_bool().unwrap()
    }

    /// The registers that are not zero.
    fn pcrs(&self) -> BTreeMap<u8, Pcr> {
        let listed = self.index["pcrs_nonzero"].as_object().unwrap();
        let parse = |(index, pcr): (&String, &Value)| {
            (index.parse().unwrap(), Pcr::parse(pcr.as_str().unwrap()).unwrap())
        };
        listed.iter().map(parse).collect()
    }

    /// A policy that approves exactly the document's registers.
    fn policy(&self) -> PcrPolicy {
        policy_of(&self.pcrs())
    }

    /// The length of an optional field; `None` when it is null.
    fn length(&self, field: &str) -> Option<usize> {
        let text = self.index[field].as_str()?;
        Some(text.strip_suffix(" bytes").unwrap().parse().unwrap())
    }
}

fn policy_of(pcrs: &BTreeMap<u8, Pcr>) -> PcrPolicy {
    let sets = pcrs.iter().map(|(index, pcr)| (*index, BTreeSet::from([*pcr])));
    PcrPolicy::new(sets.collect()).unwrap()
}

/// Every document of the folder, in order of the index; `None` when the folder is absent.
pub fn documents() -> Option<Vec<Genuine>> {
    let folder = vectors().join("attestation");
    if !folder.is_dir() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is absent", folder.display());
        println!("skipped: {} is absent", folder.display());
        return None;
    }
    let index = std::fs::read_to_string(folder.join("INDEX.json")).unwrap();
    let index: Vec<Value> = serde_json::from_str(&index).unwrap();
    let load = |index: Value| {
        let file = index["file"].as_str().unwrap().to_owned();
        let bytes = std::fs::read(folder.join(&file)).unwrap();
        Genuine { file, bytes, index }
    };
    let documents: Vec<_> = index.into_iter().map(load).collect();
    assert_eq!(documents.len(), DOCUMENTS);
    assert_eq!(documents.iter().filter(|d| d.debug()).count(), DEBUG_DOCUMENTS);
    Some(documents)
}

/// Those that are not in debug mode.
pub fn productive() -> Vec<Genuine> {
    documents().into_iter().flatten().filter(|document| !document.debug()).collect()
}

/// Verifies under the real root and without claims.
pub fn archived(
    document: &[u8],
    pcrs: &PcrPolicy,
) -> Result<ArchivedAttestation, AttestationError> {
    verify_archived(document, &any_check(pcrs))
}

fn any_check(pcrs: &PcrPolicy) -> ArchivedCheck<'_> {
    let (claims, nonce) = (Claims::unchecked(), Expect::Anything);
    ArchivedCheck { roots: &[AWS_NITRO_ROOT_G1], pcrs, claims, nonce }
}

fn with_claims(document: &[u8], claims: Claims<'_>) -> Result<(), AttestationError> {
    let pcrs = PcrPolicy::any_image();
    let check = ArchivedCheck { claims, ..any_check(&pcrs) };
    verify_archived(document, &check).map(|_| ())
}

fn with_nonce(document: &[u8], nonce: Expect<'_>) -> Result<(), AttestationError> {
    let pcrs = PcrPolicy::any_image();
    let check = ArchivedCheck { nonce, ..any_check(&pcrs) };
    verify_archived(document, &check).map(|_| ())
}

#[test]
fn genuine_documents_are_accepted_at_their_own_time_and_match_the_index() {
    for genuine in productive() {
        let started = Instant::now();
        let attestation = archived(&genuine.bytes, &genuine.policy()).unwrap();
        println!("{}: accepted in {:?}", genuine.file, started.elapsed());
        assert_eq!(attestation.root(), AWS_NITRO_ROOT_G1);
        assert_eq!(attestation.image_rule(), ImageRule::Approved);
        let document = attestation.document();
        assert_eq!(document.module_id(), genuine.index["module_id"].as_str().unwrap());
        assert_eq!(document.timestamp_ms(), genuine.index["timestamp_ms"].as_u64().unwrap());
        let count = u64::try_from(document.pcrs().count()).unwrap();
        assert_eq!(count, genuine.index["n_pcrs"].as_u64().unwrap());
        let measured = document.pcrs().filter(|(_, pcr)| !pcr.is_zero());
        assert_eq!(measured.map(|(i, pcr)| (i, *pcr)).collect::<BTreeMap<_, _>>(), genuine.pcrs());
        assert_eq!(document.pcr(31), None);
        assert_eq!(document.public_key().map(<[u8]>::len), genuine.length("public_key"));
        assert_eq!(document.user_data().map(<[u8]>::len), genuine.length("user_data"));
        assert_eq!(document.nonce().map(<[u8]>::len), genuine.length("nonce"));
    }
}

#[test]
fn genuine_debug_documents_are_refused_as_debug_under_any_policy() {
    for genuine in documents().into_iter().flatten().filter(Genuine::debug) {
        let refused = archived(&genuine.bytes, &PcrPolicy::any_image());
        assert_eq!(refused, Err(AttestationError::DebugMode), "{}", genuine.file);
        let named = PcrPolicy::one_image(Pcr([1; 48]), Pcr([2; 48]), Pcr([3; 48])).unwrap();
        assert_eq!(archived(&genuine.bytes, &named), Err(AttestationError::DebugMode));
    }
}

#[test]
fn built_in_fingerprint_matches_the_published_root() {
    let Ok(pem) = std::fs::read_to_string(vectors().join("attestation/aws_nitro_root_g1.pem"))
    else {
        assert!(documents().is_none(), "the root is beside the documents");
        return;
    };
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    assert_eq!(RootFingerprint::of_der(&base64(&body)), AWS_NITRO_ROOT_G1);
}

#[test]
fn unpinned_root_is_refused_and_one_matching_pin_is_enough() {
    for genuine in productive() {
        let policy = genuine.policy();
        let other = RootFingerprint([7; 32]);
        let with = |roots: &[RootFingerprint]| {
            verify_archived(&genuine.bytes, &ArchivedCheck { roots, ..any_check(&policy) })
        };
        let refused = Err(AttestationError::RootNotPinned { found: AWS_NITRO_ROOT_G1 });
        assert_eq!(with(&[]), refused);
        assert_eq!(with(&[other]), refused);
        assert!(with(&[other, AWS_NITRO_ROOT_G1]).is_ok());
    }
}

#[test]
fn unapproved_register_is_refused_and_one_approved_value_is_enough() {
    for genuine in productive() {
        for (index, found) in genuine.pcrs() {
            let mut pcrs = genuine.pcrs();
            pcrs.insert(index, Pcr([0x5a; 48]));
            let refused = AttestationError::PcrNotApproved { index, approved: 1, found };
            assert_eq!(archived(&genuine.bytes, &policy_of(&pcrs)), Err(refused));
            let mut sets: BTreeMap<_, _> =
                pcrs.iter().map(|(index, pcr)| (*index, BTreeSet::from([*pcr]))).collect();
            sets.get_mut(&index).unwrap().insert(found);
            assert!(archived(&genuine.bytes, &PcrPolicy::new(sets).unwrap()).is_ok());
        }
    }
}

#[test]
fn register_absent_from_the_document_is_reported_missing() {
    for genuine in productive().iter().filter(|genuine| !genuine.pcrs().contains_key(&16)) {
        let mut pcrs = genuine.pcrs();
        pcrs.insert(16, Pcr([1; 48]));
        let refused = Err(AttestationError::PcrMissing { index: 16 });
        assert_eq!(archived(&genuine.bytes, &policy_of(&pcrs)), refused);
    }
}

#[test]
fn key_user_data_and_nonce_must_equal_what_the_caller_expects() {
    for genuine in productive() {
        let attestation = archived(&genuine.bytes, &genuine.policy()).unwrap();
        let document = attestation.document();
        let expectation = |field, found: Option<&[u8]>| {
            let right = found.map_or(Expect::Absent, Expect::Bytes);
            let other = [found.unwrap_or_default(), &[1]].concat();
            let with = |expect| match field {
                Field::PublicKey => with_claims(
                    &genuine.bytes,
                    Claims { public_key: expect, ..Claims::unchecked() },
                ),
                Field::UserData => {
                    with_claims(&genuine.bytes, Claims { user_data: expect, ..Claims::unchecked() })
                }
                _ => with_nonce(&genuine.bytes, expect),
            };
            assert_eq!(with(right), Ok(()));
            let wrong = with(Expect::Bytes(&other));
            assert!(
                matches!(wrong, Err(AttestationError::ClaimMismatch { field: f, .. }) if f == field)
            );
            let empty = if found.is_some() { Expect::Absent } else { Expect::Bytes(&[]) };
            assert!(with(empty).is_err(), "absent and empty differ");
        };
        expectation(Field::PublicKey, document.public_key());
        expectation(Field::UserData, document.user_data());
        expectation(Field::Nonce, document.nonce());
    }
}

#[test]
fn genuine_document_without_our_nonce_is_not_live_at_its_own_time() {
    for genuine in productive() {
        let check = LiveCheck {
            roots: &[AWS_NITRO_ROOT_G1],
            pcrs: &genuine.policy(),
            claims: Claims::unchecked(),
            nonce: &[9; 32],
            now_ms: genuine.index["timestamp_ms"].as_u64().unwrap(),
        };
        let refused = verify_live(&genuine.bytes, &check);
        assert!(
            matches!(refused, Err(AttestationError::ClaimMismatch { field: Field::Nonce, .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn tagged_form_and_high_s_signature_are_accepted() {
    for genuine in productive() {
        let archived_document = archived(&genuine.bytes, &genuine.policy()).unwrap();
        let tagged = [&[0xd2], &genuine.bytes[..]].concat();
        assert_eq!(archived(&tagged, &genuine.policy()).as_ref(), Ok(&archived_document));
        let (front, signature) = genuine.bytes.split_at(genuine.bytes.len() - 96);
        let (r, s) = Signature::from_slice(signature).unwrap().split_scalars();
        let other = Signature::from_scalars(r, -s).unwrap();
        let turned = [front, &other.to_bytes()].concat();
        assert_ne!(turned, genuine.bytes);
        assert_eq!(archived(&turned, &genuine.policy()).as_ref(), Ok(&archived_document));
    }
}
