//! Invariants over generated commands: core and model agree on every answer, every aggregate is
//! recomputed after every step, and what `decide` would have refused is corruption to `apply`.

use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::rng::Rng;
use mortise_testkit::scenario;
use mortise_testkit::workload::Workload;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Few cases for the suite; `MORTISE_PROPERTY_CASES` asks for more, `MORTISE_PROPERTY_SEED` for
/// others.
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

proptest! {
    #![proptest_config(config(24))]

    /// Goal: no sequence of commands and times makes core and model disagree.
    #[test]
    fn core_and_model_agree_on_every_answer(steps in prop::collection::vec(any::<u64>(), 1..150)) {
        let mut engine = Lockstep::new(&scenario::policy());
        let mut workload = Workload::new(engine.desk);
        for step in steps {
            let mut rng = Rng::new(step);
            if rng.one_in(6) {
                let by = if rng.one_in(4) { 700_000 } else { 40_000 };
                engine.at_ms(engine.now_ms + rng.below(by));
            }
            let asked = workload.next(&mut rng, &engine.model, engine.now_ms / 1000);
            engine.ask(&asked);
        }
    }
}
