//! Goal: INV-06. Nothing is granted twice for ever, over forgetting, snapshots, restarts and leaps
//! of time; and the run that says so finds what each naive rule of forgetting allows.

use mortise_testkit::forever::{Naive, NaiveRule, Real, Violation, run, violations};

#[test]
fn inv_06_nothing_is_granted_twice_for_ever() {
    let (mut uses, mut forgot) = (0, 0);
    for seed in 0..16 {
        let mut engine = Real::new(seed);
        assert_eq!(run(&mut engine, seed, 500), Ok(()), "seed {seed}");
        (uses, forgot) = (uses + engine.uses, forgot + engine.forgot);
    }
    assert!(uses > 300, "{uses} uses of nonces are too few");
    assert!(forgot > 100, "principals left {forgot} times, which is seldom");
}

#[test]
fn inv_06_naive_rules_of_forgetting_allow_what_the_engine_does_not() {
    use Violation::{BurnedUsed, LockIdTwice, NonceTwice, SuggestedRefused};
    for (rule, allowed) in [
        (NaiveRule::Never, &[][..]),
        (NaiveRule::DayAfterTheLastCommand, &[LockIdTwice, NonceTwice, BurnedUsed]),
        (NaiveRule::AfterWhatWasUsed, &[NonceTwice, BurnedUsed]),
        (NaiveRule::OneFloorForAll, &[SuggestedRefused]),
    ] {
        let found = violations(0..200, 500, |_| Naive::new(rule));
        assert_eq!(found, allowed.iter().copied().collect(), "{rule:?}");
    }
}
