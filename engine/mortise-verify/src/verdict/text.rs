//! A verdict for people. The first line is a sentence: who said what, as of when, tied to which
//! identity and how.

use super::{Clock, Identity, Lack, Outcome, Tie, Verdict};
use alloc::format;
use alloc::string::{String, ToString};
use mortise_format::civil::Civil;
use mortise_format::ids::to_checksum;

/// The reason of a verdict without any claim.
const NOTHING: &str = "nothing: no claim was established";

/// Digits of an image in the first line.
const IMAGE_DIGITS: usize = 16;

impl Verdict {
    /// Who said what, as of when: the first line of a verdict that is PROVEN, without its outcome.
    pub fn about(&self) -> String {
        printable(&format!("{} {}{}", self.identity.text(), self.says, self.time_text()))
    }

    /// The first line, without a line break.
    pub fn first_line(&self) -> String {
        let what = self.about();
        let line = match self.outcome() {
            Outcome::Proven => format!("{}: {what}", Outcome::Proven.name()),
            Outcome::Partly => {
                format!("{}: {what}; not established: {}", Outcome::Partly.name(), self.lacking())
            }
            Outcome::NotProven => format!("{}: {}", Outcome::NotProven.name(), self.why_not()),
        };
        printable(&line)
    }

    /// Why the outcome is not PROVEN: the name of a claim and the reason; `nothing` without any.
    pub fn why_not(&self) -> String {
        let refuted = self.missing.iter().find(|missing| missing.lack == Lack::Contradicted);
        match refuted.or(self.missing.first()) {
            Some(missing) => printable(&format!("{}: {}", missing.claim.name(), missing.reason)),
            None => NOTHING.to_string(),
        }
    }

    /// The claims and what is left open, as indented lines.
    pub fn lists(&self) -> String {
        let mut text = String::new();
        section(
            &mut text,
            "established",
            self.established.iter().map(|established| {
                let (name, what) = (established.claim.name(), &established.what);
                format!("{name}: {what} [{}]", established.basis.detail())
            }),
        );
        section(
            &mut text,
            "asked for, NOT established",
            self.missing
                .iter()
                .map(|missing| format!("{}: {}", missing.claim.name(), missing.reason)),
        );
        section(&mut text, "left open", self.open.iter().cloned());
        text
    }

    fn lacking(&self) -> String {
        let mut names = String::new();
        for missing in &self.missing {
            if !names.is_empty() {
                names.push_str(", ");
            }
            names.push_str(missing.claim.name());
        }
        names
    }

    fn time_text(&self) -> String {
        let Some((seconds, clock)) = self.as_of else { return String::new() };
        let whose = match clock {
            Clock::Engine => "engine time",
            Clock::Document => "by its document",
            Clock::Witnesses => "by its witnesses",
        };
        format!(", as of {} ({whose})", utc(seconds))
    }
}

impl Identity {
    fn text(&self) -> String {
        let mut who = match (&self.engine_id, &self.address) {
            (Some(id), _) => format!("engine {id}"),
            (None, Some(address)) => format!("the holder of key {}", to_checksum(address)),
            (None, None) => "an enclave".to_string(),
        };
        who.push_str(match self.tie {
            Tie::Attested => " (attested",
            Tie::Pinned => " (pinned by you",
            Tie::FirstUse => " (taken at first use",
            Tie::NotAtAll => " (tied to no identity that you named",
        });
        if let Some(image) = &self.image {
            // The whole value is in the lines and in the JSON.
            let start: String = image.chars().take(IMAGE_DIGITS).collect();
            who.push_str(&format!(", image {start}..."));
        }
        who.push(')');
        who
    }
}

/// Date and time in UTC as `2026-11-22 05:41:57 UTC`.
pub(super) fn utc(seconds: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of_unix(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

fn section(text: &mut String, head: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    text.push_str(&format!("  {head}\n"));
    for line in lines {
        text.push_str(&format!("    - {}\n", printable(&line)));
    }
}

/// A text without control characters, which a file could use to rewrite what a terminal shows.
pub(super) fn printable(text: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => format!("{}", c.escape_default()),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}
