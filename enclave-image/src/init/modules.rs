//! Kernel modules of the image, in the order of their names.

use super::{InitError, Machine};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the image has its kernel modules: `00-first.ko`, `01-next.ko.xz`, ...
pub const MODULES: &str = "/modules";

/// Loads them all. No folder is no modules: a kernel may have everything built in. A module that is
/// there already is fine; what is missing is found by what it was for - vsock, `/dev/nsm`.
pub(super) fn load_all(machine: &dyn Machine) -> Result<(), InitError> {
    let mut paths = match machine.list(Path::new(MODULES)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| InitError::Modules(format!("{MODULES}: {error}")))?,
    };
    paths.sort();
    if let Some(other) = paths.iter().find(|path| !is_module(path)) {
        return Err(InitError::Modules(format!("{} is none", other.display())));
    }
    paths.into_iter().try_for_each(|path| load(machine, path))
}

fn load(machine: &dyn Machine, path: PathBuf) -> Result<(), InitError> {
    match machine.load(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            tracing::info!(module = %path.display(), "is there already");
            Ok(())
        }
        Err(error) => Err(InitError::Module { path, error }),
        Ok(()) => {
            tracing::debug!(module = %path.display(), "loaded");
            Ok(())
        }
    }
}

/// By its name; anything else in the folder is a mistake of who built the image.
fn is_module(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

const ENDINGS: [&str; 4] = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"];
