//! Splits a stream of bytes into lines, and parses a line.

use mortise_format::limits::DIAGNOSTICS_LINE_BYTES_MAX;
use serde_json::Value;
use tracing::Level;

/// Longest name of a stop.
const NAME_BYTES_MAX: usize = 64;
/// The `message` of a stop line.
const STOP_MESSAGE: &str = "the enclave stops";

/// A line without its newline, cut at the bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    bytes: Vec<u8>,
    /// The line was longer than the bound.
    pub(super) is_cut: bool,
}

impl Line {
    /// Its printable ASCII. Every other byte becomes `?`.
    pub(super) fn text(&self) -> String {
        clean(&self.bytes)
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.bytes).ok()
    }

    /// Writes it to this process's log.
    pub(super) fn log(&self) {
        let line = self.text();
        match level_of(&self.json().unwrap_or_default()) {
            Level::ERROR => tracing::error!(target: "enclave", line),
            Level::WARN => tracing::warn!(target: "enclave", line),
            Level::INFO => tracing::info!(target: "enclave", line),
            Level::DEBUG => tracing::debug!(target: "enclave", line),
            Level::TRACE => tracing::trace!(target: "enclave", line),
        }
    }
}

fn level_of(json: &Value) -> Level {
    let named = json["level"].as_str().and_then(|level| level.parse().ok());
    named.unwrap_or(Level::INFO)
}

fn clean(bytes: &[u8]) -> String {
    let printable = |byte: &u8| match byte {
        b'\t' => ' ',
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    bytes.iter().map(printable).collect()
}

/// Splits a stream into lines. Buffers at most one line.
#[derive(Debug, Default)]
pub(super) struct LineCutter {
    line: Line,
}

impl LineCutter {
    /// Returns the lines that end in `chunk`.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n");
            self.add(text.unwrap_or(part));
            if text.is_some() {
                lines.push(std::mem::take(&mut self.line));
            }
        }
        lines
    }

    /// The bytes after the last newline.
    pub(super) fn rest(self) -> Option<Line> {
        (!self.line.bytes.is_empty()).then_some(self.line)
    }

    fn add(&mut self, part: &[u8]) {
        // the bound includes the newline
        let room = DIAGNOSTICS_LINE_BYTES_MAX - 1 - self.line.bytes.len();
        self.line.is_cut |= part.len() > room;
        self.line.bytes.extend_from_slice(&part[..part.len().min(room)]);
    }
}

/// The fields of a stop line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) name: String,
    /// The exit status; `None` after a panic.
    pub(super) exit: Option<u8>,
    /// The reason, for people.
    pub(super) why: String,
    /// When it stopped, by the enclave's clock.
    pub(super) at: Option<String>,
}

impl Stop {
    /// Parses a line; `None` when it is not a stop line.
    pub(super) fn parse(line: &Line) -> Option<Self> {
        let json = line.json()?;
        let fields = if json["fields"].is_object() { &json["fields"] } else { &json };
        let name = fields["name"].as_str().filter(|name| is_name(name))?.to_owned();
        let exit = fields["exit"].as_u64().and_then(|exit| u8::try_from(exit).ok());
        if exit.is_none() && fields["message"] != STOP_MESSAGE {
            return None;
        }
        let timestamp = text_of(&json["timestamp"]);
        let (why, at) = (text_of(&fields["why"]), text_of(&fields["at"]));
        // A panic has no status and no reason, but a location.
        let (why, at) = match (exit, why, at) {
            (None, None, Some(place)) => (format!("panicked at {place}"), timestamp),
            (_, why, at) => (why.unwrap_or_default(), at.or(timestamp)),
        };
        Some(Self { name, exit, why, at })
    }

    /// Writes it to this process's log.
    pub(super) fn log(&self) {
        let Self { name, exit, why, .. } = self;
        tracing::error!(target: "enclave", name, exit, why, "the enclave has stopped");
    }
}

fn is_name(text: &str) -> bool {
    let is_of_name = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_of_name)
}

/// A text or a number as printable ASCII.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(clean(text.as_bytes())),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> Line {
        Line { bytes: text.to_vec(), is_cut: false }
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let stream = b"one\n\ntwo words\nthe rest";
        for size in 1..=stream.len() {
            let mut cutter = LineCutter::default();
            let lines: Vec<Line> = stream.chunks(size).flat_map(|c| cutter.feed(c)).collect();
            assert_eq!(lines, [line(b"one"), line(b""), line(b"two words")], "by {size}");
            assert_eq!(cutter.rest(), Some(line(b"the rest")));
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_its_bound() {
        let mut cutter = LineCutter::default();
        for _ in 0..100 {
            assert!(cutter.feed(&[b'x'; 1000]).is_empty());
        }
        let cut = cutter.feed(b"\nnext\n");
        assert!(cut[0].is_cut);
        assert_eq!(cut[0].bytes.len(), DIAGNOSTICS_LINE_BYTES_MAX - 1);
        assert_eq!(cut[1], line(b"next"));
        let mut exact = LineCutter::default();
        let lines = exact.feed(&[&[b'x'; DIAGNOSTICS_LINE_BYTES_MAX - 1][..], b"\n"].concat());
        assert!(!lines[0].is_cut);
    }

    #[test]
    fn nothing_but_printable_ascii_is_passed_on() {
        let text = line(b"a\x1b[31m\0\r\x08\tb\x7f\xc3\xa9\xe2\x80\xae").text();
        assert_eq!(text, "a?[31m??? b??????");
    }

    #[test]
    fn levels_are_those_of_the_log_and_info_otherwise() {
        for (text, level) in [
            (&br#"{"level":"ERROR"}"#[..], Level::ERROR),
            (br#"{"level":"WARN"}"#, Level::WARN),
            (br#"{"level":7}"#, Level::INFO),
            (br#"{"level":"LOUD"}"#, Level::INFO),
            (b"no json", Level::INFO),
            (b"[]", Level::INFO),
        ] {
            assert_eq!(level_of(&line(text).json().unwrap_or_default()), level);
        }
    }

    #[test]
    fn a_stop_is_read_at_the_top_and_inside_the_fields_of_a_log_line() {
        let expected = Stop {
            name: "KEYS_LOST".into(),
            exit: Some(17),
            why: "no keys".into(),
            at: Some("2026-11-22T13:36:45Z".into()),
        };
        let top = br#"{"name":"KEYS_LOST","exit":17,"why":"no keys","at":"2026-11-22T13:36:45Z"}"#;
        assert_eq!(Stop::parse(&line(top)).unwrap(), expected);
        let logged = br#"{"timestamp":"2026-11-22T13:36:45Z","level":"ERROR","fields":{
            "message":"the enclave stops","name":"KEYS_LOST","exit":17,"why":"no keys"}}"#;
        assert_eq!(Stop::parse(&line(logged)).unwrap(), expected);
        let panicked = br#"{"timestamp":"t","fields":{"message":"the enclave stops","name":"PANIC",
            "at":"src/a.rs:1:2"}}"#;
        let panic = Stop::parse(&line(panicked)).unwrap();
        assert_eq!((panic.exit, panic.why.as_str()), (None, "panicked at src/a.rs:1:2"));
        assert_eq!(panic.at.as_deref(), Some("t"));
        let number = br#"{"name":"X","exit":0,"why":"\u001b[2J\u202e","at":12}"#;
        let number = Stop::parse(&line(number)).unwrap();
        assert_eq!((number.why.as_str(), number.at.as_deref()), ("?[2J???", Some("12")));
    }

    #[test]
    fn other_lines_are_not_stops() {
        for text in [
            &b"the enclave stops"[..],
            b"{}",
            br#"{"name":"X"}"#,
            br#"{"name":"X","exit":256}"#,
            br#"{"name":"X","exit":-1}"#,
            br#"{"name":"x y","exit":1}"#,
            br#"{"name":"","exit":1}"#,
            br#"{"name":7,"exit":1}"#,
            br#"{"exit":1,"message":"the enclave stops"}"#,
            br#"{"fields":{"name":"X","message":"the enclave starts"}}"#,
            br#"{"name":"X","exit":1"#,
            &[b'['; 4000],
        ] {
            assert_eq!(Stop::parse(&line(text)), None, "{}", clean(text));
        }
        let long = format!(r#"{{"name":"{}","exit":1}}"#, "X".repeat(65));
        assert_eq!(Stop::parse(&line(long.as_bytes())), None);
    }
}
