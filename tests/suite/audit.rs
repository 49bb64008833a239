//! Goal: an audit finds nothing in the log of an honest engine, and reports each fault in the log
//! of a dishonest one with its frame and event.
//!
//! Method: logs of the random workload over several epochs; then frames with one fault each, sealed
//! with all of the engine's keys.

mod checkpoints;
mod command;
mod honest;
pub(crate) mod liar;
mod outside;
mod planted;
mod verdicts;

use mortise_audit::{AuditKeys, Auditor, Report, Subject, prepare};
use mortise_engine::keyring::{GENESIS_BLOB, KEYS_BLOB, SealedKeys};
use mortise_engine::pipeline::Settings;
use mortise_format::codec;
use mortise_format::genesis::{Genesis, GenesisKeys};
use mortise_format::ids::Bytes32;
use mortise_testkit::driver::Driver;
use mortise_testkit::mirror::Mirror;
use mortise_testkit::workload::Workload;

/// An engine after random steps: epochs, crashes, snapshots, time, every kind of command.
pub fn busy(seed: u64, steps: u32) -> Driver {
    let settings = Settings { snapshot_frames: 7, ..Settings::default() };
    let mut driver = Driver::new(seed, settings);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    work(&mut driver, steps);
    driver
}

/// Random steps of an engine that has done nothing yet.
pub fn work(driver: &mut Driver, steps: u32) {
    let mut mirror = Mirror::new(driver.identity().engine_id);
    mirror.model.rules = driver.pipeline().machine().state().rules();
    let mut workload = Workload::new(driver.signer());
    for _ in 0..steps {
        match driver.rng.below(100) {
            0 => {
                mirror.observe(driver);
                let kept = usize::try_from(driver.rng.below(3)).expect("a small number");
                driver.crash(kept);
                mirror.recover(driver);
                driver.boot().expect("the log follows");
            }
            1..=6 => {
                let most = if driver.rng.one_in(8) { 900_000 } else { 40_000 };
                driver.now_ms += driver.rng.below(most);
            }
            7..=40 => ask(driver, &mut mirror, &mut workload),
            41..=43 => driver.tick(),
            _ => drop(driver.step()),
        }
        mirror.observe(driver);
    }
    driver.settle();
}

fn ask(driver: &mut Driver, mirror: &mut Mirror, workload: &mut Workload) {
    let now_s = driver.now_ms.max(mirror.model.time_ms) / 1000;
    let mut rng = driver.rng.clone();
    let count = 1 + rng.below(4);
    let asked: Vec<_> = (0..count).map(|_| workload.next(&mut rng, &mirror.model, now_s)).collect();
    driver.rng = rng;
    let tokens = driver.ask(&asked.iter().collect::<Vec<_>>());
    for (token, asked) in tokens.into_iter().zip(asked) {
        mirror.asked(token, asked);
    }
}

/// The encoded frames of a log.
pub fn log_of(driver: &Driver) -> Vec<Vec<u8>> {
    driver.disk.edit(|content| content.frames.clone())
}

/// The keys that a full audit of this engine needs.
pub fn keys_of(driver: &Driver) -> AuditKeys {
    let identity = driver.identity();
    let salt = identity.log_keys.state_salt().clone();
    let mut keys = AuditKeys::new(identity.engine_id, salt);
    for record in driver.pipeline().machine().epochs() {
        let epoch = driver.keys_of(record).expect("the vault is there");
        keys = keys.with_epoch(record.epoch, epoch.content_root().clone());
    }
    keys
}

/// The genesis and its public keys, as exported with a log.
pub fn genesis_and_keys(driver: &Driver) -> (Genesis, (GenesisKeys, Bytes32)) {
    let blob = |name: &str| driver.disk.edit(|content| content.blobs[name].clone());
    let genesis = codec::decode(&blob(GENESIS_BLOB)).expect("it was stored");
    let sealed = SealedKeys::decode(&blob(KEYS_BLOB)).expect("it was stored");
    (genesis, (sealed.keys, sealed.log_secret_commitment))
}

/// The engine's identity, as an auditor knows it.
pub fn subject(driver: &Driver) -> Subject {
    let (genesis, keys) = genesis_and_keys(driver);
    let engine_id = Some(driver.identity().engine_id);
    Subject { engine_id, genesis: Some(genesis), genesis_keys: Some(keys), ..Subject::default() }
}

pub fn audit(log: &[Vec<u8>], subject: Subject, keys: Option<&AuditKeys>) -> Report {
    let mut auditor = Auditor::new(subject, keys.cloned(), 7);
    log.iter().for_each(|bytes| auditor.follow(prepare(bytes, keys)));
    auditor.finish()
}

/// Frame, event and name of each finding.
pub fn named(report: &Report) -> Vec<(u64, Option<u32>, &'static str)> {
    report.findings.iter().map(|f| (f.seq, f.index, f.fact.name())).collect()
}
