//! What a set of checks established, for people, for programs and for a court.
//!
//! What it is for: one value for every kind of verification. It says who said what, as of when,
//! tied to which identity and how; which claims were established, each with its evidence; which
//! were asked for and not established, each with the reason; and what a reader may expect and is
//! left open. The text, the JSON and the exit code of a command come from this value.
//!
//! What it does not do: check. The callers check and add what passed. `specs/verdicts.md` is its
//! page.
//!
//! ```text
//! Verified* -> Basis -> establish --+
//!           asked for, not shown ---+-> outcome (computed) -> first line, text, JSON, exit code
//!           asked for, contradicted +
//! ```
//! Invariants: the outcome is computed and never set; nothing established is NOT PROVEN; one claim
//! that was asked for and contradicted is NOT PROVEN; each established claim has a basis; no text
//! from a file reaches the output with a control character.

mod basis;
mod claim;
#[cfg(feature = "json")]
mod json;
#[cfg(test)]
mod tests;
mod text;

pub use basis::{Basis, Named};
pub use claim::Claim;

use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::ids::{Address, EngineId};

/// The kind of file or thing that a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of the commands")]
pub enum Subject {
    Attestation,
    Receipt,
    Proof,
    Root,
    Freshness,
    Commitment,
    Fork,
    Succession,
    Log,
}

impl Subject {
    /// The name, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Receipt => "receipt",
            Self::Proof => "proof",
            Self::Root => "root",
            Self::Freshness => "freshness",
            Self::Commitment => "commitment",
            Self::Fork => "fork",
            Self::Succession => "succession",
            Self::Log => "log",
        }
    }
}

/// How an identity was tied to what the caller trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tie {
    /// A document of an approved image binds its keys.
    Attested,
    /// The caller named the engine.
    Pinned,
    /// The engine that answered first was taken.
    FirstUse,
    /// Nothing that the caller trusts names it.
    NotAtAll,
}

impl Tie {
    /// The name, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attested => "attested",
            Self::Pinned => "pinned",
            Self::FirstUse => "firstUse",
            Self::NotAtAll => "notAtAll",
        }
    }
}

/// Whose identity a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The engine, if the evidence names one.
    pub engine_id: Option<EngineId>,
    /// The address of its signing key.
    pub address: Option<Address>,
    /// The image that held its keys (PCR0), if a document shows it.
    pub image: Option<String>,
    /// How it was tied to what the caller trusts.
    pub tie: Tie,
}

impl Identity {
    /// An engine that the caller named.
    pub fn pinned(engine: &crate::Engine) -> Self {
        let (engine_id, address) = (Some(engine.id), Some(engine.address));
        Self { engine_id, address, image: None, tie: Tie::Pinned }
    }
}

/// Whose clock gives the time that a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clock {
    /// Engine time.
    Engine,
    /// The time that an attestation document states.
    Document,
    /// The clocks of witnesses.
    Witnesses,
}

impl Clock {
    /// The name, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Document => "document",
            Self::Witnesses => "witnesses",
        }
    }
}

/// An established claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Established {
    claim: Claim,
    what: String,
    basis: Basis,
}

impl Established {
    /// The claim.
    pub fn claim(&self) -> Claim {
        self.claim
    }

    /// The claim in a sentence.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The evidence.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }
}

/// Why a claim that was asked for is not established.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The given files do not decide it.
    NotShown,
    /// The evidence shows the opposite.
    Contradicted,
}

/// A claim that was asked for and not established.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    claim: Claim,
    lack: Lack,
    reason: String,
}

impl Missing {
    /// The claim.
    pub fn claim(&self) -> Claim {
        self.claim
    }

    /// Whether it is open or refuted.
    pub fn lack(&self) -> Lack {
        self.lack
    }

    /// The reason in a sentence.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// The result of a verification. Computed, never set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// At least one claim was established, and all that were asked for.
    Proven,
    /// Some claims were established; others were asked for and could not be judged.
    Partly,
    /// Nothing was established, or the evidence contradicts a claim that was asked for.
    NotProven,
}

impl Outcome {
    /// The words that begin the text, and the member `verdict` of the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "PROVEN",
            Self::Partly => "PARTLY PROVEN",
            Self::NotProven => "NOT PROVEN",
        }
    }

    /// Exit code of a command: 0 only for what is proven, or for a part if the caller allows that.
    pub const fn exit_code(self, allow_partial: bool) -> u8 {
        match self {
            Self::Proven => 0,
            Self::Partly if allow_partial => 0,
            Self::Partly | Self::NotProven => 1,
        }
    }
}

/// What a verification established.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    subject: Subject,
    identity: Identity,
    says: String,
    as_of: Option<(u64, Clock)>,
    established: Vec<Established>,
    missing: Vec<Missing>,
    open: Vec<String>,
}

impl Verdict {
    /// A verdict with no claim: NOT PROVEN. `says` is what the identity said, as the rest of a
    /// sentence: `promised to hold ...`.
    pub fn new(subject: Subject, identity: Identity, says: impl Into<String>) -> Self {
        let (established, missing, open) = (Vec::new(), Vec::new(), Vec::new());
        Self { subject, identity, says: says.into(), as_of: None, established, missing, open }
    }

    /// Adds a claim that the evidence establishes.
    pub fn establish(
        &mut self,
        claim: Claim,
        what: impl Into<String>,
        basis: impl Into<Basis>,
    ) -> &mut Self {
        self.established.push(Established { claim, what: what.into(), basis: basis.into() });
        self
    }

    /// Adds a claim that was asked for and that the given files do not decide.
    pub fn lacks(&mut self, claim: Claim, reason: impl Into<String>) -> &mut Self {
        self.missing.push(Missing { claim, lack: Lack::NotShown, reason: reason.into() });
        self
    }

    /// Adds a claim that was asked for and that the evidence contradicts.
    pub fn contradicts(&mut self, claim: Claim, reason: impl Into<String>) -> &mut Self {
        self.missing.push(Missing { claim, lack: Lack::Contradicted, reason: reason.into() });
        self
    }

    /// Adds something that a reader may expect, and that was not asked for.
    pub fn leaves_open(&mut self, what: impl Into<String>) -> &mut Self {
        self.open.push(what.into());
        self
    }

    /// Sets the time that the verdict is about, seconds since 1970, and whose clock gave it.
    pub fn about_time(&mut self, seconds: u64, clock: Clock) -> &mut Self {
        self.as_of = Some((seconds, clock));
        self
    }

    /// The kind of thing.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Whose identity it is about.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The time that it is about, seconds since 1970; `None` when the evidence names none.
    pub fn as_of(&self) -> Option<(u64, Clock)> {
        self.as_of
    }

    /// The established claims, in the order of the checks.
    pub fn established(&self) -> &[Established] {
        &self.established
    }

    /// The claims that were asked for and not established.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// What is left open.
    pub fn open(&self) -> &[String] {
        &self.open
    }

    /// Whether a claim was established.
    pub fn has(&self, claim: Claim) -> bool {
        self.established.iter().any(|established| established.claim == claim)
    }

    /// The result.
    pub fn outcome(&self) -> Outcome {
        let is_refuted = self.missing.iter().any(|missing| missing.lack == Lack::Contradicted);
        match (self.established.is_empty() || is_refuted, self.missing.is_empty()) {
            (true, _) => Outcome::NotProven,
            (false, true) => Outcome::Proven,
            (false, false) => Outcome::Partly,
        }
    }
}
