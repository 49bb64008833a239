//! Small files that survive a crash: written to a new file beside the old one, synced, renamed.

use mortise_engine::ports::Entropy as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::SystemEntropy;

/// Replaces a file that only its owner may read.
///
/// # Errors
/// Those of the system; the old file is unchanged then.
pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, 0o600)
}

/// Replaces a file that anyone may read.
///
/// # Errors
/// As [`write_private`].
pub(super) fn write_public(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, 0o644)
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let beside = path.with_extension("new");
    // A file that a crash left here may have another mode.
    std::fs::remove_file(&beside).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// The file's bytes; `None` when it does not exist.
///
/// # Errors
/// Any other error of the system.
pub(super) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A fresh UUID of version 4.
pub(super) fn new_uuid() -> String {
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    uuid_text(&bytes)
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
pub(super) fn uuid_text(bytes: &[u8; 16]) -> String {
    let hex = mortise_format::ids::to_hex(bytes);
    let groups = [2..10, 10..14, 14..18, 18..22, 22..34].map(|range| &hex[range]);
    groups.join("-")
}

/// The bytes of a UUID; `None` for any other text.
pub(super) fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    mortise_format::ids::parse_hex(&format!("0x{}", text.replace('-', "")), &mut bytes).ok()?;
    (uuid_text(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_read_back_in_their_one_form() {
        let text = new_uuid();
        assert_eq!(uuid_text(&uuid_bytes(&text).unwrap()), text);
        assert_eq!((text.len(), &text[14..15]), (36, "4"));
        for other in [text.to_uppercase() + "A", text.replace('-', ""), text[1..].to_owned()] {
            assert_eq!(uuid_bytes(&other), None, "{other}");
        }
    }

    #[test]
    fn file_left_by_a_crash_does_not_stop_the_next_writing() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(folder.path().join("a.new"), "half").unwrap();
        write_private(&path, b"whole").unwrap();
        assert_eq!(read_if_there(&path).unwrap().unwrap(), b"whole");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_if_there(&folder.path().join("b")).unwrap(), None);
    }
}
