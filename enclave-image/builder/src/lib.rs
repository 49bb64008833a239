//! Enclave images: parts in, one file of reproducible bytes and its measurements out.
//!
//! What it is for: everything about an image that needs no running machine. [`layout`] makes the
//! two ramdisks of a Mortise image with [`cpio`]; [`eif`] writes and strictly reads the file (EIF
//! version 4, `specs/image.md`); [`measure`] computes the registers that the hypervisor will
//! measure; [`sign`] adds the signature, whose certificate register 8 measures; [`describe`] lists
//! the contents; [`diff`] finds where two images differ. [`elf`], [`kernel`] and [`cmdline`] check
//! the inputs.
//!
//! What it does not do: read files, run a compiler, read a clock or the state of its machine. It is
//! tooling for the host: the measured binary never links it.
//!
//! Invariants
//! - The bytes depend on the parts alone, not on time, owner, inodes or the caller's order.
//! - Reading what was written gives the same image; writing what was read gives the same bytes.
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

/// Converts a length to a 64-bit field.
///
/// # Panics
/// On a machine whose lengths have more than 64 bits.
fn u64_of(length: usize) -> u64 {
    u64::try_from(length).expect("a length in memory fits 64 bits")
}
