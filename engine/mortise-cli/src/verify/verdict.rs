//! The output for a file that passed: the verdict, what it proves, what it does not.

use crate::output::Output;
use crate::time::seconds_and_utc;
use mortise_format::ids::to_checksum;
use mortise_rpc::results::StatementView;
use mortise_verify::statement::VerifiedStatement;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A file that passed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    verdict: &'static str,
    kind: &'static str,
    proven: Vec<String>,
    not_proven: Vec<String>,
    #[serde(flatten)]
    facts: Map<String, Value>,
    #[serde(skip)]
    lines: Vec<(&'static str, String)>,
}

impl Verdict {
    /// A verdict about a file of this kind.
    pub fn new(kind: &'static str) -> Self {
        let (proven, not_proven, facts) = (Vec::new(), Vec::new(), Map::new());
        Self { verdict: "PROVEN", kind, proven, not_proven, facts, lines: Vec::new() }
    }

    /// Adds a fact that the checks prove.
    pub fn proves(&mut self, what: impl Into<String>) -> &mut Self {
        self.proven.push(what.into());
        self
    }

    /// Adds a fact that the checks do not prove, although a reader may expect it.
    pub fn leaves_open(&mut self, what: impl Into<String>) -> &mut Self {
        self.not_proven.push(what.into());
        self
    }

    /// Adds a field to the JSON.
    pub fn fact(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a line to the text.
    pub fn line(&mut self, name: &'static str, value: impl ToString) -> &mut Self {
        self.lines.push((name, value.to_string()));
        self
    }

    /// Adds a field to the JSON and a line to the text.
    pub fn both(&mut self, name: &'static str, value: impl ToString) -> &mut Self {
        let text = value.to_string();
        self.fact(name, text.clone()).line(name, text)
    }

    /// Adds a statement and its engine.
    pub fn statement(&mut self, statement: &VerifiedStatement, address: &[u8; 20]) -> &mut Self {
        let fields = statement.fields();
        self.fact("statement", json!(StatementView::from(fields)));
        self.both("engineId", fields.engine_id);
        self.both("address", to_checksum(&mortise_format::ids::Address(*address)));
        self.line("frame", format!("seq {} of epoch {}", fields.seq, fields.epoch));
        self.line("time", format!("{}, engine time", seconds_and_utc(statement.time())));
        self.line("stateRoot", fields.state_root);
        let head = statement.head();
        self.line("history", format!("{} frames, root {}", head.size, head.root))
    }

    pub fn print(&self, output: &Output) {
        output.text(self, &self.text());
    }

    fn text(&self) -> String {
        let mut text = format!("PROVEN: {}\n", self.kind);
        let width = self.lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in &self.lines {
            text.push_str(&format!("  {name:width$}  {value}\n"));
        }
        for (head, what) in [("proven", &self.proven), ("NOT proven", &self.not_proven)] {
            text.push_str(&format!("  {head}\n"));
            text.extend(what.iter().map(|what| format!("    - {what}\n")));
        }
        text
    }
}
