//! The key policies of a folder. By default they name the image that booted first.
//!
//! The image names its keys, and the policies of the keys name the image. To break this circle,
//! `mortise-dev image local-config` creates the keys under policies that let no one unwrap, and the
//! first boot adds its image. Another image boots with a warning and gets no key.

use super::folder::BootFolder;
use crate::dev::{APP_KEY, ENGINE_KEY, image_policy};
use mortise_cli::failure::Failure;
use mortise_image::measure::Measurements;
use mortise_key_policy::compose::Service;
use std::ffi::OsString;
use std::io::ErrorKind;

/// The keys of an engine by alias.
pub(super) const KEYS: [(Service, &str); 2] =
    [(Service::Engine, ENGINE_KEY), (Service::App, APP_KEY)];

/// Whether the policies of a folder name an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approval {
    /// They name it.
    Approved,
    /// They name another one.
    Other,
}

/// Writes the missing policies for this image; with `replace`, all of them.
pub(super) fn approve(
    folder: &BootFolder,
    image: &Measurements,
    replace: bool,
) -> Result<Approval, Failure> {
    let mut approval = Approval::Approved;
    for (service, alias) in KEYS {
        let path = folder.policy(alias);
        let named = |error: std::io::Error| Failure::system(format!("{}: {error}", path.display()));
        let wanted = policy(service, image);
        match std::fs::read_to_string(&path) {
            Ok(present) if present == wanted => {}
            Ok(_) if !replace => approval = Approval::Other,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(named(error)),
            Ok(_) | Err(_) => std::fs::write(&path, wanted).map_err(named)?,
        }
    }
    Ok(approval)
}

fn policy(service: Service, image: &Measurements) -> String {
    image_policy(service, [image.pcr0, image.pcr1, image.pcr2].map(|pcr| pcr.to_string()))
}

/// The flags of the key service for them.
pub(super) fn flags(folder: &BootFolder) -> Vec<OsString> {
    let flag = |(_, alias): (Service, &str)| {
        let mut value = OsString::from(format!("{alias}="));
        value.push(folder.policy(alias));
        [OsString::from("--key-policy"), value]
    };
    KEYS.into_iter().flat_map(flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_image::measure::Pcr;

    fn image(byte: u8) -> Measurements {
        let pcr = |index: u8| Pcr([byte ^ index; 48]);
        Measurements { pcr0: pcr(0), pcr1: pcr(1), pcr2: pcr(2), pcr8: None }
    }

    #[test]
    fn first_image_is_approved_and_another_only_when_asked() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = BootFolder::open(temporary.path()).unwrap();
        assert_eq!(approve(&folder, &image(1), false).unwrap(), Approval::Approved);
        assert_eq!(approve(&folder, &image(2), false).unwrap(), Approval::Other);
        assert_eq!(approve(&folder, &image(1), false).unwrap(), Approval::Approved);
        assert_eq!(approve(&folder, &image(2), true).unwrap(), Approval::Approved);
        assert_eq!(approve(&folder, &image(1), false).unwrap(), Approval::Other);
        let text = std::fs::read_to_string(folder.policy("engine")).unwrap();
        assert!(text.contains(&image(2).pcr0.to_string()));
    }
}
