//! The memory of a witness: the newest head of each log. It changes by compare and swap, and the
//! new head is on the disk before its cosignature leaves.

use mortise_format::domains::sha256;
use mortise_format::hex;
use mortise_format::ids::{Root, parse_hex, to_hex};
use mortise_format::merkle::history::TreeHead;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

/// A head was not read or not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadsError {
    /// The disk failed. The head may or may not have changed, so the witness cosigns nothing more.
    #[error("the head of a log cannot be stored: {0}")]
    Io(#[from] io::Error),
    /// The file is damaged. A witness that ignored it could cosign a fork, so it cosigns nothing of
    /// this log until an operator repairs the file.
    #[error("the file {0} does not hold a head of this log")]
    Damaged(PathBuf),
    /// The head is not the expected one.
    #[error("the head changed in the meantime")]
    Changed,
}

/// Storage of heads. The witness makes one call at a time.
pub trait Heads: Send + 'static {
    /// The newest head of a log; `None` if the witness never cosigned this log.
    ///
    /// # Errors
    /// `Io`, `Damaged`.
    fn newest(&mut self, origin: &str) -> Result<Option<TreeHead>, HeadsError>;

    /// Replaces the head `expected` by `next`. The new head is durable when the call returns.
    ///
    /// # Errors
    /// `Changed`, `Io`, `Damaged`.
    fn swap(
        &mut self,
        origin: &str,
        expected: Option<TreeHead>,
        next: TreeHead,
    ) -> Result<(), HeadsError>;

    /// Keeps a checkpoint that the log signed and that contradicts the newest head. The first one
    /// is enough, and is not replaced.
    ///
    /// # Errors
    /// `Io`.
    fn keep_fork(&mut self, origin: &str, checkpoint: &str) -> Result<(), HeadsError>;
}

/// Heads in memory, for tests: they are lost with the process.
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

    fn keep_fork(&mut self, _: &str, _: &str) -> Result<(), HeadsError> {
        Ok(())
    }
}

/// Heads in files, one for each log. A file has three lines: origin, size, root in hex. Beside it,
/// `.fork` holds a checkpoint that proves a fork.
#[derive(Debug)]
pub struct FileHeads {
    folder: PathBuf,
    is_broken: bool,
    /// The folder was synced by this process: what it reads is on the disk.
    is_synced: bool,
}

/// Larger than any file that [`FileHeads`] writes.
const FILE_BYTES_MAX: u64 = 4096;

impl FileHeads {
    /// Heads in an existing folder that no other process writes.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, is_broken: false, is_synced: false }
    }

    fn path(&self, origin: &str) -> PathBuf {
        let name = hex::encode(&sha256(&[origin.as_bytes()]));
        self.folder.join(format!("{name}.head"))
    }

    /// A process before this one may have renamed a head and failed to sync the folder. That head
    /// can be cosigned again without a swap, so it must be durable before it is read.
    fn sync_once(&mut self) -> io::Result<()> {
        if !self.is_synced {
            let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
            // The system tells of a failed sync once: the next one proves nothing.
            self.is_broken = synced.is_err();
            synced?;
            self.is_synced = true;
        }
        Ok(())
    }

    /// Writes and syncs a new file, renames it over the old one and syncs the folder: after a crash
    /// the old or the new head is there, whole.
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
        if self.is_broken {
            // A failed write may have left a head that is not on the disk.
            return Err(io::Error::other("an earlier write failed: restart the witness").into());
        }
        self.sync_once()?;
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
            return Err(io::Error::other("an earlier write failed: restart the witness").into());
        }
        if self.newest(origin)? != expected {
            return Err(HeadsError::Changed);
        }
        let written = self.write(origin, &next);
        self.is_broken = written.is_err();
        Ok(written?)
    }

    fn keep_fork(&mut self, origin: &str, checkpoint: &str) -> Result<(), HeadsError> {
        let path = self.path(origin).with_extension("fork");
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(checkpoint.as_bytes())?;
                file.sync_all()?;
                Ok(File::open(&self.folder)?.sync_all()?)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64) -> TreeHead {
        TreeHead { size, root: Root([9; 32]) }
    }

    #[test]
    fn heads_survive_the_process_and_change_only_from_the_expected_one() {
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
    fn a_damaged_head_is_an_error_and_not_an_absent_one() {
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

    /// Goal: what a failed sync left is not cosigned: not by the same process, and by the next one
    /// only when it has synced the folder. Method: a folder that is gone cannot be synced.
    #[test]
    fn a_head_is_read_only_from_a_synced_folder() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let mut heads = FileHeads::new(gone.clone());
        assert!(matches!(heads.newest("a"), Err(HeadsError::Io(_))), "not the same as no head");
        std::fs::create_dir(&gone).unwrap();
        assert!(matches!(heads.newest("a"), Err(HeadsError::Io(_))), "after a failed sync");
        let mut heads = FileHeads::new(gone.clone());
        assert_eq!(heads.newest("a").unwrap(), None);
        assert!(heads.is_synced && !FileHeads::new(gone.clone()).is_synced);
        std::fs::remove_dir(&gone).unwrap();
        assert!(heads.swap("a", None, head(1)).is_err());
        std::fs::create_dir(&gone).unwrap();
        assert!(matches!(heads.newest("a"), Err(HeadsError::Io(_))), "after a failed write");
    }

    #[test]
    fn the_first_checkpoint_that_proves_a_fork_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut heads = FileHeads::new(folder.path().into());
        heads.keep_fork("a", "first").unwrap();
        heads.keep_fork("a", "second").unwrap();
        let kept = std::fs::read_to_string(heads.path("a").with_extension("fork")).unwrap();
        assert_eq!(kept, "first");
        assert_eq!(heads.newest("a").unwrap(), None);
    }

    #[test]
    fn after_a_failed_write_every_swap_fails() {
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
