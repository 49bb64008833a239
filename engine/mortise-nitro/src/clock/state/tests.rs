//! The rules of the clock, one by one and with random steps.

use super::*;
use proptest::prelude::*;

const RULES: ClockRules = ClockRules {
    anchor_every: Duration::from_secs(10),
    anchor_age_max: Duration::from_secs(60),
    round_trip_max: Duration::from_secs(1),
    backward_max: Duration::from_secs(2),
    forward_max: Duration::from_secs(2),
    leap: LeapRules {
        readings: 3,
        every: Duration::from_secs(5),
        agree: Duration::from_millis(500),
        max: Duration::from_secs(900),
    },
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn reading(sent_ms: u64, took_ms: u64, document_ms: u64) -> Reading {
    Reading { sent: ms(sent_ms), received: ms(sent_ms + took_ms), document_ms }
}

fn clock() -> ClockState {
    ClockState::start(RULES, reading(0, 0, 1_000_000)).unwrap()
}

#[test]
fn rules_of_these_tests_are_those_of_every_clock() {
    assert_eq!(ClockRules::default(), RULES);
}

#[test]
fn time_counts_from_the_documents_time_at_the_answer() {
    let mut clock = ClockState::start(RULES, reading(500, 20, 1_000_000)).unwrap();
    assert_eq!(clock.now_ms(ms(520)), Ok(1_000_000));
    assert_eq!(clock.now_ms(ms(1_520)), Ok(1_001_000));
    assert_eq!(clock.now_ms(ms(1_300)), Ok(1_001_000), "the clock went back");
}

#[test]
fn anchor_one_millisecond_too_old_gives_no_time() {
    let mut clock = clock();
    assert_eq!(clock.now_ms(ms(60_000)), Ok(1_060_000));
    assert_eq!(clock.now_ms(ms(60_001)), Err(ClockError::Stale { age_ms: 60_001 }));
    assert_eq!(clock.anchor(reading(70_000, 0, 1_070_000)), Ok(()));
    assert_eq!(clock.now_ms(ms(70_000)), Ok(1_070_000), "a good anchor restores the time");
}

#[test]
fn slow_answer_is_no_anchor_and_no_start() {
    let slow = AnchorRefused::SlowAnswer { took_ms: 1_001, took_ms_max: 1_000 };
    assert_eq!(ClockState::start(RULES, reading(0, 1_001, 1_000_000)).unwrap_err(), slow);
    assert!(ClockState::start(RULES, reading(0, 1_000, 1_000_000)).is_ok());
    let mut clock = clock();
    assert_eq!(clock.anchor(reading(9_000, 1_001, 1_009_500)), Err(slow));
    assert_eq!(clock.now_ms(ms(60_001)), Err(ClockError::Stale { age_ms: 60_001 }));
    assert_eq!(clock.health(ms(60_001)).failures, 1);
}

#[test]
fn fast_clock_stands_still_until_the_module_catches_up() {
    let mut clock = clock();
    assert_eq!(clock.now_ms(ms(10_000)), Ok(1_010_000));
    assert_eq!(clock.anchor(reading(10_000, 0, 1_009_000)), Ok(()));
    assert_eq!(clock.health(ms(10_000)).last_step_ms, -1_000);
    assert_eq!(clock.now_ms(ms(10_500)), Ok(1_010_000));
    assert_eq!(clock.now_ms(ms(11_000)), Ok(1_010_000));
    assert_eq!(clock.now_ms(ms(11_001)), Ok(1_010_001));
}

#[test]
fn module_that_goes_back_too_far_is_refused_until_there_is_no_time() {
    let mut clock = clock();
    let back = AnchorRefused::WentBack { back_ms: 2_001, back_ms_max: 2_000 };
    assert_eq!(clock.anchor(reading(10_000, 0, 1_007_999)), Err(back));
    assert_eq!(clock.now_ms(ms(10_000)), Ok(1_010_000));
    assert!(clock.anchor(reading(40_000, 0, 1_037_000)).is_err());
    assert_eq!(clock.now_ms(ms(60_001)), Err(ClockError::Stale { age_ms: 60_001 }));
    assert_eq!(clock.health(ms(60_001)).failures, 2);
}

#[test]
fn module_that_goes_back_by_two_seconds_is_an_anchor() {
    let mut clock = clock();
    assert_eq!(clock.anchor(reading(10_000, 0, 1_008_000)), Ok(()));
    assert_eq!(clock.health(ms(10_000)).last_step_ms, -2_000);
}

fn ahead(ahead_ms: u64, agreed: u32) -> Result<(), AnchorRefused> {
    Err(AnchorRefused::Ahead { ahead_ms, agreed, needed: 3 })
}

#[test]
fn step_forward_of_two_seconds_is_taken_at_once_and_a_larger_one_is_not() {
    let mut clock = clock();
    assert_eq!(clock.anchor(reading(10_000, 0, 1_012_000)), Ok(()));
    assert_eq!(clock.now_ms(ms(10_000)), Ok(1_012_000));
    assert_eq!(clock.anchor(reading(20_000, 0, 1_024_001)), ahead(2_001, 1));
    assert_eq!(clock.now_ms(ms(20_000)), Ok(1_022_000), "the old anchor counts on");
}

/// Goal: FAULTS D1. One reading that is a day ahead changes nothing.
#[test]
fn one_reading_a_day_ahead_is_not_followed() {
    const DAY: u64 = 86_400_000;
    let mut clock = clock();
    assert_eq!(clock.anchor(reading(10_000, 0, 1_010_000 + DAY)), ahead(DAY, 1));
    assert_eq!(clock.next_reading(), ms(5_000));
    assert_eq!(clock.anchor(reading(15_000, 0, 1_015_000)), Ok(()));
    assert_eq!(clock.next_reading(), ms(10_000));
    assert_eq!(clock.now_ms(ms(15_000)), Ok(1_015_000));
    // The next one counts from one again.
    assert_eq!(clock.anchor(reading(25_000, 0, 1_025_000 + DAY)), ahead(DAY, 1));
}

#[test]
fn jump_after_a_pause_is_taken_when_three_readings_agree_and_reported() {
    let mut clock = clock();
    assert_eq!(clock.anchor(reading(10_000, 0, 1_610_000)), ahead(600_000, 1));
    assert_eq!(clock.anchor(reading(14_999, 0, 1_614_999)), ahead(600_000, 1), "too soon");
    assert_eq!(clock.anchor(reading(15_000, 0, 1_615_000)), ahead(600_000, 2));
    assert_eq!(clock.now_ms(ms(15_000)), Ok(1_015_000));
    assert_eq!(clock.anchor(reading(20_000, 0, 1_620_500)), Ok(()), "half a second apart");
    assert_eq!(clock.now_ms(ms(20_000)), Ok(1_620_500));
    assert_eq!(clock.health(ms(20_000)).last_step_ms, 600_500);
}

#[test]
fn readings_that_do_not_agree_count_from_the_last() {
    let mut clock = clock();
    assert_eq!(clock.anchor(reading(10_000, 0, 1_610_000)), ahead(600_000, 1));
    assert_eq!(clock.anchor(reading(15_000, 0, 1_615_501)), ahead(600_501, 1));
    assert_eq!(clock.anchor(reading(20_000, 0, 1_620_501)), ahead(600_501, 2));
    assert!(clock.anchor(reading(25_000, 0, 1_000_000)).is_err(), "it went back");
    assert_eq!(clock.anchor(reading(30_000, 0, 1_630_501)), ahead(600_501, 1));
}

#[test]
fn leap_of_more_than_fifteen_minutes_ends_the_time_for_good() {
    for (step, taken) in [(900_000, true), (900_001, false)] {
        let mut clock = clock();
        assert!(clock.anchor(reading(10_000, 0, 1_010_000 + step)).is_err());
        assert!(clock.anchor(reading(15_000, 0, 1_015_000 + step)).is_err());
        let third = clock.anchor(reading(20_000, 0, 1_020_000 + step));
        if taken {
            assert_eq!((third, clock.now_ms(ms(20_000))), (Ok(()), Ok(1_020_000 + step)));
            continue;
        }
        let leap = AnchorRefused::Leap { ahead_ms: step, ahead_ms_max: 900_000 };
        assert_eq!(third, Err(leap));
        assert_eq!(clock.now_ms(ms(20_000)), Err(ClockError::Leap { ahead_ms: step }));
        assert_eq!(clock.anchor(reading(25_000, 0, 1_025_000)), Ok(()));
        assert!(clock.now_ms(ms(25_000)).is_err(), "a new start asks a second source");
    }
}

#[test]
fn late_document_does_not_move_a_clock_within_its_error() {
    let mut clock = clock();
    // Made early in a long round trip: the counted 1_010_800 is in 1_010_100 ..= 1_010_900.
    assert_eq!(clock.anchor(reading(10_000, 800, 1_010_100)), Ok(()));
    assert_eq!(clock.now_ms(ms(10_800)), Ok(1_010_800));
    assert_eq!(clock.health(ms(10_800)).last_step_ms, 0);
}

#[test]
fn extreme_numbers_do_not_panic() {
    let mut clock = ClockState::start(RULES, reading(0, 1, u64::MAX)).unwrap();
    assert_eq!(clock.now_ms(ms(1_000)), Ok(u64::MAX));
    assert!(clock.anchor(reading(2_000, 1, 1)).is_err());
    assert!(clock.now_ms(Duration::MAX).is_err());
}

/// One step of a clock: time passes, for the truth and for a monotonic clock that drifts by some
/// per mille or stops; then the clock may get an anchor, and is read.
#[derive(Debug, Clone, Copy)]
struct Step {
    true_ms: u64,
    drift_per_mille: i64,
    paused: bool,
    took_ms: u64,
    /// When in the round trip the document is made, per cent.
    made_at: u64,
    anchors: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0..20_000u64,
        -1..=1i64,
        prop::bool::weighted(0.1),
        0..1_200u64,
        0..=100u64,
        any::<bool>(),
    );
    let step = step.prop_map(|(true_ms, drift_per_mille, paused, took_ms, made_at, anchors)| {
        Step { true_ms, drift_per_mille, paused, took_ms, made_at, anchors }
    });
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Compared with the true time, the clock never goes back, never leads by more than the
    /// monotonic clock gained, and gives no time from an old anchor.
    #[test]
    fn clock_never_goes_back_never_leads_and_never_outlives_its_anchor(steps in steps()) {
        let (mut truth, mut mono) = (1_000_000u64, 0u64);
        let mut clock = ClockState::start(RULES, reading(0, 0, truth)).unwrap();
        let (mut anchored_at, mut given, mut gained) = (0u64, 0u64, 0u64);
        for step in steps {
            let counted = if step.paused { 0 } else { step.true_ms };
            let drift = i64::try_from(counted).unwrap() * step.drift_per_mille / 1000;
            truth += step.true_ms;
            mono = mono.checked_add_signed(i64::try_from(counted).unwrap() + drift).unwrap();
            gained += u64::try_from(drift.max(0)).unwrap() + 1;
            if step.anchors {
                let document_ms = truth + step.took_ms * step.made_at / 100;
                let taken = clock.anchor(reading(mono, step.took_ms, document_ms));
                truth += step.took_ms;
                mono += step.took_ms;
                let is_slow = matches!(taken, Err(AnchorRefused::SlowAnswer { .. }));
                prop_assert_eq!(is_slow, step.took_ms > 1_000);
                let is_ahead = matches!(
                    taken,
                    Err(AnchorRefused::Ahead { .. } | AnchorRefused::Leap { .. })
                );
                prop_assert!(taken.is_ok() || is_slow || is_ahead, "{:?}", taken);
                if taken.is_ok() {
                    anchored_at = mono;
                }
            }
            match clock.now_ms(ms(mono)) {
                Ok(now) => {
                    prop_assert!(mono - anchored_at <= 60_000);
                    prop_assert!(now >= given, "{now} after {given}");
                    prop_assert!(now <= truth + gained, "{now} leads {truth} beyond {gained}");
                    given = now;
                }
                Err(ClockError::Stale { age_ms }) => {
                    prop_assert_eq!(age_ms, mono - anchored_at);
                    prop_assert!(age_ms > 60_000);
                }
                // Pauses can add up to more than a running engine follows.
                Err(ClockError::Leap { ahead_ms }) => {
                    prop_assert!(ahead_ms > 900_000);
                    return Ok(());
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
