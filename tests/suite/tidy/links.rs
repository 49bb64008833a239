//! Every relative link of a page leads to a file that exists.

use super::{RepoFile, assert_none, assert_one, repo_files, root};
use std::path::Path;

/// Relative links whose target does not exist.
fn links_to_nothing(files: &[RepoFile], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.contains(':') || target.is_empty() {
                continue;
            }
            if !exists(Path::new(folder).join(target).to_str().unwrap_or_default()) {
                violations.push(format!("{}: no file behind {link}", file.path));
            }
        }
    }
    violations
}

#[test]
fn every_link_of_a_page_leads_to_a_file() {
    assert_none(&links_to_nothing(&repo_files(), |path| root().join(path).exists()));
}

#[test]
fn link_to_nothing_is_found() {
    let text = "[a](b.md#part) [c](https://x.org) [d](#here) [e](../f/)";
    let page = [RepoFile::new("specs/a.md", text)];
    assert_none(&links_to_nothing(&page, |_| true));
    assert_one(&links_to_nothing(&page, |path| path != "specs/b.md"), "b.md#part");
    assert_one(&links_to_nothing(&page, |path| path != "specs/../f/"), "../f/");
}
