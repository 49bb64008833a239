//! The two ramdisks of a Mortise image.
//!
//! The kernel unpacks both over each other into one file system, and starts `/init`.
//!
//! ```text
//! ramdisk 1 (PCR0, PCR1)  dev/ dev/console  modules/ modules/NN-NAME.ko[.xz]  proc/ run/ sys/ tmp/
//! ramdisk 2 (PCR0, PCR2)  etc/ etc/mortise/ etc/mortise/enclave.toml etc/mortise/genesis.json
//!                         init
//! ```
//! Register 1 measures how the machine boots, register 2 what runs in it: another configuration,
//! genesis or binary changes register 2 and keeps register 1.
//!
//! Invariant: modules load in the order of their names, which is the caller's order.

use crate::cpio::{Archive, CpioError};
use crate::elf::{self, ElfError};

/// Most modules. Their numbers have two digits.
pub const MODULES_MAX: usize = 32;
/// First bytes of a compressed module: XZ.
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
/// Folders of ramdisk 1, most of them mount points, and their permissions.
const FOLDERS: [(&str, u32); 6] = [
    ("dev", 0o755),
    ("modules", 0o755),
    ("proc", 0o555),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
];

/// Why parts do not make a Mortise image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The file name of a module is neither `NAME.ko` nor `NAME.ko.xz`.
    #[error("{name:?} is not a module: the kernel accepts NAME.ko and NAME.ko.xz")]
    ModuleName { name: String },
    /// The content of a module is not an object file or XZ, as its name says.
    #[error("{name}: the content is not the object file or XZ that the name says")]
    ModuleContent { name: String },
    /// A module occurs twice.
    #[error("the module {name} is given twice")]
    ModuleTwice {
        /// Without its number and suffix.
        name: String,
    },
    /// More than [`MODULES_MAX`].
    #[error("{found} modules, at most {MODULES_MAX} are loaded")]
    ModuleCount { found: usize },
    /// The binary cannot run as the only program of a machine.
    #[error("the binary: {0}")]
    Binary(#[from] ElfError),
    /// A file does not fit into an archive.
    #[error(transparent)]
    Cpio(#[from] CpioError),
}

/// A kernel module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module<'a> {
    /// Its file name: `nsm.ko`, `nsm.ko.xz`, or with a number in front, `04-nsm.ko.xz`.
    pub file_name: &'a str,
    pub content: &'a [u8],
}

impl Module<'_> {
    /// The name without a number, with its suffix.
    fn plain_name(&self) -> &str {
        match self.file_name.split_once('-') {
            Some((number, rest)) if number.len() == 2 && is_number(number) => rest,
            _ => self.file_name,
        }
    }

    fn check(&self) -> Result<(), LayoutError> {
        let name = self.file_name.to_owned();
        let plain = self.plain_name();
        let (stem, start) = match plain.strip_suffix(".ko.xz") {
            Some(stem) => (stem, &XZ[..]),
            None => (plain.strip_suffix(".ko").unwrap_or_default(), &elf::MAGIC[..]),
        };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if stem.is_empty() || !stem.bytes().all(fits) {
            return Err(LayoutError::ModuleName { name });
        }
        match self.content.starts_with(start) {
            true => Ok(()),
            false => Err(LayoutError::ModuleContent { name }),
        }
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Makes ramdisk 1: the mount points, and the modules in the caller's order.
///
/// # Errors
/// `ModuleCount`, `ModuleName`, `ModuleContent`, `ModuleTwice`, `Cpio`.
pub fn boot(modules: &[Module<'_>]) -> Result<Vec<u8>, LayoutError> {
    if modules.len() > MODULES_MAX {
        return Err(LayoutError::ModuleCount { found: modules.len() });
    }
    let mut archive = Archive::new();
    for (path, mode) in FOLDERS {
        archive.folder(path, mode)?;
    }
    archive.device("dev/console", 0o600, 5, 1)?;
    let mut seen = std::collections::BTreeSet::new();
    for (number, module) in modules.iter().enumerate() {
        module.check()?;
        let name = module.plain_name();
        let stem = name.split('.').next().unwrap_or_default().replace('-', "_");
        if !seen.insert(stem.clone()) {
            return Err(LayoutError::ModuleTwice { name: stem });
        }
        let path = format!("modules/{number:02}-{name}");
        archive.file(&path, 0o644, module.content.to_vec())?;
    }
    Ok(archive.to_bytes())
}

/// The files of ramdisk 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Application<'a> {
    /// The measured binary.
    pub binary: &'a [u8],
    /// The text of `enclave.toml`.
    pub config: &'a str,
    /// The text of `genesis.json`.
    pub genesis: &'a str,
}

/// Makes ramdisk 2: the binary as `/init`, its configuration and its genesis.
///
/// The caller must check the two texts, with the parser that the enclave uses.
///
/// # Errors
/// `Binary`, `Cpio`.
pub fn application(application: &Application<'_>) -> Result<Vec<u8>, LayoutError> {
    elf::check(application.binary)?;
    let mut archive = Archive::new();
    archive.file("init", 0o755, application.binary.to_vec())?;
    archive.folder("etc", 0o755)?;
    archive.folder("etc/mortise", 0o755)?;
    archive.file("etc/mortise/enclave.toml", 0o644, application.config.into())?;
    archive.file("etc/mortise/genesis.json", 0o644, application.genesis.into())?;
    Ok(archive.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpio::{self, Kind};

    fn module<'a>(file_name: &'a str, content: &'a [u8]) -> Module<'a> {
        Module { file_name, content }
    }

    #[test]
    fn modules_keep_the_order_of_the_caller() {
        let modules = [module("07-b.ko.xz", &XZ), module("a_c.ko", &elf::MAGIC)];
        let bytes = boot(&modules).unwrap();
        let entries = cpio::read(&bytes).unwrap();
        let paths: Vec<_> = entries.iter().map(|entry| entry.path).collect();
        let wanted = ["dev", "dev/console", "modules", "modules/00-b.ko.xz", "modules/01-a_c.ko"];
        assert_eq!(paths[..5], wanted);
        assert_eq!(paths[5..], ["proc", "run", "sys", "tmp"]);
        assert_eq!(entries[1].kind, Kind::Device { major: 5, minor: 1 });
    }

    #[test]
    fn file_that_is_no_module_is_refused() {
        let name = |name: &str| LayoutError::ModuleName { name: name.into() };
        for bad in ["nsm.txt", ".ko", "00-.ko", "a/b.ko", "nsm.ko.gz", ""] {
            assert_eq!(boot(&[module(bad, &elf::MAGIC)]), Err(name(bad)));
        }
        for (file, content) in [("a.ko", &XZ[..]), ("a.ko.xz", &elf::MAGIC), ("a.ko", b"")] {
            let error = LayoutError::ModuleContent { name: file.into() };
            assert_eq!(boot(&[module(file, content)]), Err(error));
        }
        let twice = [module("00-a-b.ko", &elf::MAGIC), module("a_b.ko.xz", &XZ)];
        assert_eq!(boot(&twice), Err(LayoutError::ModuleTwice { name: "a_b".into() }));
        let many = vec![module("a.ko", &elf::MAGIC); MODULES_MAX + 1];
        assert_eq!(boot(&many), Err(LayoutError::ModuleCount { found: MODULES_MAX + 1 }));
    }

    #[test]
    fn application_is_init_and_its_two_files() {
        let binary = elf::tests::program();
        let app = Application { binary: &binary, config: "a = 1", genesis: "{}" };
        let bytes = application(&app).unwrap();
        let entries = cpio::read(&bytes).unwrap();
        let found: Vec<_> = entries.iter().map(|e| (e.path, e.mode, e.content)).collect();
        assert_eq!(
            found,
            [
                ("etc", 0o755, &b""[..]),
                ("etc/mortise", 0o755, b""),
                ("etc/mortise/enclave.toml", 0o644, b"a = 1"),
                ("etc/mortise/genesis.json", 0o644, b"{}"),
                ("init", 0o755, &binary),
            ]
        );
        let script = Application { binary: b"#!/bin/sh", ..app };
        assert_eq!(application(&script), Err(LayoutError::Binary(ElfError::NotElf)));
    }
}
