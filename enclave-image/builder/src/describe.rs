//! Describes the contents of an image, for people and programs.

use crate::cpio;
use crate::eif::{HEADER_BYTES, Image, SECTION_HEADER_BYTES, Section, VERSION};
use crate::measure::{Measurements, digest};
use crate::metadata::Metadata;
use crate::sign;
use crate::u64_of;
use serde::Serialize;

/// The description of an image, as `mortise image describe --json` prints it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// SHA-256 of the file.
    pub digest: String,
    /// Bytes of the file.
    pub bytes: u64,
    pub version: u16,
    /// Architecture that the image is for.
    pub arch: &'static str,
    /// Memory that it requests unless the start says more.
    pub memory_bytes: u64,
    /// Processors that it requests unless the start says more.
    pub cpus: u64,
    /// The kernel command line.
    pub cmdline: String,
    pub measurements: Measurements,
    /// The image's own statements about itself, which no register covers.
    pub metadata: Metadata,
    pub sections: Vec<SectionFacts>,
    /// The files of its ramdisks.
    pub files: Vec<FileFacts>,
    /// The signature; `None` for an unsigned image.
    pub signature: Option<SignatureFacts>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SectionFacts {
    pub section: String,
    /// Offset of its header in the file.
    pub offset: u64,
    /// Bytes of its content.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub digest: String,
    /// Why the files of a ramdisk are not listed: it is not an uncompressed archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileFacts {
    /// Counted from 1.
    pub ramdisk: usize,
    /// Absolute path.
    pub path: String,
    /// `file`, `folder`, `link`, `device`.
    pub kind: &'static str,
    /// Permissions, octal.
    pub mode: String,
    /// Bytes of its content.
    pub bytes: u64,
    /// SHA-256 of its content; `None` if it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum SignatureFacts {
    /// The signature holds.
    #[serde(rename_all = "camelCase")]
    Valid {
        /// Subject of the certificate.
        subject: String,
        /// First second of the certificate's validity, in Unix time.
        not_before_s: u64,
        /// Last second of the certificate's validity, in Unix time.
        not_after_s: u64,
    },
    /// The signature does not hold.
    Wrong { reason: String },
}

pub fn describe(image: &Image) -> Description {
    let (bytes, parts) = (image.to_bytes(), image.parts());
    let mut offset = u64_of(HEADER_BYTES);
    let (mut sections, mut files) = (Vec::new(), Vec::new());
    for (section, content) in image.sections() {
        let length = u64_of(content.len());
        let unreadable = match section {
            Section::Ramdisk(number) => list(number, &content, &mut files),
            _ => None,
        };
        let (section, digest) = (section.to_string(), digest(&content));
        sections.push(SectionFacts { section, offset, bytes: length, digest, unreadable });
        offset += u64_of(SECTION_HEADER_BYTES) + length;
    }
    Description {
        digest: digest(&bytes),
        bytes: u64_of(bytes.len()),
        version: VERSION,
        arch: parts.arch.name(),
        memory_bytes: parts.memory_bytes,
        cpus: parts.cpus,
        cmdline: parts.cmdline.clone(),
        measurements: Measurements::of(image),
        metadata: image.metadata().clone(),
        sections,
        files,
        signature: parts.signature.as_ref().map(|_| signature(image)),
    }
}

/// Adds the files of a ramdisk, or returns why it cannot.
fn list(ramdisk: usize, content: &[u8], files: &mut Vec<FileFacts>) -> Option<String> {
    let entries = match cpio::read(content) {
        Ok(entries) => entries,
        Err(error) => return Some(error.to_string()),
    };
    files.extend(entries.iter().map(|entry| FileFacts {
        ramdisk,
        path: format!("/{}", entry.path),
        kind: entry.kind.name(),
        mode: format!("{:04o}", entry.mode),
        bytes: u64_of(entry.content.len()),
        digest: (!entry.content.is_empty()).then(|| digest(entry.content)),
    }));
    None
}

fn signature(image: &Image) -> SignatureFacts {
    match sign::verify(image) {
        Ok(sign::Signed { subject, not_before_s, not_after_s }) => {
            SignatureFacts::Valid { subject, not_before_s, not_after_s }
        }
        Err(error) => SignatureFacts::Wrong { reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eif::tests::{parts, small};

    #[test]
    fn description_covers_every_byte_and_lists_every_file() {
        let image = small();
        let found = describe(&image);
        let last = found.sections.last().unwrap();
        assert_eq!(last.offset + 12 + last.bytes, found.bytes);
        let sections: Vec<_> = found.sections.iter().map(|s| s.section.as_str()).collect();
        assert_eq!(sections, ["kernel", "command line", "metadata", "ramdisk 1", "ramdisk 2"]);
        let files: Vec<_> = found.files.iter().map(|f| (f.ramdisk, f.path.as_str())).collect();
        assert_eq!(files, [(1, "/dev"), (2, "/init")]);
        assert_eq!(found.signature, None);
        assert_eq!(found.digest, digest(&image.to_bytes()));
    }

    #[test]
    fn ramdisk_that_is_no_archive_is_named_and_the_others_are_listed() {
        let mut parts = parts();
        parts.ramdisks[0] = vec![0x1f, 0x8b, 8, 0];
        let found = describe(&Image::new(parts).unwrap());
        assert_eq!(found.files.len(), 1);
        let reason = found.sections[3].unreadable.clone().unwrap();
        assert!(reason.contains("at byte 0"), "{reason}");
    }
}
