//! What one durable commit costs on this disk: sled holding the frames (each flush followed by a
//! real sync of sled's files) against plain segment files, 64 KiB frames, alone and in groups.
//!
//! The figures of `specs/decisions/0003-frames-in-segments.md` come from here:
//! `cargo run --release -p mortise-host --example commit_cost -- DIR`

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const FRAME_BYTES: usize = 64 * 1024;
const ZERO_BYTES: usize = 64 * 1024;
const FRAMES: usize = 1024;
const ROUNDS: usize = 5;

/// Bytes that do not compress and differ from frame to frame.
fn frame(seq: usize) -> Vec<u8> {
    let mut word = seq as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut out = Vec::with_capacity(FRAME_BYTES);
    while out.len() < FRAME_BYTES {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        out.extend_from_slice(&word.to_le_bytes());
    }
    out
}

/// Syncs everything that sled wrote: its log, blob files not seen before, their folder.
struct SledFiles {
    db: File,
    blobs: PathBuf,
    seen: BTreeSet<PathBuf>,
}

impl SledFiles {
    fn open(dir: &Path) -> Result<Self> {
        let db = File::open(dir.join("db"))?;
        Ok(Self { db, blobs: dir.join("blobs"), seen: BTreeSet::new() })
    }

    fn sync(&mut self) -> Result<()> {
        self.db.sync_data()?;
        let now: BTreeSet<PathBuf> = fs::read_dir(&self.blobs)?
            .map(|e| e.map(|e| e.path()))
            .collect::<std::io::Result<_>>()?;
        let fresh: Vec<_> = now.difference(&self.seen).cloned().collect();
        for path in &fresh {
            // sled may have dropped the blob again since the listing
            if let Ok(file) = File::open(path) {
                file.sync_data()?;
            }
        }
        if !fresh.is_empty() {
            File::open(&self.blobs)?.sync_all()?;
        }
        self.seen = now;
        Ok(())
    }
}

fn sled_store(dir: &Path, group: usize, synced: bool) -> Result<Vec<Duration>> {
    let db = sled::Config::new().path(dir).flush_every_ms(None).cache_capacity(64 << 20).open()?;
    let tree = db.open_tree("frames")?;
    let mut files = SledFiles::open(dir)?;
    let mut times = Vec::new();
    for first in (0..FRAMES).step_by(group) {
        let frames: Vec<_> = (first..first + group).map(frame).collect();
        let start = Instant::now();
        let mut batch = sled::Batch::default();
        for (i, bytes) in frames.into_iter().enumerate() {
            batch.insert(&((first + i) as u64).to_be_bytes(), bytes);
        }
        tree.apply_batch(batch)?;
        db.flush()?;
        if synced {
            files.sync()?;
        }
        times.push(start.elapsed());
    }
    Ok(times)
}

fn segment_file(dir: &Path, group: usize, zeroed: bool) -> Result<Vec<Duration>> {
    fs::create_dir_all(dir)?;
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).open(dir.join("seg"))?;
    if zeroed {
        // The kernel keeps the size of a write as its unit of writing back, so zeros are written
        // in the same pieces as by the store.
        for _ in 0..FRAMES * FRAME_BYTES / ZERO_BYTES {
            file.write_all(&[0; ZERO_BYTES])?;
        }
    }
    file.sync_all()?;
    let mut times = Vec::new();
    for first in (0..FRAMES).step_by(group) {
        let frames: Vec<_> = (first..first + group).map(frame).collect();
        let start = Instant::now();
        for (i, bytes) in frames.iter().enumerate() {
            file.write_all_at(bytes, ((first + i) * FRAME_BYTES) as u64)?;
        }
        file.sync_data()?;
        times.push(start.elapsed());
    }
    Ok(times)
}

fn written_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find(|l| l.starts_with("write_bytes")).ok_or("no write_bytes")?;
    Ok(line.rsplit(' ').next().unwrap_or("0").parse()?)
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() - 1) * percent / 100]
}

fn main() -> Result<()> {
    let base = PathBuf::from(std::env::args().nth(1).ok_or("usage: commit_cost DIR")?);
    type Run = fn(&Path, usize) -> Result<Vec<Duration>>;
    let runs: [(&str, Run); 4] = [
        ("sled, flush only (not durable)", |d, g| sled_store(d, g, false)),
        ("sled, flush + fdatasync", |d, g| sled_store(d, g, true)),
        ("segment, growing file", |d, g| segment_file(d, g, false)),
        ("segment, zero-filled", |d, g| segment_file(d, g, true)),
    ];
    for group in [1, 8, 64] {
        for (name, run) in &runs {
            let mut all = Vec::new();
            let mut rates = Vec::new();
            let before = written_bytes()?;
            for round in 0..ROUNDS {
                let dir = base.join(format!("{}-{group}-{round}", name.replace([' ', ','], "")));
                let times = run(&dir, group)?;
                rates.push(FRAMES as f64 / times.iter().sum::<Duration>().as_secs_f64());
                all.extend(times);
                fs::remove_dir_all(&dir)?;
            }
            all.sort();
            rates.sort_by(f64::total_cmp);
            let payload = (ROUNDS * FRAMES * FRAME_BYTES) as f64;
            println!(
                "group={group:2} {name:32} {:8.0} frames/s p50={:?} p99={:?} written/payload={:.2}",
                rates[ROUNDS / 2],
                percentile(&all, 50),
                percentile(&all, 99),
                (written_bytes()? - before) as f64 / payload,
            );
        }
    }
    Ok(())
}
