//! Deterministic simulation of core and pipeline on one thread: seeded commands, time, crashes and
//! store failures.
//!
//! A seed determines a run. Each answer is compared with the model, each output is checked against
//! INV-09 (by the driver), and after each restart the state is compared with the model as of the
//! last frame on the disk. A failing run prints its seed. `MORTISE_SIM_SEED` runs one seed again,
//! `MORTISE_SIM_SEEDS` sets the number of seeds.

use mortise_engine::pipeline::Settings;
use mortise_engine::query::FindBalance;
use mortise_testkit::driver::{AppendFault, Driver};
use mortise_testkit::keys::Party;
use mortise_testkit::mirror::Mirror;
use mortise_testkit::scenario;
use mortise_testkit::witness::Bench;
use mortise_testkit::workload::Workload;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Steps of one run.
const STEPS: u32 = 600;

struct Run {
    driver: Driver,
    mirror: Mirror,
    workload: Workload,
    crashes: u32,
    faults: u32,
}

impl Run {
    fn new(seed: u64) -> Self {
        let settings = Settings { snapshot_frames: 7, ..Settings::default() };
        // Every other run is under witnesses, so its answers wait for cosignatures too.
        let mut driver = match seed % 2 {
            0 => Driver::witnessed(seed, settings, &Bench::new(3), 2, 0),
            _ => Driver::new(seed, settings),
        };
        driver.boot().expect("an empty disk boots");
        let mirror = Mirror::new(driver.identity().engine_id);
        let workload = Workload::new(driver.signer());
        Self { driver, mirror, workload, crashes: 0, faults: 0 }
    }

    fn step(&mut self) {
        match self.driver.rng.below(100) {
            0 => self.crash(),
            1..=3 => self.fail_append(),
            4..=7 => self.pass_time(),
            8..=40 => self.ask(),
            41..=45 => self.read(),
            46 => self.driver.tick(),
            _ => drop(self.driver.step()),
        }
        self.mirror.observe(&mut self.driver);
    }

    fn pass_time(&mut self) {
        let rng = &mut self.driver.rng;
        let passed = match rng.below(10) {
            0 => 900_000,
            1..=3 => 60_000,
            _ => 3_000,
        };
        let passed = rng.below(passed);
        self.driver.now_ms = match self.driver.rng.one_in(10) {
            true => self.driver.now_ms - passed.min(5_000),
            false => self.driver.now_ms + passed,
        };
    }

    fn ask(&mut self) {
        let count = 1 + self.driver.rng.below(4);
        let now_s = self.driver.now_ms.max(self.mirror.model.time_ms) / 1000;
        let mut rng = self.driver.rng.clone();
        let next = |_| self.workload.next(&mut rng, &self.mirror.model, now_s);
        let asked: Vec<_> = (0..count).map(next).collect();
        self.driver.rng = rng;
        let tokens = self.driver.ask(&asked.iter().collect::<Vec<_>>());
        for (token, asked) in tokens.into_iter().zip(asked) {
            self.mirror.asked(token, asked);
        }
    }

    fn read(&mut self) {
        let owner = self.driver.rng.pick(&[Party::Owner, Party::OtherOwner]).address();
        let assets = [scenario::coin(), scenario::token(), scenario::escrowed()];
        let asset = *self.driver.rng.pick(&assets);
        let of = FindBalance { owner, asset };
        let asking = self.driver.query(of);
        self.mirror.asked_balance(of, asking);
    }

    fn fail_append(&mut self) {
        if !self.driver.has_ship() {
            return;
        }
        let fault = *self.driver.rng.pick(&AppendFault::ALL);
        let happened = fault != AppendFault::Torn && self.driver.rng.one_in(2);
        self.driver.fail_ship(fault, happened);
        self.mirror.observe(&mut self.driver);
        assert!(self.driver.pipeline().fault().is_some(), "{fault:?} stops the engine");
        self.faults += 1;
        self.crash();
    }

    fn crash(&mut self) {
        self.mirror.observe(&mut self.driver);
        let kept = usize::try_from(self.driver.rng.below(3)).expect("a small number");
        self.driver.crash(kept);
        self.mirror.recover(&self.driver);
        self.crashes += 1;
        let disk = self.driver.disk.clone();
        self.driver.boot().expect("the log follows");
        self.mirror.observe(&mut self.driver);
        self.mirror.agree(&self.driver);
        assert_eq!(self.root_from_zero(), Some(self.driver.root_at_boot()), "{}", disk.synced());
    }

    /// The state root after a replay of the frames alone, without snapshots.
    fn root_from_zero(&self) -> Option<mortise_format::ids::Root> {
        let disk = self.driver.disk.copy();
        disk.edit(|content| content.snapshots.clear());
        Some(self.driver.replay(&disk).ok()?.machine.state_root())
    }
}

fn run(seed: u64) {
    let mut run = Run::new(seed);
    for _ in 0..STEPS {
        run.step();
    }
    run.driver.settle();
    run.mirror.observe(&mut run.driver);
    run.mirror.agree(&run.driver);
    let answers = run.mirror.checked();
    println!("seed {seed}: {answers} answers, {} crashes, {} faults", run.crashes, run.faults);
    assert!(answers > 100, "a run that checks little proves little");
}

#[test]
fn seeded_runs_with_crashes_and_faults_agree_with_the_model() {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    let seeds = match number("MORTISE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("MORTISE_SIM_SEEDS").unwrap_or(8),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            println!("run it again with MORTISE_SIM_SEED={seed}");
            resume_unwind(panic);
        }
    }
}
