//! What doctor may ask a machine, and the part of the answer that is files.
//!
//! Every probe goes through [`Machine`], so that a test lays out another machine and compares the
//! whole report. Invariant: no probe waits longer than its bound; one that does is a `TimedOut`.

use mortise_transport::Address;
use std::fmt;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// Time for one look at a file: a folder on a dead disk or a hung mount blocks for ever.
pub(super) const FILE_TIME: Duration = Duration::from_secs(3);
/// Most bytes of a file or of a command's output that are looked at.
pub(super) const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Why a probe gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no such file, folder or program.
    Missing,
    /// This user may not.
    Denied,
    /// Something is there and says no: nobody listens.
    Refused,
    /// Nothing came back within the bound.
    TimedOut,
    /// The probe needs a running machine, and a folder is examined.
    NotLive,
    /// In the words of the system.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it does not exist",
            Self::Denied => "permission denied",
            Self::Refused => "connection refused",
            Self::TimedOut => "no answer in time",
            Self::NotLive => "a folder is examined, not a running machine",
            Self::Other(text) => text,
        })
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A regular file of so many bytes.
    File(u64),
    /// A folder.
    Folder,
    /// A device, socket or pipe.
    Special,
}

/// A program that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CommandOutput {
    /// Whether it says that it worked.
    pub success: bool,
    /// What it printed, lossily as text.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// One HTTP request without a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct HttpAsk<'a> {
    /// `HOST:PORT`.
    pub to: &'a str,
    /// `GET` or `PUT`.
    pub method: &'a str,
    /// With its slash.
    pub path: &'a str,
    /// One header, or none.
    pub header: Option<(&'a str, &'a str)>,
}

impl<'a> HttpAsk<'a> {
    /// A GET without headers.
    pub fn get(to: &'a str, path: &'a str) -> Self {
        Self { to, method: "GET", path, header: None }
    }
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The body, at most [`TEXT_BYTES_MAX`].
    pub body: String,
}

/// The machine that is examined.
pub(super) trait Machine {
    /// Whether it runs; of a folder only files are seen.
    fn is_live(&self) -> bool;
    /// The text of a file.
    fn read(&self, path: &str) -> Result<String, Trouble>;
    /// The last text of a file, of one that grows.
    fn tail(&self, path: &str) -> Result<String, Trouble>;
    /// The first bytes of a file.
    fn head(&self, path: &str, bytes: usize) -> Result<Vec<u8>, Trouble>;
    /// The names in a folder, sorted.
    fn list(&self, path: &str) -> Result<Vec<String>, Trouble>;
    /// What a path names.
    fn entry(&self, path: &str) -> Result<Entry, Trouble>;
    /// Runs a program to its end.
    fn run(&self, program: &str, args: &[&str]) -> Result<CommandOutput, Trouble>;
    /// Opens and closes a connection to an engine's socket.
    fn connect(&self, address: &Address) -> Result<(), Trouble>;
    /// Opens and closes a TCP connection to `HOST:PORT`.
    fn connect_tcp(&self, to: &str) -> Result<(), Trouble>;
    /// One line of JSON to an engine, and its answer.
    fn call(&self, address: &Address, line: &str) -> Result<String, Trouble>;
    /// One HTTP request.
    fn http(&self, ask: &HttpAsk<'_>) -> Result<HttpAnswer, Trouble>;
    /// How long a small file takes to be on the disk of a folder; the file is removed again.
    fn sync_time(&self, folder: &str) -> Result<Duration, Trouble>;
    /// Seconds since 1970, by this machine's clock.
    fn now(&self) -> u64;
}

/// The files of a machine, under a root folder.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    /// Those under `root`; `/` is this machine.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where a path of the machine is.
    pub fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// See [`Machine::read`].
    pub fn read(&self, path: &str) -> Result<String, Trouble> {
        let bytes = self.head(path, TEXT_BYTES_MAX)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// See [`Machine::tail`].
    pub fn tail(&self, path: &str) -> Result<String, Trouble> {
        let place = self.place(path);
        let most = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX);
        let bytes = bounded(FILE_TIME, move || {
            let found = std::fs::metadata(&place)?;
            if !found.is_file() {
                return Err(io::Error::other("it is no file"));
            }
            let mut file = std::fs::File::open(&place)?;
            file.seek(io::SeekFrom::Start(found.len().saturating_sub(most)))?;
            let mut tail = Vec::new();
            file.take(most).read_to_end(&mut tail)?;
            Ok(tail)
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// See [`Machine::head`]. A pipe or device is not opened: it could block.
    pub fn head(&self, path: &str, bytes: usize) -> Result<Vec<u8>, Trouble> {
        let place = self.place(path);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        bounded(FILE_TIME, move || {
            if !std::fs::metadata(&place)?.is_file() {
                return Err(io::Error::other("it is no file"));
            }
            let mut head = Vec::new();
            std::fs::File::open(&place)?.take(bytes).read_to_end(&mut head)?;
            Ok(head)
        })
    }

    /// See [`Machine::list`].
    pub fn list(&self, path: &str) -> Result<Vec<String>, Trouble> {
        let place = self.place(path);
        bounded(FILE_TIME, move || {
            let names = std::fs::read_dir(&place)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let mut names = names.collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(names)
        })
    }

    /// See [`Machine::entry`].
    pub fn entry(&self, path: &str) -> Result<Entry, Trouble> {
        let place = self.place(path);
        bounded(FILE_TIME, move || {
            let found = std::fs::metadata(&place)?;
            Ok(match (found.is_file(), found.is_dir()) {
                (true, _) => Entry::File(found.len()),
                (_, true) => Entry::Folder,
                _ => Entry::Special,
            })
        })
    }
}

/// Does something that may block, and waits for it this long. What never ends stays behind on its
/// thread until the process ends.
pub(super) fn bounded<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Trouble> {
    let (done, answer) = mpsc::channel();
    let thread = std::thread::Builder::new().name("doctor-probe".into());
    thread.spawn(move || done.send(work()))?;
    match answer.recv_timeout(time) {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_does_not_end_is_left_behind_after_its_time() {
        let (_never, waits) = mpsc::channel::<()>();
        let stuck = move || waits.recv().map_err(io::Error::other);
        assert_eq!(bounded(Duration::from_millis(20), stuck), Err(Trouble::TimedOut));
        assert_eq!(bounded(FILE_TIME, || Ok(7)), Ok(7));
    }

    #[test]
    fn files_are_those_under_the_root_and_bounded() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::new(root.path());
        std::fs::create_dir_all(root.path().join("etc/b")).unwrap();
        std::fs::write(root.path().join("etc/a"), "0123456789").unwrap();
        assert_eq!(files.read("/etc/a").unwrap(), "0123456789");
        assert_eq!(files.head("/etc/a", 4).unwrap(), b"0123");
        assert_eq!(files.list("/etc").unwrap(), ["a", "b"]);
        assert_eq!(files.entry("/etc/a"), Ok(Entry::File(10)));
        assert_eq!(files.entry("/etc/b"), Ok(Entry::Folder));
        assert_eq!(files.read("/etc/none"), Err(Trouble::Missing));
        assert!(matches!(files.read("/etc"), Err(Trouble::Other(_))));
    }
}
