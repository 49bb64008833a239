//! Builds the image of a folder if it is missing.
//!
//! What it is for: one command from a checkout to a lock. It writes configuration and key service
//! (`mortise-dev image local-config`), then builds the image (`mortise image build
//! --debian-kernel`). It keeps every existing file.
//!
//! What it does not do: build outside a checkout, fetch QEMU, or guess the inputs of a named image.
//! In these cases it fails and names the next step.

use super::folder::{BootFolder, CONFIG_FILE};
use super::{BootArgs, local_config};
use mortise_cli::failure::Failure;
use mortise_cli::image::build::{self, BuildArgs, IMAGE_FILE};
use mortise_cli::image::source::Source;
use mortise_cli::output::Output;
use std::path::Path;
use std::time::Instant;

/// The work before a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// Nothing.
    Boot,
    /// Write the missing configuration and image.
    Make,
}

/// Creates the missing files. The kernel comes from this cache.
pub(super) fn prepare(args: &BootArgs, cache: &Path, output: &Output) -> Result<(), Failure> {
    let has_checkout = || Source::find(None).is_ok();
    if args.no_host && args.image.is_some() {
        // without a host, an image needs the folder only for its console
        return Ok(());
    }
    match plan(&args.dir, args.image.as_deref(), has_checkout)? {
        Plan::Boot => Ok(()),
        Plan::Make => make(&args.dir, cache, output),
    }
}

fn plan(
    dir: &Path,
    image: Option<&Path>,
    has_checkout: impl Fn() -> bool,
) -> Result<Plan, Failure> {
    let (has_config, shown) = (dir.join(CONFIG_FILE).exists(), dir.display());
    match image {
        Some(_) if has_config => return Ok(Plan::Boot),
        Some(image) => {
            return Err(Failure::usage(format!(
                "{shown} is not the folder of a local boot\n  next: name with --dir the folder of \
                 `mortise-dev image local-config` that {} was built with",
                image.display()
            )));
        }
        None => {}
    }
    match (has_config, dir.join(IMAGE_FILE).exists()) {
        (true, true) => Ok(Plan::Boot),
        (false, true) => Err(Failure::usage(format!(
            "{shown} has an image but no {CONFIG_FILE}, so it does not hold the keys of the \
             image\n  next: pass \
             the folder that it was built with (--dir, --image), or an empty one"
        ))),
        _ if has_checkout() => Ok(Plan::Make),
        (false, false) => Err(Failure::usage(format!(
            "{shown} is not the folder of a local boot\n  next: run this in a checkout of Mortise, \
             where it makes one; or mortise-dev image local-config --out {shown}, then build an \
             image \
             with its files"
        ))),
        (true, false) => Err(Failure::usage(format!(
            "{shown} has no {IMAGE_FILE}\n  next: run this in a checkout of Mortise, where it \
             builds one; or mortise image build --source CHECKOUT --debian-kernel --out {shown} \
             --config {shown}/enclave.toml --genesis {shown}/genesis.json; or name one with --image"
        ))),
    }
}

fn make(dir: &Path, cache: &Path, output: &Output) -> Result<(), Failure> {
    let begun = Instant::now();
    output.note(&format!("{} has no image: building one (3 to 10 minutes)", dir.display()));
    output.note("1/2 configuration, genesis and key service, if they are missing");
    let folder = BootFolder::open(dir)?;
    local_config::prepare(&folder, None)?;
    output.note("2/2 image");
    let (config, genesis) = (folder.config(), folder.genesis());
    build::build(&BuildArgs::of_local_boot(folder.root(), config, genesis, cache), output)?;
    output.note(&format!("the image was built in {} s", begun.elapsed().as_secs()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, looked at from a checkout and from elsewhere.
    fn planned(files: &[&str], image: Option<&str>) -> [Result<Plan, String>; 2] {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        [true, false].map(|has_checkout| {
            let planned = plan(folder.path(), image.map(Path::new), || has_checkout);
            planned.map_err(|failure| {
                assert_eq!(failure.exit_code(), 2);
                failure.text()
            })
        })
    }

    #[test]
    fn folder_with_both_is_booted_and_nothing_is_built() {
        let both = [Ok(Plan::Boot), Ok(Plan::Boot)];
        assert_eq!(planned(&[CONFIG_FILE, IMAGE_FILE], None), both);
        assert_eq!(planned(&[CONFIG_FILE], Some("other.eif")), both);
    }

    #[test]
    fn missing_image_is_made_in_a_checkout_and_elsewhere_the_next_step_is_said() {
        for (files, next) in [(&[][..], "local-config"), (&[CONFIG_FILE][..], "image build")] {
            let [inside, outside] = planned(files, None);
            assert_eq!(inside, Ok(Plan::Make));
            let text = outside.unwrap_err();
            assert!(text.contains(next) && text.contains("checkout"), "{text}");
        }
    }

    #[test]
    fn image_without_its_keys_is_never_built_over() {
        for planned in planned(&[IMAGE_FILE], None) {
            assert!(planned.unwrap_err().contains("does not hold the keys of the image"));
        }
        for planned in planned(&[], Some("other.eif")) {
            assert!(planned.unwrap_err().contains("other.eif was built with"));
        }
    }
}
