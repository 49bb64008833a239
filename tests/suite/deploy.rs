//! `enclave-image/deploy`: systemd accepts the units, the scripts do what they document, the
//! command writes the policies, alerts name existing metrics. Also `mortise doctor` as a process.

mod doctor;
mod policies;
mod scripts;
mod texts;
mod units;

use std::path::{Path, PathBuf};

/// The folder of the files that an operator installs on a parent.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../enclave-image/deploy")
}

/// The content of a file in it.
fn text(path: &str) -> String {
    let place = folder().join(path);
    std::fs::read_to_string(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()))
}

/// Every file in it with this extension: path below the folder, and content.
fn files(extension: &str) -> Vec<(String, String)> {
    let (mut folders, mut found) = (vec![folder()], Vec::new());
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let name = path.strip_prefix(folder()).unwrap().to_string_lossy().into_owned();
                found.push((name.clone(), text(&name)));
            }
        }
    }
    found.sort();
    found
}

/// All Rust sources of a folder of the repository, joined.
fn files_of(path: &str) -> String {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)];
    let mut sources = String::new();
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}
