//! The logs that a witness knows, as verifier keys. The name of a key is the origin of its log.

use mortise_format::note::{KeyUse, NoteError, NoteKey};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Largest file of known logs, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The list of logs does not load.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogsError {
    /// The file cannot be read.
    #[error("the logs in {path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    /// A line is not a verifier key.
    #[error("line {line} is not a verifier key of a log: {error}")]
    Key {
        /// Number of the line, from 1.
        line: usize,
        error: NoteError,
    },
}

/// Known logs: for each origin, the keys that sign for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownLogs(BTreeMap<String, Vec<NoteKey>>);

impl KnownLogs {
    /// Parses lines of `name+id+base64`. Skips empty lines and lines that begin with `#`.
    ///
    /// # Errors
    /// `Key`.
    pub fn parse(text: &str) -> Result<Self, LogsError> {
        let mut logs = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let key = NoteKey::parse(KeyUse::Log, line);
                logs.add(key.map_err(|error| LogsError::Key { line: at + 1, error })?);
            }
        }
        Ok(logs)
    }

    /// Reads a file. A missing file is an empty list.
    ///
    /// # Errors
    /// `Io`, `Key`.
    pub fn read(path: &Path) -> Result<Self, LogsError> {
        let wrong = |error| LogsError::Io { path: path.to_owned(), error };
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Ok(found) if found.len() > FILE_BYTES_MAX => {
                return Err(wrong(io::ErrorKind::FileTooLarge.into()));
            }
            _ => {}
        }
        Self::parse(&std::fs::read_to_string(path).map_err(wrong)?)
    }

    /// Adds a key, unless it is known.
    pub fn add(&mut self, key: NoteKey) {
        let keys = self.0.entry(key.name().to_owned()).or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }

    /// Adds all keys of another list.
    pub fn extend(&mut self, other: Self) {
        other.0.into_values().flatten().for_each(|key| self.add(key));
    }

    pub fn keys(&self, origin: &str) -> Option<&[NoteKey]> {
        self.0.get(origin).map(Vec::as_slice)
    }

    /// Number of origins.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_verifier_keys_of_logs_and_a_wrong_line_is_named() {
        let key = NoteKey::new(KeyUse::Log, "a.example/1", [3; 32]).unwrap();
        let logs = KnownLogs::parse(&format!("# ours\n\n {key}\n{key}\n")).unwrap();
        assert_eq!((logs.count(), logs.keys("a.example/1")), (1, Some(&[key.clone()][..])));
        let witness = NoteKey::new(KeyUse::Witness, "w", [3; 32]).unwrap();
        let wrong = KnownLogs::parse(&format!("{key}\n{witness}")).unwrap_err();
        assert!(matches!(wrong, LogsError::Key { line: 2, error: NoteError::KeyType { .. } }));
    }
}
