//! Pages and code agree on domains, errors, limits, decisions and set-up commands.

use super::{RepoFile, assert_none, assert_one, repo_files};
use mortise_format::{domains, errors};
use std::collections::BTreeMap;

const DOMAINS_SOURCE: &str = "engine/mortise-format/src/domains.rs";
const DOMAINS_PAGE: &str = "specs/domains.md";
const ERRORS_PAGE: &str = "specs/errors.md";
const LIMITS_SOURCE: &str = "engine/mortise-format/src/limits.rs";
const LIMITS_PAGE: &str = "specs/limits.md";
const DECISIONS: &str = "specs/decisions/";
/// Prefixes of key derivation labels and of our identity tags in a source.
const LABEL_STARTS: [&str; 2] = [concat!("b\"", "mortise "), concat!("\"", "Mortise")];
/// The folders whose sources are shipped.
const SHIPPED: [&str; 3] = ["engine/", "host-store/", "enclave-image/"];
const README: &str = "README.md";
const CI_SCRIPT: &str = ".ci/run";
/// The two commands of the README: one runs the system, one passes the tests.
const SET_UP: [&str; 2] =
    ["cargo run --profile quick -p mortise-dev -- dev", "cargo test --workspace"];
/// BLAKE3 without a context.
const BARE_HASH: &str = concat!("blake3::", "hash(");
/// The prefix of every BLAKE3 context, split so that this file passes its own check.
const CONTEXT_START: &str = concat!("\"mortise ", "2026 ");

fn page<'a>(files: &'a [RepoFile], path: &str) -> &'a str {
    let found = files.iter().find(|file| file.path == path);
    found.map_or("", |file| file.text.as_str())
}

/// Every string literal of a source with the prefix of a BLAKE3 context.
fn contexts(source: &str) -> Vec<&str> {
    let starts = source.match_indices(CONTEXT_START);
    let literals = starts.map(|(at, _)| source[at + 1..].split('"').next().unwrap_or_default());
    literals.collect()
}

/// Contexts outside the one table.
fn contexts_out_of_place(files: &[RepoFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|f| f.has_extension("rs") && f.path != DOMAINS_SOURCE) {
        for context in contexts(&file.text) {
            violations.push(format!("{}: {context:?} belongs in {DOMAINS_SOURCE}", file.path));
        }
    }
    violations
}

/// Contexts of the source that `ALL` lacks, and those that the page lacks.
fn contexts_unlisted(source: &str, all: &[&str], page: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for context in contexts(source) {
        if !all.contains(&context) {
            violations.push(format!("{context:?} is missing in domains::ALL"));
        }
        if !page.contains(&format!("`{context}`")) {
            violations.push(format!("{context:?} is missing in {DOMAINS_PAGE}"));
        }
    }
    violations
}

/// Contexts that the page names and the source does not.
fn contexts_unknown(source: &str, page: &str) -> Vec<String> {
    let known = contexts(source);
    let start = CONTEXT_START.trim_start_matches('"');
    let quoted = page.split('`').skip(1).step_by(2).filter(|text| text.starts_with(start));
    let unknown = quoted.filter(|text| !known.contains(text));
    unknown.map(|text| format!("{DOMAINS_PAGE} names {text:?}, which no code uses")).collect()
}

/// Labels and tags that shipped code uses and the page does not name.
fn labels_unlisted(files: &[RepoFile], page: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let shipped = |file: &&RepoFile| SHIPPED.iter().any(|folder| file.path.starts_with(folder));
    for file in files.iter().filter(|file| file.has_extension("rs")).filter(shipped) {
        for label in labels(&file.text) {
            if !page.contains(&format!("`{label}`")) {
                violations.push(format!("{}: {label:?} is missing in {DOMAINS_PAGE}", file.path));
            }
        }
    }
    violations
}

/// Byte labels whole; of tags, which are written as EIP-712 types, the name.
fn labels(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for start in LABEL_STARTS {
        for (at, _) in source.match_indices(start) {
            let from = at + start.find('"').map_or(0, |quote| quote + 1);
            let literal = source[from..].split('"').next().unwrap_or_default();
            match literal.split_once('(') {
                Some((name, _)) => found.push(name),
                None if start.starts_with('b') => found.push(literal),
                None => {}
            }
        }
    }
    found
}

/// Shipped code that hashes without a context, and is not in the page's table of such uses.
fn bare_hashes_unlisted(files: &[RepoFile], page: &str) -> Vec<String> {
    let shipped = |file: &&RepoFile| SHIPPED.iter().any(|folder| file.path.starts_with(folder));
    let of_tests = |file: &RepoFile| file.path.contains("/tests");
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("rs")).filter(shipped) {
        let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
        let hashes = code.contains(BARE_HASH) && !of_tests(file);
        if hashes != page.contains(&format!("| `{}` |", file.path)) {
            violations.push(format!("{}: {DOMAINS_PAGE}, hashes without a context", file.path));
        }
    }
    violations
}

/// Limits whose row on the page is missing or has another value, and rows without a limit.
fn limit_rows_that_differ(source: &str, page: &str) -> Vec<String> {
    let limits: Vec<(&str, &str)> =
        source.split("\npub const ").skip(1).filter_map(limit).collect();
    let mut violations = Vec::new();
    for (name, value) in &limits {
        let row = format!("| `{name}` | {value} |");
        if !page.lines().any(|line| line.starts_with(&row)) {
            violations.push(format!("{LIMITS_PAGE} lacks the row: {row} ... |"));
        }
    }
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let unknown = rows.filter(|row| !limits.iter().any(|(name, _)| name == row));
    violations.extend(unknown.map(|name| format!("{LIMITS_PAGE} names {name}, no limit")));
    let twice = limits.iter().filter(|(name, _)| {
        page.lines().filter(|line| line.starts_with(&format!("| `{name}` |"))).count() > 1
    });
    violations.extend(twice.map(|(name, _)| format!("{LIMITS_PAGE} has two rows for {name}")));
    violations
}

/// Name and value of `NAME: TYPE = VALUE;`.
fn limit(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(": ")?;
    let (_, rest) = rest.split_once('=')?;
    let (value, _) = rest.split_once(';')?;
    Some((name, value.trim()))
}

/// Differences between the table of the errors page and that of the catalogue.
fn error_rows_that_differ(page: &str, table: &str) -> Vec<String> {
    let rows = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("| -")).map(str::to_owned).collect()
    };
    let (found, wanted) = (rows(page), rows(table));
    if found == wanted && page.contains(table) {
        return Vec::new();
    }
    vec![format!("{ERRORS_PAGE} must have exactly this table:\n{table}")]
}

/// Decision pages whose name does not start with a unique number.
fn decisions_misnumbered(files: &[RepoFile]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut taken = BTreeMap::new();
    for name in files.iter().filter_map(|file| file.path.strip_prefix(DECISIONS)) {
        let Some((number, _)) = name.split_once('-').filter(|(number, _)| is_number(number)) else {
            violations.push(format!("{name} does not start with four digits and a dash"));
            continue;
        };
        if let Some(first) = taken.insert(number, name) {
            violations.push(format!("{name} has the number of {first}"));
        }
    }
    violations
}

fn is_number(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Set-up commands that the README lacks or adds, or that the CI script does not run.
fn set_up_that_differs(readme: &str, script: &str) -> Vec<String> {
    let section = readme.split("\n## ").find(|text| text.starts_with("Set up"));
    let mut violations = Vec::new();
    if shell_commands(section.unwrap_or_default()) != SET_UP {
        violations.push(format!("{README}: the section \"Set up\" has exactly {SET_UP:?}"));
    }
    if !script.lines().any(|line| line == SET_UP[1]) {
        violations.push(format!("{CI_SCRIPT} does not run {:?}", SET_UP[1]));
    }
    violations
}

/// The lines of the shell blocks of a page.
fn shell_commands(page: &str) -> Vec<&str> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).collect()
}

#[test]
fn every_domain_tag_is_in_the_table_of_the_code_and_on_the_page() {
    let files = repo_files();
    let (source, text) = (page(&files, DOMAINS_SOURCE), page(&files, DOMAINS_PAGE));
    assert_eq!(contexts(source).len(), domains::ALL.len());
    assert_none(&contexts_unlisted(source, domains::ALL, text));
    assert_none(&contexts_unknown(source, text));
    assert_none(&contexts_out_of_place(&files));
    assert_none(&labels_unlisted(&files, text));
    assert_none(&bare_hashes_unlisted(&files, text));
}

#[test]
fn hash_without_a_context_that_the_page_lacks_is_found() {
    let hashing = [RepoFile::new("engine/x/src/lib.rs", &format!("fn f() {{ {BARE_HASH}b) }}"))];
    assert_none(&bare_hashes_unlisted(&hashing, "| `engine/x/src/lib.rs` | b | c |"));
    assert_one(&bare_hashes_unlisted(&hashing, "| a |"), "engine/x/src/lib.rs");
    let other = [RepoFile::new("engine/x/src/lib.rs", "fn f() {}")];
    assert_one(&bare_hashes_unlisted(&other, "| `engine/x/src/lib.rs` |"), "engine/x/src/lib.rs");
}

#[test]
fn domain_tag_that_is_unlisted_unknown_or_out_of_place_is_found() {
    let source = format!("pub const A: &str =\n    {CONTEXT_START}a v1\";");
    let tag = contexts(&source)[0];
    let listed = format!("| `{tag}` |");
    assert_none(&contexts_unlisted(&source, &[tag], &listed));
    assert_one(&contexts_unlisted(&source, &[], &listed), "domains::ALL");
    assert_one(&contexts_unlisted(&source, &[tag], "| a |"), DOMAINS_PAGE);
    assert_none(&contexts_unknown(&source, &listed));
    assert_one(&contexts_unknown("", &listed), "which no code uses");
    let elsewhere = [RepoFile::new("engine/x/src/lib.rs", &source)];
    assert_one(&contexts_out_of_place(&elsewhere), "engine/x/src/lib.rs");
}

#[test]
fn label_or_tag_that_the_page_lacks_is_found() {
    let [label, tag] = LABEL_STARTS;
    let source = format!("f({label}salt v1\"); const T: &str = {tag}Thing(bytes32 a)\"; {tag}\";");
    let files = [RepoFile::new("engine/x/src/lib.rs", &source)];
    assert_none(&labels_unlisted(&files, "`mortise salt v1` `MortiseThing`"));
    assert_one(&labels_unlisted(&files, "`MortiseThing`"), "mortise salt v1");
    assert_one(&labels_unlisted(&files, "`mortise salt v1`"), "MortiseThing");
}

#[test]
fn spec_of_limits_has_a_row_with_the_value_of_each_limit() {
    let files = repo_files();
    let (source, text) = (page(&files, LIMITS_SOURCE), page(&files, LIMITS_PAGE));
    assert!(source.matches("\npub const ").count() > 20);
    assert_none(&limit_rows_that_differ(source, text));
}

#[test]
fn changed_missing_or_unknown_limit_is_found() {
    let source = "//! L\n\npub const A_MAX: usize = 2 * 3;\npub const B_MAX: u64 =\n    4;\n";
    let text = "| `A_MAX` | 2 * 3 | x |\n| `B_MAX` | 4 | y |\n";
    assert_none(&limit_rows_that_differ(source, text));
    assert_one(&limit_rows_that_differ(source, &text.replace("| 4", "| 5")), "`B_MAX` | 4");
    let more = format!("{text}| `C_MAX` | 1 | z |\n");
    assert_one(&limit_rows_that_differ(source, &more), "C_MAX, no limit");
    let twice = format!("{text}| `A_MAX` | 2 * 3 | again |\n");
    assert_one(&limit_rows_that_differ(source, &twice), "two rows for A_MAX");
}

#[test]
fn spec_of_errors_has_exactly_the_table_of_the_catalogue() {
    let files = repo_files();
    assert_none(&error_rows_that_differ(page(&files, ERRORS_PAGE), &errors::markdown_table()));
}

#[test]
fn changed_missing_or_additional_error_row_is_found() {
    let table = errors::markdown_table();
    let text = format!("# Errors\n\n{table}\nmore\n");
    assert_none(&error_rows_that_differ(&text, &table));
    let changed = text.replace("| -32029 | OVERLOADED", "| -32029 | BUSY");
    assert_one(&error_rows_that_differ(&changed, &table), "exactly this table");
    let more = text.replace("\nmore\n", "\n| -32099 | X | - | no | Y. | Z. |\n");
    assert_one(&error_rows_that_differ(&more, &table), "exactly this table");
}

#[test]
fn every_decision_has_a_unique_number() {
    assert_none(&decisions_misnumbered(&repo_files()));
    let files =
        |second: &str| [RepoFile::new("specs/decisions/0001-a.md", ""), RepoFile::new(second, "")];
    assert_none(&decisions_misnumbered(&files("specs/decisions/0002-b.md")));
    let twice = decisions_misnumbered(&files("specs/decisions/0001-b.md"));
    assert_one(&twice, "0001-b.md has the number of 0001-a.md");
    assert_one(&decisions_misnumbered(&files("specs/decisions/b.md")), "four digits");
}

#[test]
fn readme_has_two_set_up_commands_and_ci_runs_the_one_with_the_tests() {
    let files = repo_files();
    assert_none(&set_up_that_differs(page(&files, README), page(&files, CI_SCRIPT)));
}

#[test]
fn third_set_up_command_and_ci_with_another_test_command_are_found() {
    let [run, test] = SET_UP;
    let readme = format!("# M\n\n## Set up\n\n```sh\n{run}\n{test}\n```\n\n## More\n");
    assert_none(&set_up_that_differs(&readme, test));
    assert_one(&set_up_that_differs(&readme.replace(test, "make\nmake test"), test), README);
    assert_one(&set_up_that_differs(&readme, "cargo test --lib"), CI_SCRIPT);
}
