//! Finds the programs that a boot needs.

use mortise_cli::failure::Failure;
use std::path::{Path, PathBuf};

/// The script that installs them.
const SCRIPT: &str = "enclave-image/local/qemu.sh";

/// Paths of the programs.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    /// The cache folder.
    pub cache: PathBuf,
    /// QEMU with the nitro-enclave machine.
    pub qemu: PathBuf,
    /// Its BIOS and option ROMs.
    pub firmware: PathBuf,
    /// The vsock device.
    pub vsock_device: PathBuf,
}

impl Tools {
    /// Finds them in the given cache, or in the cache of the user.
    pub fn find(cache: Option<&Path>) -> Result<Self, Failure> {
        let cache = match cache {
            Some(cache) => cache.to_owned(),
            None => home()?.join(".cache/mortise"),
        };
        let present = |name: &str| {
            let path = cache.join(name);
            match path.exists() {
                true => Ok(path),
                false => Err(missing(&path)),
            }
        };
        present("firmware/bios-microvm.bin")?;
        Ok(Self {
            qemu: present("bin/qemu-system-x86_64")?,
            vsock_device: present("bin/vhost-device-vsock")?,
            firmware: cache.join("firmware"),
            cache,
        })
    }
}

fn home() -> Result<PathBuf, Failure> {
    let home = std::env::home_dir();
    home.ok_or_else(|| Failure::usage("there is no home folder: pass the cache with --cache"))
}

fn missing(path: &Path) -> Failure {
    Failure::system(format!(
        "{} is missing: QEMU with the nitro-enclave machine is not in the cache\n  \
         next: run {SCRIPT} (once, 6 to 10 minutes), or pass another cache with --cache",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_program_names_the_script_that_brings_it() {
        let empty = tempfile::tempdir().unwrap();
        let text = Tools::find(Some(empty.path())).unwrap_err().text();
        assert!(text.contains("is missing") && text.contains(SCRIPT), "{text}");
    }
}
