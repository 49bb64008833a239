//! Outcomes are computed; no verdict is PROVEN without a claim.

use super::*;
use alloc::format;
use alloc::string::ToString;

fn empty() -> Verdict {
    let identity = Identity { engine_id: None, address: None, image: None, tie: Tie::NotAtAll };
    Verdict::new(Subject::Root, identity, "stated this")
}

fn some(verdict: &mut Verdict) {
    verdict.establish(Claim::Statement, "it is signed", Basis::named(Named::Comparison, "a test"));
}

#[test]
fn nothing_established_is_not_proven() {
    let mut verdict = empty();
    assert_eq!(verdict.outcome(), Outcome::NotProven);
    assert!(verdict.first_line().starts_with("NOT PROVEN: nothing"), "{}", verdict.first_line());
    verdict.leaves_open("everything");
    assert_eq!(verdict.outcome(), Outcome::NotProven);
    verdict.lacks(Claim::Kind, "no event");
    assert_eq!(verdict.outcome(), Outcome::NotProven);
    assert_eq!(verdict.first_line(), "NOT PROVEN: kind: no event");
}

#[test]
fn outcome_follows_from_the_claims() {
    let mut verdict = empty();
    some(&mut verdict);
    assert_eq!(verdict.outcome(), Outcome::Proven);
    verdict.lacks(Claim::Kind, "no event");
    assert_eq!(verdict.outcome(), Outcome::Partly);
    assert!(verdict.first_line().ends_with("not established: kind"), "{}", verdict.first_line());
    verdict.contradicts(Claim::Status, "it is EXPIRED");
    assert_eq!(verdict.outcome(), Outcome::NotProven);
    assert_eq!(verdict.first_line(), "NOT PROVEN: status: it is EXPIRED");
}

#[test]
fn exit_code_is_0_for_proven_and_for_an_allowed_part_alone() {
    let codes = [Outcome::Proven, Outcome::Partly, Outcome::NotProven]
        .map(|outcome| (outcome.exit_code(false), outcome.exit_code(true)));
    assert_eq!(codes, [(0, 0), (1, 0), (1, 1)]);
}

#[test]
fn first_line_says_who_what_when_and_how() {
    let mut verdict = empty();
    verdict.identity = Identity {
        engine_id: Some(EngineId([1; 32])),
        address: None,
        image: Some("ab".repeat(48)),
        tie: Tie::Attested,
    };
    some(verdict.about_time(1_795_326_117, Clock::Engine));
    let id = EngineId([1; 32]);
    let expected = format!(
        "PROVEN: engine {id} (attested, image abababababababab...) stated this, as of \
         2026-11-22 05:41:57 UTC \
         (engine time)"
    );
    assert_eq!(verdict.first_line(), expected);
}

#[test]
fn control_characters_of_a_file_are_escaped() {
    let mut verdict = empty();
    let basis = Basis::named(Named::Comparison, "a\x1b[2Jb\r");
    verdict.establish(Claim::Statement, "x\ny", basis).leaves_open("\u{9b}2J");
    verdict.says = "stated \x07".to_string();
    for text in [verdict.first_line(), verdict.lists()] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
    assert_eq!(verdict.lists().lines().count(), 4, "{}", verdict.lists());
}

#[test]
fn names_of_claims_are_unique() {
    let mut names: Vec<_> = Claim::ALL.iter().map(|claim| claim.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Claim::ALL.len());
    assert!(Claim::ALL.iter().all(|claim| claim.meaning().ends_with('.')));
}
