//! Between data folders and files.

use super::client::{LiveError, LiveExport};
use super::frames::{self, GROUP_BYTES, StoreFrames};
use super::parts::{engines_of, missing_values};
use super::{ExportError, ExportReader, Parts, parts_of};
use crate::store::{
    AppendError, CheckedFrame, DiskStore, LOG_FOLDER, LogStore as _, OpenError, StoreOptions,
    lock_shared, log_has_frames, lost_index,
};
use mortise_format::ids::EngineId;
use mortise_format::store::{LogHead, StoreRefusal};
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

/// Size of the buffers in front of the file.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Why an export was not written, or not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The bytes of the export.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The base is of another log.
    #[error("the base is not an export of this log, and no file was written")]
    OtherBase,
    /// Frames were pruned that no base has.
    #[error(
        "LOG_PRUNED: the frames before {first} were pruned, and no file was written: give --base \
         FILE, the export that covers them"
    )]
    Pruned {
        /// The first frame that is stored.
        first: u64,
    },
    /// The data folder does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A running host has the data folder open and does not export it.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The store refuses.
    #[error("the store refuses: {0}")]
    Store(StoreRefusal),
    /// The store does not keep the frames.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Sealed values were asked for and are not there.
    #[error(
        "KEYS_LOST: the folder has no sealed value {}: no file was written. Without \
         --with-sealed-keys the log alone is exported",
        .0.join(", ")
    )]
    NoSealedValues(Vec<&'static str>),
    /// There is no log in the folder.
    #[error("there is no log in {}", .0.display())]
    NoLog(PathBuf),
    /// The index is lost. An export makes none, so that `repair` still sees the loss.
    #[error(
        "INDEX_LOST: {why}; nothing was changed and no file was written: run mortise-host repair, \
         or start the host, which makes it again"
    )]
    IndexLost {
        /// What is wrong with it.
        why: String,
    },
    /// Genesis and keys of the file are not those of the engine that wrote its frames.
    #[error(
        "the genesis and the keys of the export make engine {made}, and its frames are of engine \
         {log}: no folder was made"
    )]
    OtherEngine {
        /// The engine that the parts make.
        made: EngineId,
        /// The engine of the frames.
        log: EngineId,
    },
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

/// Writes the log of a data folder into a new file, with the sealed keys if `sealed_keys`; returns
/// the number of frames. Frames that `base` has, an earlier export of this log, are taken from it.
/// If a host runs on the folder, it sends its log as it is now. The file
/// appears under its name when it is whole and on the disk. Calls `progress` with the number of
/// frames written so far and in all.
///
/// # Errors
/// See [`FolderError`]; a file that was not finished is removed.
pub fn export(
    data_dir: &Path,
    file: &Path,
    sealed_keys: bool,
    base: Option<&Path>,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, FolderError> {
    if !data_dir.join(LOG_FOLDER).is_dir() {
        return Err(FolderError::NoLog(data_dir.to_owned()));
    }
    if file.exists() {
        return Err(FolderError::FileExists(file.to_owned()));
    }
    let (mut base, after) = Base::open(base)?;
    check_readable(data_dir)?;
    match DiskStore::open(data_dir, StoreOptions::default()) {
        Ok(store) => {
            let parts = parts_of(&store, sealed_keys).map_err(FolderError::Store)?;
            let missing = if sealed_keys { missing_values(&parts) } else { Vec::new() };
            if !missing.is_empty() {
                return Err(FolderError::NoSealedValues(missing));
            }
            let of = store.head().next_seq;
            frames::check_base(&store, after, of)?;
            let mut frames = StoreFrames::new(&store, after.next_seq, of);
            let next = || base.next_or(|| frames.next_frame());
            write_file(file, &parts, next, |done| progress(done, of))
        }
        Err(OpenError::InUse { .. }) => {
            let mut live = LiveExport::request(data_dir, sealed_keys, after)?;
            let (parts, of) = (live.parts().clone(), live.frames());
            let next = || base.next_or(|| live.next_frame());
            write_file(file, &parts, next, |done| progress(done, of))
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses a folder in which opening the store would make what is not there. A running host has
/// made it already.
fn check_readable(data_dir: &Path) -> Result<(), FolderError> {
    let Some(_lock) = lock_shared(data_dir).map_err(at(data_dir))? else { return Ok(()) };
    if !log_has_frames(&data_dir.join(LOG_FOLDER)).map_err(at(data_dir))? {
        return Err(FolderError::NoLog(data_dir.to_owned()));
    }
    match lost_index(data_dir).map_err(at(data_dir))? {
        Some(why) => Err(FolderError::IndexLost { why }),
        None => Ok(()),
    }
}

/// An earlier export, whose frames are not asked for again.
struct Base(Option<ExportReader<BufReader<File>>>);

impl Base {
    /// Opens the file, which must be whole, and returns the head of its log.
    fn open(path: Option<&Path>) -> Result<(Self, LogHead), FolderError> {
        let Some(path) = path else { return Ok((Self(None), LogHead::EMPTY)) };
        let open = || {
            let file = File::open(path).map_err(at(path))?;
            Ok::<_, FolderError>(ExportReader::new(BufReader::with_capacity(BUFFER_BYTES, file))?)
        };
        let mut checked = open()?;
        while checked.next_frame()?.is_some() {}
        Ok((Self(Some(open()?)), checked.head()))
    }

    /// Its next frame, or after the last one that of `rest`.
    fn next_or(
        &mut self,
        rest: impl FnOnce() -> Result<Option<CheckedFrame>, FolderError>,
    ) -> Result<Option<CheckedFrame>, FolderError> {
        if let Some(reader) = &mut self.0 {
            match reader.next_frame()? {
                Some(frame) => return Ok(Some(frame)),
                None => self.0 = None,
            }
        }
        rest()
    }
}

/// Writes an export to a file that appears whole or not at all.
fn write_file(
    file: &Path,
    parts: &Parts,
    next_frame: impl FnMut() -> Result<Option<CheckedFrame>, FolderError>,
    progress: impl FnMut(u64),
) -> Result<u64, FolderError> {
    let unfinished = beside(file, "unfinished");
    let written = write_synced(&unfinished, parts, next_frame, progress);
    if written.is_err() {
        std::fs::remove_file(&unfinished).ok();
    }
    let count = written?;
    std::fs::rename(&unfinished, file).map_err(at(file))?;
    sync_folder_of(file)?;
    Ok(count)
}

fn write_synced(
    path: &Path,
    parts: &Parts,
    next_frame: impl FnMut() -> Result<Option<CheckedFrame>, FolderError>,
    progress: impl FnMut(u64),
) -> Result<u64, FolderError> {
    let file = File::create(path).map_err(at(path))?;
    let out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let (count, out) = frames::write(out, parts, LogHead::EMPTY, next_frame, progress)?;
    let file = out.into_inner().map_err(|e| ExportError::Io(e.into_error()))?;
    file.sync_all().map_err(at(path))?;
    Ok(count)
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
        store.blob_put(name, bytes).map_err(FolderError::Store)?;
    }
    let engines = engines_of(reader.parts());
    let (mut group, mut group_bytes, mut count) = (Vec::new(), 0, 0);
    while let Some(frame) = reader.next_frame()? {
        let log = frame.engine_id();
        if let Some(&made) = engines.iter().find(|made| **made != log) {
            return Err(FolderError::OtherEngine { made, log });
        }
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
