//! Loads the kernel modules of the image, in the order of their names.

use super::{InitError, Machine};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Folder of the kernel modules in the image: `00-first.ko`, `01-next.ko.xz`, ...
pub const MODULES: &str = "/modules";

/// Loads all modules. Without a folder there are none, because a kernel may have everything built
/// in. A module that is loaded already is not an error. A missing one shows when its device is
/// missing: vsock, `/dev/nsm`.
pub(super) fn load_all(machine: &dyn Machine) -> Result<(), InitError> {
    let mut paths = match machine.list(Path::new(MODULES)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| InitError::Modules(format!("{MODULES}: {error}")))?,
    };
    paths.sort();
    if let Some(other) = paths.iter().find(|path| !is_module(path)) {
        return Err(InitError::Modules(format!("{} is not a kernel module", other.display())));
    }
    paths.into_iter().try_for_each(|path| load(machine, path))
}

fn load(machine: &dyn Machine, path: PathBuf) -> Result<(), InitError> {
    match machine.load(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            tracing::info!(module = %path.display(), "already loaded");
            Ok(())
        }
        Err(error) => Err(InitError::Module { path, error }),
        Ok(()) => {
            tracing::debug!(module = %path.display(), "loaded");
            Ok(())
        }
    }
}

/// Decides by the name. Any other file in the folder is a build error.
fn is_module(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

const ENDINGS: [&str; 4] = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"];
