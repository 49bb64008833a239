//! The id of a call, and its text as the caller wrote it.
//!
//! What it is for: an answer must have the id of its call, and callers compare ids as text or as
//! numbers of their own width. A number that is not a 64-bit integer, such as 2^64 or 1e2, is a
//! float for the JSON parser, and two ids would become one. Such an id keeps its text.
//!
//! What it does not do: check JSON. [`texts`] reads a text that [`crate::json::parse`] accepted,
//! and gives nothing useful, but no panic, for another.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::Number;

/// The identifier that the caller gave a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// `null`; also the id of an answer to a request without a readable id.
    Null,
    /// An integer of 64 bits.
    Number(Number),
    /// Another number, as the caller wrote it.
    Written(String),
    /// A text.
    Text(String),
}

impl Id {
    /// A number of a call. `text` is how the caller wrote it.
    pub(crate) fn number(number: &Number, text: Option<&str>) -> Self {
        match text {
            Some(text) if number.is_f64() => Self::Written(text.to_owned()),
            _ => Self::Number(number.clone()),
        }
    }

    /// The JSON text of the id.
    pub fn to_json(&self) -> Vec<u8> {
        match self {
            Self::Null => b"null".to_vec(),
            Self::Number(number) => alloc::format!("{number}").into_bytes(),
            Self::Written(text) => text.clone().into_bytes(),
            Self::Text(text) => serde_json::to_vec(text).unwrap_or_else(|_| b"null".to_vec()),
        }
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

/// The text of the id of each entry of a message, in their order: one for an object, one for each
/// entry of an array. `None` for an entry without an id.
pub fn texts(message: &str) -> Vec<Option<&str>> {
    let mut scan = Scan { text: message, at: 0 };
    scan.skip_space();
    if scan.peek() != Some(b'[') {
        return alloc::vec![scan.entry()];
    }
    let mut found = Vec::new();
    scan.at += 1;
    loop {
        scan.skip_space();
        match scan.peek() {
            None | Some(b']') => return found,
            Some(b',') => scan.at += 1,
            Some(_) => found.push(scan.entry()),
        }
    }
}

/// A position in JSON that parses.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Passes over one entry and returns the text of its id.
    fn entry(&mut self) -> Option<&'a str> {
        if self.peek() != Some(b'{') {
            self.value();
            return None;
        }
        self.at += 1;
        let mut id = None;
        loop {
            self.skip_space();
            match self.peek() {
                Some(b'"') => {
                    let key = self.value();
                    self.skip_space();
                    self.at += 1; // the colon
                    self.skip_space();
                    let value = self.value();
                    if is_id(key) {
                        id = Some(value);
                    }
                }
                Some(b',') => self.at += 1,
                _ => {
                    self.at += 1; // the bracket
                    return id;
                }
            }
        }
    }

    /// Passes over one value and returns its text.
    fn value(&mut self) -> &'a str {
        let begin = self.at.min(self.text.len());
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => self.nested(),
            _ => {
                let is_end = |byte: u8| matches!(byte, b',' | b']' | b'}');
                // always forward, also in what is not JSON
                self.at += 1;
                while self.peek().is_some_and(|b| !is_end(b) && !b.is_ascii_whitespace()) {
                    self.at += 1;
                }
            }
        }
        self.text.get(begin..self.at.min(self.text.len())).unwrap_or_default()
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => return,
                _ => {}
            }
        }
    }

    /// An object or an array: brackets are counted, so that nothing recurses over input.
    fn nested(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }
}

/// A key may be written with escapes.
fn is_id(key: &str) -> bool {
    key == "\"id\"" || serde_json::from_str::<String>(key).is_ok_and(|key| key == "id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_every_id_is_found() {
        for (message, expected) in [
            (r#"{"id":1e2}"#, &[Some("1e2")][..]),
            (" {\n\"a\" : {\"id\":7} , \"id\"\t: -0 }\n", &[Some("-0")]),
            (r#"{"id":"a\"}b","x":[{"id":3}]}"#, &[Some(r#""a\"}b""#)]),
            (r#"{"\u0069d":18446744073709551616}"#, &[Some("18446744073709551616")]),
            (r#"{"method":"\"id\":1"}"#, &[None]),
            ("{}", &[None]),
            (
                r#"[{"id":1.0},3,"x",[{"id":9}],{},null,{"p":[],"id":2}]"#,
                &[Some("1.0"), None, None, None, None, None, Some("2")],
            ),
            ("[]", &[]),
            ("7", &[None]),
        ] {
            assert_eq!(texts(message), expected, "{message}");
        }
    }

    #[test]
    fn what_is_not_json_is_passed_over() {
        let text = r#"[{"id":1,"a":{"b":["\"",2]}},{"id":"x"}]"#;
        for cut in 0..text.len() {
            let _ = texts(&text[..cut]);
            let _ = texts(&text[cut..]);
        }
        for odd in ["]", "}", "{]", "[}", "{\"id\"", "{\"id\"}", "[,,", "{:", "\"\\"] {
            let _ = texts(odd);
        }
    }
}
