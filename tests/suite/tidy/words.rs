//! Goal: the words that the glossary retires occur nowhere in the project.
//!
//! Method: read the table in the section "Retired words" of `specs/glossary.md` and look for each
//! of its terms in every text file. The rules of matching are those of that section.
//!
//! Not checked: the section itself, and the files of [`NOT_CHECKED`]. A string literal that ends a
//! string of `specs/vectors` is exempt too: it is the name of a test case or of an error in the
//! vectors, which keep their bytes.

use super::source::is_word;
use super::{RepoFile, assert_none, assert_one, files_where};
use std::collections::HashMap;

const GLOSSARY: &str = "specs/glossary.md";
const SECTION: &str = "\n## Retired words\n";
const VECTORS: &str = "specs/vectors/";
/// Paths whose bytes are frozen, made by a tool, or not part of the repository.
const NOT_CHECKED: [&str; 4] = [VECTORS, "enclave-image/releases/", "Cargo.lock", "dev.json"];
const EXTENSIONS: [&str; 12] = [
    ".rs", ".md", ".toml", ".sh", ".py", ".mjs", ".service", ".json", ".yml", ".yaml", ".sol",
    "/run",
];
/// The glossary's two names on the wire: allowed in backticks and as a string literal.
const WIRE_NAMES: [&str; 2] = ["founding", "nobody"];
/// Comment leaders, and the end of a continued string line: allowed between two words of a term.
const LEADERS: [&str; 6] = ["//", "///", "//!", "#", "*", "\\"];

/// One retired term.
#[derive(Debug, PartialEq, Eq)]
struct Term {
    /// As the glossary has it.
    text: String,
    /// What the glossary recommends instead.
    replacement: String,
    /// The words to compare, in lower case unless `exact`.
    words: Vec<String>,
    /// A name in code, compared with its case.
    exact: bool,
    /// Words are joined by a hyphen, not by space.
    hyphenated: bool,
}

impl Term {
    fn new(text: &str, replacement: &str) -> Self {
        let exact = text.contains(|c: char| c.is_ascii_uppercase() || c == '_');
        let words = text.split([' ', '-']).map(|word| match exact {
            true => word.to_owned(),
            false => word.to_ascii_lowercase(),
        });
        Self {
            text: text.to_owned(),
            replacement: replacement.to_owned(),
            words: words.collect(),
            exact,
            hyphenated: text.contains('-'),
        }
    }

    fn is_word(&self, index: usize, word: &str) -> bool {
        match self.exact {
            true => self.words[index] == word,
            false => self.words[index].eq_ignore_ascii_case(word),
        }
    }

    /// Whether the term starts at the word `at` of `text`.
    fn starts_at(&self, text: &str, words: &[(usize, &str)], at: usize) -> bool {
        let Some(found) = words.get(at..at + self.words.len()) else {
            return false;
        };
        let equal = found.iter().enumerate().all(|(i, (_, word))| self.is_word(i, word));
        equal && found.windows(2).all(|pair| self.joins(gap(text, pair[0], pair[1])))
    }

    /// Whether two words with `gap` between them are neighbours in this term.
    fn joins(&self, gap: &str) -> bool {
        if self.hyphenated {
            return gap == "-";
        }
        let continued = gap.contains('\n');
        gap.starts_with(|c: char| c.is_whitespace())
            && gap.split_whitespace().all(|piece| continued && LEADERS.contains(&piece))
    }
}

/// The text between two words.
fn gap<'a>(text: &'a str, first: (usize, &str), second: (usize, &str)) -> &'a str {
    &text[first.0 + first.1.len()..second.0]
}

/// The retired terms by their first word in lower case.
struct Retired(HashMap<String, Vec<Term>>);

impl Retired {
    /// Reads the table in the section "Retired words" of the glossary.
    fn parse(glossary: &str) -> Self {
        let (_, section) = glossary.split_once(SECTION).expect("the glossary has the section");
        let mut terms: HashMap<String, Vec<Term>> = HashMap::new();
        for row in section.lines().filter(|line| line.starts_with("| `")) {
            let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
            let (Some(term), Some(replacement)) = (cells.next(), cells.next()) else {
                panic!("a row of the table has two cells: {row}");
            };
            let term = Term::new(term.trim_matches('`'), replacement);
            terms.entry(term.words[0].to_ascii_lowercase()).or_default().push(term);
        }
        Self(terms)
    }

    /// Every occurrence of a retired term in `text`: its offset and the term.
    fn occurrences(&self, text: &str) -> Vec<(usize, &Term)> {
        let words = words(text);
        let mut found = Vec::new();
        let mut key = String::new();
        for (at, (offset, word)) in words.iter().enumerate() {
            key.clear();
            key.extend(word.chars().map(|c| c.to_ascii_lowercase()));
            let terms = self.0.get(&key).into_iter().flatten();
            let here = terms.filter(|term| term.starts_at(text, &words, at));
            found.extend(here.map(|term| (*offset, term)));
        }
        found
    }

    /// One violation for each occurrence in `file` that is not exempt.
    fn violations(&self, file: &RepoFile, vectors: &[&str]) -> Vec<String> {
        let text = checked_part(file);
        let mut violations = Vec::new();
        let (mut line, mut counted) = (1, 0);
        for (at, term) in self.occurrences(text) {
            line += text[counted..at].matches('\n').count();
            counted = at;
            if !is_wire_name(text, at, term) && !is_of_the_vectors(text, at, vectors) {
                let Term { text: retired, replacement, .. } = term;
                violations.push(format!(
                    "{}:{line}: `{retired}` is retired; use {replacement}",
                    file.path
                ));
            }
        }
        violations
    }
}

/// The words of a text, with their offsets.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (is_word(c), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push((from, &text[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| (from, &text[from..])));
    words
}

/// The text of a file without the table of retired words.
fn checked_part(file: &RepoFile) -> &str {
    match file.text.find(SECTION) {
        Some(end) if file.path == GLOSSARY => &file.text[..end],
        _ => &file.text,
    }
}

/// Whether the term at `at` is a name on the wire that is written as code.
fn is_wire_name(text: &str, at: usize, term: &Term) -> bool {
    let (before, rest) = text.split_at(at);
    let after = &rest[term.text.len()..];
    let quoted = |mark: char| before.ends_with(mark) && after.starts_with(mark);
    WIRE_NAMES.contains(&&rest[..term.text.len()]) && (quoted('"') || quoted('`'))
}

/// Whether `at` is inside a string literal that ends a string of the vectors.
fn is_of_the_vectors(text: &str, at: usize, vectors: &[&str]) -> bool {
    let (before, rest) = text.split_at(at);
    let head = before.rsplit(['"', '\n']).next().unwrap_or_default();
    let Some((tail, _)) = rest.split_once(['"', '\n']) else {
        return false;
    };
    let quoted =
        before[..before.len() - head.len()].ends_with('"') && rest[tail.len()..].starts_with('"');
    let literal = format!("{head}{tail}\"");
    quoted && vectors.iter().any(|vector| vector.contains(&literal))
}

/// Retired words in the files, each with its place.
fn retired_words(files: &[RepoFile]) -> Vec<String> {
    let glossary = files.iter().find(|file| file.path == GLOSSARY);
    let retired = Retired::parse(&glossary.expect("the glossary is there").text);
    let is_vector = |file: &&RepoFile| file.path.starts_with(VECTORS);
    let vectors: Vec<&str> = files.iter().filter(is_vector).map(|f| f.text.as_str()).collect();
    let checked =
        files.iter().filter(|file| !NOT_CHECKED.iter().any(|path| file.path.starts_with(path)));
    checked.flat_map(|file| retired.violations(file, &vectors)).collect()
}

/// A glossary that retires invented words, and a file that is checked against it.
fn planted(path: &str, text: &str) -> [RepoFile; 3] {
    let glossary = "The gewgaw is in use.\n## Retired words\n\n| retired | use |\n|---|---|\n\
        | `gadzook` | thing |\n| `hocus pocus` | trick |\n| `heave-ho` | push |\n\
        | `Gizmo` | `Device` |\n| `is_awry` | `failed` |\n| `nobody` | no one |\n\
        | `founding` | genesis |\n";
    let vector = "{\"name\": \"marked: a gadzook case\"}";
    [
        RepoFile::new(GLOSSARY, glossary),
        RepoFile::new("specs/vectors/a.json", vector),
        RepoFile::new(path, text),
    ]
}

#[test]
fn no_text_uses_a_retired_word() {
    let files = files_where(|name| EXTENSIONS.iter().any(|end| format!("/{name}").ends_with(end)));
    assert!(files.iter().any(|file| file.path.starts_with(VECTORS)), "the vectors are read");
    assert_none(&retired_words(&files));
}

#[test]
fn retired_word_is_reported_with_its_file_and_line() {
    let text = "plain\nA Gadzook, and\na GIZMO\n";
    let found = retired_words(&planted("a.md", text));
    assert_eq!(found, ["a.md:2: `gadzook` is retired; use thing"]);
    for line in ["let gizmo = Gizmo::new();", "x.is_awry()", "a heave-ho", "Hocus  pocus!"] {
        assert_one(&retired_words(&planted("a.rs", &format!("\n\n{line}\n"))), "a.rs:3: ");
    }
    assert_eq!(retired_words(&planted("a.rs", "gadzook gadzook\nGizmo")).len(), 3);
}

#[test]
fn term_of_two_words_is_found_across_a_line_break() {
    for text in [
        "hocus\npocus",
        "/// hocus\n/// pocus",
        "    //! hocus\n    //! pocus",
        "# hocus\n# pocus",
        "\"hocus \\\n    pocus\"",
    ] {
        assert_one(&retired_words(&planted("a.rs", text)), "a.rs:1: `hocus pocus`");
    }
    for text in ["hocus, pocus", "hocus # pocus", "hocus-pocus", "hocus::pocus", "heave ho"] {
        assert_none(&retired_words(&planted("a.rs", text)));
    }
}

#[test]
fn part_of_a_longer_word_is_not_reported() {
    let text = "gadzooks gadzook_b xgadzook Gizmos GizmoKind gizmo IS_AWRY is_awry_2 heave_ho";
    assert_none(&retired_words(&planted("a.rs", text)));
}

#[test]
fn names_on_the_wire_are_allowed_as_code_alone() {
    let code = r#"`nobody` "nobody" `founding` b"founding""#;
    assert_none(&retired_words(&planted("a.rs", code)));
    let prose = "`nobody` asked".replace('`', "");
    assert_one(&retired_words(&planted("a.rs", &prose)), "`nobody` is retired");
    let longer = format!("\"{prose}\"");
    assert_one(&retired_words(&planted("a.rs", &longer)), "`nobody` is retired");
    assert_one(&retired_words(&planted("a.rs", "`gadzook`")), "`gadzook` is retired");
}

#[test]
fn names_in_the_vectors_keep_their_bytes() {
    assert_none(&retired_words(&planted("a.rs", "(\"a gadzook case\", 1)")));
    for text in ["(\"a gadzook\", 1)", "\"x\" a gadzook case \"x\"", "\"the gadzook case\""] {
        assert_one(&retired_words(&planted("a.rs", text)), "`gadzook` is retired");
    }
}

#[test]
fn only_the_section_of_the_glossary_and_frozen_files_may_use_retired_words() {
    for path in NOT_CHECKED {
        assert_none(&retired_words(&planted(path, "gadzook")));
    }
    let mut files = planted("a.md", "");
    files[0].text = files[0].text.replace("gewgaw", "gadzook");
    assert_one(&retired_words(&files), "specs/glossary.md:1: `gadzook`");
}
