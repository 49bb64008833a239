//! The image file, EIF version 4: its contents, its writer and its strict reader.
//!
//! What it is for: an [`Image`] is checked content. No section is empty, the kernel reads the whole
//! command line, metadata and signature section are valid. Each image has exactly one encoding:
//! [`Image::to_bytes`] writes it, and [`read`] accepts no other.
//!
//! What it does not do: look into the ramdisks ([`layout`](crate::layout)) or measure them
//! ([`measure`](crate::measure)).
//!
//! ```text
//! header      548 bytes, big-endian: magic ".eif", version, flags, memory, cpus, 0, count,
//!             32 offsets, 32 sizes, 0, CRC-32 of everything but itself
//! section     12 bytes (type, 0, size), content; without gaps, in this order:
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

/// First bytes of a file.
pub const MAGIC: [u8; 4] = *b".eif";
/// The version of the format: the first one with metadata.
pub const VERSION: u16 = 4;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 548;
/// Bytes of the header of each section.
pub const SECTION_HEADER_BYTES: usize = 12;
/// Entries of the header's section table.
pub const SECTIONS_MAX: usize = 32;
/// Most ramdisks besides kernel, command line, metadata and signature.
pub const RAMDISKS_MAX: usize = SECTIONS_MAX - 4;
/// Most bytes of a command line. The kernel keeps 2,048 with the NUL.
pub const CMDLINE_BYTES_MAX: usize = 2_047;
/// Most bytes of metadata.
pub const METADATA_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of a signature section. It holds a certificate, with two bytes for most of its bytes.
pub const SIGNATURE_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of a file.
pub const IMAGE_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Memory that an image requests unless the start says more. The official tool writes this value.
pub const DEFAULT_MEMORY_BYTES: u64 = 1024 * 1024 * 1024;
/// Processors that an image requests, as for [`DEFAULT_MEMORY_BYTES`].
pub const DEFAULT_CPUS: u64 = 2;

/// The architecture that an image is for.
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

    /// The name in descriptions of images.
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
    Kernel,
    /// The kernel command line.
    Cmdline,
    /// The image's statements about itself; no register covers it.
    Metadata,
    /// Part of the initial file system, counted from 1.
    Ramdisk(usize),
    /// The signature over register 0.
    Signature,
}

impl Section {
    /// Its type in the file.
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

/// The unchecked content of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    pub arch: Arch,
    /// Memory that it requests unless the start says more; no register covers it.
    pub memory_bytes: u64,
    /// Processors that it requests unless the start says more; no register covers it.
    pub cpus: u64,
    pub kernel: Vec<u8>,
    /// The kernel command line.
    pub cmdline: String,
    /// The initial file system: the first ramdisk boots, the others are the application.
    pub ramdisks: Vec<Vec<u8>>,
    /// JSON, see [`Metadata`].
    pub metadata: Vec<u8>,
    /// `None` for an unsigned image.
    pub signature: Option<SignatureSection>,
}

impl Parts {
    /// Returns empty parts for an architecture, with the official tool's memory and processors.
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

/// An image with checked parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    parts: Parts,
    metadata: Metadata,
}

impl Image {
    /// Checks the parts of an image.
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

    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the image with this signature section, or without one.
    ///
    /// # Errors
    /// `SignatureTooLong`, `TooLarge`.
    pub fn with_signature(self, signature: Option<SignatureSection>) -> Result<Self, EifError> {
        Self::new(Parts { signature, ..self.parts })
    }

    fn file_bytes(&self) -> usize {
        let sections = self.sections();
        let lengths = sections.iter().map(|(_, content)| SECTION_HEADER_BYTES + content.len());
        HEADER_BYTES + lengths.sum::<usize>()
    }

    /// Returns the sections in the order of the file.
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

/// Only printable characters, so that people and the kernel read the same text.
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
