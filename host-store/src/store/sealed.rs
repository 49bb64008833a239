//! Sealed values: small, written once under a name, never replaced, in three copies.
//!
//! ```text
//! DIR/sealed/NAME.sealed    DIR/sealed.copy/NAME.sealed    the index
//! file = magic | u32 version | u32 name length | u64 length | BLAKE3 of name and bytes
//!        | name | bytes
//! ```
//! Any one whole copy serves. Whole copies that differ are never chosen between. A digest here
//! finds rot, not a change by this machine's owner, who can compute it too; the engine checks what
//! it gets.
//!
//! `sealed.copy` may be a mount point or a link to another file system.

use super::sync::Syncer;
use mortise_format::domains;
use mortise_format::ids::Bytes32;
use mortise_format::limits::BLOB_BYTES_MAX;
use mortise_format::store::{StoreRefusal, blob_name_is_valid};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Folders of the two files of a value, in the data folder.
pub(crate) const SEALED_FOLDERS: [&str; 2] = ["sealed", "sealed.copy"];
const EXTENSION: &str = ".sealed";
const MAGIC: [u8; 8] = *b"MRTSEALD";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 8 + 4 + 4 + 8 + 32;

/// What one place holds of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SealedCopy {
    Absent,
    Whole(Vec<u8>),
    Broken,
}

/// The value that copies agree on; `None` when all are absent.
///
/// # Errors
/// `BlobConflict` when whole copies differ; `BlobBroken` when there are copies and none is whole.
pub(crate) fn agreed(copies: &[SealedCopy]) -> Result<Option<&[u8]>, StoreRefusal> {
    let mut found: Option<&[u8]> = None;
    for copy in copies {
        let SealedCopy::Whole(bytes) = copy else { continue };
        match found {
            Some(one) if one != bytes => {
                let (one, other) = (digest("", one), digest("", bytes));
                return Err(StoreRefusal::BlobConflict { one, other });
            }
            _ => found = Some(bytes),
        }
    }
    if found.is_none() && copies.contains(&SealedCopy::Broken) {
        return Err(StoreRefusal::BlobBroken);
    }
    Ok(found)
}

fn digest(name: &str, bytes: &[u8]) -> Bytes32 {
    Bytes32(domains::blake3_in(domains::SEALED_VALUE, &[name.as_bytes(), bytes]))
}

/// The two files of each value.
#[derive(Debug, Clone)]
pub(crate) struct SealedFiles {
    folders: [PathBuf; 2],
}

impl SealedFiles {
    /// The files in a data folder. Nothing is read or made yet.
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self { folders: SEALED_FOLDERS.map(|name| data_dir.join(name)) }
    }

    /// Makes the folders.
    pub(super) fn make_folders(&self) -> io::Result<()> {
        self.folders.iter().try_for_each(std::fs::create_dir_all)
    }

    /// Both copies of a value.
    pub(crate) fn read(&self, name: &str) -> [SealedCopy; 2] {
        self.paths(name).map(|path| match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => SealedCopy::Absent,
            _ => read_file(&path, name).map_or(SealedCopy::Broken, SealedCopy::Whole),
        })
    }

    /// The names that any file has.
    pub(crate) fn names(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for folder in &self.folders {
            let entries = match std::fs::read_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            for entry in entries {
                let file = entry?.file_name();
                let name = file.to_str().and_then(|file| file.strip_suffix(EXTENSION));
                names.extend(name.filter(|name| blob_name_is_valid(name)).map(str::to_owned));
            }
        }
        Ok(names)
    }

    /// Writes every copy that is absent, durably, and sets a broken one aside first: it is renamed
    /// and kept. Returns the files that were written.
    pub(super) fn complete(
        &self,
        name: &str,
        bytes: &[u8],
        syncer: &dyn Syncer,
    ) -> io::Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        for (path, copy) in self.paths(name).into_iter().zip(self.read(name)) {
            match copy {
                SealedCopy::Whole(_) => continue,
                SealedCopy::Broken => drop(set_aside(&path, "broken")?),
                SealedCopy::Absent => {}
            }
            write_file(&path, &encode(name, bytes), syncer)?;
            written.push(path);
        }
        Ok(written)
    }

    fn paths(&self, name: &str) -> [PathBuf; 2] {
        self.folders.each_ref().map(|folder| folder.join(format!("{name}{EXTENSION}")))
    }
}

fn encode(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&VERSION.to_le_bytes());
    // A name has at most 64 bytes.
    file.extend_from_slice(&(name.len() as u32).to_le_bytes());
    file.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    file.extend_from_slice(&digest(name, bytes).0);
    file.extend_from_slice(name.as_bytes());
    file.extend_from_slice(bytes);
    file
}

/// The value in a file that is whole and has this name. There is one way to write each value, so a
/// file is compared with what would be written.
fn read_file(path: &Path, name: &str) -> Option<Vec<u8>> {
    let size = std::fs::metadata(path).ok()?.len();
    if size > (HEADER_BYTES + name.len() + BLOB_BYTES_MAX) as u64 {
        return None;
    }
    let file = std::fs::read(path).ok()?;
    let bytes = file.get(HEADER_BYTES + name.len()..)?;
    (encode(name, bytes) == file).then(|| bytes.to_vec())
}

fn write_file(path: &Path, bytes: &[u8], syncer: &dyn Syncer) -> io::Result<()> {
    let new = path.with_extension("sealed.new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        syncer.sync(&file)
    });
    if let Err(error) = written {
        let _ = std::fs::remove_file(&new);
        return Err(error);
    }
    std::fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| syncer.sync_folder(folder))
}

/// Renames a file or folder to the first free `NAME.WHY-N` beside it, and returns that.
pub(crate) fn set_aside(path: &Path, why: &str) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let places = (1..).map(|n: u32| path.with_file_name(format!("{name}.{why}-{n}")));
    let free = places.into_iter().find(|place| std::fs::symlink_metadata(place).is_err());
    let free = free.ok_or(io::ErrorKind::AlreadyExists)?;
    std::fs::rename(path, &free)?;
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::super::sync::DiskSyncer;
    use super::*;

    fn files() -> (tempfile::TempDir, SealedFiles) {
        let folder = tempfile::tempdir().unwrap();
        let files = SealedFiles::of(folder.path());
        files.make_folders().unwrap();
        (folder, files)
    }

    #[test]
    fn a_file_with_any_flipped_byte_or_cut_is_broken() {
        let (_folder, files) = files();
        files.complete("keys", b"sealed", &DiskSyncer).unwrap();
        let whole = SealedCopy::Whole(b"sealed".to_vec());
        assert_eq!(files.read("keys"), [whole.clone(), whole]);
        let path = &files.paths("keys")[0];
        let good = std::fs::read(path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(path, &bad).unwrap();
            assert_eq!(files.read("keys")[0], SealedCopy::Broken, "byte {at}");
            std::fs::write(path, &good[..at]).unwrap();
            assert_eq!(files.read("keys")[0], SealedCopy::Broken, "cut at {at}");
        }
        // the file of another name
        std::fs::copy(&files.paths("keys")[1], &files.paths("other")[0]).unwrap();
        assert_eq!(files.read("other"), [SealedCopy::Broken, SealedCopy::Absent]);
    }

    #[test]
    fn whole_copies_that_differ_are_a_conflict_and_broken_ones_are_no_absence() {
        let whole = |bytes: &[u8]| SealedCopy::Whole(bytes.to_vec());
        let (absent, broken) = (SealedCopy::Absent, SealedCopy::Broken);
        let copies = [whole(b"a"), broken.clone(), whole(b"b")];
        let conflict = agreed(&copies);
        assert!(matches!(conflict, Err(StoreRefusal::BlobConflict { one, other }) if one != other));
        assert_eq!(agreed(&[absent.clone(), absent.clone()]), Ok(None));
        assert_eq!(agreed(&[absent.clone(), broken.clone()]), Err(StoreRefusal::BlobBroken));
        assert_eq!(agreed(&[broken, whole(b"a"), absent]), Ok(Some(b"a".as_slice())));
    }

    #[test]
    fn a_broken_file_is_kept_under_another_name() {
        let (_folder, files) = files();
        files.complete("keys", b"sealed", &DiskSyncer).unwrap();
        let path = files.paths("keys")[1].clone();
        for n in 1..3 {
            std::fs::write(&path, b"rot").unwrap();
            let written = files.complete("keys", b"sealed", &DiskSyncer).unwrap();
            assert_eq!(written, std::slice::from_ref(&path));
            let kept = path.with_file_name(format!("keys.sealed.broken-{n}"));
            assert_eq!(std::fs::read(kept).unwrap(), b"rot");
        }
        assert_eq!(files.names().unwrap(), BTreeSet::from(["keys".to_owned()]));
    }
}
