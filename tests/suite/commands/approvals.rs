//! Approvals of images: k of n operators sign, each serial is used once, the version floor never
//! falls, and only approved images boot.

use mortise_core::state::Corruption;
use mortise_core::state::{ImageRefusal, State};
use mortise_format::command::Command;
use mortise_format::event::Event;
use mortise_format::ids::{EngineId, Measurement};
use mortise_format::images::{ImageApproval, Version};
use mortise_format::reject::{Field, Reject};
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;
use mortise_testkit::keys::{Asked, Party, SignedBy, TestSigner};
use mortise_testkit::lockstep::{ENGINE_ID, Lockstep};
use mortise_testkit::model::Answer;
use mortise_testkit::scenario::{
    self, OPERATORS, START_S, not_enough_operators, policy, with_operators,
};

fn image(number: u8) -> Measurement {
    Measurement([number; 48])
}

fn version(text: &str) -> Version {
    Version::parse(text).expect("tests name versions")
}

/// The running version.
fn running() -> Version {
    version(scenario::VERSION)
}

/// An approval of these images from version zero on.
fn approval(serial: u64, images: &[u8]) -> ImageApproval {
    let images = images.iter().copied().map(image).collect();
    let (minimum_version, valid_until) = (Version::default(), START_S + 600);
    let rules = RuleSet::NEWEST;
    ImageApproval { serial, images, minimum_version, rules, valid_until }
}

fn engine() -> Lockstep {
    Lockstep::new(&with_operators(policy()))
}

fn ask(engine: &mut Lockstep, approval: &ImageApproval) -> Answer {
    engine.ask(&engine.signer.approve_images(&OPERATORS[..2], approval))
}

#[test]
fn approval_needs_signatures_of_enough_operators() {
    let [a, b, c] = OPERATORS;
    for (by, reject) in not_enough_operators() {
        let mut engine = engine();
        let asked = engine.signer.approve_images(&by, &approval(1, &[1]));
        assert_eq!(engine.ask(&asked), Answer::Refused(reject), "{by:?}");
        assert!(engine.state.approved_images().is_none());
    }
    for by in [&[a, b][..], &[c, a], &[a, b, c]] {
        let mut engine = engine();
        let asked = engine.signer.approve_images(by, &approval(1, &[1]));
        assert_eq!(engine.ask(&asked), Answer::ImagesApproved, "{by:?}");
        let (at, Event::ImagesApproved { approval: logged, signatures }) = engine.last() else {
            panic!("{:?}", engine.last())
        };
        assert_eq!((logged, signatures.len()), (&approval(1, &[1]), by.len()));
        let in_force = engine.state.approved_images().unwrap();
        assert_eq!((&in_force.approval, in_force.at), (logged, at));
    }
}

#[test]
fn policy_without_operators_approves_nothing() {
    let mut policy = policy();
    (policy.operators, policy.operators_min) = (Vec::new(), 0);
    let mut engine = Lockstep::new(&policy);
    let asked = engine.signer.approve_images(&[Party::Operator], &approval(1, &[1]));
    assert_eq!(engine.ask(&asked), Answer::Refused(Reject::Unauthorized));
}

#[test]
fn signature_for_another_engine_or_approval_does_not_count() {
    let by = &OPERATORS[..2];
    let unsigned = vec![SignedBy::NoOne; 2];
    let Asked { command, .. } =
        TestSigner::new(EngineId([9; 32])).approve_images(by, &approval(1, &[1]));
    let foreign = engine().ask(&Asked { command, signers: unsigned.clone() });
    assert_eq!(foreign, Answer::Refused(Reject::Unauthorized));
    let changes: [fn(&mut ImageApproval); 7] = [
        |a| a.images[0].0[0] ^= 1,
        |a| a.images.truncate(1),
        |a| a.images.push(Measurement([0xff; 48])),
        |a| a.minimum_version.patch += 1,
        |a| a.rules.0 += 1,
        |a| a.valid_until += 1,
        |a| a.serial += 1,
    ];
    for change in changes {
        let mut engine = engine();
        let mut asked = engine.signer.approve_images(by, &approval(1, &[1, 2]));
        let Command::ApproveImages { approval, .. } = &mut asked.command else {
            panic!("the signer approves")
        };
        change(approval);
        asked.signers = unsigned.clone();
        assert_eq!(engine.ask(&asked), Answer::Refused(Reject::Unauthorized), "{asked:?}");
    }
    let mut engine = engine();
    let asked = engine.signer.approve_images(by, &approval(1, &[1])).with_high_s(1);
    assert_eq!(engine.ask(&asked), Answer::Refused(Reject::InvalidSignature));
}

/// The order of the checks: shape, time, signers, serial, version, rules.
#[test]
fn first_failed_check_decides_the_reject() {
    let above = Version { patch: running().patch + 1, ..running() };
    let wrong_shape = [
        (ImageApproval { serial: 0, ..approval(1, &[1]) }, Field::Serial),
        (ImageApproval { images: vec![image(2); 2], ..approval(1, &[]) }, Field::Images),
        (ImageApproval { images: vec![Measurement::ZERO], ..approval(1, &[]) }, Field::Images),
    ];
    let late = ImageApproval { valid_until: START_S - 1, ..approval(7, &[1]) };
    for (wrong, field) in wrong_shape {
        let wrong = ImageApproval { valid_until: late.valid_until, ..wrong };
        let asked = engine().signer.approve_images(&[Party::Owner], &wrong);
        assert_eq!(engine().ask(&asked), Answer::Refused(Reject::Validation(field)), "{wrong:?}");
    }
    let mut descending = approval(1, &[1, 2]);
    descending.images.reverse();
    let nine: Vec<u8> = (1..=9).collect();
    for wrong in [descending, approval(1, &nine)] {
        let refused = Answer::Refused(Reject::Validation(Field::Images));
        assert_eq!(ask(&mut engine(), &wrong), refused);
    }
    let asked = engine().signer.approve_images(&[Party::Owner], &late);
    assert_eq!(engine().ask(&asked), Answer::Refused(Reject::LockExpired));
    let far = ImageApproval { valid_until: START_S + 24 * 3600 + 1, ..approval(7, &[1]) };
    let refused = |field| Answer::Refused(Reject::Validation(field));
    assert_eq!(ask(&mut engine(), &far), refused(Field::ValidUntil));
    let wrong_serial = ImageApproval { minimum_version: above, ..approval(7, &[1]) };
    let asked = engine().signer.approve_images(&[Party::Owner], &wrong_serial);
    assert_eq!(engine().ask(&asked), Answer::Refused(Reject::Unauthorized));
    assert_eq!(ask(&mut engine(), &wrong_serial), refused(Field::Serial));
    let newer = ImageApproval { minimum_version: above, ..approval(1, &[1]) };
    assert_eq!(ask(&mut engine(), &newer), refused(Field::MinimumVersion));
    let lower = ImageApproval { rules: RuleSet(RuleSet::NEWEST.0 - 1), ..approval(1, &[1]) };
    assert_eq!(ask(&mut engine(), &lower), refused(Field::Rules));
    let higher = ImageApproval { rules: RuleSet(RuleSet::NEWEST.0 + 1), ..approval(1, &[1]) };
    assert_eq!(ask(&mut engine(), &higher), Answer::ImagesApproved);
    let most = ImageApproval { minimum_version: running(), ..approval(1, &[1]) };
    assert_eq!(ask(&mut engine(), &most), Answer::ImagesApproved);
    let eight: Vec<u8> = (1..=8).collect();
    assert_eq!(ask(&mut engine(), &approval(1, &eight)), Answer::ImagesApproved);
    assert_eq!(ask(&mut engine(), &approval(1, &[])), Answer::ImagesApproved);
}

#[test]
fn approval_is_accepted_once_and_an_older_one_is_refused() {
    let mut engine = engine();
    let signer = engine.signer;
    let [a, b, c] = OPERATORS;
    let (first, second) = (approval(1, &[1]), approval(2, &[1, 2]));
    assert_eq!(ask(&mut engine, &first), Answer::ImagesApproved);
    let at = engine.last().0;
    for by in [&[a, b][..], &[c, a], &[c], &[Party::Owner]] {
        let asked = signer.approve_images(by, &first);
        assert_eq!(engine.ask(&asked), Answer::Repeated(at), "{by:?}");
    }
    let reused = |field| Answer::Refused(Reject::RequestIdReused(field));
    assert_eq!(ask(&mut engine, &approval(1, &[2])), reused(Field::Images));
    let other = ImageApproval { minimum_version: version("0.0.1"), ..first.clone() };
    assert_eq!(ask(&mut engine, &other), reused(Field::MinimumVersion));
    let other = ImageApproval { rules: RuleSet(7), ..first.clone() };
    assert_eq!(ask(&mut engine, &other), reused(Field::Rules));
    let other = ImageApproval { valid_until: START_S + 601, ..first.clone() };
    assert_eq!(ask(&mut engine, &other), reused(Field::ValidUntil));
    assert_eq!(ask(&mut engine, &second), Answer::ImagesApproved);
    let stale = Answer::Refused(Reject::Validation(Field::Serial));
    assert_eq!(ask(&mut engine, &first), stale);
    assert_eq!(ask(&mut engine, &approval(4, &[1])), stale);
    engine.at_s(40 * 24 * 3600);
    assert_eq!(engine.state.approved_images().unwrap().approval, second);
}

#[test]
fn version_floor_never_falls() {
    let mut engine = engine();
    let from =
        |serial, text| ImageApproval { minimum_version: version(text), ..approval(serial, &[1]) };
    assert_eq!(ask(&mut engine, &from(1, "1.4.0")), Answer::ImagesApproved);
    let refused = Answer::Refused(Reject::Validation(Field::MinimumVersion));
    for text in ["1.3.99", "0.99.99", "0.0.0"] {
        assert_eq!(ask(&mut engine, &from(2, text)), refused, "{text}");
    }
    assert_eq!(ask(&mut engine, &from(2, "1.4.0")), Answer::ImagesApproved);
    assert_eq!(ask(&mut engine, &from(3, "1.4.6")), Answer::ImagesApproved);
    let event = Event::ImagesApproved { approval: from(4, "1.4.5"), signatures: Vec::new() };
    assert_eq!(engine.force(&event), Err(Corruption::Policy));
    let event = Event::ImagesApproved { approval: from(5, "1.4.6"), signatures: Vec::new() };
    assert_eq!(engine.force(&event), Err(Corruption::RequestKnown));
}

#[test]
fn snapshot_keeps_approval_and_version_and_the_root_depends_on_them() {
    let mut engine = engine();
    engine.state.take_leaves();
    assert_eq!(ask(&mut engine, &approval(1, &[1])), Answer::ImagesApproved);
    assert_eq!(engine.state.take_leaves().len(), 1, "the approval is in the state tree");
    let image = engine.state.image();
    let state = State::of_image(ENGINE_ID, Secret::new([0x5a; 32]), 7, &image);
    let state = state.expect("the image is consistent");
    assert_eq!(state.approved_images(), engine.state.approved_images());
    assert_eq!(state.running_version(), running());
    assert_eq!(state.snapshot(), engine.state.snapshot());
    assert_eq!(state.leaf_count(), engine.state.leaf_count());
}

/// INV-18 on the state: the boot of an engine and an audit call the same function.
#[test]
fn newest_approval_decides_which_images_may_boot() {
    let mut engine = engine();
    let check = |engine: &Lockstep, text, number| {
        engine.state.check_image(version(text), Some(&image(number)))
    };
    assert_eq!(check(&engine, "0.0.0", 9), Ok(()));
    let from = |serial, images, text| ImageApproval {
        minimum_version: version(text),
        ..approval(serial, images)
    };
    assert_eq!(ask(&mut engine, &from(1, &[1, 2], "1.4.0")), Answer::ImagesApproved);
    assert_eq!(check(&engine, "1.4.0", 1), Ok(()));
    assert_eq!(check(&engine, "1.10.0", 2), Ok(()));
    let refusal = ImageRefusal::TooOld { running: version("1.3.9"), minimum: version("1.4.0") };
    assert_eq!(check(&engine, "1.3.9", 1), Err(refusal));
    let refusal = ImageRefusal::NotApproved { found: image(3), approved: 2 };
    assert_eq!(check(&engine, "1.4.0", 3), Err(refusal));
    assert_eq!(engine.state.check_image(version("1.4.0"), None), Ok(()), "unattested");
    assert_eq!(ask(&mut engine, &from(2, &[], "1.4.0")), Answer::ImagesApproved);
    assert_eq!(check(&engine, "1.4.0", 3), Ok(()));
    assert!(check(&engine, "1.3.9", 3).is_err());
}
