//! Goal: the project keeps its own rules on layers, lengths, texts, words and tables of the specs.
//!
//! Method: each check is a function from files to a list of violations. One test runs it over the
//! repository; another runs it over a planted violation, so that no check can silently stop
//! finding anything.

mod book;
mod layers;
mod lengths;
mod limits;
mod links;
mod source;
mod specs;
mod text;
mod words;

use std::path::{Path, PathBuf};

/// One file of the repository, by its path from the root.
struct RepoFile {
    path: String,
    text: String,
}

impl RepoFile {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// The folder that holds the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every text file that people write: sources, pages, manifests, scripts.
fn repo_files() -> Vec<RepoFile> {
    files_where(file_is_text)
}

/// Every file of the repository whose name is accepted, in order of path.
fn files_where(accepted: impl Fn(&str) -> bool) -> Vec<RepoFile> {
    let root = root();
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the repository can be read") {
            let path = entry.expect("an entry of the repository can be read").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() && folder_is_ours(&name) {
                folders.push(path);
            } else if path.is_file() && accepted(&name) {
                let relative = path.strip_prefix(&root).expect("the walk started at the root");
                let text = std::fs::read_to_string(&path).expect("a source file is UTF-8");
                files.push(RepoFile::new(&relative.to_string_lossy(), &text));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn folder_is_ours(name: &str) -> bool {
    name == ".ci" || !(name.starts_with('.') || name == "target" || name == "node_modules")
}

fn file_is_text(name: &str) -> bool {
    const EXTENSIONS: [&str; 9] =
        [".rs", ".md", ".toml", ".sh", ".yml", ".yaml", ".service", ".sol", ".py"];
    name == "run" || EXTENSIONS.iter().any(|extension| name.ends_with(extension))
}

/// Fails with one line a violation.
#[track_caller]
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// Fails unless there is exactly one violation and it says `expected`.
#[track_caller]
fn assert_one(violations: &[String], expected: &str) {
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert!(violations[0].contains(expected), "{violations:?} does not say {expected:?}");
}

#[test]
fn walk_finds_sources_pages_manifests_and_the_ci_script() {
    let files = repo_files();
    for path in ["Cargo.toml", "tests/suite/tidy.rs", "README.md", ".ci/run"] {
        assert!(files.iter().any(|file| file.path == path), "{path}");
    }
    assert!(!files.iter().any(|file| file.path.starts_with("target/")));
}
