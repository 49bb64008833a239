//! The book holds every page: each page of `specs/` has a stub that includes it, and each file of
//! `docs/src` has a line in `SUMMARY.md`.

use super::{RepoFile, assert_none, assert_one, repo_files};

const BOOK: &str = "docs/src/";
const SPECS: &str = "specs/";
const SUMMARY: &str = "docs/src/SUMMARY.md";

/// The stub that includes a page of `specs/`.
fn stub_of(page: &str) -> String {
    let up = "../".repeat(page.matches('/').count() + 2);
    format!("{{{{#include {up}{page}}}}}")
}

/// Pages of `specs/` whose stub is missing or includes another page.
fn pages_without_a_stub(files: &[RepoFile]) -> Vec<String> {
    let pages = files.iter().filter(|f| f.path.starts_with(SPECS) && f.has_extension("md"));
    let mut violations = Vec::new();
    for page in pages {
        let stub = format!("{BOOK}{}", page.path);
        let include = stub_of(&page.path);
        let is_there = files.iter().any(|f| f.path == stub && f.text.contains(&include));
        if !is_there {
            violations.push(format!("{stub} must hold {include}"));
        }
    }
    violations
}

/// Files of the book that its table of contents lacks.
fn files_without_a_line(files: &[RepoFile]) -> Vec<String> {
    let summary = files.iter().find(|f| f.path == SUMMARY).map_or("", |f| f.text.as_str());
    let pages = files.iter().filter_map(|f| f.path.strip_prefix(BOOK));
    let pages = pages.filter(|page| page.ends_with(".md") && *page != "SUMMARY.md");
    let missing = pages.filter(|page| !summary.contains(&format!("]({page})")));
    missing.map(|page| format!("{SUMMARY} lacks a line for {page}")).collect()
}

#[test]
fn book_holds_every_page() {
    let files = repo_files();
    assert_none(&pages_without_a_stub(&files));
    assert_none(&files_without_a_line(&files));
}

#[test]
fn a_page_that_the_book_lacks_is_found() {
    let page = RepoFile::new("specs/decisions/0009-new.md", "# New");
    let other = RepoFile::new("docs/src/specs/decisions/0009-new.md", "{{#include other.md}}");
    assert_one(&pages_without_a_stub(&[page, other]), "../../../../specs/decisions/0009-new.md");
    let summary = RepoFile::new(SUMMARY, "- [Tour](tour.md)");
    let files =
        [summary, RepoFile::new("docs/src/tour.md", ""), RepoFile::new("docs/src/b.md", "")];
    assert_one(&files_without_a_line(&files), "b.md");
}
