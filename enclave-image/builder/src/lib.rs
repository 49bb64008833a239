//! Enclave images: parts in, one file of reproducible bytes and its measurements out.
//!
//! What it is for: everything that can be said about an image without running it. [`layout`] makes
//! the two ramdisks of a Mortise image with [`cpio`]; [`eif`] writes and strictly reads the file
//! (EIF version 4, `specs/image.md`); [`measure`] computes the registers that the hypervisor will
//! measure; [`sign`] adds the signature that register 8 comes from; [`describe`] and [`diff`] say
//! what is inside, and where two images part. [`elf`], [`kernel`] and [`cmdline`] look at what is
//! put in.
//!
//! What it does not do: read files, run a compiler, look at a clock or at the machine that it runs
//! on. It is host-side tooling: the measured binary never links it.
//!
//! Invariants
//! - The bytes depend on the parts alone: no time, owner, inode or order of the caller's.
//! - What is written is read back as it was; what is read is written as it was.
//! - No input makes it panic; every refusal has a name.
//!
//! ```
//! use mortise_image::eif::{Arch, Image, Parts};
//! use mortise_image::measure::Measurements;
//! use mortise_image::metadata::Metadata;
//! use mortise_image::{cpio, eif};
//!
//! let mut files = cpio::Archive::new();
//! files.file("init", 0o755, b"a program".to_vec()).unwrap();
//! let image = Image::new(Parts {
//!     kernel: b"a kernel".to_vec(),
//!     cmdline: "console=ttyS0".into(),
//!     ramdisks: vec![files.to_bytes()],
//!     metadata: Metadata::new("mortise", "0.1.0", "6.12").to_bytes(),
//!     ..Parts::empty(Arch::X86_64)
//! })
//! .unwrap();
//! let bytes = image.to_bytes();
//! assert_eq!(eif::read(&bytes).unwrap(), image);
//! assert_eq!(Measurements::of(&image).pcr8, None);
//! ```

mod cbor;
mod certificate;
pub mod cmdline;
pub mod cpio;
pub mod describe;
pub mod diff;
pub mod eif;
pub mod elf;
pub mod kernel;
pub mod layout;
pub mod measure;
pub mod metadata;
pub mod sign;

/// Lower-case hexadecimal digits of these bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A length as a field of 64 bits.
///
/// # Panics
/// On a machine whose lengths have more than 64 bits.
fn u64_of(length: usize) -> u64 {
    u64::try_from(length).expect("lengths of memory fit 64 bits")
}
