//! The image file, EIF version 4: what it holds, how it is written, and the strict way back.
//!
//! What it is for: an [`Image`] is content that may be written - nothing empty, a command line that
//! the kernel reads whole, metadata and signature that are what they should be. Its bytes and its
//! content determine each other: [`Image::to_bytes`] has one result, and [`read`] takes that one
//! and no other.
//!
//! What it does not do: know what the ramdisks hold ([`layout`](crate::layout)) or what they
//! measure ([`measure`](crate::measure)).
//!
//! ```text
//! header      548 bytes, big-endian: magic ".eif", version, flags, memory, cpus, 0, count,
//!             32 offsets, 32 sizes, 0, CRC-32 of everything but itself
//! section     12 bytes (type, 0, size), content; one behind the other, in this order:
//!             kernel, command line, metadata, ramdisk 1, ramdisk 2 ..., signature if there is one
//! ```

mod error;
mod read;
mod write;

pub use error::EifError;
pub use read::read;

use crate::metadata::Metadata;
use crate::sign::SignatureSection;
use std::fmt;

/// How a file starts.
pub const MAGIC: [u8; 4] = *b".eif";
/// The version that is written and read: the one with metadata.
pub const VERSION: u16 = 4;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 548;
/// Bytes in front of each section.
pub const SECTION_HEADER_BYTES: usize = 12;
/// Sections that the header has places for.
pub const SECTIONS_MAX: usize = 32;
/// Most ramdisks beside kernel, command line, metadata and signature.
pub const RAMDISKS_MAX: usize = SECTIONS_MAX - 4;
/// Most bytes of a command line: the kernel keeps 2,048 with the NUL.
pub const CMDLINE_BYTES_MAX: usize = 2_047;
/// Most bytes of metadata.
pub const METADATA_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of a signature section: a certificate, each byte of it two.
pub const SIGNATURE_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of a file.
pub const IMAGE_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Memory that an image asks for when nobody says more: what the official tool writes.
pub const DEFAULT_MEMORY_BYTES: u64 = 1024 * 1024 * 1024;
/// As [`DEFAULT_MEMORY_BYTES`], for processors.
pub const DEFAULT_CPUS: u64 = 2;

/// Processors that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// Flags 0.
    X86_64,
    /// Flags 1.
    Aarch64,
}

impl Arch {
    fn flags(self) -> u16 {
        match self {
            Self::X86_64 => 0,
            Self::Aarch64 => 1,
        }
    }

    /// A word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

/// A section of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// What is booted.
    Kernel,
    /// What the kernel is told.
    Cmdline,
    /// What the image says about itself; in no register.
    Metadata,
    /// Part of the initial file system, counted from 1.
    Ramdisk(usize),
    /// Who vouches for it.
    Signature,
}

impl Section {
    /// Its number in the file.
    fn number(self) -> u16 {
        match self {
            Self::Kernel => 1,
            Self::Cmdline => 2,
            Self::Ramdisk(_) => 3,
            Self::Signature => 4,
            Self::Metadata => 5,
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel => f.write_str("kernel"),
            Self::Cmdline => f.write_str("command line"),
            Self::Metadata => f.write_str("metadata"),
            Self::Ramdisk(number) => write!(f, "ramdisk {number}"),
            Self::Signature => f.write_str("signature"),
        }
    }
}

/// What an image is made of, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Processors that it is for.
    pub arch: Arch,
    /// Memory that it asks for unless the start says more; in no register.
    pub memory_bytes: u64,
    /// Processors that it asks for unless the start says more; in no register.
    pub cpus: u64,
    /// Bytes of the kernel.
    pub kernel: Vec<u8>,
    /// What the kernel is told.
    pub cmdline: String,
    /// The initial file system: the first belongs to the boot, the others to the application.
    pub ramdisks: Vec<Vec<u8>>,
    /// JSON, see [`Metadata`].
    pub metadata: Vec<u8>,
    /// Who vouches for it.
    pub signature: Option<SignatureSection>,
}

impl Parts {
    /// Nothing yet, for these processors, with the memory and count of the official tool.
    pub fn empty(arch: Arch) -> Self {
        Self {
            arch,
            memory_bytes: DEFAULT_MEMORY_BYTES,
            cpus: DEFAULT_CPUS,
            kernel: Vec::new(),
            cmdline: String::new(),
            ramdisks: Vec::new(),
            metadata: Vec::new(),
            signature: None,
        }
    }
}

/// An image that may be written: its parts were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    parts: Parts,
    metadata: Metadata,
}

impl Image {
    /// Checks parts.
    ///
    /// # Errors
    /// In this order: `Empty`, `CmdlineTooLong`, `CmdlineCharacter`, `RamdiskCount`, `Metadata`,
    /// `SignatureTooLong`, `TooLarge`.
    pub fn new(parts: Parts) -> Result<Self, EifError> {
        let ramdisks = parts.ramdisks.iter().enumerate();
        let ramdisks = ramdisks.map(|(i, disk)| (Section::Ramdisk(i + 1), disk.as_slice()));
        let fixed =
            [(Section::Kernel, &parts.kernel[..]), (Section::Cmdline, parts.cmdline.as_bytes())];
        let empty = fixed.into_iter().chain(ramdisks).find(|(_, content)| content.is_empty());
        if let Some((section, _)) = empty {
            return Err(EifError::Empty { section });
        }
        check_cmdline(&parts.cmdline)?;
        let found = parts.ramdisks.len();
        if !(1..=RAMDISKS_MAX).contains(&found) {
            return Err(EifError::RamdiskCount { found });
        }
        let metadata = Metadata::parse(&parts.metadata)?;
        let signature = parts.signature.as_ref().map_or(0, |section| section.to_bytes().len());
        if signature > SIGNATURE_BYTES_MAX {
            return Err(EifError::SignatureTooLong { found: signature });
        }
        let image = Self { parts, metadata };
        match image.file_bytes() {
            found if found > IMAGE_BYTES_MAX => Err(EifError::TooLarge { found }),
            _ => Ok(image),
        }
    }

    /// What it is made of.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// What it says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The same image with this signature section, or with none.
    ///
    /// # Errors
    /// `SignatureTooLong`, `TooLarge`.
    pub fn with_signature(self, signature: Option<SignatureSection>) -> Result<Self, EifError> {
        Self::new(Parts { signature, ..self.parts })
    }

    /// Bytes of the file.
    fn file_bytes(&self) -> usize {
        let sections = self.sections();
        let lengths = sections.iter().map(|(_, content)| SECTION_HEADER_BYTES + content.len());
        HEADER_BYTES + lengths.sum::<usize>()
    }

    /// The sections in the order of the file.
    pub fn sections(&self) -> Vec<(Section, std::borrow::Cow<'_, [u8]>)> {
        let parts = &self.parts;
        let ramdisks = parts.ramdisks.iter().enumerate();
        let mut sections = vec![
            (Section::Kernel, parts.kernel.as_slice().into()),
            (Section::Cmdline, parts.cmdline.as_bytes().into()),
            (Section::Metadata, parts.metadata.as_slice().into()),
        ];
        sections
            .extend(ramdisks.map(|(i, disk)| (Section::Ramdisk(i + 1), disk.as_slice().into())));
        if let Some(signature) = &parts.signature {
            sections.push((Section::Signature, signature.to_bytes().into()));
        }
        sections
    }
}

/// Printable, so that it reads for people as for the kernel.
fn check_cmdline(text: &str) -> Result<(), EifError> {
    let (found, bytes_max) = (text.len(), CMDLINE_BYTES_MAX);
    if found > bytes_max {
        return Err(EifError::CmdlineTooLong { found, bytes_max });
    }
    match text.bytes().position(|byte| !(byte.is_ascii_graphic() || byte == b' ')) {
        Some(at) => Err(EifError::CmdlineCharacter { at }),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
