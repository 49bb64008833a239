//! Computes the registers that the hypervisor will measure for an image.
//!
//! ```text
//! extend(x)  SHA-384( 48 zero bytes || SHA-384(x) )
//! PCR0       extend( kernel || command line || ramdisk 1 || ramdisk 2 || ... )
//! PCR1       extend( kernel || command line || ramdisk 1 )
//! PCR2       extend( ramdisk 2 || ... )
//! PCR8       extend( signing certificate, DER )
//! ```
//! Registers 0, 1 and 2 do not cover metadata, memory, processors or the signature.

use crate::eif::Image;
use crate::hex;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use sha2::{Digest as _, Sha256, Sha384};
use std::fmt;

/// The value of a platform configuration register (SHA-384).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pcr(pub [u8; 48]);

impl fmt::Display for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The registers of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurements {
    /// The whole image.
    pub pcr0: Pcr,
    /// Kernel, command line, first ramdisk.
    pub pcr1: Pcr,
    /// The other ramdisks: the application.
    pub pcr2: Pcr,
    /// The signing certificate; `None` for an unsigned image.
    pub pcr8: Option<Pcr>,
}

impl Measurements {
    /// Computes the registers of an image.
    pub fn of(image: &Image) -> Self {
        let parts = image.parts();
        let mut boot = Sha384::new();
        boot.update(&parts.kernel);
        boot.update(parts.cmdline.as_bytes());
        let mut app = Sha384::new();
        let mut disks = parts.ramdisks.iter();
        boot.update(disks.next().expect("a checked image has a ramdisk"));
        let mut whole = boot.clone();
        for disk in disks {
            whole.update(disk);
            app.update(disk);
        }
        let certificate = parts.signature.as_ref().map(|section| {
            let mut hasher = Sha384::new();
            hasher.update(section.certificate_der());
            extend(hasher)
        });
        let (pcr0, pcr1, pcr2) = (extend(whole), extend(boot), extend(app));
        Self { pcr0, pcr1, pcr2, pcr8: certificate }
    }

    /// The registers as pairs of number and value.
    pub fn registers(&self) -> Vec<(u8, Pcr)> {
        let Self { pcr0, pcr1, pcr2, pcr8 } = self;
        let mut registers = vec![(0, *pcr0), (1, *pcr1), (2, *pcr2)];
        registers.extend(pcr8.map(|value| (8, value)));
        registers
    }
}

/// The form of the official tool: `HashAlgorithm`, `PCR0`, `PCR1`, `PCR2`, `PCR8`.
impl Serialize for Measurements {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("HashAlgorithm", "Sha384 { ... }")?;
        for (index, value) in self.registers() {
            map.serialize_entry(&format!("PCR{index}"), &value.to_string())?;
        }
        map.end()
    }
}

/// Extends a zero register once.
fn extend(hasher: Sha384) -> Pcr {
    let mut register = Sha384::new();
    register.update([0; 48]);
    register.update(hasher.finalize());
    Pcr(register.finalize().into())
}

/// SHA-256 of a file in hexadecimal, for comparison by people.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eif::tests::{parts, small};
    use crate::eif::{Image, Parts};

    /// Goal: a second implementation of the formula. `tests/oracle` compares with the official one.
    #[test]
    fn registers_are_extensions_of_their_sections() {
        let image = small();
        let twice = |text: &[u8]| {
            let inner = Sha384::digest(text);
            Pcr(Sha384::digest([&[0; 48][..], &inner[..]].concat()).into())
        };
        let Parts { kernel, cmdline, ramdisks, .. } = image.parts();
        let boot = [kernel.as_slice(), cmdline.as_bytes(), &ramdisks[0]].concat();
        let found = Measurements::of(&image);
        assert_eq!(found.pcr1, twice(&boot));
        assert_eq!(found.pcr2, twice(&ramdisks[1]));
        assert_eq!(found.pcr0, twice(&[boot, ramdisks[1].clone()].concat()));
        assert_eq!(found.pcr8, None);
    }

    #[test]
    fn registers_follow_their_sections_and_no_others() {
        let before = Measurements::of(&small());
        let changed = |change: fn(&mut Parts)| {
            let mut parts = parts();
            change(&mut parts);
            let after = Measurements::of(&Image::new(parts).unwrap());
            [before.pcr0 != after.pcr0, before.pcr1 != after.pcr1, before.pcr2 != after.pcr2]
        };
        assert_eq!(changed(|p| p.kernel[0] ^= 1), [true, true, false]);
        assert_eq!(changed(|p| p.cmdline.push('x')), [true, true, false]);
        assert_eq!(changed(|p| p.ramdisks[0][0] ^= 1), [true, true, false]);
        assert_eq!(changed(|p| p.ramdisks[1][0] ^= 1), [true, false, true]);
        assert_eq!(changed(|p| p.memory_bytes = 1), [false; 3]);
        assert_eq!(changed(|p| p.metadata.push(b' ')), [false; 3]);
    }

    #[test]
    fn measurements_are_written_with_the_names_of_the_official_tool() {
        let text = serde_json::to_value(Measurements::of(&small())).unwrap();
        let names: Vec<_> = text.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["HashAlgorithm", "PCR0", "PCR1", "PCR2"]);
        assert_eq!(text["PCR0"].as_str().unwrap().len(), 96);
    }
}
