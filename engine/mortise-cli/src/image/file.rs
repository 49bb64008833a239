//! Reads and writes files with a size limit; every error names the file.

use crate::failure::Failure;
use mortise_image::eif::{self, IMAGE_BYTES_MAX, Image};
use std::fmt::Display;
use std::io::Read as _;
use std::path::Path;

/// An error about a file: exit 1.
pub fn wrong(path: &Path, error: impl Display) -> Failure {
    Failure::check(format!("{}: {error}", path.display()))
}

/// Reads a file of at most the maximum size of an image.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = std::fs::File::open(path);
    let file = file.map_err(|error| Failure::usage(wrong(path, error).text()))?;
    let bound = u64::try_from(IMAGE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(bound).read_to_end(&mut bytes).map_err(|error| wrong(path, error))?;
    match bytes.len() > IMAGE_BYTES_MAX {
        true => Err(wrong(path, format!("more than {IMAGE_BYTES_MAX} bytes"))),
        false => Ok(bytes),
    }
}

/// Reads a UTF-8 file.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|_| wrong(path, "this is not UTF-8 text"))
}

/// Reads an image.
pub fn read_image(path: &Path) -> Result<Image, Failure> {
    eif::read(&read(path)?).map_err(|error| wrong(path, error))
}

/// Writes to a temporary file and renames it, so that no reader sees half a file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| wrong(folder, error))?;
    let mut part = tempfile::NamedTempFile::new_in(folder).map_err(|e| wrong(folder, e))?;
    std::io::Write::write_all(&mut part, bytes).map_err(|error| wrong(path, error))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    part.as_file().set_permissions(mode).map_err(|error| wrong(path, error))?;
    part.persist(path).map_err(|error| wrong(path, error.error))?;
    Ok(())
}
