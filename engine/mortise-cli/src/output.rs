//! Prints data on stdout and text for people on stderr.
//!
//! Invariants: no control character of a file or of an answer reaches the terminal, which it could
//! rewrite; only ends of lines and tabs do.

use crate::failure::Failure;
use comfy_table::{Table, presets};
use mortise_format::insecure_mode::InsecureMode;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::io::Write as _;

/// Prints as JSON or as text.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    mode: Option<InsecureMode>,
    known: Option<&'static str>,
}

impl Output {
    /// JSON or text.
    pub fn new(json: bool) -> Self {
        Self { json, mode: None, known: None }
    }

    /// Marks data from an engine in this mode, for programs.
    pub fn in_mode(self, mode: Option<InsecureMode>) -> Self {
        Self { mode, ..self }
    }

    /// Marks data with how the engine was known, for programs (`engineKnown`).
    pub fn known(self, how: &'static str) -> Self {
        Self { known: Some(how), ..self }
    }

    /// One thing: as JSON, or as lines of name and value.
    pub fn thing(&self, value: &impl Serialize, lines: &[(&str, String)]) {
        if self.json {
            return self.json(value);
        }
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let line = |(name, value): &(&str, String)| format!("{name:width$}  {value}\n");
        self.data(&lines.iter().map(line).collect::<String>());
    }

    /// One thing: as JSON, or as a text of its own form.
    pub fn text(&self, value: &impl Serialize, text: &str) {
        match self.json {
            true => self.json(value),
            false => self.data(text),
        }
    }

    /// A list: as JSON, or as a table.
    pub fn table(&self, value: &impl Serialize, head: &[&str], rows: Vec<Vec<String>>) {
        match self.json {
            true => self.json(value),
            false => self.rows(head, rows),
        }
    }

    /// A table for people. Programs get the same facts another way, so JSON prints nothing here.
    pub fn rows(&self, head: &[&str], rows: Vec<Vec<String>>) {
        if self.json {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(head).add_rows(rows);
        self.data(&format!("{}\n", table.trim_fmt()));
    }

    /// Data that has one form: a file's content.
    pub fn data(&self, text: &str) {
        // a reader may close the pipe early; that is not a failure
        std::io::stdout().write_all(printable(text).as_bytes()).ok();
    }

    /// A remark for people.
    pub fn note(&self, text: &str) {
        eprintln!("{}", printable(text));
    }

    /// Why the command failed.
    pub fn failure(&self, failure: &Failure) {
        if self.json && !failure.is_printed() {
            self.json(&failure.json());
        }
        eprintln!("error: {}", printable(&failure.text()));
    }

    fn json(&self, value: &impl Serialize) {
        let mut value = serde_json::to_value(value).unwrap_or(Value::Null);
        if let (Some(mode), Value::Object(fields)) = (self.mode, &mut value) {
            fields.entry("mode").or_insert_with(|| mode.name().into());
        }
        if let (Some(known), Value::Object(fields)) = (self.known, &mut value) {
            fields.entry("engineKnown").or_insert_with(|| known.into());
        }
        self.data(&format!("{value:#}\n"));
    }
}

/// The text with its control characters escaped.
fn printable(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_bad) {
        return text.into();
    }
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match is_bad(c) {
            true => printable.extend(c.escape_default()),
            false => printable.push(c),
        }
    }
    printable.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_lines_stay() {
        assert_eq!(printable("a\n\tb \u{e9}\n"), "a\n\tb \u{e9}\n");
        let bad = "\u{1b}[2J\u{7}\r\u{9b}31m\u{7f}\n";
        assert_eq!(printable(bad), "\\u{1b}[2J\\u{7}\\r\\u{9b}31m\\u{7f}\n");
    }
}
