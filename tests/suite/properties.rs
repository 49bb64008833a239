//! Goal: the invariants hold for all generated commands.
//!
//! `agreement` compares every answer with the model of the test kit. `invariants` tests the core
//! alone, one test for each invariant, so that removing the check of an invariant fails its test;
//! `tests/mutants.sh` does so and prints the table. `corruption` gives `apply` events that `decide`
//! would have refused.

mod agreement;
mod corruption;
mod forever;
mod invariants;

use mortise_format::policy::Policy;
use mortise_sim::rng::Rng;
use mortise_testkit::keys::Asked;
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario;
use mortise_testkit::workload::Workload;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

/// The suite runs few cases. `MORTISE_PROPERTY_CASES` sets their number, `MORTISE_PROPERTY_SEED`
/// the seed.
fn config(cases: u32) -> ProptestConfig {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    let asked = number("MORTISE_PROPERTY_CASES").and_then(|n| u32::try_from(n).ok());
    ProptestConfig {
        cases: asked.unwrap_or(cases),
        rng_seed: RngSeed::Fixed(number("MORTISE_PROPERTY_SEED").unwrap_or(1)),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    }
}

/// Runs generated sequences of commands and times on new engines. After each answer `check` gets
/// the engine before it, the engine after it, and the answer.
fn over_sequences(
    cases: u32,
    compares: bool,
    check: impl FnMut(&Lockstep, &Lockstep, &Asked, &Answer),
) {
    over_sequences_under(&scenario::policy(), cases, compares, check);
}

/// The same under another policy.
fn over_sequences_under(
    policy: &Policy,
    cases: u32,
    compares: bool,
    mut check: impl FnMut(&Lockstep, &Lockstep, &Asked, &Answer),
) {
    let steps = prop::collection::vec(any::<u64>(), 1..150);
    let check = std::cell::RefCell::new(&mut check);
    let run = |steps: Vec<u64>| {
        let mut engine = Lockstep::new(policy);
        if !compares {
            engine = engine.without_comparing();
        }
        let mut workload = Workload::new(engine.signer);
        for step in steps {
            let mut rng = Rng::new(step);
            if rng.one_in(6) {
                let by = if rng.one_in(4) { 700_000 } else { 40_000 };
                engine.at_ms(engine.now_ms + rng.below(by));
            }
            let asked = workload.next(&mut rng, &engine.model, engine.now_ms / 1000);
            let before = engine.clone();
            let answer = engine.ask(&asked);
            (check.borrow_mut())(&before, &engine, &asked, &answer);
        }
        Ok(())
    };
    if let Err(error) = TestRunner::new(config(cases)).run(&steps, run) {
        panic!("{error}");
    }
}
