//! What a witness remembers: the newest head of each log, changed by compare and swap, on the disk
//! before anybody is told.

use mortise_format::domains::sha256;
use mortise_format::ids::{Root, parse_hex, to_hex};
use mortise_format::merkle::history::TreeHead;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

/// Why a head was not read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadsError {
    /// The disk failed. Whether the head changed is not known: nothing is cosigned any more.
    #[error("the head of a log cannot be kept: {0}")]
    Io(#[from] io::Error),
    /// A file is not one that was written here. Forgetting it could cosign a fork: nothing of this
    /// log is cosigned until somebody looks.
    #[error("the file {0} does not hold a head of this log")]
    Damaged(PathBuf),
    /// The head is another than the one that was compared.
    #[error("the head changed meanwhile")]
    Changed,
}

/// Where heads are kept. Calls come one after the other.
pub trait Heads: Send + 'static {
    /// The newest head of a log; none when nothing was ever cosigned.
    ///
    /// # Errors
    /// `Io`, `Damaged`.
    fn newest(&mut self, origin: &str) -> Result<Option<TreeHead>, HeadsError>;

    /// Makes `next` the newest head when it still is `expected`; durable when it returns.
    ///
    /// # Errors
    /// `Changed`, `Io`, `Damaged`.
    fn swap(
        &mut self,
        origin: &str,
        expected: Option<TreeHead>,
        next: TreeHead,
    ) -> Result<(), HeadsError>;
}

/// Heads in memory, for tests: what was told is forgotten with the process.
#[derive(Debug, Clone, Default)]
pub struct MemoryHeads(BTreeMap<String, TreeHead>);

impl Heads for MemoryHeads {
    fn newest(&mut self, origin: &str) -> Result<Option<TreeHead>, HeadsError> {
        Ok(self.0.get(origin).copied())
    }

    fn swap(
        &mut self,
        origin: &str,
        expected: Option<TreeHead>,
        next: TreeHead,
    ) -> Result<(), HeadsError> {
        if self.newest(origin)? != expected {
            return Err(HeadsError::Changed);
        }
        self.0.insert(origin.to_owned(), next);
        Ok(())
    }
}

/// Heads in files of a folder, one for each log: `origin`, size and root in hex, a line each.
#[derive(Debug)]
pub struct FileHeads {
    folder: PathBuf,
    is_broken: bool,
}

/// More than a file of ours has.
const FILE_BYTES_MAX: u64 = 4096;

impl FileHeads {
    /// In a folder that is there and that nobody else writes.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, is_broken: false }
    }

    fn path(&self, origin: &str) -> PathBuf {
        let name = to_hex(&sha256(&[origin.as_bytes()]));
        self.folder.join(format!("{}.head", name.trim_start_matches("0x")))
    }

    /// New file, synced; renamed over the old one; the folder synced: after a crash one of the two
    /// is there, whole.
    fn write(&self, origin: &str, head: &TreeHead) -> io::Result<()> {
        let path = self.path(origin);
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        write!(file, "{origin}\n{}\n{}\n", head.size, to_hex(&head.root.0))?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        File::open(&self.folder)?.sync_all()
    }
}

fn parse(text: &str, origin: &str) -> Option<TreeHead> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let (found, size, root) = (lines.next()?, lines.next()?.parse().ok()?, lines.next()?);
    let mut hash = [0; 32];
    parse_hex(root, &mut hash).ok()?;
    (found == origin && lines.next().is_none()).then_some(TreeHead { size, root: Root(hash) })
}

impl Heads for FileHeads {
    fn newest(&mut self, origin: &str) -> Result<Option<TreeHead>, HeadsError> {
        let path = self.path(origin);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        parse(&text, origin).map(Some).ok_or(HeadsError::Damaged(path))
    }

    fn swap(
        &mut self,
        origin: &str,
        expected: Option<TreeHead>,
        next: TreeHead,
    ) -> Result<(), HeadsError> {
        if self.is_broken {
            return Err(io::Error::other("an earlier write failed: start again").into());
        }
        if self.newest(origin)? != expected {
            return Err(HeadsError::Changed);
        }
        let written = self.write(origin, &next);
        self.is_broken = written.is_err();
        Ok(written?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64) -> TreeHead {
        TreeHead { size, root: Root([9; 32]) }
    }

    #[test]
    fn heads_outlive_the_process_and_change_only_from_the_one_compared() {
        let folder = tempfile::tempdir().unwrap();
        let mut heads = FileHeads::new(folder.path().into());
        assert_eq!(heads.newest("a").unwrap(), None);
        heads.swap("a", None, head(3)).unwrap();
        assert!(matches!(heads.swap("a", None, head(4)), Err(HeadsError::Changed)));
        heads.swap("a", Some(head(3)), head(5)).unwrap();
        let mut again = FileHeads::new(folder.path().into());
        assert_eq!(again.newest("a").unwrap(), Some(head(5)));
        assert_eq!(again.newest("b").unwrap(), None);
    }

    #[test]
    fn a_damaged_head_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut heads = FileHeads::new(folder.path().into());
        heads.swap("a", None, head(3)).unwrap();
        let path = heads.path("a");
        let good = std::fs::read_to_string(&path).unwrap();
        for bad in ["", "a\n3\n", &good.replace("a\n3", "b\n3"), good.trim_end(), &good[1..]] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(heads.newest("a"), Err(HeadsError::Damaged(_))), "{bad:?}");
            let swapped = heads.swap("a", None, head(1));
            assert!(matches!(swapped, Err(HeadsError::Damaged(_))), "{bad:?}");
        }
    }

    #[test]
    fn after_a_failed_write_nothing_is_kept_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        std::fs::create_dir(&gone).unwrap();
        let mut heads = FileHeads::new(gone.clone());
        std::fs::remove_dir(&gone).unwrap();
        assert!(matches!(heads.swap("a", None, head(1)), Err(HeadsError::Io(_))));
        std::fs::create_dir(&gone).unwrap();
        assert!(matches!(heads.swap("a", None, head(1)), Err(HeadsError::Io(_))));
    }
}
