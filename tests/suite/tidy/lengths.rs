//! A file is one idea. Clippy holds the length of functions (`too-many-lines-threshold`).

use super::{RepoFile, assert_none, assert_one, repo_files};

/// Most lines of a Rust file.
const FILE_LINES_MAX: usize = 800;
/// Most characters of a line of Rust.
const LINE_CHARS_MAX: usize = 100;

fn files_too_long(files: &[RepoFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            violations.push(format!("{}: {lines} lines", file.path));
        }
    }
    violations
}

fn lines_too_long(files: &[RepoFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        for (i, line) in file.text.lines().enumerate() {
            let chars = line.chars().count();
            if chars > LINE_CHARS_MAX {
                violations.push(format!("{}:{}: {chars} columns", file.path, i + 1));
            }
        }
    }
    violations
}

#[test]
fn no_rust_file_is_longer_than_its_limit() {
    assert_none(&files_too_long(&repo_files()));
}

#[test]
fn file_one_line_too_long_is_found() {
    let text = "//\n".repeat(FILE_LINES_MAX);
    assert_none(&files_too_long(&[RepoFile::new("a.rs", &text)]));
    let text = text + "//\n";
    assert_one(&files_too_long(&[RepoFile::new("a.rs", &text)]), "a.rs: 801 lines");
}

#[test]
fn no_line_of_rust_is_wider_than_its_limit() {
    assert_none(&lines_too_long(&repo_files()));
}

#[test]
fn line_one_column_too_wide_is_found() {
    let text = "/".repeat(LINE_CHARS_MAX);
    assert_none(&lines_too_long(&[RepoFile::new("a.rs", &text)]));
    assert_one(&lines_too_long(&[RepoFile::new("a.rs", &(text + "/"))]), "a.rs:1: 101 columns");
}
