//! Goal: the genesis document proves who drew the keys of an engine. No other document passes in
//! its place, and no engine has another one than it was created with.
//!
//! Method: engines over the suite's security module are created, restarted, upgraded and succeeded;
//! then each part of their documents, blobs and frames is wrong.

use super::module::TestModule;
use crate::attestation::issuer;
use mortise_core::body::ClearBody;
use mortise_engine::attest::{self, AttestError, unattested};
use mortise_engine::boot::{self, BootError};
use mortise_engine::keyring::{GENESIS_BLOB, KEYS_BLOB, SealedKeys};
use mortise_engine::ports::{AttestRequest, Nsm};
use mortise_format::genesis::genesis_document_digest;
use mortise_format::ids::EngineId;
use mortise_format::rules::RuleSet;
use mortise_testkit::driver::Driver;
use mortise_testkit::scenario;
use mortise_testkit::store::{Disk, now};
use mortise_testkit::vault::{TestEntropy, TestVault};
use mortise_verify::attestation::{
    ArchivedAttestation, AttestationError, GenesisDocumentError, Pcr, PcrPolicy, verify_genesis,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An engine on an empty disk in an enclave of image 0, not booted.
pub(crate) fn in_an_enclave(mut driver: Driver) -> Driver {
    driver.code.module = Some(Arc::new(TestModule::of_image(0)));
    driver
}

fn created(seed: u64) -> Driver {
    let mut driver = in_an_enclave(Driver::new(seed, Default::default()));
    driver.boot().expect("an empty disk boots");
    driver.settle();
    driver
}

/// Starts the engine again, in a new enclave of this image.
fn reboot(driver: &mut Driver, image: u8) {
    driver.crash(0);
    driver.code.module = Some(Arc::new(TestModule::of_image(image)));
    driver.boot().expect("the log is its own");
    driver.settle();
}

/// The policy that approves these images.
fn images(numbers: &[u8]) -> PcrPolicy {
    let image = |number: &u8| {
        let Pcr(mut value) = issuer::pcr(0);
        value[47] ^= number;
        Pcr(value)
    };
    let of = |index: u8| -> BTreeSet<Pcr> {
        let Pcr(value) = issuer::pcr(index);
        let changed = |number: &u8| {
            let mut value = value;
            value[47] ^= number;
            Pcr(value)
        };
        numbers.iter().map(changed).collect()
    };
    let sets = [(0, numbers.iter().map(image).collect()), (1, of(1)), (2, of(2))];
    PcrPolicy::new(BTreeMap::from(sets)).expect("not of debug mode")
}

pub(crate) fn verify(
    document: &[u8],
    engine_id: &EngineId,
) -> Result<ArchivedAttestation, GenesisDocumentError> {
    let trust = TestModule::trust();
    verify_genesis(document, engine_id, &trust.roots, &trust.pcrs)
}

fn refused(document: &[u8], engine_id: &EngineId) -> String {
    verify(document, engine_id).expect_err("it is no genesis document of this engine").name()
}

/// The boot of each boot frame: its document, and the genesis document that it carries.
fn carried(driver: &Driver) -> Vec<(Vec<u8>, Vec<u8>)> {
    let frames = driver.disk.frames();
    let boots = frames.iter().filter_map(|f| ClearBody::of(f).expect("a clear body").boot);
    boots.map(|boot| (boot.document, boot.genesis_document)).collect()
}

#[test]
fn first_frame_alone_carries_the_document_of_the_drawn_keys() {
    let mut driver = created(301);
    let id = driver.identity().engine_id;
    for image in [0, 1, 1] {
        reboot(&mut driver, image);
    }
    let document = driver.identity().genesis_document.clone();
    let found = verify(&document, &id).expect("the keys were drawn inside");
    assert_eq!(found.document().timestamp_ms(), TestModule::TIME_MS);
    assert_eq!(found.document().user_data(), Some(&genesis_document_digest(&id).0[..]));
    assert!(found.document().pcr(16).is_none(), "before the binding");
    let carried: Vec<_> = carried(&driver).into_iter().map(|(_, genesis)| genesis).collect();
    assert_eq!(carried, [document.clone(), vec![], vec![], vec![]]);
    // The hand-over to image 1 keeps it: an approval of image 1 alone does not cover it.
    let roots = TestModule::trust().roots;
    assert!(verify_genesis(&document, &id, &roots, &images(&[0, 1])).is_ok());
    let error = verify_genesis(&document, &id, &roots, &images(&[1])).expect_err("image 0 drew");
    assert_eq!(error.name(), "GenesisDocumentPcrNotApproved");
}

#[test]
fn no_other_document_passes_in_its_place() {
    let (driver, other) = (created(302), created(303));
    let id = driver.identity().engine_id;
    let genesis = driver.identity().genesis_document.clone();
    assert_eq!(refused(&[], &id), "GenesisDocumentMissing");
    assert_eq!(refused(&other.identity().genesis_document, &id), "GenesisDocumentKeys");
    assert_eq!(refused(&genesis, &other.identity().engine_id), "GenesisDocumentKeys");
    assert_eq!(refused(&carried(&driver)[0].0, &id), "GenesisDocumentRegister");
    // Documents that other code of the image asks for, before and after the boot is bound.
    let fresh = TestModule::of_image(0);
    let bound = driver.code.module.as_ref().expect("it has an enclave");
    let digest = || Some(genesis_document_digest(&id).0.to_vec());
    let asked = |user_data, nonce: Option<&[u8]>, public_key: Option<&[u8]>| {
        let [nonce, public_key] = [nonce, public_key].map(|b| b.map(<[u8]>::to_vec));
        AttestRequest { user_data, nonce, public_key }
    };
    let cases: [(&dyn Nsm, AttestRequest, &str); 7] = [
        (&fresh, asked(digest(), Some(&[7; 32]), None), "GenesisDocumentNonce"),
        (&fresh, asked(digest(), Some(&[]), None), "GenesisDocumentNonce"),
        (&fresh, asked(digest(), None, Some(&[7; 32])), "GenesisDocumentPublicKey"),
        (&fresh, asked(None, None, None), "GenesisDocumentKeys"),
        (&fresh, asked(Some(id.0.to_vec()), None, None), "GenesisDocumentKeys"),
        (
            &fresh,
            asked(Some([digest().unwrap(), vec![0]].concat()), None, None),
            "GenesisDocumentKeys",
        ),
        (bound.as_ref(), asked(digest(), None, None), "GenesisDocumentRegister"),
    ];
    for (module, request, name) in cases {
        let document = module.attest(&request).expect("a module answers");
        assert_eq!(refused(&document, &id), name, "{request:?}");
    }
    let image = TestModule::of_image(9).attest(&asked(digest(), None, None)).unwrap();
    assert_eq!(refused(&image, &id), "GenesisDocumentPcrNotApproved");
    let roots = [mortise_verify::attestation::AWS_NITRO_ROOT_G1];
    let error = verify_genesis(&genesis, &id, &roots, &PcrPolicy::any_image()).unwrap_err();
    assert_eq!(error.name(), "GenesisDocumentRootNotPinned");
}

#[test]
fn no_byte_of_it_can_change_and_no_part_is_missing() {
    let driver = created(304);
    let (id, whole) = (driver.identity().engine_id, driver.identity().genesis_document.clone());
    for at in (0..whole.len()).step_by(31) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let error = verify(&changed, &id).expect_err("a changed byte");
        assert!(matches!(error, GenesisDocumentError::Document(_)), "byte {at}: {error}");
        assert!(verify(&whole[..at], &id).is_err(), "cut at {at}");
    }
    let longer = [&whole[..], &[0]].concat();
    let error = verify(&longer, &id).expect_err("it goes on");
    assert!(matches!(error, GenesisDocumentError::Document(AttestationError::Envelope(_))));
}

/// A condition on PCR16, which key policies may name, is about boots.
#[test]
fn condition_on_the_register_of_the_binding_is_not_one_on_the_genesis() {
    let driver = created(305);
    let sets = [0, 1, 2, 16].map(|index| (index, BTreeSet::from([issuer::pcr(index)])));
    let pcrs = PcrPolicy::new(BTreeMap::from(sets)).expect("it may name register 16");
    let identity = driver.identity();
    let roots = TestModule::trust().roots;
    assert!(verify_genesis(&identity.genesis_document, &identity.engine_id, &roots, &pcrs).is_ok());
}

#[test]
fn creation_that_was_cut_short_keeps_its_document_and_no_later_boot_makes_one() {
    let (disk, vault, entropy) = (Disk::default(), TestVault::new(306), TestEntropy::new(306));
    let (genesis, module) = (scenario::genesis(), TestModule::of_image(0));
    let attest = async |id| attest::genesis_document(&module, &id);
    let created = now(boot::identity(&disk, &vault, &entropy, Some(&genesis), attest)).unwrap();
    verify(&created.genesis_document, &created.engine_id).expect("it was drawn inside");
    disk.edit(|content| content.blobs.remove(GENESIS_BLOB));
    for _ in 0..2 {
        let never = async |_| panic!("no keys are drawn");
        let again = now(boot::identity(&disk, &vault, &entropy, Some(&genesis), never)).unwrap();
        assert_eq!(again.engine_id, created.engine_id);
        assert_eq!(again.genesis_document, created.genesis_document);
    }
}

#[test]
fn module_that_gives_no_document_creates_no_engine() {
    let (vault, entropy) = (TestVault::new(307), TestEntropy::new(307));
    let genesis = scenario::genesis();
    let bound = TestModule::of_image(0);
    bound.extend_pcr(16, b"an engine was bound here").expect("it is open");
    let used = async |id| attest::genesis_document(&bound, &id);
    let disk = Disk::default();
    let error = now(boot::identity(&disk, &vault, &entropy, Some(&genesis), used)).unwrap_err();
    assert_eq!(error.name(), "ATTESTATION");
    assert!(error.to_string().contains(&AttestError::RegisterUsed.to_string()), "{error}");
    let silent = async |_| Err(AttestError::Stopped);
    let error = now(boot::identity(&disk, &vault, &entropy, Some(&genesis), silent)).unwrap_err();
    assert!(matches!(error, BootError::Identity(_)), "{error}");
    disk.edit(|content| assert!(content.blobs.is_empty(), "nothing is stored"));
    let made = boot::identity(&disk, &vault, &entropy, Some(&genesis), unattested);
    assert!(now(made).expect("the disk is still empty").genesis_document.is_empty());
}

/// The host has the blob. It can neither take the document out nor put another one in.
#[test]
fn document_in_the_blob_is_sealed_with_the_keys() {
    let (driver, other) = (created(308), created(309));
    let disk = driver.disk.copy();
    let blob = |disk: &Disk| {
        disk.edit(|content| SealedKeys::decode(&content.blobs[KEYS_BLOB]).expect("its encoding"))
    };
    let (ours, theirs) = (blob(&disk), blob(&other.disk));
    let mut flipped = ours.genesis_document.clone();
    flipped[100] ^= 1;
    for document in [vec![], vec![1], flipped, theirs.genesis_document] {
        let changed = SealedKeys { genesis_document: document, ..ours.clone() };
        disk.edit(|content| content.blobs.insert(KEYS_BLOB.into(), changed.encode()));
        let entropy = TestEntropy::new(1);
        let opened = now(boot::identity(&disk, &TestVault::new(308), &entropy, None, unattested));
        assert_eq!(opened.expect_err("another document").name(), "GENESIS_KEYS_MISMATCH");
    }
}

/// Before rule set 3 no frame has room for it. The engine has it and shows it.
#[test]
fn frames_of_earlier_rules_carry_none_and_the_engine_has_it() {
    let mut driver = in_an_enclave(Driver::new(310, Default::default()));
    driver.code.rules = Some(RuleSet(2));
    driver.boot().expect("an empty disk boots");
    driver.settle();
    driver.code.rules = None;
    reboot(&mut driver, 0);
    assert_eq!(driver.disk.frames()[0].header().rules, RuleSet(2));
    let carried = carried(&driver);
    assert!(carried.iter().all(|(document, genesis)| !document.is_empty() && genesis.is_empty()));
    let identity = driver.identity();
    verify(&identity.genesis_document, &identity.engine_id).expect("it was drawn inside");
}
