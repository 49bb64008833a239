//! The limits of this machine: sync latency of the disk, signature throughput of the cores.

use mortise_client::Signer;
use mortise_format::eip712::Digest;
use mortise_format::secp256k1::recover;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Blocks of the probe file.
const SYNC_BLOCKS: u64 = 256;
/// Size of a block.
const SYNC_BYTES: usize = 4096;
/// Number of signatures to recover and to create.
const SIGNATURES: u32 = 1000;

/// Time of the signatures of one lock on one core, and the number of cores.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Crypto {
    pub recover_us: f64,
    pub sign_us: f64,
    pub cores: u32,
}

impl Crypto {
    /// Locks per second whose signatures all cores can process.
    pub fn locks_per_s(&self) -> f64 {
        f64::from(self.cores) * 1e6 / (self.recover_us + self.sign_us)
    }
}

/// Overwrites and syncs the blocks of a preallocated file one at a time. This is the minimum
/// latency of a durable lock.
#[derive(Debug)]
pub(super) struct SyncProbe {
    file: File,
    path: PathBuf,
    next: u64,
}

impl SyncProbe {
    /// A probe in this folder. Dropping it removes the file.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let path = folder.join("sync.probe");
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        for n in 0..SYNC_BLOCKS {
            file.write_all_at(&[0x5a; SYNC_BYTES], n * SYNC_BYTES as u64)?;
        }
        file.sync_all()?;
        Ok(Self { file, path, next: 0 })
    }

    /// Overwrites and syncs one block. Returns the duration.
    pub fn once(&mut self) -> io::Result<Duration> {
        let at = self.next % SYNC_BLOCKS * SYNC_BYTES as u64;
        self.next += 1;
        let begun = Instant::now();
        self.file.write_all_at(&[0xa5; SYNC_BYTES], at)?;
        self.file.sync_data()?;
        Ok(begun.elapsed())
    }
}

impl Drop for SyncProbe {
    fn drop(&mut self) {
        // if this fails, the file stays in the folder of the run
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Measures recovery and signing on one core.
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
