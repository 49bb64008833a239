//! An audit verifies the boots of an attested log.

use super::{Stored, attested, in_a_new_enclave, stored};
use crate::trust::module::TestModule;
use mortise_audit::{
    Auditor, BootAttestation, BootTrust, EngineIdBasis, GenesisAttestation, Images, Report,
    Subject, prepare,
};
use mortise_core::body::ClearBody;
use mortise_engine::keyring::SealedKeys;
use mortise_format::codec;
use mortise_testkit::system::genesis;
use mortise_verify::attestation::AWS_NITRO_ROOT_G1;
use std::collections::{BTreeMap, BTreeSet};

fn audit(stored: &Stored, trust: Option<BootTrust>) -> Report {
    let [genesis, keys] = stored.blobs.clone().map(|blob| blob.expect("genesis stored it"));
    let sealed = SealedKeys::decode(&keys).expect("sealed keys");
    let subject = Subject {
        genesis: Some(codec::decode(&genesis).expect("a genesis")),
        genesis_keys: Some((sealed.keys, sealed.log_secret_commitment)),
        trust,
        ..Subject::default()
    };
    let mut auditor = Auditor::new(subject, None, 1);
    stored.frames.iter().for_each(|frame| auditor.follow(prepare(&frame.encode(), None)));
    auditor.finish()
}

fn pcr0(values: &[u8]) -> Images {
    let values: BTreeSet<_> =
        values.iter().map(|value| crate::attestation::issuer::pcr(*value)).collect();
    Images::Approved(BTreeMap::from([(0, values)]))
}

/// Goal: an auditor without keys verifies each boot at its own time, for the keys, the epoch and
/// the history before it; another root or image is a finding for each boot.
#[test]
fn documents_of_every_epoch_are_audited_at_their_own_time() {
    let (mut system, _, vault) = attested();
    for _ in 0..2 {
        in_a_new_enclave(&mut system, &vault);
    }
    system.stop_engine().expect("an engine that is asked to stop stops");
    let stored = stored(&system);
    let root = TestModule::trust().roots;
    let trust = |roots: &[_], images| {
        Some(BootTrust { roots: roots.to_vec(), images, is_genesis_required: false })
    };
    let report = audit(&stored, trust(&root, pcr0(&[0])));
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.epochs.len(), report.engine_id_basis), (3, EngineIdBasis::Proven));
    for epoch in &report.epochs {
        let BootAttestation::Verified { any_image, .. } = &epoch.attestation else {
            panic!("{:?}", epoch.attestation)
        };
        assert!(!any_image);
    }
    assert_eq!(report.unattested().count(), 0);
    assert_eq!(report.durability, Some(genesis().policy.durability()));
    let refused = [
        trust(&[AWS_NITRO_ROOT_G1], pcr0(&[0])),
        trust(&root, pcr0(&[1])),
        trust(&root, Images::Approved(BTreeMap::new())),
    ];
    for trust in refused {
        let report = audit(&stored, trust);
        let names = |name| -> Vec<u64> {
            let found = report.findings.iter().filter(|f| f.fact.name() == name);
            found.map(|f| f.seq).collect()
        };
        let boots: Vec<_> = report.epochs.iter().map(|e| e.first_seq).collect();
        assert_eq!((names("Attestation"), names("GenesisDocument")), (boots, vec![0]));
        assert_eq!(report.findings.len(), 4);
        assert_eq!(report.genesis, GenesisAttestation::Refused);
        assert!(report.epochs.iter().all(|e| e.attestation == BootAttestation::Refused));
    }
    let shown = audit(&stored, trust(&root, Images::Any));
    let any = |e: &BootAttestation| matches!(e, BootAttestation::Verified { any_image: true, .. });
    assert!(shown.epochs.iter().all(|e| any(&e.attestation)));
    let unseen = audit(&stored, None);
    assert!(unseen.epochs.iter().all(|e| e.attestation == BootAttestation::NotChecked));
}

/// Goal: a document is valid for its own boot alone.
#[test]
fn document_of_another_boot_is_a_finding() {
    let (mut system, _, vault) = attested();
    in_a_new_enclave(&mut system, &vault);
    system.stop_engine().expect("an engine that is asked to stop stops");
    let mut stored = stored(&system);
    let boots: Vec<usize> = (0..stored.frames.len())
        .filter(|at| stored.frames[*at].header().epoch > 1)
        .take(1)
        .collect();
    let [second] = boots[..] else { panic!("it booted twice") };
    let clear = ClearBody::of(&stored.frames[0]).expect("a clear body");
    let first = clear.boot.expect("a boot frame").document;
    let frame = &stored.frames[second];
    let mut clear = ClearBody::of(frame).expect("it is one");
    let boot = clear.boot.as_mut().expect("a boot frame");
    boot.record.document_digest = mortise_core::body::document_digest(&first);
    boot.document = first;
    let mut leaf = frame.leaf().clone();
    let clear = clear.encode(frame.header().rules);
    leaf.header.clear_bytes = u32::try_from(clear.len()).expect("it is small");
    leaf.clear_digest = mortise_format::frame::clear_digest(&clear);
    let cipher = frame.cipher().to_vec();
    let forged = mortise_format::frame::Frame::new(leaf, clear, cipher).expect("digests fit");
    stored.frames[second] = forged;
    stored.frames.truncate(second + 1);
    let trust = BootTrust {
        roots: TestModule::trust().roots,
        images: pcr0(&[0]),
        is_genesis_required: false,
    };
    let report = audit(&stored, Some(trust));
    let seq = u64::try_from(second).expect("few frames");
    let names: Vec<_> = report.findings.iter().map(|f| (f.seq, f.fact.name())).collect();
    assert_eq!(names, [(seq, "Attestation")]);
    assert!(report.findings[0].text().contains("is rejected"), "{}", report.findings[0].text());
}
