//! Splits a byte stream into JSON values, each as soon as it is complete.
//!
//! The scanner reads brackets and strings only; the parser checks that a value is JSON.

/// Finds the end of one JSON object or array.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    at: usize,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Scanner {
    /// The length of the first complete value of `bytes`, which start with `{` or `[`. `None` while
    /// it is incomplete: call again with the same bytes and more. No byte is scanned twice.
    pub fn complete(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            if self.in_string {
                self.string_byte(*byte);
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        let length = self.at;
                        *self = Self::default();
                        return Some(length);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn string_byte(&mut self, byte: u8) {
        match (self.is_escaped, byte) {
            (true, _) => self.is_escaped = false,
            (false, b'\\') => self.is_escaped = true,
            (false, b'"') => self.in_string = false,
            (false, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_at_their_bracket_and_strings_do_not_matter() {
        let text = br#"{"a":"}\"]","b":[1,{"c":"\\"}]}  {"#;
        for cut in 0..text.len() {
            let mut scanner = Scanner::default();
            let first = scanner.complete(&text[..cut]);
            let found = first.or_else(|| scanner.complete(text));
            assert_eq!(found, Some(text.len() - 3), "cut at {cut}");
        }
    }
}
