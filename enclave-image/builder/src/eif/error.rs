//! Why bytes are no image, or parts make none.

use super::{
    HEADER_BYTES, IMAGE_BYTES_MAX, MAGIC, RAMDISKS_MAX, SECTIONS_MAX, SIGNATURE_BYTES_MAX, Section,
    VERSION,
};
use crate::metadata::MetadataError;
use crate::sign::SignatureError;

/// Why an image is refused. The first of a file's faults, in the order of the variants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EifError {
    /// More than [`IMAGE_BYTES_MAX`].
    #[error("it has {found} bytes, at most {IMAGE_BYTES_MAX} are written or read")]
    TooLarge {
        /// Its bytes.
        found: usize,
    },
    /// It does not start as an image does.
    #[error("it is no enclave image: it starts with {found:02x?}, not with {MAGIC:02x?}")]
    Magic {
        /// What it starts with; shorter files have zeros.
        found: [u8; 4],
    },
    /// Too short for a header.
    #[error("it is cut: {found} bytes, a header has {HEADER_BYTES}")]
    HeaderTruncated {
        /// Its bytes.
        found: usize,
    },
    /// Another version of the format.
    #[error("it has version {found} of the format, not {VERSION}")]
    Version {
        /// As written.
        found: u16,
    },
    /// Flags that are no processor's.
    #[error("its flags {found:#06x} name no known processor")]
    Flags {
        /// As written.
        found: u16,
    },
    /// A field without use is not zero.
    #[error("the unused field at byte {at} is not zero")]
    Reserved {
        /// Where.
        at: usize,
    },
    /// Too few sections for an image, or more than the header has places for.
    #[error("it has {found} sections: an image has 4 to {SECTIONS_MAX}")]
    SectionCount {
        /// As written.
        found: u16,
    },
    /// A place behind the last section is not zero.
    #[error("place {index} of the section table is not zero, behind the last section")]
    UnusedPlace {
        /// Counted from 0.
        index: usize,
    },
    /// A section does not start where the one in front of it ends.
    #[error("section {index} starts at {found}, not at {wanted} where the one before ends")]
    Offset {
        /// Counted from 0.
        index: usize,
        /// By the table.
        found: u64,
        /// By the sizes in front of it.
        wanted: u64,
    },
    /// The file ends inside a section.
    #[error("it is cut: section {index} ends at {end}, the file at {found}")]
    Truncated {
        /// Counted from 0.
        index: usize,
        /// Where the section would end.
        end: u64,
        /// Where the file does.
        found: u64,
    },
    /// A section has two sizes.
    #[error("section {index} has {in_table} bytes by the table, {in_section} by itself")]
    Size {
        /// Counted from 0.
        index: usize,
        /// By the header.
        in_table: u64,
        /// By its own header.
        in_section: u64,
    },
    /// Flags of a section, which have no meaning.
    #[error("section {index} has the flags {found:#06x}")]
    SectionFlags {
        /// Counted from 0.
        index: usize,
        /// As written.
        found: u16,
    },
    /// A section of another kind than its place has.
    #[error("section {index} is of type {found} where {wanted} has to stand")]
    SectionType {
        /// Counted from 0.
        index: usize,
        /// As written.
        found: u16,
        /// What belongs there.
        wanted: &'static str,
    },
    /// Bytes behind the last section.
    #[error("{bytes} bytes follow the last section")]
    Trailing {
        /// How many.
        bytes: u64,
    },
    /// A byte changed.
    #[error("the checksum is {found:08x}, of the bytes it is {computed:08x}: a byte changed")]
    Crc {
        /// As written.
        found: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// A section without content.
    #[error("the {section} is empty")]
    Empty {
        /// Which.
        section: Section,
    },
    /// The kernel would cut the command line.
    #[error("the command line has {found} bytes, the kernel reads {bytes_max}")]
    CmdlineTooLong {
        /// Its bytes.
        found: usize,
        /// [`CMDLINE_BYTES_MAX`](super::CMDLINE_BYTES_MAX).
        bytes_max: usize,
    },
    /// A character of the command line that is not printable ASCII.
    #[error("byte {at} of the command line is no printable character")]
    CmdlineCharacter {
        /// Counted from 0.
        at: usize,
    },
    /// No ramdisk, or too many.
    #[error("it has {found} ramdisks: an image has 1 to {RAMDISKS_MAX}")]
    RamdiskCount {
        /// How many.
        found: usize,
    },
    /// What it says about itself is not what the format asks for.
    #[error("the metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// More than [`SIGNATURE_BYTES_MAX`].
    #[error("the signature has {found} bytes, at most {SIGNATURE_BYTES_MAX}")]
    SignatureTooLong {
        /// Its bytes.
        found: usize,
    },
    /// The signature section is not what the format asks for.
    #[error("the signature: {0}")]
    Signature(#[from] SignatureError),
}
