//! Reads an archive: every field as written, with checked bounds.

use super::{HEADER_BYTES, Kind, MAGIC, PATH_BYTES_MAX, TRAILER};

/// Why bytes are not an archive. `at` is an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No entry starts where one must.
    #[error("at byte {at}: not a newc entry (the archive is compressed, or not an archive)")]
    Magic { at: usize },
    /// A field is not eight hexadecimal digits.
    #[error("at byte {at}: not a number of eight digits")]
    Number { at: usize },
    /// The bytes end inside an entry, or before the trailer.
    #[error("at byte {at}: the archive is truncated")]
    Truncated {
        /// Offset of the missing part.
        at: usize,
    },
    /// The path is empty, too long, not UTF-8, or does not end with its only NUL.
    #[error("at byte {at}: not a path")]
    Path { at: usize },
    /// The entry is not a folder, file, link or character device.
    #[error("at byte {at}: the mode {mode:o} is of an unknown kind")]
    Kind { at: usize, mode: u32 },
    /// The padding to a multiple of 4 is not zero.
    #[error("at byte {at}: the padding is not zero")]
    Filling { at: usize },
    /// Something other than zeros follows the trailer.
    #[error("at byte {at}: bytes follow the trailer")]
    Trailing { at: usize },
}

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path of the entry, relative to the root.
    pub path: &'a str,
    pub kind: Kind,
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Modification time, in Unix time.
    pub time_s: u32,
    /// Content of a file, target of a link.
    pub content: &'a [u8],
}

/// Returns the entries in the order of the archive, without the trailer.
///
/// # Errors
/// [`ReadError`]: the first fault in the order of the bytes.
pub fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, ReadError> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut entries = Vec::new();
    while let Some(entry) = cursor.entry()? {
        entries.push(entry);
    }
    match bytes.iter().skip(cursor.at).position(|byte| *byte != 0) {
        Some(more) => Err(ReadError::Trailing { at: cursor.at + more }),
        None => Ok(entries),
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Reads the next entry; `None` is the trailer.
    fn entry(&mut self) -> Result<Option<Entry<'a>>, ReadError> {
        let at = self.at;
        let header = self.take(HEADER_BYTES)?;
        if !header.starts_with(MAGIC.as_bytes()) {
            return Err(ReadError::Magic { at });
        }
        let fields = numbers(header, at)?;
        let [_, mode, user, group, _, time_s, length, _, _, major, minor, path_length, _] = fields;
        let path = self.path(path_length)?;
        let content_at = self.at;
        let length = usize::try_from(length);
        let content = self.take(length.map_err(|_| ReadError::Truncated { at: content_at })?)?;
        self.skip_padding()?;
        if path == TRAILER {
            return Ok(None);
        }
        let kind = match mode & !0o7777 {
            0o040_000 => Kind::Folder,
            0o100_000 => Kind::File,
            0o120_000 => Kind::Link,
            0o020_000 => Kind::Device { major, minor },
            _ => return Err(ReadError::Kind { at, mode }),
        };
        let (mode, owner) = (mode & 0o7777, (user, group));
        Ok(Some(Entry { path, kind, mode, owner, time_s, content }))
    }

    fn path(&mut self, length: u32) -> Result<&'a str, ReadError> {
        let at = self.at;
        let length = usize::try_from(length).ok().filter(|n| (2..=PATH_BYTES_MAX + 1).contains(n));
        let text = self.take(length.ok_or(ReadError::Path { at })?)?;
        self.skip_padding()?;
        let text = text.strip_suffix(&[0]).filter(|text| !text.contains(&0));
        text.and_then(|text| std::str::from_utf8(text).ok()).ok_or(ReadError::Path { at })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let at = self.at;
        let end = at.checked_add(length);
        let found = end.and_then(|end| self.bytes.get(at..end));
        self.at = at.saturating_add(length);
        found.ok_or(ReadError::Truncated { at })
    }

    fn skip_padding(&mut self) -> Result<(), ReadError> {
        let at = self.at;
        let padding = self.take(at.next_multiple_of(4) - at)?;
        match padding.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(ReadError::Filling { at }),
        }
    }
}

/// Parses the thirteen fields after the magic.
fn numbers(header: &[u8], at: usize) -> Result<[u32; 13], ReadError> {
    let mut fields = [0; 13];
    let digits = header.get(MAGIC.len()..).unwrap_or_default().chunks(8);
    for (i, (field, digits)) in fields.iter_mut().zip(digits).enumerate() {
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(digits).ok().filter(|_| is_hex);
        let value = text.and_then(|text| u32::from_str_radix(text, 16).ok());
        *field = value.ok_or(ReadError::Number { at: at + MAGIC.len() + 8 * i })?;
    }
    Ok(fields)
}
