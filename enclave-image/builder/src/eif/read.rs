//! The strict reader: the checks of the file in a fixed order, then the checks of the parts.

use super::write::checksum;
use super::{
    Arch, EifError, HEADER_BYTES, IMAGE_BYTES_MAX, Image, MAGIC, METADATA_BYTES_MAX, Parts,
    SECTION_HEADER_BYTES, SECTIONS_MAX, SIGNATURE_BYTES_MAX, Section, VERSION, check_cmdline,
};
use crate::metadata::MetadataError;
use crate::sign::SignatureSection;
use crate::u64_of;

/// Reads a file.
///
/// A success proves that [`Image::to_bytes`] would write exactly these bytes for the image. It does
/// not prove that a signature in it is valid: see [`sign::verify`](crate::sign).
///
/// # Errors
/// [`EifError`]: the first fault, in the order of the variants.
pub fn read(bytes: &[u8]) -> Result<Image, EifError> {
    if bytes.len() > IMAGE_BYTES_MAX {
        return Err(EifError::TooLarge { found: bytes.len() });
    }
    let header = Header::read(bytes)?;
    let sections = split(bytes, &header)?;
    let computed = checksum(bytes);
    if header.crc != computed {
        return Err(EifError::Crc { found: header.crc, computed });
    }
    let mut parts =
        Parts { memory_bytes: header.memory_bytes, cpus: header.cpus, ..Parts::empty(header.arch) };
    for (section, content) in sections {
        match section {
            Section::Kernel => parts.kernel = content.to_vec(),
            Section::Cmdline => parts.cmdline = cmdline(content)?,
            Section::Metadata => parts.metadata = metadata(content)?,
            Section::Ramdisk(_) => parts.ramdisks.push(content.to_vec()),
            Section::Signature => parts.signature = Some(signature(content)?),
        }
    }
    Image::new(parts)
}

fn cmdline(content: &[u8]) -> Result<String, EifError> {
    let text = match std::str::from_utf8(content) {
        Ok(text) => text,
        Err(error) => return Err(EifError::CmdlineCharacter { at: error.valid_up_to() }),
    };
    check_cmdline(text)?;
    Ok(text.to_owned())
}

fn metadata(content: &[u8]) -> Result<Vec<u8>, EifError> {
    match content.len() {
        found if found > METADATA_BYTES_MAX => Err(MetadataError::TooLong { found }.into()),
        _ => Ok(content.to_vec()),
    }
}

fn signature(content: &[u8]) -> Result<SignatureSection, EifError> {
    match content.len() {
        found if found > SIGNATURE_BYTES_MAX => Err(EifError::SignatureTooLong { found }),
        _ => Ok(SignatureSection::parse(content)?),
    }
}

/// The variable fields of the header.
struct Header {
    arch: Arch,
    memory_bytes: u64,
    cpus: u64,
    /// Offset and size of each section.
    table: Vec<(u64, u64)>,
    crc: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, EifError> {
        let mut found = [0; 4];
        found.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        if found != MAGIC {
            return Err(EifError::Magic { found });
        }
        let cut = EifError::HeaderTruncated { found: bytes.len() };
        let mut fields = Fields(bytes.get(MAGIC.len()..HEADER_BYTES).ok_or(cut)?);
        let version = fields.u16();
        if version != VERSION {
            return Err(EifError::Version { found: version });
        }
        let arch = match fields.u16() {
            0 => Arch::X86_64,
            1 => Arch::Aarch64,
            found => return Err(EifError::Flags { found }),
        };
        let (memory_bytes, cpus) = (fields.u64(), fields.u64());
        if fields.u16() != 0 {
            return Err(EifError::Reserved { at: 24 });
        }
        let count = fields.u16();
        let table = table(&mut fields, count)?;
        if fields.u32() != 0 {
            return Err(EifError::Reserved { at: HEADER_BYTES - 8 });
        }
        Ok(Self { arch, memory_bytes, cpus, table, crc: fields.u32() })
    }
}

/// Reads the section table. Entries after the last section must be zero.
fn table(fields: &mut Fields<'_>, found: u16) -> Result<Vec<(u64, u64)>, EifError> {
    let count = usize::from(found);
    if !(4..=SECTIONS_MAX).contains(&count) {
        return Err(EifError::SectionCount { found });
    }
    let offsets: [u64; SECTIONS_MAX] = std::array::from_fn(|_| fields.u64());
    let sizes: [u64; SECTIONS_MAX] = std::array::from_fn(|_| fields.u64());
    let mut places: Vec<_> = offsets.into_iter().zip(sizes).collect();
    match places.iter().skip(count).position(|place| *place != (0, 0)) {
        Some(more) => Err(EifError::UnusedPlace { index: count + more }),
        None => {
            places.truncate(count);
            Ok(places)
        }
    }
}

/// Splits the file into its sections, each of the type that its index requires.
fn split<'a>(bytes: &'a [u8], header: &Header) -> Result<Vec<(Section, &'a [u8])>, EifError> {
    let mut sections = Vec::new();
    let mut wanted = u64_of(HEADER_BYTES);
    let last = header.table.len() - 1;
    for (index, (offset, in_table)) in header.table.iter().copied().enumerate() {
        if offset != wanted {
            return Err(EifError::Offset { index, found: offset, wanted });
        }
        let start = offset.saturating_add(u64_of(SECTION_HEADER_BYTES));
        let end = start.saturating_add(in_table);
        let cut = || EifError::Truncated { index, end, found: u64_of(bytes.len()) };
        let mut fields = Fields(slice(bytes, offset, start).ok_or_else(cut)?);
        let (kind, flags, in_section) = (fields.u16(), fields.u16(), fields.u64());
        if in_table != in_section {
            return Err(EifError::Size { index, in_table, in_section });
        }
        if flags != 0 {
            return Err(EifError::SectionFlags { index, found: flags });
        }
        let section = section_at(index, last, kind)?;
        sections.push((section, slice(bytes, start, end).ok_or_else(cut)?));
        wanted = end;
    }
    match u64_of(bytes.len()) - wanted {
        0 => Ok(sections),
        bytes => Err(EifError::Trailing { bytes }),
    }
}

fn slice(bytes: &[u8], start: u64, end: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

/// The section at an index, if it has the right type.
fn section_at(index: usize, last: usize, found: u16) -> Result<Section, EifError> {
    let (section, wanted) = match index {
        0 => (Section::Kernel, "the kernel (1)"),
        1 => (Section::Cmdline, "the command line (2)"),
        2 => (Section::Metadata, "the metadata (5)"),
        // Index 3 must be a ramdisk. A later last section may be the signature.
        _ if index > 3 && index == last && found == Section::Signature.number() => {
            (Section::Signature, "the signature (4)")
        }
        _ => (Section::Ramdisk(index - 2), "a ramdisk (3)"),
    };
    match section.number() == found {
        true => Ok(section),
        false => Err(EifError::SectionType { index, found, wanted }),
    }
}

/// Reads consecutive big-endian numbers from bytes whose length was checked.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) =
            self.0.split_first_chunk().expect("the length of the header was checked");
        self.0 = rest;
        *field
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}
