//! Goal: an audit says whose log it established before it says that nothing is wrong; every anchor
//! that was given is a claim that was asked for; what could not be judged makes a partial verdict.
//!
//! Method: logs that anyone can make, empty logs, keys that open nothing, anchors that differ.

use super::liar::with_last_changed;
use super::{audit, busy, checkpoints, keys_of, log_of, named, subject};
use mortise_audit::{AuditKeys, BootTrust, Images, Report, Subject};
use mortise_format::ids::{Address, PolicyHash};
use mortise_format::lock::Durability;
use mortise_format::secp256k1::address_of_compressed;
use mortise_testkit::driver::Driver;
use mortise_testkit::witness::Bench;
use mortise_verify::attestation::AWS_NITRO_ROOT_G1;
use mortise_verify::statement::SignedStatement;
use mortise_verify::verdict::{Claim, Lack, Outcome, Tie};

fn address(driver: &Driver) -> Address {
    let (keys, _) = subject(driver).genesis_keys.expect("the log came with them");
    address_of_compressed(&keys.signing).expect("a key has an address")
}

fn names(report: &Report) -> Vec<&'static str> {
    named(report).into_iter().map(|(_, _, name)| name).collect()
}

/// The claims that were asked for and not established, and whether they are refuted.
fn missing(report: &Report) -> Vec<(Claim, bool)> {
    let verdict = report.verdict();
    let missing = verdict.missing().iter();
    missing.map(|it| (it.claim(), it.lack() == Lack::Contradicted)).collect()
}

/// A log that anyone can write: one boot frame with the ID of `victim` and a key of its own.
fn forged(forger: &Driver, victim: &Driver) -> Vec<Vec<u8>> {
    with_last_changed(&log_of(forger)[..1], forger, |parts| {
        parts.header.engine_id = victim.identity().engine_id;
        parts.header.state_root.0 = [0x5a; 32];
        false
    })
}

#[test]
fn log_of_a_key_of_ones_own_is_no_log_of_the_named_engine() {
    let (victim, forger) = (Driver::booted(60), Driver::booted(61));
    let log = forged(&forger, &victim);
    let engine_id = Some(victim.identity().engine_id);
    let only_id = Subject { engine_id, ..Subject::default() };
    let with_address = Subject { address: Some(address(&victim)), ..only_id.clone() };
    let whole = Subject { address: Some(address(&victim)), ..subject(&victim) };
    for (subject, name) in
        [(only_id, "MissingGenesis"), (with_address, "UnknownSigner"), (whole, "SigningKey")]
    {
        let report = audit(&log, subject, None);
        assert!(names(&report).contains(&name), "{name}: {:?}", report.findings);
        assert_eq!(report.verdict().outcome(), Outcome::NotProven);
    }
    // Without any anchor, the first line names no one's engine.
    let report = audit(&log, Subject::default(), None);
    let verdict = report.verdict();
    assert_eq!((verdict.outcome(), verdict.identity().tie), (Outcome::Proven, Tie::NotAtAll));
    assert!(verdict.first_line().contains("(tied to no identity that you named)"));
    assert!(!verdict.has(Claim::Signer) && !verdict.has(Claim::Boots));
}

/// Goal: the genesis and the public keys of an engine are public, so a log under them that no
/// statement of the engine covers is not established.
#[test]
fn log_that_the_named_engine_never_signed_is_judged_in_part() {
    let driver = Driver::booted(62);
    let boot = &log_of(&driver)[..1];
    let subject = || Subject { address: Some(address(&driver)), ..subject(&driver) };
    let report = audit(boot, subject(), None);
    assert_eq!((names(&report), report.signed_to), (vec![], 0));
    assert_eq!(missing(&report), [(Claim::Signer, false)]);
    assert_eq!(report.verdict().outcome(), Outcome::Partly);
    let busy = busy(63, 40);
    let whole = Subject { address: Some(address(&busy)), ..super::subject(&busy) };
    let report = audit(&log_of(&busy), whole, None);
    let verdict = report.verdict();
    assert_eq!(verdict.outcome(), Outcome::Proven, "{}", verdict.first_line());
    assert!(verdict.has(Claim::Signer) && verdict.identity().tie == Tie::Pinned);
    let last = report.frames - 1;
    let says = format!("(pinned by you) wrote this log from frame 0 to frame {last}");
    assert!(verdict.first_line().contains(&says), "{}", verdict.first_line());
}

#[test]
fn boot_without_a_document_is_a_finding_when_images_were_named() {
    let driver = busy(64, 40);
    let trust = BootTrust {
        roots: vec![AWS_NITRO_ROOT_G1],
        images: Images::Any,
        is_genesis_required: false,
    };
    let report = audit(&log_of(&driver), Subject { trust: Some(trust), ..subject(&driver) }, None);
    let boots = report.epochs.len();
    assert!(boots > 0 && names(&report) == vec!["MissingDocument"; boots], "{:?}", report.findings);
    assert_eq!(missing(&report), [(Claim::NoFindings, true), (Claim::Boots, true)]);
    let without = audit(&log_of(&driver), subject(&driver), None);
    assert_eq!(names(&without), Vec::<&str>::new(), "no image was named");
}

#[test]
fn empty_log_is_a_finding_and_is_behind_every_anchor() {
    let (driver, notes) = checkpoints::engine(&Bench::new(3), 65);
    let kept = driver.statement(1).expect("it was released");
    let kept = SignedStatement { statement: kept.statement.clone(), signature: kept.signature };
    let checkpoints = vec![notes[0].clone().into_bytes()];
    let whole = Subject { kept: vec![kept.clone()], checkpoints, ..subject(&driver) };
    let report = audit(&[], whole, None);
    assert_eq!(names(&report), ["EmptyLog", "LogEndsEarly", "CheckpointAhead"]);
    assert_eq!(report.verdict().outcome(), Outcome::NotProven);
    // Nothing names the key: the statement was asked for all the same.
    let alone = Subject { kept: vec![kept], ..Subject::default() };
    assert_eq!(names(&audit(&[], alone, None)), ["EmptyLog", "LogEndsEarly"]);
    let nothing = audit(&[], Subject::default(), None);
    assert_eq!(names(&nothing), ["EmptyLog"]);
    let other =
        Subject { engine_id: Some(Driver::booted(66).identity().engine_id), ..subject(&driver) };
    assert_eq!(names(&audit(&[], other, None)), ["EmptyLog", "OtherEngine"]);
}

#[test]
fn what_keys_do_not_open_is_counted_and_makes_a_partial_verdict() {
    let mut driver = Driver::booted(67);
    super::work(&mut driver, 30);
    driver.restart();
    driver.settle();
    let (log, all) = (log_of(&driver), keys_of(&driver));
    let none = || AuditKeys::new(*all.engine_id(), all.state_salt().clone());
    let first = none().with_epoch(1, all.content_root(1).expect("it booted").clone());
    let other = keys_of(&Driver::booted(68));
    let full = audit(&log, subject(&driver), Some(&all));
    assert_eq!((full.verdict().outcome(), full.unjudged().frames), (Outcome::Proven, 0));
    assert!(full.verdict().has(Claim::Decisions));
    let no_genesis = Subject { engine_id: None, genesis: None, ..subject(&driver) };
    for (subject, keys, reason) in [
        (subject(&driver), &other, "the keys are of engine 0x"),
        (subject(&driver), &none(), "no keys for epochs [1, "),
        (subject(&driver), &first, "no keys for epochs [2"),
        (no_genesis, &all, "the log came without its genesis"),
    ] {
        let report = audit(&log, subject, Some(keys));
        assert_eq!(missing(&report), [(Claim::Decisions, false)], "{reason}");
        let verdict = report.verdict();
        assert_eq!(verdict.outcome(), Outcome::Partly);
        assert!(verdict.missing()[0].reason().starts_with(reason), "{:?}", verdict.missing());
        let unjudged = report.unjudged();
        assert_eq!(unjudged.frames, report.frames - report.replayed_to);
        assert!(unjudged.frames > 0 && unjudged.events > 0);
        assert!(verdict.missing()[0].reason().contains(&format!("{} frames", unjudged.frames)));
    }
}

#[test]
fn policy_and_durability_of_the_anchors_are_compared() {
    let driver = busy(69, 40);
    let log = log_of(&driver);
    let found = audit(&log, subject(&driver), None).policy_hash;
    let good = || Subject {
        policy_hash: Some(found),
        durability: Some(Durability::Stored),
        ..subject(&driver)
    };
    assert_eq!(audit(&log, good(), None).verdict().outcome(), Outcome::Proven);
    let other = Subject { policy_hash: Some(PolicyHash([1; 32])), ..good() };
    assert_eq!(missing(&audit(&log, other, None)), [(Claim::Policy, true)]);
    let other = Subject { durability: Some(Durability::Witnessed), ..good() };
    assert_eq!(missing(&audit(&log, other, None)), [(Claim::Durability, true)]);
}
