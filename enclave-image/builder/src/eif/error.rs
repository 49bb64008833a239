//! Why bytes are not an image, or parts do not make one.

use super::{
    HEADER_BYTES, IMAGE_BYTES_MAX, MAGIC, RAMDISKS_MAX, SECTIONS_MAX, SIGNATURE_BYTES_MAX, Section,
    VERSION,
};
use crate::metadata::MetadataError;
use crate::sign::SignatureError;

/// Why an image is refused. A file gets the first of its faults, in the order of the variants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EifError {
    /// More than [`IMAGE_BYTES_MAX`].
    #[error("it has {found} bytes; the limit is {IMAGE_BYTES_MAX}")]
    TooLarge { found: usize },
    /// It does not start with [`MAGIC`].
    #[error("it is not an enclave image: it starts with {found:02x?}, not with {MAGIC:02x?}")]
    Magic {
        /// Its first bytes, padded with zeros.
        found: [u8; 4],
    },
    /// Too short for a header.
    #[error("it is truncated: it has {found} bytes, and a header has {HEADER_BYTES}")]
    HeaderTruncated { found: usize },
    /// Another version of the format.
    #[error("its format version is {found}, not {VERSION}")]
    Version { found: u16 },
    /// Flags of no known processor.
    #[error("its flags {found:#06x} name no known processor")]
    Flags { found: u16 },
    /// A reserved field is not zero.
    #[error("the reserved field at byte {at} is not zero")]
    Reserved { at: usize },
    /// Too few sections, or more than the header has entries for.
    #[error("it has {found} sections: an image has 4 to {SECTIONS_MAX}")]
    SectionCount { found: u16 },
    /// A table entry after the last section is not zero.
    #[error("entry {index} of the section table is not zero, but it follows the last section")]
    UnusedPlace { index: usize },
    /// A section does not start where the previous one ends.
    #[error("section {index} starts at {found}, but the previous one ends at {wanted}")]
    Offset {
        index: usize,
        /// The offset in the table.
        found: u64,
        /// The end of the previous section.
        wanted: u64,
    },
    /// The file ends inside a section.
    #[error("it is truncated: section {index} ends at {end}, the file at {found}")]
    Truncated {
        index: usize,
        /// The end of the section.
        end: u64,
        /// The end of the file.
        found: u64,
    },
    /// The two sizes of a section differ.
    #[error("section {index} has {in_table} bytes in the table, {in_section} in its header")]
    Size { index: usize, in_table: u64, in_section: u64 },
    /// The flags of a section, which are reserved, are not zero.
    #[error("section {index} has flags {found:#06x}, not 0")]
    SectionFlags { index: usize, found: u16 },
    /// A section has the wrong type for its index.
    #[error("section {index} has type {found}, but must be {wanted}")]
    SectionType {
        index: usize,
        found: u16,
        /// The section that must be there.
        wanted: &'static str,
    },
    /// Bytes follow the last section.
    #[error("{bytes} bytes follow the last section")]
    Trailing { bytes: u64 },
    /// The checksum does not match.
    #[error("the checksum is {found:08x}, but the bytes give {computed:08x}: a byte changed")]
    Crc { found: u32, computed: u32 },
    /// A section has no content.
    #[error("the {section} is empty")]
    Empty { section: Section },
    /// The kernel would truncate the command line.
    #[error("the command line has {found} bytes, but the kernel reads only {bytes_max}")]
    CmdlineTooLong {
        found: usize,
        /// [`CMDLINE_BYTES_MAX`](super::CMDLINE_BYTES_MAX).
        bytes_max: usize,
    },
    /// A character of the command line that is not printable ASCII.
    #[error("byte {at} of the command line is not a printable character")]
    CmdlineCharacter { at: usize },
    /// There is no ramdisk, or too many.
    #[error("it has {found} ramdisks: an image has 1 to {RAMDISKS_MAX}")]
    RamdiskCount { found: usize },
    /// The metadata section is invalid.
    #[error("the metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// More than [`SIGNATURE_BYTES_MAX`].
    #[error("the signature has {found} bytes; the limit is {SIGNATURE_BYTES_MAX}")]
    SignatureTooLong { found: usize },
    /// The signature section is invalid.
    #[error("the signature: {0}")]
    Signature(#[from] SignatureError),
}
