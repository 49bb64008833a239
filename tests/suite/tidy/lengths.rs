//! Files, functions and lines of Rust stay within their length limits.

use super::source::{code, is_word};
use super::{RepoFile, assert_none, assert_one, repo_files};

/// Most lines of a Rust file.
const FILE_LINES_MAX: usize = 800;
/// Most lines of a function, from its `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
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

fn functions_too_long(files: &[RepoFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        for function in functions(&file.text) {
            if function.lines > FUNCTION_LINES_MAX {
                let Function { name, line, lines } = function;
                violations.push(format!("{}:{line}: {name} has {lines} lines", file.path));
            }
        }
    }
    violations
}

/// One function of a source.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Every function with a body, nested ones and those of macros too.
fn functions(source: &str) -> Vec<Function> {
    let chars: Vec<char> = code(source).chars().collect();
    let mut found = Vec::new();
    let mut line = 1;
    for at in 0..chars.len() {
        if chars[at] == '\n' {
            line += 1;
        }
        if let Some(name) = function_name(&chars, at)
            && let Some(end) = body_end(&chars, at)
        {
            let lines = 1 + chars[at..end].iter().filter(|c| **c == '\n').count();
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// The name behind the keyword `fn` at `at`; `None` for other words and for pointer types.
fn function_name(chars: &[char], at: usize) -> Option<String> {
    let keyword = chars.get(at..at + 3)? == ['f', 'n', ' '];
    let inside_a_word = at > 0 && is_word(chars[at - 1]);
    let name: String = chars[at + 3..].iter().take_while(|c| is_word(**c) || **c == '$').collect();
    (keyword && !inside_a_word && !name.is_empty()).then_some(name)
}

/// Where the body of the function at `start` ends; `None` when it has none.
fn body_end(chars: &[char], start: usize) -> Option<usize> {
    let mut brackets = 0;
    let mut at = start;
    while at < chars.len() {
        match chars[at] {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 => return None,
            '{' if brackets == 0 => {
                let end = block_end(chars, at);
                if chars.get(end) != Some(&'>') {
                    return Some(end);
                }
                // a const argument in braces: the body follows later
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The position behind the brace that closes the one at `open`.
fn block_end(chars: &[char], open: usize) -> usize {
    let mut depth = 0;
    for (i, c) in chars[open..].iter().enumerate() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + i + 1;
        }
    }
    chars.len()
}

/// A function of this many lines whose text tries to mislead the scanner.
fn planted_function(lines: usize) -> String {
    let mut body = String::from("async fn long<const N: usize>(a: [u8; 2], b: fn(u8)) -> u8 {\n");
    body.push_str("    let brace = \"}\"; // }\n");
    body.push_str(&"    let c = '}';\n".repeat(lines - 3));
    body.push_str("}\n");
    body
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

#[test]
fn no_function_is_longer_than_its_limit() {
    assert_none(&functions_too_long(&repo_files()));
}

#[test]
fn function_one_line_too_long_is_found() {
    let fits = planted_function(FUNCTION_LINES_MAX);
    assert_none(&functions_too_long(&[RepoFile::new("a.rs", &fits)]));
    let long = planted_function(FUNCTION_LINES_MAX + 1);
    let files = [RepoFile::new("a.rs", &format!("struct S;\n\n{long}"))];
    assert_one(&functions_too_long(&files), "a.rs:3: long has 71 lines");
}

#[test]
fn scanner_sees_every_shape_of_function_once() {
    let source = "trait T {\n    fn none(&self) -> [u8; 4];\n    fn empty(&self) {}\n}\n\
        const fn wide(\n    a: fn(u8) -> u8,\n) -> Foo<{ 1 + 1 }>\nwhere\n    A: B,\n{\n    \
        fn inner() {\n    }\n}\nmacro_rules! m {\n    ($n:ident) => {\n        fn $n() {\n        \
        }\n    };\n}\n";
    let found: Vec<_> = functions(source).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    let expected = [("empty", 3, 1), ("wide", 5, 9), ("inner", 11, 2), ("$n", 16, 2)];
    assert_eq!(found, expected.map(|(name, line, lines)| (name.to_owned(), line, lines)));
}
