//! Opens the index, or sets a broken one aside and starts an empty one.
//!
//! The index can always be made again: locations from the log, snapshots and sealed values from
//! their files. What was there is renamed to `index.lost-N` and kept.
//!
//! sled can panic on damaged files, in any thread, and a release of the host then aborts. So that
//! this happens once and not at every start, `DIR/index.suspect` tells the next start: the panic
//! hook of the host writes it ([`suspect_index_at_panic`]), and it exists while the index is
//! opened.

use super::disk::{INDEX_FOLDER, OpenError};
use super::index::{Index, IndexError};
use super::sealed::set_aside;
use super::sync::Syncer;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the file that tells that the index ended a process.
const SUSPECT: &str = "index.suspect";
/// Contents while the index is opened, for the first and the second time.
const OPENING: [&str; 2] = ["opening", "opening again"];

/// An index that is open.
pub(super) struct Opened {
    pub(super) index: Index,
    /// The index that was there is lost, and this one does not have all of the log yet.
    pub(super) is_lost: bool,
}

/// Opens the index of a data folder whose log has frames or not.
pub(super) fn open_index(
    folder: &Path,
    has_frames: bool,
    syncer: &Arc<dyn Syncer>,
) -> Result<Opened, OpenError> {
    let place = folder.join(INDEX_FOLDER);
    let suspect = folder.join(SUSPECT);
    let mark = read_mark(&suspect)?;
    let lost = match mark.as_deref() {
        None => seen_lost(&place, has_frames)?,
        Some(mark) if mark == OPENING[0] => seen_lost(&place, has_frames)?,
        Some(mark) => Some(format!("it ended the host that read it: {mark}")),
    };
    if let Some(why) = lost {
        return start_again(folder, why, syncer);
    }
    let times = usize::from(mark.is_some());
    write_mark(&suspect, OPENING[times])?;
    // A panic in here leaves nothing of ours half changed: the index is only read.
    let opened = catch_unwind(AssertUnwindSafe(|| open_and_read(&place, has_frames, syncer)));
    let why = match opened {
        Ok(Ok(Ok(index))) => {
            remove_mark(&suspect)?;
            let is_lost = index.is_rebuilding()?;
            return Ok(Opened { index, is_lost });
        }
        Ok(Ok(Err(why))) => why,
        // The disk failed, not the index: nothing is set aside.
        Ok(Err(error)) => {
            remove_mark(&suspect)?;
            return Err(error.into());
        }
        Err(_) => "reading it panicked".to_owned(),
    };
    start_again(folder, why, syncer)
}

/// Why the index of a folder whose log has frames is lost, by its files alone. Changes nothing.
pub(crate) fn lost_index(folder: &Path) -> io::Result<Option<String>> {
    match read_mark(&folder.join(SUSPECT))?.filter(|mark| mark != OPENING[0]) {
        Some(mark) => Ok(Some(format!("it ended the host that read it: {mark}"))),
        None => seen_lost(&folder.join(INDEX_FOLDER), true),
    }
}

/// Why the index cannot be the one of this log, by its files alone.
fn seen_lost(place: &Path, has_frames: bool) -> io::Result<Option<String>> {
    if !has_frames {
        return Ok(None);
    }
    match is_blank(&place.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some("there is none".into())),
        Ok(false) => Ok(None),
        Ok(true) => Ok(Some("its file is empty, or begins with zeros".into())),
        Err(error) => Err(error),
    }
}

/// Returns true when a file begins with a block of zeros, or has no byte.
pub(crate) fn is_blank(path: &Path) -> io::Result<bool> {
    let mut front = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut front)?;
    Ok(front.iter().all(|byte| *byte == 0))
}

/// The index; or why it is lost; or an error of the disk.
fn open_and_read(
    place: &Path,
    has_frames: bool,
    syncer: &Arc<dyn Syncer>,
) -> Result<Result<Index, String>, IndexError> {
    let opened = Index::open(place, Arc::clone(syncer));
    let read = opened.and_then(|index| {
        let is_of_this_log = index.is_made()? || index.last_frame()?.is_some();
        index.snapshots()?;
        index.blobs()?;
        if has_frames && !is_of_this_log {
            tracing::error!("INDEX_LOST: the index is empty and the log has frames: made again");
            index.mark_rebuilding()?;
        }
        index.mark_made()?;
        Ok(Ok(index))
    });
    match read {
        Err(error @ (IndexError::Sync(_) | IndexError::FailedBefore)) => Err(error),
        Err(IndexError::Sled(sled::Error::Io(error)))
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::NotFound
            ) =>
        {
            Err(sled::Error::Io(error).into())
        }
        Err(error) => Ok(Err(error.to_string())),
        Ok(read) => Ok(read),
    }
}

fn start_again(folder: &Path, why: String, syncer: &Arc<dyn Syncer>) -> Result<Opened, OpenError> {
    let place = folder.join(INDEX_FOLDER);
    let kept = if place.exists() { Some(set_aside(&place, "lost")?) } else { None };
    let kept = kept.unwrap_or_else(|| PathBuf::from("nothing"));
    syncer.sync_folder(folder)?;
    remove_mark(&folder.join(SUSPECT))?;
    tracing::error!(
        %why,
        kept = %kept.display(),
        "INDEX_LOST: the index is set aside and made again from the log and the files"
    );
    let index = Index::open(&place, Arc::clone(syncer))?;
    index.mark_rebuilding()?;
    index.mark_made()?;
    Ok(Opened { index, is_lost: true })
}

fn read_mark(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => Ok(Some(String::from_utf8_lossy(&read?).into_owned())),
    }
}

fn write_mark(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn remove_mark(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes a panic inside sled end this process by name, with `status`, after it told the next start
/// that the index of `data_dir` is to be made again. Other panics are handled as before.
pub fn suspect_index_at_panic(data_dir: &Path, status: i32) {
    let mark = data_dir.join(SUSPECT);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let is_of_sled = |file: &str| file.contains("/sled-");
        if let Some(place) = panic.location().filter(|place| is_of_sled(place.file())) {
            let text = format!("a panic at line {} of its library", place.line());
            // A mark that cannot be written leaves what there was: the next start may panic too.
            let _ = write_mark(&mark, &text);
            eprintln!(
                "mortise-host: STORE_POISONED: the index is damaged; the next start makes it again"
            );
            std::process::exit(status);
        }
    }));
}
