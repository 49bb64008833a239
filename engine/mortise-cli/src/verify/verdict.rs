//! A verdict with the fields of the file that it is about, as text and as JSON.
//!
//! What it does not do: judge. [`mortise_verify::verdict`] has the claims and the outcome.

use super::refused;
use crate::failure::Failure;
use crate::output::Output;
use crate::time::seconds_and_utc;
use mortise_rpc::results::StatementView;
use mortise_verify::statement::VerifiedStatement;
use mortise_verify::verdict::{Basis, Claim, Clock, Identity, Named, Outcome, Subject, Verdict};
use serde_json::{Map, Value, json};

/// A verdict and the fields to show with it.
#[derive(Debug)]
pub(super) struct Rendered {
    verdict: Verdict,
    facts: Map<String, Value>,
    lines: Vec<(&'static str, String)>,
}

impl Rendered {
    /// About a thing of this kind; `says` is what its identity said.
    pub fn new(subject: Subject, identity: Identity, says: impl Into<String>) -> Self {
        let verdict = Verdict::new(subject, identity, says);
        Self { verdict, facts: Map::new(), lines: Vec::new() }
    }

    /// Adds an established claim.
    pub fn establish(
        &mut self,
        claim: Claim,
        what: impl Into<String>,
        basis: impl Into<Basis>,
    ) -> &mut Self {
        self.verdict.establish(claim, what, basis);
        self
    }

    /// Adds a claim that was asked for: established if `found` is what was wanted, or else
    /// contradicted. `what` names the compared field.
    pub fn compare<T: PartialEq + std::fmt::Display>(
        &mut self,
        claim: Claim,
        what: &str,
        wanted: &T,
        found: &T,
    ) -> &mut Self {
        match wanted == found {
            true => {
                let basis = Basis::named(Named::Comparison, format!("{what} in verified data"));
                self.verdict.establish(claim, format!("{what} is {found}, as asked for"), basis)
            }
            false => self.verdict.contradicts(claim, format!("{what} is {found}, not {wanted}")),
        };
        self
    }

    /// Adds a claim that was asked for and that the evidence contradicts.
    pub fn contradicts(&mut self, claim: Claim, reason: impl Into<String>) -> &mut Self {
        self.verdict.contradicts(claim, reason);
        self
    }

    /// Adds a claim that was asked for and that the files do not decide.
    pub fn lacks(&mut self, claim: Claim, reason: impl Into<String>) -> &mut Self {
        self.verdict.lacks(claim, reason);
        self
    }

    /// Adds something that a reader may expect and that was not asked for.
    pub fn leaves_open(&mut self, what: impl Into<String>) -> &mut Self {
        self.verdict.leaves_open(what);
        self
    }

    /// Sets the time that the verdict is about.
    pub fn about_time(&mut self, seconds: u64, clock: Clock) -> &mut Self {
        self.verdict.about_time(seconds, clock);
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

    /// Adds a statement, its engine and its time.
    pub fn statement(&mut self, statement: &VerifiedStatement) -> &mut Self {
        let fields = statement.fields();
        self.fact("statement", json!(StatementView::from(fields)));
        self.line("frame", format!("seq {} of epoch {}", fields.seq, fields.epoch));
        self.line("time", format!("{}, engine time", seconds_and_utc(statement.time())));
        self.line("stateRoot", fields.state_root);
        let head = statement.head();
        self.line("history", format!("{} frames, root {}", head.size, head.root));
        self.about_time(statement.time(), Clock::Engine);
        let what = format!("the engine stated these fields about frame {}", fields.seq);
        self.establish(Claim::Statement, what, statement)
    }

    /// Prints the verdict.
    ///
    /// # Errors
    /// Everything but PROVEN, by the name of the first claim that is missing; with
    /// `allow_partial`, a part passes.
    pub fn conclude(&self, output: &Output, allow_partial: bool) -> Result<(), Failure> {
        output.text(&self.json(), &self.text());
        ended(&self.verdict, allow_partial)
    }

    /// The members of the verdict and the fields of the file.
    pub fn json(&self) -> Value {
        let mut members = self.verdict.members();
        let Identity { engine_id, address, .. } = self.verdict.identity();
        if let Some(id) = engine_id {
            members.insert("engineId".into(), json!(id));
        }
        if let Some(address) = address {
            members.insert("address".into(), json!(mortise_format::ids::to_checksum(address)));
        }
        members.extend(self.facts.clone());
        Value::Object(members)
    }

    /// The first line, the fields, the claims.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.verdict.first_line());
        let mut lines = Vec::new();
        let Identity { engine_id, address, image, .. } = self.verdict.identity();
        lines.extend(engine_id.map(|id| ("engineId", id.to_string())));
        lines.extend(address.map(|a| ("address", mortise_format::ids::to_checksum(&a))));
        lines.extend(image.clone().map(|image| ("image", image)));
        lines.extend(self.lines.iter().cloned());
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in lines {
            text.push_str(&format!("  {name:width$}  {}\n", value.escape_controls()));
        }
        text + &self.verdict.lists()
    }
}

/// The failure of a verdict, if its outcome is one.
pub(crate) fn ended(verdict: &Verdict, allow_partial: bool) -> Result<(), Failure> {
    let outcome = verdict.outcome();
    match outcome {
        _ if outcome.exit_code(allow_partial) == 0 => Ok(()),
        Outcome::Partly => Err(Failure::printed(format!(
            "PARTLY PROVEN: {}\n  next: pass what is missing, or accept the part with \
             --allow-partial",
            verdict.why_not()
        ))),
        _ => {
            let name = verdict.missing().first().map_or("nothing", |it| it.claim().name());
            let (why, next) = (verdict.why_not(), refused::next(name));
            Err(Failure::printed(format!("NOT PROVEN: {why}\n  next: {next}")))
        }
    }
}

/// Texts from files, for a terminal.
trait EscapeControls {
    /// The text without control characters.
    fn escape_controls(&self) -> String;
}

impl EscapeControls for String {
    fn escape_controls(&self) -> String {
        let escape = |c: char| match c.is_control() {
            true => c.escape_default().to_string(),
            false => c.to_string(),
        };
        self.chars().map(escape).collect()
    }
}
