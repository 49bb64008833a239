//! Between data folders and files.

use super::{ExportError, ExportReader, ExportWriter, Parts};
use crate::store::{AppendError, CheckedFrame, DiskStore, LogStore as _, OpenError, StoreOptions};
use mortise_format::store::StoreRefusal;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

/// Bytes of frames that are read from the store, or written to it, at once.
const GROUP_BYTES: usize = 8 * 1024 * 1024;
/// Room of the buffers in front of the file.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Why an export was not written, or not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The file.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The data folder does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store refuses.
    #[error("the store refuses: {0}")]
    Store(StoreRefusal),
    /// The store does not keep the frames.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// There is no log in the folder.
    #[error("there is no log in {}", .0.display())]
    NoLog(PathBuf),
    /// The folder to import into holds something.
    #[error("{} is not empty: a log is imported into a new or empty folder only", .0.display())]
    NotEmpty(PathBuf),
    /// The file to export to is there.
    #[error("{} exists: an export overwrites nothing", .0.display())]
    FileExists(PathBuf),
    /// An import that was cut short left this folder.
    #[error("{} is left of an import that was cut short: remove it and try again", .0.display())]
    Leftover(PathBuf),
    /// The file system refuses.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// How.
        error: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FolderError + '_ {
    move |error| FolderError::Io { path: path.to_owned(), error }
}

/// Writes the log of a data folder, with the parts that `parts` picks, into a new file; returns the
/// number of frames. No host may have the folder open. The file appears under its name when it is
/// whole and on the disk. `progress` hears frames done and in all.
///
/// # Errors
/// See [`FolderError`]; a file that was not finished is removed.
pub fn export(
    data_dir: &Path,
    file: &Path,
    parts: impl FnOnce(&DiskStore) -> Result<Parts, StoreRefusal>,
    progress: impl FnMut(u64, u64),
) -> Result<u64, FolderError> {
    if !data_dir.join("log").is_dir() {
        return Err(FolderError::NoLog(data_dir.to_owned()));
    }
    if file.exists() {
        return Err(FolderError::FileExists(file.to_owned()));
    }
    let store = DiskStore::open(data_dir, StoreOptions::default())?;
    let parts = parts(&store).map_err(FolderError::Store)?;
    let unfinished = beside(file, "unfinished");
    let written = write(&store, &unfinished, &parts, progress);
    if written.is_err() {
        std::fs::remove_file(&unfinished).ok();
    }
    let count = written?;
    std::fs::rename(&unfinished, file).map_err(at(file))?;
    sync_folder_of(file)?;
    Ok(count)
}

fn write(
    store: &DiskStore,
    path: &Path,
    parts: &Parts,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, FolderError> {
    let file = File::create(path).map_err(at(path))?;
    let mut writer = ExportWriter::new(BufWriter::with_capacity(BUFFER_BYTES, file), parts)?;
    let of = store.head().next_seq;
    let mut seq = 0;
    while seq < of {
        for bytes in store.read(seq, GROUP_BYTES).map_err(FolderError::Store)? {
            let frame = CheckedFrame::parse(bytes);
            writer.frame(&frame.map_err(|error| ExportError::Frame { seq, error })?)?;
            seq += 1;
        }
        progress(seq, of);
    }
    let file = writer.finish()?.into_inner().map_err(|e| ExportError::Io(e.into_error()))?;
    file.sync_all().map_err(at(path))?;
    Ok(seq)
}

/// Puts an exported log into a new or empty data folder, with the parts that `keeps` names, and
/// returns the number of frames. The folder is there whole and durable, or not at all. `progress`
/// hears bytes done and in all.
///
/// # Errors
/// See [`FolderError`]; nothing is left but, after a crash, a folder beside it that says so.
pub fn import(
    file: &Path,
    data_dir: &Path,
    keeps: impl Fn(&str) -> bool,
    progress: impl FnMut(u64, u64),
) -> Result<u64, FolderError> {
    if data_dir.exists() {
        let mut entries = std::fs::read_dir(data_dir).map_err(at(data_dir))?;
        if entries.next().is_some() {
            return Err(FolderError::NotEmpty(data_dir.to_owned()));
        }
    }
    let unfinished = beside(data_dir, "importing");
    match std::fs::create_dir(&unfinished) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(FolderError::Leftover(unfinished));
        }
        Err(error) => return Err(at(&unfinished)(error)),
    }
    let read = read(file, &unfinished, keeps, progress);
    if read.is_err() {
        std::fs::remove_dir_all(&unfinished).ok();
    }
    let count = read?;
    std::fs::rename(&unfinished, data_dir).map_err(at(data_dir))?;
    sync_folder_of(data_dir)?;
    Ok(count)
}

fn read(
    path: &Path,
    folder: &Path,
    keeps: impl Fn(&str) -> bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, FolderError> {
    let file = File::open(path).map_err(at(path))?;
    let of = file.metadata().map_err(at(path))?.len();
    let mut reader = ExportReader::new(BufReader::with_capacity(BUFFER_BYTES, file))?;
    let store = DiskStore::open(folder, StoreOptions::default())?;
    for (name, bytes) in reader.parts().iter().filter(|(name, _)| keeps(name)) {
        store.blob_put(name, bytes, false).map_err(FolderError::Store)?;
    }
    let (mut group, mut group_bytes, mut count) = (Vec::new(), 0, 0);
    while let Some(frame) = reader.next_frame()? {
        group_bytes += frame.bytes().len();
        group.push(frame);
        count += 1;
        if group_bytes >= GROUP_BYTES {
            store.append_group(&group)?;
            group.clear();
            group_bytes = 0;
            progress(reader.read_bytes(), of);
        }
    }
    store.append_group(&group)?;
    progress(of, of);
    Ok(count)
}

/// `DIR/.NAME.suffix` for `DIR/NAME`: on the same file system, so that a rename is atomic.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}

fn sync_folder_of(path: &Path) -> Result<(), FolderError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}
