//! The image that serves, and images that differ from it in one part.

use crate::booted::{mortise, run, text};
use crate::settings::Settings;
use mortise_image::cpio::Archive;
use mortise_image::eif::{self, Image, Parts};
use mortise_image::layout::{self, Module};
use mortise_image::measure::Measurements;
use std::path::{Path, PathBuf};

/// Makes the engine's folder and the image with the commands.
pub fn built(settings: &Settings) -> Result<String, String> {
    let dir = settings.dir();
    let out = dir.to_str().ok_or("the work folder is no UTF-8")?;
    let args = ["image", "local-config", "--out", out];
    done(run(&settings.mortise_dev, settings, &args)?)?;
    build(settings, &dir.join("enclave.toml"), &dir)?;
    let bytes = std::fs::read(settings.image()).map_err(text)?;
    let measured = Measurements::of(&eif::read(&bytes).map_err(text)?);
    Ok(format!("{} KiB, pcr0 {}", bytes.len() / 1024, measured.pcr0))
}

/// Builds an image with this configuration and the folder's genesis; returns its file.
pub fn build(settings: &Settings, config: &Path, out: &Path) -> Result<PathBuf, String> {
    let path = |path: &Path| path.display().to_string();
    let genesis = settings.dir().join("genesis.json");
    let (binary, config) = (path(&settings.binary), path(config));
    let (genesis, folder) = (path(&genesis), path(out));
    let args = ["image", "build", "--debian-kernel", "--binary", &binary, "--config", &config];
    let args = [&args[..], &["--genesis", &genesis, "--out", &folder]].concat();
    done(mortise(settings, &args)?)?;
    Ok(out.join("mortise.eif"))
}

fn done((code, json, stderr): (Option<i32>, serde_json::Value, String)) -> Result<(), String> {
    match code {
        Some(0) => Ok(()),
        code => Err(format!("exit status {code:?}: {json:#} {stderr}")),
    }
}

/// The kernel modules in the order of loading.
fn modules(settings: &Settings) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(settings.kernel.join("modules")).map_err(text)?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The parts of the image that serves.
pub fn parts(settings: &Settings) -> Result<Parts, String> {
    let bytes = std::fs::read(settings.image()).map_err(text)?;
    Ok(eif::read(&bytes).map_err(text)?.parts().clone())
}

/// Writes an image of these parts.
pub fn write(settings: &Settings, name: &str, parts: Parts) -> Result<PathBuf, String> {
    let path = settings.file(name);
    let image = Image::new(parts).map_err(text)?;
    std::fs::write(&path, image.to_bytes()).map_err(text)?;
    Ok(path)
}

/// The first ramdisk without the modules whose name has `left_out` in it.
pub fn boot_without(settings: &Settings, left_out: &str) -> Result<Vec<u8>, String> {
    let mut files = read_modules(settings)?;
    files.retain(|(name, _)| !name.contains(left_out));
    boot(&files)
}

/// The first ramdisk with a module whose content is cut in the middle.
pub fn boot_with_cut_module(settings: &Settings) -> Result<Vec<u8>, String> {
    let mut files = read_modules(settings)?;
    let (_, last) = files.last_mut().ok_or("no modules")?;
    last.truncate(last.len() / 2);
    boot(&files)
}

fn read_modules(settings: &Settings) -> Result<Vec<(String, Vec<u8>)>, String> {
    let read = |path: PathBuf| Ok((name(&path), std::fs::read(&path).map_err(text)?));
    modules(settings)?.into_iter().map(read).collect()
}

fn boot(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, String> {
    let modules: Vec<Module<'_>> =
        files.iter().map(|(file_name, content)| Module { file_name, content }).collect();
    layout::boot(&modules).map_err(text)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The second ramdisk with the binary alone.
pub fn binary_alone(settings: &Settings) -> Result<Vec<u8>, String> {
    let binary = std::fs::read(&settings.binary).map_err(text)?;
    let mut archive = Archive::new();
    archive.file("init", 0o755, binary).map_err(text)?;
    Ok(archive.to_bytes())
}
