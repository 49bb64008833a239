//! Finds where two images differ: section, file, first byte.

use crate::cpio::{self, Entry};
use crate::eif::Image;
use crate::u64_of;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The section, or a field of the header.
    pub section: String,
    /// Absolute path of a file in a ramdisk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(flatten)]
    pub fact: Fact,
}

/// How the two images differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "what")]
#[non_exhaustive]
pub enum Fact {
    /// The second lacks it.
    OnlyInFirst,
    /// The first lacks it.
    OnlyInSecond,
    /// The contents differ.
    #[serde(rename_all = "camelCase")]
    Content {
        /// Offset of the first different byte.
        first_byte: u64,
        /// Length of the first content.
        first_bytes: u64,
        /// Length of the second content.
        second_bytes: u64,
    },
    /// The kinds, permissions, owners, times or values of a field differ.
    Value { first: String, second: String },
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyInFirst => f.write_str("only in the first"),
            Self::OnlyInSecond => f.write_str("only in the second"),
            Self::Content { first_byte, first_bytes, second_bytes } => {
                write!(f, "from byte {first_byte} on; {first_bytes} and {second_bytes} bytes")
            }
            Self::Value { first, second } => write!(f, "{first}, {second}"),
        }
    }
}

/// Returns every difference, in the order of the file; none if the files are equal.
pub fn diff(first: &Image, second: &Image) -> Vec<Difference> {
    let mut found = header(first, second);
    let (left, right) = (sections(first), sections(second));
    let names: Vec<_> = left.keys().chain(right.keys().filter(|s| !left.contains_key(s))).collect();
    for (order, name) in names {
        let key = (*order, name.clone());
        let section = || name.clone();
        match (left.get(&key), right.get(&key)) {
            (Some(a), Some(b)) => found.extend(of_section(name, a, b)),
            (Some(_), None) => found.push(whole(section(), Fact::OnlyInFirst)),
            _ => found.push(whole(section(), Fact::OnlyInSecond)),
        }
    }
    found
}

fn whole(section: String, fact: Fact) -> Difference {
    Difference { section, file: None, fact }
}

/// Contents by name, in the order of the file.
fn sections(image: &Image) -> BTreeMap<(crate::eif::Section, String), Vec<u8>> {
    let sections = image.sections().into_iter();
    sections.map(|(section, content)| ((section, section.to_string()), content.into())).collect()
}

/// Compares the header fields that do not follow from the sections.
fn header(first: &Image, second: &Image) -> Vec<Difference> {
    let fields = |image: &Image| {
        let parts = image.parts();
        [
            ("architecture", parts.arch.name().to_owned()),
            ("memory", format!("{} bytes", parts.memory_bytes)),
            ("processors", parts.cpus.to_string()),
        ]
    };
    let pairs = fields(first).into_iter().zip(fields(second)).filter(|(a, b)| a != b);
    let difference = |((name, first), (_, second)): ((&str, String), (&str, String))| {
        whole(name.to_owned(), Fact::Value { first, second })
    };
    pairs.map(difference).collect()
}

/// Compares a section that both images have: by files if both are archives, else by bytes.
fn of_section(section: &str, first: &[u8], second: &[u8]) -> Vec<Difference> {
    let Some(content) = content(first, second) else { return Vec::new() };
    let section = section.to_owned();
    let (Ok(left), Ok(right)) = (cpio::read(first), cpio::read(second)) else {
        return vec![whole(section, content)];
    };
    let mut found = files(&section, &left, &right);
    if found.is_empty() {
        // The files are equal, so their order, inodes or the padding differ.
        found.push(whole(section, content));
    }
    found
}

fn files(section: &str, left: &[Entry<'_>], right: &[Entry<'_>]) -> Vec<Difference> {
    let (left, right) = (by_path(left), by_path(right));
    let mut paths: Vec<&str> = left.keys().chain(right.keys()).copied().collect();
    paths.sort_unstable();
    paths.dedup();
    let mut found = Vec::new();
    for path in paths {
        let facts = match (left.get(path), right.get(path)) {
            (Some(a), Some(b)) => of_entry(a, b),
            (Some(_), None) => vec![Fact::OnlyInFirst],
            _ => vec![Fact::OnlyInSecond],
        };
        let file = Some(format!("/{path}"));
        let section = section.to_owned();
        let difference = |fact| Difference { section: section.clone(), file: file.clone(), fact };
        found.extend(facts.into_iter().map(difference));
    }
    found
}

fn by_path<'a>(entries: &'a [Entry<'a>]) -> BTreeMap<&'a str, &'a Entry<'a>> {
    entries.iter().map(|entry| (entry.path, entry)).collect()
}

fn of_entry(first: &Entry<'_>, second: &Entry<'_>) -> Vec<Fact> {
    let about = |entry: &Entry<'_>| {
        let Entry { kind, mode, owner: (user, group), time_s, .. } = entry;
        format!("{} {mode:04o} owner {user}:{group} time {time_s}", kind.name())
    };
    let mut facts = Vec::new();
    let (a, b) = (about(first), about(second));
    if a != b || first.kind != second.kind {
        facts.push(Fact::Value { first: a, second: b });
    }
    facts.extend(content(first.content, second.content));
    facts
}

/// The first different byte, or the end of the shorter content; `None` for equal bytes.
fn content(first: &[u8], second: &[u8]) -> Option<Fact> {
    if first == second {
        return None;
    }
    let shorter = first.len().min(second.len());
    let at = first.iter().zip(second).position(|(a, b)| a != b).unwrap_or(shorter);
    let (first_bytes, second_bytes) = (u64_of(first.len()), u64_of(second.len()));
    Some(Fact::Content { first_byte: u64_of(at), first_bytes, second_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpio::Archive;
    use crate::eif::Parts;
    use crate::eif::tests::{parts, small};

    fn changed(change: impl FnOnce(&mut Parts)) -> Vec<Difference> {
        let mut parts = parts();
        change(&mut parts);
        diff(&small(), &Image::new(parts).unwrap())
    }

    fn text(found: &[Difference]) -> Vec<String> {
        let line = |d: &Difference| {
            format!("{}{}: {}", d.section, d.file.as_deref().unwrap_or_default(), d.fact)
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn equal_images_differ_in_nothing() {
        assert_eq!(changed(|_| {}), []);
    }

    #[test]
    fn changed_byte_is_named_with_its_section_and_file() {
        let found = changed(|parts| {
            parts.kernel[3] ^= 1;
            let mut app = Archive::new();
            app.file("init", 0o700, b"a pXogram".to_vec()).unwrap();
            app.file("new", 0o644, Vec::new()).unwrap();
            parts.ramdisks[1] = app.to_bytes();
            parts.memory_bytes = 5;
        });
        assert_eq!(
            text(&found),
            [
                "memory: 1073741824 bytes, 5 bytes",
                "kernel: from byte 3 on; 8 and 8 bytes",
                "ramdisk 2/init: file 0755 owner 0:0 time 0, file 0700 owner 0:0 time 0",
                "ramdisk 2/init: from byte 3 on; 9 and 9 bytes",
                "ramdisk 2/new: only in the second",
            ]
        );
    }

    #[test]
    fn longer_section_differs_where_the_shorter_ends() {
        let found = changed(|parts| parts.cmdline.push_str(" quiet"));
        assert_eq!(text(&found), ["command line: from byte 13 on; 13 and 19 bytes"]);
    }

    #[test]
    fn missing_section_and_bytes_outside_of_files_are_found() {
        let found = changed(|parts| drop(parts.ramdisks.pop()));
        assert_eq!(text(&found), ["ramdisk 2: only in the first"]);
        let found = changed(|parts| parts.ramdisks[1].extend_from_slice(&[0; 4]));
        assert_eq!(found.len(), 1);
        assert!(matches!(found[0], Difference { file: None, fact: Fact::Content { .. }, .. }));
        let found = changed(|parts| parts.ramdisks[1] = b"no archive".to_vec());
        assert!(matches!(found[0].fact, Fact::Content { first_byte: 0, second_bytes: 10, .. }));
    }
}
