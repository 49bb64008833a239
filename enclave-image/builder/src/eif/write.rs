//! The writer of image files.

use super::{HEADER_BYTES, Image, MAGIC, SECTION_HEADER_BYTES, SECTIONS_MAX, Section, VERSION};
use crate::u64_of;
use crc32fast::Hasher;
use std::borrow::Cow;

impl Image {
    /// Encodes the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sections = self.sections();
        let mut out = self.header(&sections);
        out.reserve(self.file_bytes() - HEADER_BYTES);
        for (section, content) in &sections {
            out.extend_from_slice(&section.number().to_be_bytes());
            out.extend_from_slice(&0_u16.to_be_bytes());
            out.extend_from_slice(&u64_of(content.len()).to_be_bytes());
            out.extend_from_slice(content);
        }
        let crc = checksum(&out).to_be_bytes();
        out[HEADER_BYTES - crc.len()..HEADER_BYTES].copy_from_slice(&crc);
        out
    }

    /// Encodes the header with a checksum of zero.
    fn header(&self, sections: &[(Section, Cow<'_, [u8]>)]) -> Vec<u8> {
        let parts = self.parts();
        let (mut offsets, mut sizes) = ([0_u64; SECTIONS_MAX], [0_u64; SECTIONS_MAX]);
        let mut at = u64_of(HEADER_BYTES);
        for ((offset, size), (_, content)) in offsets.iter_mut().zip(&mut sizes).zip(sections) {
            (*offset, *size) = (at, u64_of(content.len()));
            at += u64_of(SECTION_HEADER_BYTES) + *size;
        }
        let count = u16::try_from(sections.len()).expect("the number of ramdisks was checked");
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&parts.arch.flags().to_be_bytes());
        out.extend_from_slice(&parts.memory_bytes.to_be_bytes());
        out.extend_from_slice(&parts.cpus.to_be_bytes());
        out.extend_from_slice(&0_u16.to_be_bytes());
        out.extend_from_slice(&count.to_be_bytes());
        for number in offsets.iter().chain(&sizes) {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.resize(HEADER_BYTES, 0);
        out
    }
}

/// CRC-32 (IEEE) of a file without the last field of its header, which holds the checksum.
pub(super) fn checksum(file: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(file.get(..HEADER_BYTES - 4).unwrap_or_default());
    hasher.update(file.get(HEADER_BYTES..).unwrap_or_default());
    hasher.finalize()
}
