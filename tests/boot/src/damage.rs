//! A log that was changed between two boots, on an otherwise honest host.

use crate::booted::{Boot, text};
use crate::settings::Settings;
use std::path::{Path, PathBuf};

/// The start of a record, and the frame's offset in it (`specs/store-protocol.md`, 6).
const RECORD: &[u8; 4] = b"MRTF";
const FRAME: usize = 24;
const BLOCK: usize = 512;

/// Flips one bit in the middle of a stored frame.
pub fn flipped_bit(settings: &Settings) -> Result<String, String> {
    damaged(settings, "flipped", |log, records| {
        let (at, length) = middle(records)?;
        log[at + FRAME + length / 2] ^= 1;
        Ok(())
    })
}

/// Changes the version in front of a stored frame.
pub fn other_version(settings: &Settings) -> Result<String, String> {
    damaged(settings, "version", |log, records| {
        let (at, _) = middle(records)?;
        log[at + FRAME] ^= 0x40;
        Ok(())
    })
}

/// Removes a frame from the middle of the log.
pub fn removed_frame(settings: &Settings) -> Result<String, String> {
    damaged(settings, "removed", |log, records| {
        let (at, length) = middle(records)?;
        let end = (at + FRAME + length).next_multiple_of(BLOCK);
        log[at..end].fill(0);
        Ok(())
    })
}

fn middle(records: &[(usize, usize)]) -> Result<(usize, usize), String> {
    records.get(records.len() / 2).copied().ok_or_else(|| "the log has no frames".into())
}

type Change = fn(&mut Vec<u8>, &[(usize, usize)]) -> Result<(), String>;

/// Boots the engine of the run on a copy of its folder with a changed log.
fn damaged(settings: &Settings, name: &str, change: Change) -> Result<String, String> {
    let dir = copy_of(settings, name)?;
    let log = dir.join("store/log/0000000000.seg");
    let mut bytes = std::fs::read(&log).map_err(text)?;
    let records = records(&bytes);
    change(&mut bytes, &records)?;
    std::fs::write(&log, bytes).map_err(text)?;
    let ended = Boot::of(settings, &dir, &settings.image()).ends()?;
    let names = ["STORE_GARBAGE", "LOG_DOES_NOT_FOLLOW"];
    let named = names.iter().find_map(|name| ended.by_name(name).ok());
    named.ok_or_else(|| format!("exit status {:?}: {:#}", ended.code, ended.json))
}

/// The offset of each record, and the length of its frame.
fn records(log: &[u8]) -> Vec<(usize, usize)> {
    let blocks = (0..log.len()).step_by(BLOCK);
    let is_record = |at: &usize| log[*at..].starts_with(RECORD);
    let length = |at: usize| {
        let bytes = log.get(at + 4..at + 8)?.try_into().ok()?;
        Some((at, usize::try_from(u32::from_le_bytes(bytes)).ok()?))
    };
    blocks.filter(is_record).filter_map(length).collect()
}

/// Copies the folder of the run without the image.
pub fn copy_of(settings: &Settings, name: &str) -> Result<PathBuf, String> {
    let (from, to) = (settings.dir(), settings.file(name));
    copy(&from, &to).map_err(|error| format!("copying {}: {error}", from.display()))?;
    Ok(to)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, place) = (entry.file_type()?, to.join(entry.file_name()));
        let is_left_out = entry.path().extension().is_some_and(|extension| extension == "eif");
        match kind {
            kind if kind.is_dir() => copy(&entry.path(), &place)?,
            kind if kind.is_file() && !is_left_out => drop(std::fs::copy(entry.path(), &place)?),
            _ => {}
        }
    }
    Ok(())
}
