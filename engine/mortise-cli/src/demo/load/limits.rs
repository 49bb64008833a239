//! What the disk and the cores of this machine do when they do nothing else.

use super::report::Timings;
use mortise_client::Signer;
use mortise_core::signature::recover;
use mortise_format::eip712::Digest;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes that are synced one by one.
const SYNCS: u64 = 500;
/// Size of each.
const SYNC_BYTES: usize = 4096;
/// Signatures recovered and made.
const SIGNATURES: u32 = 1000;

/// What one core needs for one lock's signatures, and what all cores can do.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Crypto {
    pub recover_us: f64,
    pub sign_us: f64,
    pub cores: u32,
}

impl Crypto {
    /// Locks per second that all cores recover and sign.
    pub fn locks_per_s(&self) -> f64 {
        f64::from(self.cores) * 1e6 / (self.recover_us + self.sign_us)
    }
}

/// Overwrites of a preallocated file of the folder, each synced: the least that a durable lock
/// waits for.
pub(super) fn fdatasync(folder: &Path) -> io::Result<Timings> {
    let path = folder.join("sync.probe");
    let times = sync_file(&path);
    std::fs::remove_file(&path)?;
    times.map(Timings::of)
}

fn sync_file(path: &Path) -> io::Result<Vec<Duration>> {
    let file: File = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    let block = [0x5a; SYNC_BYTES];
    let step = u64::try_from(SYNC_BYTES).unwrap_or(u64::MAX);
    for n in 0..SYNCS {
        file.write_all_at(&block, n * step)?;
    }
    file.sync_all()?;
    let mut times = Vec::new();
    for n in 0..SYNCS {
        let begun = Instant::now();
        file.write_all_at(&block, n * step)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// Recovers and signs on this core.
pub(super) fn crypto() -> Crypto {
    let signer = Signer::random();
    let digest = |n: u32| {
        let mut digest = [0x11; 32];
        digest[..4].copy_from_slice(&n.to_be_bytes());
        Digest(digest)
    };
    let begun = Instant::now();
    let signatures: Vec<_> =
        (0..SIGNATURES).map(|n| (digest(n), signer.sign(&digest(n)))).collect();
    let sign_us = micros_each(begun);
    let begun = Instant::now();
    let ours = signatures.iter().filter(|(d, s)| recover(d, s) == Ok(signer.address())).count();
    let recover_us = micros_each(begun);
    assert_eq!(ours, signatures.len(), "a signature names its signer");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Crypto { recover_us, sign_us, cores: u32::try_from(cores).unwrap_or(1) }
}

fn micros_each(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(SIGNATURES)
}
