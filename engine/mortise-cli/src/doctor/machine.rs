//! The probes that doctor may run on a machine, and their implementation for files.
//!
//! Every probe goes through [`Machine`], so that a test can define a machine and compare the whole
//! report. Invariant: no probe waits longer than its timeout; then it returns `TimedOut`.

use mortise_transport::Address;
use std::fmt;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// Timeout of a file access: a dead disk or a hung mount blocks for ever.
pub(super) const FILE_TIME: Duration = Duration::from_secs(3);
/// Maximum bytes read from a file or from the output of a command.
pub(super) const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no such file, folder or program.
    Missing,
    /// The user lacks the permission.
    Denied,
    /// Connection refused: nothing listens.
    Refused,
    /// No answer within the timeout.
    TimedOut,
    /// The probe needs a running machine, but doctor examines a folder.
    NotLive,
    /// Another error, in the words of the system.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it does not exist",
            Self::Denied => "permission denied",
            Self::Refused => "connection refused",
            Self::TimedOut => "no answer in time",
            Self::NotLive => "not checked in a folder: it needs the running machine",
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

/// The kind of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A regular file, with its size.
    File(u64),
    Folder,
    /// A device, socket or pipe.
    Special,
}

/// A program that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CommandOutput {
    /// Whether the exit status is 0.
    pub success: bool,
    /// Standard output, lossily as text.
    pub stdout: String,
    /// Standard error, lossily as text.
    pub stderr: String,
}

/// One HTTP request without a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct HttpAsk<'a> {
    /// `HOST:PORT`.
    pub to: &'a str,
    /// `GET` or `PUT`.
    pub method: &'a str,
    /// Path, with the leading slash.
    pub path: &'a str,
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
    pub status: u16,
    /// The body, at most [`TEXT_BYTES_MAX`].
    pub body: String,
}

/// The machine that is examined.
pub(super) trait Machine {
    /// Whether it runs. In a folder only files are visible.
    fn is_live(&self) -> bool;
    /// The text of a file, at most [`TEXT_BYTES_MAX`].
    fn read(&self, path: &str) -> Result<String, Trouble>;
    /// The end of a file, at most [`TEXT_BYTES_MAX`].
    fn tail(&self, path: &str) -> Result<String, Trouble>;
    /// The first bytes of a file.
    fn head(&self, path: &str, bytes: usize) -> Result<Vec<u8>, Trouble>;
    /// The names in a folder, sorted.
    fn list(&self, path: &str) -> Result<Vec<String>, Trouble>;
    /// The kind of a path.
    fn entry(&self, path: &str) -> Result<Entry, Trouble>;
    /// Runs a program to its end.
    fn run(&self, program: &str, args: &[&str]) -> Result<CommandOutput, Trouble>;
    /// Opens and closes a connection to an engine's socket.
    fn connect(&self, address: &Address) -> Result<(), Trouble>;
    /// Opens and closes a TCP connection to `HOST:PORT`.
    fn connect_tcp(&self, to: &str) -> Result<(), Trouble>;
    /// Sends one line of JSON to an engine and returns the answer.
    fn call(&self, address: &Address, line: &str) -> Result<String, Trouble>;
    /// Sends one HTTP request.
    fn http(&self, ask: &HttpAsk<'_>) -> Result<HttpAnswer, Trouble>;
    /// Median time to sync a small file in a folder. The files are removed.
    fn sync_time(&self, folder: &str) -> Result<Duration, Trouble>;
    /// Clock of the machine, seconds since the Unix epoch.
    fn now(&self) -> u64;
}

/// The files of a machine, under a root folder.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    /// The files under `root`; `/` is this machine.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The path below the root.
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
            let meta = std::fs::metadata(&place)?;
            if !meta.is_file() {
                return Err(io::Error::other("this is not a file"));
            }
            let mut file = std::fs::File::open(&place)?;
            file.seek(io::SeekFrom::Start(meta.len().saturating_sub(most)))?;
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
                return Err(io::Error::other("this is not a file"));
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
            let meta = std::fs::metadata(&place)?;
            Ok(match (meta.is_file(), meta.is_dir()) {
                (true, _) => Entry::File(meta.len()),
                (_, true) => Entry::Folder,
                _ => Entry::Special,
            })
        })
    }
}

/// Runs work that may block, with a timeout. Work that never ends keeps its thread until the
/// process exits.
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
    fn work_that_does_not_end_times_out() {
        let (_never, waits) = mpsc::channel::<()>();
        let stuck = move || waits.recv().map_err(io::Error::other);
        assert_eq!(bounded(Duration::from_millis(20), stuck), Err(Trouble::TimedOut));
        assert_eq!(bounded(FILE_TIME, || Ok(7)), Ok(7));
    }

    #[test]
    fn files_are_read_below_the_root_and_bounded() {
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
