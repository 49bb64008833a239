//! `specs/limits-tests.md` names for every limit the tests that hold it, and the tests exist.
//!
//! A name is `module::test` for a test of the suite, and `crate: module::test` for a unit test, as
//! the test runner prints it.

use super::{RepoFile, assert_none, assert_one, repo_files};

const LIMITS_SOURCE: &str = "engine/mortise-format/src/limits.rs";
const TESTS_PAGE: &str = "specs/limits-tests.md";
/// How a cell begins that names no test.
const WITHOUT_A_TEST: [&str; 2] = ["compile time: ", "not tested: "];
/// Fewest bytes of the reason behind it.
const REASON_BYTES_MIN: usize = 20;
const SUITE: &str = "tests/suite/";

/// A row of the page: a limit and the cell behind it.
type Row<'a> = (&'a str, &'a str);

fn text_of<'a>(files: &'a [RepoFile], path: &str) -> &'a str {
    files.iter().find(|file| file.path == path).map_or("", |file| &file.text)
}

/// The names of the limits, in order.
fn limits_of(source: &str) -> Vec<&str> {
    let names = source.split("\npub const ").skip(1).filter_map(|text| text.split(':').next());
    names.collect()
}

fn rows_of(page: &str) -> Vec<Row<'_>> {
    page.lines().filter_map(row_of).collect()
}

fn row_of(line: &str) -> Option<Row<'_>> {
    let (name, cell) = line.strip_prefix("| `")?.split_once("` | ")?;
    Some((name, cell.trim_end().trim_end_matches('|').trim_end()))
}

/// Limits without a row, rows without a limit, second rows, and rows in another order.
fn rows_that_differ(limits: &[&str], rows: &[Row<'_>]) -> Vec<String> {
    let mut violations = Vec::new();
    for (at, name) in limits.iter().enumerate() {
        if !rows.iter().any(|(row, _)| row == name) {
            let before = at.checked_sub(1).map_or("the head", |at| limits[at]);
            violations.push(format!(
                "{TESTS_PAGE} lacks a row below {before}: | `{name}` | `module::test` | with the \
                 tests that fail when the limit is not held, at it and one beyond"
            ));
        }
    }
    for (at, (name, _)) in rows.iter().enumerate() {
        if !limits.contains(name) {
            violations.push(format!("{TESTS_PAGE} has a row for {name}, no limit: remove it"));
        }
        if rows[..at].iter().any(|(row, _)| row == name) {
            violations.push(format!("{TESTS_PAGE} has two rows for {name}: remove one"));
        }
    }
    let sorted = limits.iter().filter(|name| rows.iter().any(|(row, _)| row == *name));
    if violations.is_empty() && !sorted.eq(rows.iter().map(|(name, _)| name)) {
        violations.push(format!("{TESTS_PAGE}: the rows have the order of {LIMITS_SOURCE}"));
    }
    violations
}

/// Cells that name neither a test that exists nor a reason.
fn cells_that_hold_nothing(files: &[RepoFile], rows: &[Row<'_>]) -> Vec<String> {
    let mut violations = Vec::new();
    for (limit, cell) in rows {
        let reason = WITHOUT_A_TEST.iter().find_map(|start| cell.strip_prefix(start));
        let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if reason.is_some_and(|reason| reason.len() < REASON_BYTES_MIN) {
            violations.push(format!("{TESTS_PAGE}: {limit} has no test and no reason"));
        }
        if reason.is_none() && tests.is_empty() {
            violations.push(format!(
                "{TESTS_PAGE}: {limit} names no test in backquotes; without one its cell begins \
                 with one of {WITHOUT_A_TEST:?} and a reason"
            ));
        }
        // A reason may quote other things than tests.
        let named = tests.iter().filter(|test| reason.is_none() || test.contains("::"));
        for test in named.filter(|test| !exists(files, test)) {
            violations.push(format!("{TESTS_PAGE}: {limit} names {test}, which is no test"));
        }
    }
    violations
}

/// True for the name of a test in the sources.
fn exists(files: &[RepoFile], name: &str) -> bool {
    let (folder, path) = match name.split_once(": ") {
        Some((package, path)) => match folder_of(files, package) {
            Some(folder) => (format!("{folder}src/"), path),
            None => return false,
        },
        None => (SUITE.to_owned(), name),
    };
    let Some((module, test)) = path.rsplit_once("::") else { return false };
    let sources = files.iter().filter(|file| file.has_extension("rs"));
    sources
        .filter_map(|file| Some((file.path.strip_prefix(&folder)?, &file.text)))
        .any(|(path, text)| is_module(path, text, module) && has_test(text, test))
}

/// The folder of a package, with a slash behind it.
fn folder_of<'a>(files: &'a [RepoFile], package: &str) -> Option<&'a str> {
    let line = format!("\nname = \"{package}\"\n");
    let mut manifests =
        files.iter().filter_map(|file| Some((file.path.strip_suffix("Cargo.toml")?, &file.text)));
    manifests.find(|(_, text)| text.contains(&line)).map(|(folder, _)| folder)
}

/// True if a file of this path and text is the module, or holds it in braces.
fn is_module(path: &str, text: &str, module: &str) -> bool {
    let path = path.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path).replace('/', "::");
    let path = if path == "lib" || path == "main" { String::new() } else { path };
    let inner = match module.strip_prefix(&path) {
        // The tests of such a file are in the module in braces.
        Some("") => return !text.contains("mod tests {"),
        Some(rest) if path.is_empty() => rest,
        Some(rest) => rest.strip_prefix("::").unwrap_or_default(),
        None => return false,
    };
    !inner.is_empty() && text.contains(&format!("mod {inner} {{"))
}

/// True if the text has a function of this name under an attribute that makes it a test.
fn has_test(text: &str, name: &str) -> bool {
    let marks_a_test = |line: &str| line.contains("test]") || line.contains("test(");
    text.match_indices(&format!("fn {name}(")).any(|(at, _)| {
        let above = text[..at].rfind('\n').map_or("", |end| &text[..end]);
        let lines = above.lines().rev().map(str::trim);
        lines.take_while(|line| line.starts_with("#[")).any(marks_a_test)
    })
}

#[test]
fn every_limit_has_tests_that_exist() {
    let files = repo_files();
    let limits = limits_of(text_of(&files, LIMITS_SOURCE));
    let rows = rows_of(text_of(&files, TESTS_PAGE));
    assert!(limits.len() > 100, "{limits:?}");
    assert_none(&rows_that_differ(&limits, &rows));
    assert_none(&cells_that_hold_nothing(&files, &rows));
}

#[test]
fn missing_unknown_repeated_and_unsorted_limits_are_found() {
    let source = "//! L\n\npub const A_MAX: usize = 2;\n/// B.\npub const B_MAX: u64 =\n    4;\n";
    let limits = limits_of(source);
    assert_eq!(limits, ["A_MAX", "B_MAX"]);
    let differ = |page: &str| rows_that_differ(&limits, &rows_of(page));
    let (a, b) = ("| `A_MAX` | `m::t` |\n", "| `B_MAX` | `m::t`, `m::u` |\n");
    assert_none(&differ(&format!("| limit | test |\n|---|---|\n{a}{b}")));
    assert_one(&differ(a), "lacks a row below A_MAX: | `B_MAX` |");
    assert_one(&differ(b), "lacks a row below the head: | `A_MAX` |");
    assert_one(&differ(&format!("{a}{b}| `C_MAX` | `m::t` |\n")), "C_MAX, no limit");
    assert_one(&differ(&format!("{a}{b}{a}")), "two rows for A_MAX");
    assert_one(&differ(&format!("{b}{a}")), "the order");
}

#[test]
fn row_whose_test_does_not_exist_is_found() {
    let inner = "#[cfg(test)]\nmod tests {\n    #[tokio::test]\n    async fn u() {}\n}\n";
    let files = [
        RepoFile::new("engine/a/Cargo.toml", "[package]\nname = \"mortise-a\"\n"),
        RepoFile::new("engine/a/src/b/mod.rs", inner),
        RepoFile::new("engine/a/src/lib.rs", "mod tests {\n    #[test]\n    fn l() {}\n}\n"),
        RepoFile::new("tests/suite/m.rs", "/// M.\n#[test]\nfn t() {}\n\nfn helper() {}\n"),
    ];
    let found = |cell: &str| cells_that_hold_nothing(&files, &[("A_MAX", cell)]);
    for good in [
        "`m::t`",
        "`mortise-a: b::tests::u`",
        "`mortise-a: tests::l`, `m::t`: at it and one beyond",
        "compile time: `A_MAX` is a length of the layout",
        "not tested: a time-out of real time",
    ] {
        assert_none(&found(good));
    }
    for bad in [
        "`m::u`",
        "`m::helper`",
        "`n::t`",
        "`t`",
        "`m::tests::t`",
        "`mortise-a: b::u`",
        "`mortise-a: c::tests::u`",
        "`mortise-b: b::tests::u`",
    ] {
        assert_one(&found(bad), "which is no test");
    }
    assert_one(&found("not tested: as `m::u`, which comes near"), "which is no test");
    assert_one(&found("by hand"), "names no test");
    assert_one(&found(""), "names no test");
    assert_one(&found("not tested: later"), "no reason");
}
