//! Documents with one fault each, signed with that fault: each is refused with its named error.

use super::der::{array, bstr, extension, head, oid, tlv, tstr};
use super::issuer::{
    BASIC_CONSTRAINTS, ECDSA_SHA256, INSTANCE, KEY_USAGE, LEAF, LEAF_FROM_S, LEAF_TO_S, Plan,
    REGION, ROOT, SECP521R1, TIMESTAMP_MS, ZONE, pcr, plan, registers,
};
use super::name;
use mortise_format::limits::ATTESTATION_FIELD_BYTES_MAX;
use mortise_format::pcr::Pcr;
use mortise_verify::attestation::{
    ArchivedCheck, AttestationError, CborError, CborType, CertificateFault, Claims, Expect, Field,
    Link, PcrPolicy, verify_archived,
};
use std::collections::BTreeSet;

/// An edit that makes a document wrong, and the error that it must cause.
type FaultyPlan = (fn(&mut Plan), AttestationError);

fn check(plan: &Plan) -> Result<(), AttestationError> {
    let issued = plan.issue();
    let check = ArchivedCheck {
        roots: &[issued.root],
        pcrs: &PcrPolicy::one_image(pcr(0), pcr(1), pcr(2)).unwrap(),
        claims: Claims::unchecked(),
        nonce: Expect::Anything,
    };
    verify_archived(&issued.document, &check).map(|_| ())
}

/// Asserts the error of every case; returns the names of the errors.
#[track_caller]
fn assert_errors(cases: Vec<FaultyPlan>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for (i, (edit, expected)) in cases.into_iter().enumerate() {
        let mut edited = plan();
        edit(&mut edited);
        assert_eq!(check(&edited), Err(expected.clone()), "case {i}");
        seen.insert(name(&expected));
    }
    seen
}

fn certificate(link: Link, fault: CertificateFault) -> AttestationError {
    AttestationError::Certificate { link, fault }
}

fn length(field: Field, min: usize, found: usize) -> AttestationError {
    AttestationError::FieldLength { field, min, max: 1024, found }
}

#[test]
fn honest_document_is_accepted_in_all_four_encodings() {
    let honest: [fn(&mut Plan); 7] = [
        |_| (),
        |plan| plan.tag = head(6, 18),
        |plan| plan.indefinite = true,
        |plan| plan.fields.retain(|(key, _)| *key != "public_key" && *key != "user_data"),
        |plan| plan.set("user_data", bstr(&[])),
        |plan| plan.set("user_data", bstr(&[1; ATTESTATION_FIELD_BYTES_MAX])),
        |plan| plan.set("module_id", tstr(&"i".repeat(ATTESTATION_FIELD_BYTES_MAX))),
    ];
    for edit in honest {
        let mut edited = plan();
        edit(&mut edited);
        assert_eq!(check(&edited), Ok(()));
    }
}

#[test]
fn each_envelope_fault_has_its_error() {
    let envelope = AttestationError::Envelope;
    let protected = AttestationError::ProtectedHeader;
    let kind = |offset, expected, found| CborError::Type { offset, expected, found };
    let cases: Vec<FaultyPlan> = vec![
        (|p| p.tag = head(6, 98), AttestationError::TagMismatch { expected: 18, found: 98 }),
        (|p| p.tag = vec![0xd8, 18], envelope(CborError::NotShortest { offset: 0 })),
        (
            |p| p.tag = [head(6, 18), head(6, 18)].concat(),
            envelope(kind(1, CborType::Array, CborType::Tag)),
        ),
        (|p| p.array = head(4, 5), AttestationError::EnvelopeElements { expected: 4, found: 5 }),
        (|p| p.array = vec![0x9f], envelope(CborError::Indefinite { offset: 0 })),
        (|p| p.array = vec![0x98, 4], envelope(CborError::NotShortest { offset: 0 })),
        (|p| p.array = head(5, 4), envelope(kind(0, CborType::Array, CborType::Map))),
        (|p| p.array = head(2, u64::MAX), envelope(kind(0, CborType::Array, CborType::Bytes))),
        (|p| p.protected = vec![], protected(CborError::Truncated { offset: 0 })),
        (|p| p.protected = vec![0xa0], AttestationError::ProtectedHeaderNotAlgorithm),
        (
            |p| p.protected = vec![0xa1, 4, 0x38, 0x22],
            AttestationError::ProtectedHeaderNotAlgorithm,
        ),
        (
            |p| p.protected = vec![0xa2, 1, 0x38, 0x22, 1, 0x38, 0x22],
            AttestationError::ProtectedHeaderNotAlgorithm,
        ),
        (
            |p| p.protected = vec![0xa1, 1, 0x38, 0x22, 0],
            protected(CborError::Trailing { offset: 4 }),
        ),
        (
            |p| p.protected = vec![0xa1, 1, 0x39, 0, 0x22],
            protected(CborError::NotShortest { offset: 2 }),
        ),
        (
            |p| p.protected = vec![0xa1, 1, 0x26],
            AttestationError::AlgorithmMismatch { expected: -35, found: -7 },
        ),
        (
            |p| p.unprotected = vec![0xa1, 4, 0x40],
            AttestationError::UnprotectedNotEmpty { entries: 1 },
        ),
        (|p| p.unprotected = vec![0x80], envelope(kind(6, CborType::Map, CborType::Array))),
        (|p| p.unprotected = vec![0xbf, 0xff], envelope(CborError::Indefinite { offset: 6 })),
        (
            |p| p.signature = |mut s| s.drain(1..).collect(),
            AttestationError::SignatureLength { expected: 96, found: 95 },
        ),
        (|p| p.signature = |_| vec![0; 96], AttestationError::SignatureOutOfRange),
        (|p| p.signature = |_| vec![0xff; 96], AttestationError::SignatureOutOfRange),
    ];
    assert_eq!(assert_errors(cases).len(), 9);
}

#[test]
fn emulator_document_is_refused_as_unsigned() {
    // as QEMU's emulated module writes it: algorithm -1, 64 zero bytes for every certificate and
    // for the signature
    let mut edited = plan();
    edited.protected = vec![0xa1, 0x01, 0x20];
    edited.set("certificate", bstr(&[0; 64]));
    edited.set("cabundle", array(&[bstr(&[0; 64])]));
    edited.signature = |_| vec![0; 64];
    assert_eq!(check(&edited), Err(AttestationError::Unsigned { algorithm: -1 }));
}

#[test]
fn each_field_fault_has_its_error() {
    let payload = AttestationError::Payload;
    let missing = |field| AttestationError::FieldMissing { field };
    let twice = |field| AttestationError::FieldDuplicated { field };
    let mut cases: Vec<FaultyPlan> = vec![
        (|p| p.set("module_id", vec![]), missing(Field::ModuleId)),
        (|p| p.set("digest", vec![]), missing(Field::Digest)),
        (|p| p.set("timestamp", vec![]), missing(Field::Timestamp)),
        (|p| p.set("pcrs", vec![]), missing(Field::Pcrs)),
        (|p| p.set("certificate", vec![]), missing(Field::Certificate)),
        (|p| p.set("cabundle", vec![]), missing(Field::Cabundle)),
        (|p| p.set("module_id", tstr("")), length(Field::ModuleId, 1, 0)),
        (|p| p.set("module_id", tstr(&"i".repeat(1025))), length(Field::ModuleId, 1, 1025)),
        (|p| p.set("certificate", bstr(&[])), length(Field::Certificate, 1, 0)),
        (|p| p.set("certificate", bstr(&[0x30; 1025])), length(Field::Certificate, 1, 1025)),
        (|p| p.set("public_key", bstr(&[])), length(Field::PublicKey, 1, 0)),
        (|p| p.set("public_key", bstr(&[1; 1025])), length(Field::PublicKey, 1, 1025)),
        (|p| p.set("user_data", bstr(&[1; 1025])), length(Field::UserData, 0, 1025)),
        (|p| p.set("nonce", bstr(&[1; 1025])), length(Field::Nonce, 0, 1025)),
        (|p| p.set("digest", tstr("SHA256")), AttestationError::DigestNotSha384),
        (|p| p.set("timestamp", head(0, 0)), AttestationError::TimestampZero),
        (|p| p.fields.push(("nonce", vec![0xf6])), twice(Field::Nonce)),
        (|p| p.fields.push(("digest", tstr("SHA384"))), twice(Field::Digest)),
        (|p| p.fields.push(("pcrs", registers([(0, pcr(0))]))), twice(Field::Pcrs)),
        (|p| p.bundle = 3, AttestationError::CabundleCount { expected: 4, found: 3 }),
        (|p| p.bundle = 5, AttestationError::CabundleCount { expected: 4, found: 5 }),
        (
            |p| p.set("cabundle", head(4, 1 << 40)),
            AttestationError::CabundleCount { expected: 4, found: 1 << 40 },
        ),
    ];
    let unknown: FaultyPlan = (
        |p| {
            p.set("certificate", vec![]);
            p.set("cabundle", vec![]);
            p.fields.insert(0, ("role", tstr("x")));
        },
        AttestationError::FieldUnknown { offset: 6 },
    );
    cases.push(unknown);
    assert_eq!(assert_errors(cases).len(), 7);
    let mut edited = plan();
    edited.after_payload = vec![0];
    assert!(matches!(check(&edited), Err(AttestationError::Payload(CborError::Trailing { .. }))));
    edited.indefinite = true;
    assert!(matches!(check(&edited), Err(AttestationError::Payload(CborError::Trailing { .. }))));
    let mut edited = plan();
    edited.fields = vec![("timestamp", head(1, 5))];
    edited.set("certificate", vec![]);
    edited.set("cabundle", vec![]);
    let (expected, found) = (CborType::Unsigned, CborType::Negative);
    assert_eq!(check(&edited), Err(payload(CborError::Type { offset: 11, expected, found })));
}

#[test]
fn each_register_fault_has_its_error() {
    let raw = |entries: &[(u64, usize)]| {
        let entry =
            |(index, bytes): &(u64, usize)| [head(0, *index), bstr(&vec![1; *bytes])].concat();
        let mut map = array(&entries.iter().map(entry).collect::<Vec<_>>());
        map[0] |= 0x20;
        map
    };
    let many: Vec<_> = (0..33).map(|index| (index, 48)).collect();
    let cases = [
        (raw(&[]), AttestationError::PcrCount { max: 32, found: 0 }),
        (raw(&many), AttestationError::PcrCount { max: 32, found: 33 }),
        (head(5, u64::MAX), AttestationError::PcrCount { max: 32, found: u64::MAX }),
        (raw(&[(32, 48)]), AttestationError::PcrIndex { max: 31, found: 32 }),
        (raw(&[(256, 48)]), AttestationError::PcrIndex { max: 31, found: 256 }),
        (raw(&[(3, 48), (3, 48)]), AttestationError::PcrDuplicated { index: 3 }),
        (raw(&[(3, 32)]), AttestationError::PcrLength { index: 3, expected: 48, found: 32 }),
        (raw(&[(3, 64)]), AttestationError::PcrLength { index: 3, expected: 48, found: 64 }),
    ];
    for (registers, expected) in cases {
        let mut edited = plan();
        edited.set("pcrs", registers);
        assert_eq!(check(&edited), Err(expected));
    }
}

#[test]
fn each_certificate_fault_has_its_error_and_chain_index() {
    use CertificateFault as Fault;
    let cases: Vec<FaultyPlan> = vec![
        (|p| p.certificates[ZONE].finish = |_| vec![0x30], certificate(Link::Zone, Fault::NotDer)),
        (|p| p.certificates[LEAF].finish = |_| vec![0; 64], certificate(Link::Leaf, Fault::NotDer)),
        (
            |p| p.certificates[REGION].finish = |der| [der, vec![0]].concat(),
            certificate(Link::Region, Fault::NotDer),
        ),
        (
            // an indefinite length: valid in BER, not in DER
            |p| p.certificates[LEAF].finish = |der| [&[0x30, 0x80], &der[4..], &[0, 0]].concat(),
            certificate(Link::Leaf, Fault::NotDer),
        ),
        (|p| p.certificates[LEAF].version = 1, certificate(Link::Leaf, Fault::NotVersion3)),
        (
            |p| p.certificates[ZONE].algorithm_outside = oid(ECDSA_SHA256),
            certificate(Link::Zone, Fault::NotEcdsaSha384),
        ),
        (
            |p| p.certificates[ZONE].algorithm_inside = oid(ECDSA_SHA256),
            certificate(Link::Zone, Fault::NotEcdsaSha384),
        ),
        (
            |p| p.certificates[ZONE].algorithm_inside.extend([5, 0]),
            certificate(Link::Zone, Fault::NotEcdsaSha384),
        ),
        (
            |p| p.certificates[LEAF].curve = oid(SECP521R1),
            certificate(Link::Leaf, Fault::KeyNotP384),
        ),
        (|p| p.certificates[LEAF].point[96] ^= 1, certificate(Link::Leaf, Fault::KeyNotP384)),
        (
            |p| {
                let parity = p.certificates[LEAF].point[96] & 1;
                p.certificates[LEAF].point.truncate(49);
                p.certificates[LEAF].point[0] = 2 | parity;
            },
            certificate(Link::Leaf, Fault::KeyNotP384),
        ),
        (|p| p.certificates[LEAF].point = vec![0], certificate(Link::Leaf, Fault::KeyNotP384)),
        (|p| p.certificates[ZONE].issuer.push('x'), certificate(Link::Zone, Fault::IssuerMismatch)),
        (
            |p| p.certificates.swap(ZONE, INSTANCE),
            certificate(Link::Zone, Fault::PathLength { needed: 1, found: Some(0) }),
        ),
    ];
    assert_eq!(assert_errors(cases).len(), 1);
}

#[test]
fn wrong_signature_inside_a_certificate_is_malformed() {
    let mut edited = plan();
    edited.certificates[INSTANCE].finish = |mut der| {
        // the last byte of "BIT STRING, length, no unused bits, SEQUENCE" is the tag
        let at = der.iter().rposition(|byte| *byte == 0x30).unwrap();
        der[at] = 0x31;
        der
    };
    let fault = CertificateFault::SignatureMalformed;
    assert_eq!(check(&edited), Err(certificate(Link::Instance, fault)));
}

#[test]
fn each_extension_fault_has_its_error_and_chain_index() {
    use CertificateFault as Fault;
    let cases: Vec<FaultyPlan> = vec![
        (
            |p| p.certificates[LEAF].extensions.push(extension(KEY_USAGE, true, &[3, 2, 7, 0x80])),
            certificate(Link::Leaf, Fault::ExtensionDuplicated),
        ),
        (
            |p| p.certificates[ZONE].extensions.push(extension(30, true, &[0x30, 0])),
            certificate(Link::Zone, Fault::CriticalExtensionUnknown),
        ),
        (
            |p| drop(p.certificates[LEAF].extensions.remove(0)),
            certificate(Link::Leaf, Fault::BasicConstraintsMissing),
        ),
        (
            |p| drop(p.certificates[ROOT].extensions.remove(1)),
            certificate(Link::Root, Fault::KeyUsageMissing),
        ),
        (
            |p| p.extend(REGION, BASIC_CONSTRAINTS, &[0x30, 0]),
            certificate(Link::Region, Fault::NotAuthority),
        ),
        (
            |p| p.extend(LEAF, BASIC_CONSTRAINTS, &[0x30, 3, 1, 1, 0xff]),
            certificate(Link::Leaf, Fault::LeafIsAuthority),
        ),
        (
            |p| p.extend(LEAF, BASIC_CONSTRAINTS, &[0x30, 3, 2, 1, 0]),
            certificate(Link::Leaf, Fault::PathLength { needed: 0, found: Some(0) }),
        ),
        (
            |p| p.extend(REGION, BASIC_CONSTRAINTS, &[0x30, 6, 1, 1, 0xff, 2, 1, 1]),
            certificate(Link::Region, Fault::PathLength { needed: 2, found: Some(1) }),
        ),
        (
            |p| p.extend(ROOT, BASIC_CONSTRAINTS, &[0x30, 6, 1, 1, 0xff, 2, 1, 2]),
            certificate(Link::Root, Fault::PathLength { needed: 3, found: Some(2) }),
        ),
        (
            |p| p.extend(INSTANCE, BASIC_CONSTRAINTS, &[0x30, 3, 1, 1, 0xff]),
            certificate(Link::Instance, Fault::PathLength { needed: 0, found: None }),
        ),
        (
            |p| p.extend(ZONE, BASIC_CONSTRAINTS, &tlv(0x04, &[])),
            certificate(Link::Zone, Fault::NotDer),
        ),
        (
            |p| p.extend(INSTANCE, KEY_USAGE, &[3, 2, 7, 0x80]),
            certificate(Link::Instance, Fault::NotForCertificates),
        ),
        (
            |p| p.extend(LEAF, KEY_USAGE, &[3, 2, 6, 0x40]),
            certificate(Link::Leaf, Fault::NotForDocuments),
        ),
        (
            |p| p.extend(LEAF, KEY_USAGE, &[3, 2, 2, 0x84]),
            certificate(Link::Leaf, Fault::NotForDocuments),
        ),
    ];
    assert_errors(cases);
    let mut edited = plan();
    edited.certificates[ZONE].extensions.push(extension(31, false, &[0x30, 0]));
    assert_eq!(check(&edited), Ok(()), "an unknown extension that is not critical is allowed");
}

#[test]
fn documents_outside_the_validity_of_any_certificate_are_refused() {
    let before =
        |link, not_before_s, at_s| AttestationError::NotYetValid { link, not_before_s, at_s };
    let after = |link, not_after_s, at_s| AttestationError::Expired { link, not_after_s, at_s };
    let at_s = TIMESTAMP_MS / 1000;
    let day = 24 * 3600;
    let cases: Vec<FaultyPlan> = vec![
        (
            |p| p.set("timestamp", head(0, LEAF_FROM_S * 1000 - 1)),
            before(Link::Leaf, LEAF_FROM_S, LEAF_FROM_S - 1),
        ),
        (
            |p| p.set("timestamp", head(0, (LEAF_TO_S + 1) * 1000)),
            after(Link::Leaf, LEAF_TO_S, LEAF_TO_S + 1),
        ),
        (
            |p| p.certificates[ROOT].validity = ["200101000000Z", "251231000000Z"],
            after(Link::Root, LEAF_FROM_S - day, at_s),
        ),
        (
            |p| p.certificates[REGION].validity = ["260102000000Z", "260103000000Z"],
            before(Link::Region, LEAF_FROM_S + day, at_s),
        ),
        (
            |p| p.certificates[ZONE].validity = ["251230000000Z", "260101000009Z"],
            after(Link::Zone, LEAF_FROM_S + 9, at_s),
        ),
        (
            |p| p.certificates[INSTANCE].validity = ["260101000011Z", "260102000000Z"],
            before(Link::Instance, LEAF_FROM_S + 11, at_s),
        ),
    ];
    assert_errors(cases);
    for inside in [LEAF_FROM_S * 1000, LEAF_TO_S * 1000 + 999] {
        let mut edited = plan();
        edited.set("timestamp", head(0, inside));
        assert_eq!(check(&edited), Ok(()), "both ends of the validity are inclusive");
    }
}

#[test]
fn signature_by_another_key_has_its_error() {
    let broken = |link| AttestationError::ChainSignatureMismatch { link };
    let cases: Vec<FaultyPlan> = vec![
        (|p| p.signer = INSTANCE, AttestationError::SignatureMismatch),
        (
            |p| {
                p.signature = |mut s| {
                    s[95] ^= 1;
                    s
                }
            },
            AttestationError::SignatureMismatch,
        ),
        (|p| p.certificates[LEAF].signer = ZONE, broken(Link::Leaf)),
        (|p| p.certificates[INSTANCE].signer = INSTANCE, broken(Link::Instance)),
        (|p| p.certificates[ZONE].signer = ROOT, broken(Link::Zone)),
        (|p| p.certificates[REGION].signer = REGION, broken(Link::Region)),
    ];
    assert_errors(cases);
}

#[test]
fn root_of_another_authority_and_a_bundle_without_the_root_are_not_pinned() {
    let issued = plan().issue();
    let mut other = plan();
    other.certificates[ROOT].subject.push('x');
    other.certificates[ROOT].issuer.push('x');
    let other = other.issue();
    let policy = PcrPolicy::any_image();
    let check = ArchivedCheck {
        roots: &[issued.root],
        pcrs: &policy,
        claims: Claims::unchecked(),
        nonce: Expect::Anything,
    };
    assert!(verify_archived(&issued.document, &check).is_ok());
    let refused = verify_archived(&other.document, &check).unwrap_err();
    assert_eq!(refused, AttestationError::RootNotPinned { found: other.root });
    let mut turned = plan();
    turned.certificates.rotate_left(1);
    let refused = verify_archived(&turned.issue().document, &check).unwrap_err();
    assert_eq!(name(&refused), "RootNotPinned");
}

#[test]
fn debug_mode_is_refused_whether_registers_are_zero_or_absent() {
    let zero = |index: u8| (index, Pcr::ZERO);
    let debug: [Vec<(u8, Pcr)>; 3] = [
        vec![zero(0), zero(1), zero(2), (3, pcr(3))],
        vec![zero(0), (4, pcr(4))],
        vec![(3, pcr(3))],
    ];
    for pcrs in debug {
        let mut edited = plan();
        edited.set("pcrs", registers(pcrs));
        assert_eq!(check(&edited), Err(AttestationError::DebugMode));
    }
    let mut edited = plan();
    edited.set("pcrs", registers([(0, pcr(0)), zero(1), zero(2)]));
    let refused = AttestationError::PcrNotApproved { index: 1, approved: 1, found: Pcr::ZERO };
    assert_eq!(check(&edited), Err(refused));
    let mut edited = plan();
    edited.set("pcrs", registers([(0, pcr(0)), (2, pcr(2))]));
    assert_eq!(check(&edited), Err(AttestationError::PcrMissing { index: 1 }));
}
