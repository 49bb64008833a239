//! The kept lines of the enclave: the newest lines and the last stop, in two small files.
//!
//! Each file is written beside the old one, synced and renamed. A reader sees the old or the new
//! file, complete.

use super::line::Stop;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Most bytes of kept lines.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// Name of the file of kept lines.
const LINES_FILE: &str = "lines.jsonl";
/// Name of the file of the last stop.
const STOP_FILE: &str = "last-stop.json";

/// A bounded queue of the newest lines.
#[derive(Debug)]
pub(super) struct Keeper {
    folder: PathBuf,
    lines: VecDeque<String>,
    bytes: usize,
    is_new: bool,
}

impl Keeper {
    /// Reads what an earlier host kept. Ignores what is unreadable, because these files are only
    /// for people.
    pub(super) fn open(folder: PathBuf) -> Self {
        let mut keeper = Self { folder, lines: VecDeque::new(), bytes: 0, is_new: false };
        let kept = read_bounded(&keeper.folder.join(LINES_FILE)).unwrap_or_default();
        let kept = String::from_utf8(kept).unwrap_or_default();
        let is_ours = |line: &&str| serde_json::from_str::<Value>(line).is_ok();
        for line in kept.lines().filter(is_ours) {
            keeper.push(line.to_owned());
        }
        keeper
    }

    /// Name, status and time of the last kept stop.
    pub(super) fn last_stop(&self) -> Option<(String, Option<u8>, u64)> {
        let kept = read_bounded(&self.folder.join(STOP_FILE)).ok()?;
        let stop: Value = serde_json::from_slice(&kept).ok()?;
        let exit = stop["exit"].as_u64().and_then(|exit| u8::try_from(exit).ok());
        Some((stop["name"].as_str()?.to_owned(), exit, stop["receivedMs"].as_u64()?))
    }

    /// Adds a line and drops the oldest ones above the bound.
    pub(super) fn keep(&mut self, received_ms: u64, text: &str) {
        self.push(json!({ "receivedMs": received_ms, "line": text }).to_string());
        self.is_new = true;
    }

    fn push(&mut self, line: String) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.len() + 1;
        }
    }

    /// The contents of the file of kept lines, if there are new lines since the last call.
    pub(super) fn lines_file(&mut self) -> Option<(PathBuf, Vec<u8>)> {
        if !std::mem::take(&mut self.is_new) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.bytes);
        for line in &self.lines {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        Some((self.folder.join(LINES_FILE), bytes))
    }

    /// The contents of the file of the last stop.
    pub(super) fn stop_file(&self, stop: &Stop, received_ms: u64) -> (PathBuf, Vec<u8>) {
        let Stop { name, exit, why, at } = stop;
        let stop = json!({
            "name": name, "exit": exit, "why": why, "at": at, "receivedMs": received_ms,
        });
        (self.folder.join(STOP_FILE), format!("{stop}\n").into_bytes())
    }
}

/// Replaces or creates a file; durable when it returns.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(folder)?;
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}

/// Reads the front of a file, at most as many bytes as this module writes.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(KEPT_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_lines_are_bounded_and_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("diagnostics");
        let mut keeper = Keeper::open(place.clone());
        assert_eq!(keeper.lines_file(), None);
        for n in 0..1000 {
            keeper.keep(n, &format!("{n} {}", "\"".repeat(500)));
        }
        let (path, bytes) = keeper.lines_file().unwrap();
        assert!(bytes.len() <= KEPT_BYTES_MAX && bytes.len() > KEPT_BYTES_MAX - 2000);
        assert_eq!(keeper.lines_file(), None, "nothing new");
        replace(&path, &bytes).unwrap();
        let mut again = Keeper::open(place.clone());
        assert_eq!(again.lines, keeper.lines);
        again.keep(7, "newest");
        let (_, bytes) = again.lines_file().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().last(), Some(r#"{"line":"newest","receivedMs":7}"#));
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1, "a temporary file is left");
    }

    #[test]
    fn malformed_kept_lines_are_dropped_at_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LINES_FILE), b"{\"line\":\"a\"}\ngarbage\n{}\n").unwrap();
        std::fs::write(folder.path().join(STOP_FILE), b"garbage").unwrap();
        let keeper = Keeper::open(folder.path().to_owned());
        assert_eq!(keeper.lines, ["{\"line\":\"a\"}", "{}"]);
        assert_eq!(keeper.last_stop(), None);
    }
}
