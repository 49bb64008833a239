//! Rust source with literals and comments blanked, so that checks see code, or comments, alone.
//!
//! Every blanked character becomes a space and every line stays where it is.

/// The parts of a source text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// The code of a source: comments and the content of literals are spaces.
pub fn code(source: &str) -> String {
    keep(source, Part::Code)
}

/// The comments of a source, doc comments too: all else is spaces.
pub fn comments(source: &str) -> String {
    keep(source, Part::Comment)
}

fn keep(source: &str, part: Part) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut kept = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let (found, end) = token(&chars, at);
        for c in &chars[at..end] {
            kept.push(if found == part || *c == '\n' { *c } else { ' ' });
        }
        at = end;
    }
    kept
}

/// The part that starts at `at` and its end. Code advances by a word or a character.
fn token(chars: &[char], at: usize) -> (Part, usize) {
    let rest = &chars[at..];
    if starts(rest, "//") {
        return (Part::Comment, at + until(rest, |c| c == '\n'));
    }
    if starts(rest, "/*") {
        return (Part::Comment, at + block_comment(rest));
    }
    if rest[0] == '"' {
        return (Part::Literal, at + quoted(rest, '"'));
    }
    if rest[0] == '\'' {
        return quote_mark(rest, at);
    }
    if is_word(rest[0]) {
        let word = until(rest, |c| !is_word(c));
        return word_or_prefix(rest, word, at);
    }
    (Part::Code, at + 1)
}

/// A character literal, or the mark of a lifetime.
fn quote_mark(rest: &[char], at: usize) -> (Part, usize) {
    if rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'') {
        return (Part::Literal, at + quoted(rest, '\''));
    }
    (Part::Code, at + 1)
}

/// A word, or a literal with the word as its prefix.
fn word_or_prefix(rest: &[char], word: usize, at: usize) -> (Part, usize) {
    let text: String = rest[..word].iter().collect();
    let raw = matches!(text.as_str(), "r" | "br" | "cr");
    let hashes = until(&rest[word..], |c| c != '#');
    let next = rest.get(word).copied();
    if raw && rest.get(word + hashes) == Some(&'"') {
        let open = word + hashes + 1;
        return (Part::Literal, at + open + raw_string(&rest[open..], hashes));
    }
    if matches!(text.as_str(), "b" | "c") && next == Some('"') {
        return (Part::Literal, at + word + quoted(&rest[word..], '"'));
    }
    if text == "b" && next == Some('\'') {
        return (Part::Literal, at + word + quoted(&rest[word..], '\''));
    }
    (Part::Code, at + word)
}

/// The length of a literal that starts with `mark`, its end mark included.
fn quoted(rest: &[char], mark: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != mark {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of a raw string behind its opening quote, its end mark included.
fn raw_string(rest: &[char], hashes: usize) -> usize {
    let mut end = String::from("\"");
    end.extend(std::iter::repeat_n('#', hashes));
    let found = (0..rest.len()).find(|at| starts(&rest[*at..], &end));
    found.map_or(rest.len(), |at| at + end.len())
}

/// The length of a block comment, nested ones included.
fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if starts(&rest[at..], "/*") {
            depth += 1;
            at += 2;
        } else if starts(&rest[at..], "*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

fn starts(rest: &[char], text: &str) -> bool {
    text.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c))
}

fn until(rest: &[char], stop: impl Fn(char) -> bool) -> usize {
    rest.iter().position(|c| stop(*c)).unwrap_or(rest.len())
}

/// Whether a character can be part of a name.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn literals_and_comments_are_blanked_and_lines_stay() {
    let source =
        "let a = \"x { \\\" y\"; // } z\nlet b = r#\"{ \" \"#; /* { /* } */ */ c('{', b'}');";
    let code = code(source);
    assert_eq!(code.lines().count(), 2);
    assert!(!code.contains(['{', '}', 'x', 'y', 'z', '"']), "{code}");
    assert!(code.contains("let a") && code.contains("let b") && code.contains("c("), "{code}");
}

#[test]
fn lifetimes_are_code_and_quotes_are_literals() {
    let code = code("fn f<'a>(x: &'a str) -> char { '\\'' } struct S<'b>(&'b u8); let c = '\"';");
    assert!(code.contains("<'a>(x: &'a str)") && code.contains("S<'b>(&'b u8)"), "{code}");
    assert!(!code.contains(['"', '\\']), "{code}");
}

#[test]
fn comments_are_seen_apart_from_code_and_strings() {
    let comments = comments("//! one\nlet x = \"// two\"; /* three */ four();\n");
    assert!(comments.contains("//! one") && comments.contains("three"), "{comments}");
    assert!(!comments.contains("two") && !comments.contains("four"), "{comments}");
}
