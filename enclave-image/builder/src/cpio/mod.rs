//! Archives of the initial file system: "newc", the format that the kernel unpacks.
//!
//! What it is for: writing a few folders, files, links and devices reproducibly. Entries are sorted
//! by path; owner, time and inode are zero. [`read`] reads archives back, to compare and describe
//! images.
//!
//! What it does not do: touch a file system; compress (the registers measure the plain bytes).
//!
//! ```text
//! entry    110 digits of header, path, NUL, zeros to a multiple of 4, content, zeros to 4
//! archive  entry*, an entry with the path TRAILER!!!
//! ```
//! Invariants: a path occurs once, below a folder that the archive has. The kernel makes no folders
//! on its own and would drop the file silently. The length of an archive is a multiple of 4, so
//! that the kernel finds the next one after it.

mod read;

pub use read::{Entry, ReadError, read};

use crate::hex;
use std::collections::BTreeMap;

/// Most bytes of a path.
pub const PATH_BYTES_MAX: usize = 4095;
/// Most bytes of one file. Lengths have 32 bits.
pub const FILE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// The path of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// First digits of the header of an entry.
const MAGIC: &str = "070701";
/// Digits of a header.
const HEADER_BYTES: usize = 110;
const _: () = assert!(FILE_BYTES_MAX < 1 << 32);

/// Why an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpioError {
    /// Empty, absolute, too long, with an empty, `.` or `..` part, or not printable ASCII.
    #[error("{path:?} is not a relative path of printable characters")]
    Path { path: String },
    /// The path has an entry already.
    #[error("{path} occurs twice")]
    Duplicate { path: String },
    /// The folder of the path is missing, or is not a folder.
    #[error("{path}: its folder is not in the archive")]
    NoFolder { path: String },
    /// The mode has bits other than the twelve permission bits.
    #[error("{path}: the mode {mode:o} has bits other than permissions")]
    Mode { path: String, mode: u32 },
    /// More than [`FILE_BYTES_MAX`].
    #[error("{path} has {found} bytes; the limit is {bytes_max}")]
    TooLarge {
        path: String,
        found: usize,
        /// [`FILE_BYTES_MAX`].
        bytes_max: usize,
    },
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Folder,
    File,
    /// A symbolic link; its content is the target.
    Link,
    /// A character device.
    Device {
        major: u32,
        minor: u32,
    },
}

impl Kind {
    /// The bits of the mode for this kind.
    fn bits(self) -> u32 {
        match self {
            Self::Folder => 0o040_000,
            Self::File => 0o100_000,
            Self::Link => 0o120_000,
            Self::Device { .. } => 0o020_000,
        }
    }

    /// The name in descriptions of images.
    pub fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::File => "file",
            Self::Link => "link",
            Self::Device { .. } => "device",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    kind: Kind,
    mode: u32,
    content: Vec<u8>,
}

/// An archive that is being built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    nodes: BTreeMap<String, Node>,
}

impl Archive {
    /// Returns an archive without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a folder.
    ///
    /// # Errors
    /// `Path`, `Duplicate`, `NoFolder`, `Mode`.
    pub fn folder(&mut self, path: &str, mode: u32) -> Result<(), CpioError> {
        self.add(path, Kind::Folder, mode, Vec::new())
    }

    /// Adds a file.
    ///
    /// # Errors
    /// `Path`, `Duplicate`, `NoFolder`, `Mode`, `TooLarge`.
    pub fn file(&mut self, path: &str, mode: u32, content: Vec<u8>) -> Result<(), CpioError> {
        self.add(path, Kind::File, mode, content)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// `Path`, `Duplicate`, `NoFolder`, `TooLarge`.
    pub fn link(&mut self, path: &str, target: &str) -> Result<(), CpioError> {
        self.add(path, Kind::Link, 0o777, target.into())
    }

    /// Adds a character device.
    ///
    /// # Errors
    /// `Path`, `Duplicate`, `NoFolder`, `Mode`.
    pub fn device(
        &mut self,
        path: &str,
        mode: u32,
        major: u32,
        minor: u32,
    ) -> Result<(), CpioError> {
        self.add(path, Kind::Device { major, minor }, mode, Vec::new())
    }

    fn add(
        &mut self,
        path: &str,
        kind: Kind,
        mode: u32,
        content: Vec<u8>,
    ) -> Result<(), CpioError> {
        if !is_path(path) {
            return Err(CpioError::Path { path: path.escape_default().to_string() });
        }
        let path = path.to_owned();
        if self.nodes.contains_key(&path) {
            return Err(CpioError::Duplicate { path });
        }
        if let Some((folder, _)) = path.rsplit_once('/')
            && self.nodes.get(folder).is_none_or(|node| node.kind != Kind::Folder)
        {
            return Err(CpioError::NoFolder { path });
        }
        if mode & !0o7777 != 0 {
            return Err(CpioError::Mode { path, mode });
        }
        let (found, bytes_max) = (content.len(), FILE_BYTES_MAX);
        if found > bytes_max {
            return Err(CpioError::TooLarge { path, found, bytes_max });
        }
        self.nodes.insert(path, Node { kind, mode, content });
        Ok(())
    }

    /// Encodes the archive.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (path, node) in &self.nodes {
            push_entry(&mut out, path, node.kind.bits() | node.mode, node.kind, &node.content);
        }
        push_entry(&mut out, TRAILER, 0, Kind::File, &[]);
        out
    }
}

/// True for a relative path whose parts are all names.
fn is_path(path: &str) -> bool {
    let printable = path.bytes().all(|byte| byte.is_ascii_graphic());
    let parts = || path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    path.len() <= PATH_BYTES_MAX && printable && parts() && path != TRAILER
}

fn push_entry(out: &mut Vec<u8>, path: &str, mode: u32, kind: Kind, content: &[u8]) {
    let number = |length: usize| {
        u32::try_from(length).expect("the limits of paths and files are below 2^32")
    };
    let links = if kind == Kind::Folder { 2 } else { 1 };
    let (major, minor) = match kind {
        Kind::Device { major, minor } => (major, minor),
        _ => (0, 0),
    };
    out.extend_from_slice(MAGIC.as_bytes());
    // inode, mode, owner, group, links, time, length, device (2), numbers (2), path, checksum
    let path_length = number(path.len()).saturating_add(1);
    for field in
        [0, mode, 0, 0, links, 0, number(content.len()), 0, 0, major, minor, path_length, 0]
    {
        out.extend_from_slice(hex(&field.to_be_bytes()).as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(content);
    pad(out);
}

/// Pads with zeros to a multiple of 4.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests;
