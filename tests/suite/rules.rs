//! Goal: the log says which rules made each frame, and everyone who judges it follows that number
//! or refuses by name (INV-19).
//!
//! Method: engines boot on one disk under approvals and settings; frames are changed and sealed
//! again with the engine's own keys.

mod recorded;
mod story;

use crate::audit::liar::{Parts, with_last_changed};
use crate::audit::{audit, keys_of, log_of, named, subject};
use crate::images::{approval, approve};
use mortise_core::machine::RulesRefusal;
use mortise_engine::api::NotDone;
use mortise_engine::boot::BootError;
use mortise_engine::pipeline::Settings;
use mortise_format::event::Event;
use mortise_format::images::ImageApproval;
use mortise_format::reject::{Field, Reject};
use mortise_format::rules::{RuleSet, RulesUnknown};
use mortise_testkit::driver::{Code, Driver};

const OLDEST: RuleSet = RuleSet::OLDEST;
const NEWEST: RuleSet = RuleSet::NEWEST;
/// A number that this code does not know.
const UNKNOWN: RuleSet = RuleSet(NEWEST.0 + 1);

fn unknown() -> RulesUnknown {
    RulesUnknown { found: UNKNOWN, newest: NEWEST }
}

/// Boots again, under rules that the operator of the machine asks for.
fn boot(driver: &mut Driver, rules: Option<RuleSet>) -> Result<RuleSet, BootError> {
    driver.crash(0);
    driver.code.rules = rules;
    driver.boot()?;
    driver.settle();
    Ok(driver.pipeline().machine().state().rules())
}

/// The refusal of a boot, which writes nothing.
#[track_caller]
fn refusal(driver: &mut Driver, rules: Option<RuleSet>, name: &str) -> RulesRefusal {
    let before = log_of(driver);
    let refused = boot(driver, rules).expect_err("these rules are refused");
    assert_eq!(refused.name(), name, "{refused}");
    assert_eq!(log_of(driver), before, "nothing is written");
    match refused {
        BootError::Rules(refusal) => refusal,
        other => panic!("{other}"),
    }
}

fn approve_rules(driver: &mut Driver, serial: u64, rules: RuleSet) {
    approve(driver, &ImageApproval { rules, ..approval(serial, &[]) });
    driver.settle();
}

#[test]
fn new_log_takes_the_newest_rules_and_every_frame_names_its_rules() {
    let mut driver = Driver::booted(301);
    approve_rules(&mut driver, 1, NEWEST);
    assert!(driver.disk.frames().len() >= 2);
    for frame in driver.disk.frames() {
        assert_eq!(frame.header().rules, NEWEST);
        if let Some(Event::EpochStarted { rules, .. }) = driver.events(&frame).first() {
            assert_eq!(*rules, NEWEST);
        }
    }
}

#[test]
fn log_without_an_approval_keeps_its_rules_until_a_setting_raises_them() {
    for rules in (OLDEST.0..=NEWEST.0).map(RuleSet) {
        let mut driver = Driver::new(302, Settings::default());
        driver.code.rules = Some(rules);
        driver.boot().expect("known rules");
        driver.settle();
        assert_eq!(boot(&mut driver, None).unwrap(), rules, "it keeps its own");
        assert_eq!(boot(&mut driver, Some(rules)).unwrap(), rules, "the same are no change");
        assert_eq!(boot(&mut driver, Some(NEWEST)).unwrap(), NEWEST);
        assert_eq!(boot(&mut driver, None).unwrap(), NEWEST);
    }
}

#[test]
fn setting_below_the_last_rules_or_unknown_to_the_code_is_refused() {
    let mut driver = Driver::booted(303);
    let (asked, last) = (RuleSet(NEWEST.0 - 1), NEWEST);
    let lower = refusal(&mut driver, Some(asked), "RULES_REFUSED");
    assert_eq!(lower, RulesRefusal::Lower { asked, last });
    let newer = refusal(&mut driver, Some(UNKNOWN), "RULES_UNKNOWN");
    assert_eq!(newer, RulesRefusal::Unknown(unknown()));
    assert_eq!(boot(&mut driver, None).unwrap(), NEWEST);
}

#[test]
fn boot_takes_the_rules_of_the_approval_and_no_setting_overrides_them() {
    let mut driver = Driver::booted(304);
    approve_rules(&mut driver, 1, NEWEST);
    assert_eq!(boot(&mut driver, None).unwrap(), NEWEST);
    assert_eq!(boot(&mut driver, Some(NEWEST)).unwrap(), NEWEST);
    let other = refusal(&mut driver, Some(UNKNOWN), "RULES_REFUSED");
    let (asked, approved) = (UNKNOWN, NEWEST);
    assert_eq!(other, RulesRefusal::NotApproved { asked, approved });
}

#[test]
fn code_that_does_not_know_the_approved_rules_writes_nothing() {
    let mut driver = Driver::booted(305);
    approve_rules(&mut driver, 1, UNKNOWN);
    // The epoch goes on under its own rules: nothing changes in the middle of it.
    assert_eq!(driver.pipeline().machine().state().rules(), NEWEST);
    let refused = refusal(&mut driver, None, "RULES_UNKNOWN");
    assert_eq!(refused, RulesRefusal::Unknown(unknown()));
}

/// Goal: the operators switch the rules of a running log, which code without them then refuses.
#[test]
fn approval_switches_the_rules_at_the_next_boot_and_not_before() {
    let mut driver = Driver::new(311, Settings::default());
    driver.code.rules = Some(OLDEST);
    driver.boot().expect("known rules");
    driver.settle();
    approve_rules(&mut driver, 1, NEWEST);
    approve_rules(&mut driver, 2, OLDEST);
    assert_eq!(boot(&mut driver, None).unwrap(), OLDEST, "it was withdrawn");
    approve_rules(&mut driver, 3, NEWEST);
    assert_eq!(driver.pipeline().machine().state().rules(), OLDEST, "the epoch keeps its rules");
    assert_eq!(boot(&mut driver, None).unwrap(), NEWEST);
    let refused = driver.signer().approve_images(
        &[mortise_testkit::keys::Party::Operator],
        &ImageApproval { rules: OLDEST, ..approval(4, &[]) },
    );
    let reject = Reject::Validation(Field::Rules);
    assert!(
        matches!(driver.answer(&refused), Err(NotDone::Refused(found)) if found.reject == reject)
    );
    let report = audit(&log_of(&driver), subject(&driver), Some(&keys_of(&driver)));
    assert_eq!(named(&report), []);
    let rules: Vec<_> = report.epochs.iter().map(|epoch| epoch.rules).collect();
    assert_eq!(rules, [OLDEST, OLDEST, NEWEST]);
}

/// Goal: an approval that no boot has taken yet can be withdrawn.
#[test]
fn approved_rules_can_be_lowered_to_those_in_force_and_not_below() {
    let mut driver = Driver::booted(306);
    approve_rules(&mut driver, 1, UNKNOWN);
    approve_rules(&mut driver, 2, NEWEST);
    assert_eq!(boot(&mut driver, None).unwrap(), NEWEST);
}

/// Two epochs under the newest rules; the log ends with the second boot frame.
fn two_boots(seed: u64) -> Driver {
    let mut driver = Driver::booted(seed);
    driver.restart();
    driver
}

fn with_last(driver: &Driver, change: impl FnOnce(&mut Parts)) -> Vec<Vec<u8>> {
    with_last_changed(&log_of(driver), driver, |parts| {
        change(parts);
        true
    })
}

fn set(parts: &mut Parts, to: RuleSet) {
    parts.header.rules = to;
    if let Some(Event::EpochStarted { rules, .. }) = parts.events.first_mut() {
        *rules = to;
    }
}

fn findings(driver: &Driver, log: &[Vec<u8>]) -> Vec<(u64, Option<u32>, &'static str)> {
    let full = audit(log, subject(driver), Some(&keys_of(driver)));
    let outside = audit(log, subject(driver), None);
    assert_eq!(named(&full), named(&outside), "the number is in the clear");
    named(&full)
}

/// The name of the error of a replay over these frames.
fn replayed(driver: &Driver, log: Vec<Vec<u8>>) -> BootError {
    let disk = driver.disk.copy();
    disk.edit(|content| {
        content.synced = log.len();
        content.frames = log;
    });
    driver.replay(&disk).expect_err("the log does not follow")
}

#[test]
fn audit_and_replay_refuse_an_epoch_of_unknown_rules_by_name() {
    let driver = two_boots(307);
    let last = u64::try_from(log_of(&driver).len()).unwrap() - 1;
    let log = with_last(&driver, |parts| set(parts, UNKNOWN));
    assert_eq!(findings(&driver, &log), [(last, None, "RulesUnknown")]);
    let report = audit(&log, subject(&driver), Some(&keys_of(&driver)));
    assert_eq!(report.broken_at, None, "the chain needs no rules");
    assert_eq!((report.frames, report.replayed_to), (last + 1, last), "nothing of it was judged");
    let refused = replayed(&driver, log);
    assert_eq!(refused.name(), "RULES_UNKNOWN", "{refused}");
}

#[test]
fn rules_that_fall_or_change_within_an_epoch_break_the_chain() {
    let driver = two_boots(308);
    let last = u64::try_from(log_of(&driver).len()).unwrap() - 1;
    let lower = with_last(&driver, |parts| set(parts, RuleSet(NEWEST.0 - 1)));
    assert_eq!(findings(&driver, &lower), [(last, None, "Rules")]);
    assert_eq!(replayed(&driver, lower).name(), "LOG_DOES_NOT_FOLLOW");
    let mut driver = driver;
    approve_rules(&mut driver, 1, NEWEST);
    let last = u64::try_from(log_of(&driver).len()).unwrap() - 1;
    for other in [RuleSet(NEWEST.0 - 1), UNKNOWN] {
        let log = with_last(&driver, |parts| set(parts, other));
        assert_eq!(findings(&driver, &log), [(last, None, "Rules")]);
        assert_eq!(replayed(&driver, log).name(), "LOG_DOES_NOT_FOLLOW");
    }
}

/// Goal: header and event of a boot frame name the same rules.
#[test]
fn event_of_a_boot_names_the_rules_of_its_header() {
    let driver = two_boots(309);
    let last = u64::try_from(log_of(&driver).len()).unwrap() - 1;
    let log = with_last(&driver, |parts| {
        let Some(Event::EpochStarted { rules, .. }) = parts.events.first_mut() else {
            panic!("a boot frame")
        };
        *rules = RuleSet(NEWEST.0 - 1);
    });
    let report = audit(&log, subject(&driver), Some(&keys_of(&driver)));
    assert_eq!(named(&report)[0], (last, Some(0), "FirstEvent"));
    assert!(replayed(&driver, log).to_string().contains("does not begin"));
}

/// Goal: code that ignores the operators' number is found.
#[test]
fn epoch_under_other_rules_than_the_approved_is_a_finding() {
    let mut driver = Driver::booted(310);
    approve_rules(&mut driver, 1, UNKNOWN);
    driver.crash(0);
    driver.code = Code { ignores_approvals: true, ..Code::default() };
    driver.boot().expect("it ignores the approval");
    driver.settle();
    let boot = driver.pipeline().machine().epochs().last().expect("it booted").first_seq;
    let report = audit(&log_of(&driver), subject(&driver), Some(&keys_of(&driver)));
    assert_eq!(named(&report), [(boot, Some(0), "RulesNotApproved")]);
}
