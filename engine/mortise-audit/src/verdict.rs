//! What an audit established, as a verdict: whose log, since which document, to which frame, at
//! what time, and by which witnesses.
//!
//! Invariants: an anchor that was given is a claim that was asked for; what could not be judged is
//! counted and makes the verdict a partial one; a finding refutes it.

use crate::checkpoints::{CheckpointReport, CheckpointVerdict};
use crate::report::{BootAttestation, EngineIdBasis, EpochReport, Level, Report};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mortise_format::ids::{Address, EngineId, PolicyHash};
use mortise_format::lock::Durability;
use mortise_verify::verdict::{Basis, Claim, Clock, Identity, Named, Subject, Tie, Verdict};

/// What the caller asked of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The engine.
    pub engine_id: Option<EngineId>,
    /// The address of its signing key.
    pub address: Option<Address>,
    /// Whether roots and images were named.
    pub trust: bool,
    /// The engine and the epochs of the keys that were given.
    pub keys: Option<(EngineId, Vec<u64>)>,
    /// Statements that were kept outside the log.
    pub statements: u64,
    /// The policy in force at the end of the log.
    pub policy_hash: Option<PolicyHash>,
    /// The durability of the answers.
    pub durability: Option<Durability>,
}

/// How much could not be judged, of what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unjudged {
    /// Frames whose decisions were not replayed, although keys were given.
    pub frames: u64,
    /// Events of those frames.
    pub events: u64,
    /// Kept statements.
    pub statements: u64,
    /// Kept checkpoints.
    pub checkpoints: u64,
}

impl Report {
    /// What was asked for and could not be judged.
    pub fn unjudged(&self) -> Unjudged {
        let (frames, events) = match self.asked.keys {
            Some(_) => (
                self.frames.saturating_sub(self.replayed_to),
                self.events.saturating_sub(self.replayed_events),
            ),
            None => (0, 0),
        };
        let not_checked = |kept: &&CheckpointReport| kept.verdict == CheckpointVerdict::NotChecked;
        let checkpoints = self.checkpoints.iter().filter(not_checked).count();
        let checkpoints = u64::try_from(checkpoints).unwrap_or(u64::MAX);
        Unjudged { frames, events, statements: self.kept_unjudged, checkpoints }
    }

    /// What the audit established.
    pub fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::new(Subject::Log, self.identity(), self.says());
        if self.frames > 0 {
            verdict.about_time(self.time_ms / 1000, Clock::Engine);
        }
        self.chain(&mut verdict);
        self.signer(&mut verdict);
        self.boots(&mut verdict);
        self.decisions(&mut verdict);
        self.kept(&mut verdict);
        self.policy(&mut verdict);
        verdict
    }

    fn identity(&self) -> Identity {
        let is_attested = |epoch: &EpochReport| {
            matches!(epoch.attestation, BootAttestation::Verified { any_image: false, .. })
        };
        let tie = match self.asked {
            _ if !self.epochs.is_empty() && self.epochs.iter().all(is_attested) => Tie::Attested,
            Asked { engine_id: Some(_), .. } | Asked { address: Some(_), .. } => Tie::Pinned,
            _ => Tie::NotAtAll,
        };
        let image = match self.epochs.last().map(|epoch| &epoch.attestation) {
            Some(BootAttestation::Verified { pcr0, .. }) => pcr0.map(|pcr| pcr.to_string()),
            _ => None,
        };
        Identity { engine_id: self.engine_id, address: self.engine, image, tie }
    }

    /// Which log, since which document, to which frame, by which witnesses.
    fn says(&self) -> String {
        let Some(last) = self.frames.checked_sub(1) else {
            return "wrote no frame of this log".to_string();
        };
        let mut says = format!("wrote this log from frame 0 to frame {last}");
        let documents = self
            .epochs
            .iter()
            .filter(|epoch| matches!(epoch.attestation, BootAttestation::Verified { .. }));
        match (documents.count(), self.epochs.len()) {
            (0, _) => says.push_str(", with no document checked"),
            (checked, boots) => says.push_str(&format!(", {checked} of {boots} boots by document")),
        }
        says.push_str(&match self.signed_to {
            0 => ", signed to no frame".to_string(),
            to => format!(", signed to frame {}", to.saturating_sub(1)),
        });
        let mut by: Vec<&str> = Vec::new();
        let cosigned = |kept: &&CheckpointReport| kept.verdict == CheckpointVerdict::Cosigned;
        for kept in self.checkpoints.iter().filter(cosigned) {
            by.extend(kept.cosigned_by.iter().map(|(name, _)| name.as_str()));
        }
        by.sort_unstable();
        by.dedup();
        says.push_str(&match self.cosigned_to() {
            0 => ", cosigned by no witness".to_string(),
            to => format!(", cosigned to frame {} by {}", to.saturating_sub(1), by.join(" and ")),
        });
        says
    }

    fn log(what: &str) -> Basis {
        Basis::named(Named::Log, what)
    }

    fn chain(&self, verdict: &mut Verdict) {
        if self.frames > 0 && self.broken_at.is_none() {
            let what = format!("each of its {} frames follows the one before", self.frames);
            verdict.establish(Claim::Chain, what, Self::log("the digests of every frame"));
        }
        match (self.findings.first(), self.finding_count) {
            (Some(first), count) => {
                let reason = format!("{count} found, the first: {first}");
                verdict.contradicts(Claim::NoFindings, reason);
            }
            (None, _) => {
                let what = "nothing that was checked is wrong";
                verdict.establish(Claim::NoFindings, what, Self::log("every check of this audit"));
            }
        }
    }

    /// Whether the key that signs is that of the named engine, and signed anything at all.
    fn signer(&self, verdict: &mut Verdict) {
        if self.asked.engine_id.is_none() && self.asked.address.is_none() {
            verdict.leaves_open("whose log it is: it names itself; pass --engine-id or --anchors");
            return;
        }
        let is_tied = self.engine_id_basis == EngineIdBasis::Proven || self.asked.address.is_some();
        match self.signed_to {
            _ if !is_tied || self.frames == 0 => {
                verdict.lacks(Claim::Signer, "nothing ties the signing key to the engine ID");
            }
            0 => {
                let reason = "no statement of the engine covers any frame: pass a --statement";
                verdict.lacks(Claim::Signer, reason);
            }
            to => {
                let what = format!("the engine that you named signed the first {to} frames");
                verdict.establish(Claim::Signer, what, Self::log("the statements in the log"));
            }
        }
    }

    fn boots(&self, verdict: &mut Verdict) {
        if !self.asked.trust {
            return;
        }
        let verified =
            |epoch: &&EpochReport| matches!(epoch.attestation, BootAttestation::Verified { .. });
        let (good, all) = (self.epochs.iter().filter(verified).count(), self.epochs.len());
        match good == all && all > 0 {
            true => {
                let any = |epoch: &EpochReport| {
                    matches!(epoch.attestation, BootAttestation::Verified { any_image: true, .. })
                };
                let image = match self.epochs.iter().any(any) {
                    true => "any image: none was named",
                    false => "an image that you named",
                };
                let what = format!("{all} boots, each by a document of {image}");
                verdict.establish(Claim::Boots, what, Self::log("the documents in the log"));
            }
            // The findings name each of the others.
            false => {
                verdict.contradicts(Claim::Boots, format!("{good} of {all} boots have a document"));
            }
        }
    }

    fn decisions(&self, verdict: &mut Verdict) {
        let Some((of, epochs)) = &self.asked.keys else { return };
        if self.level() == Level::Replayed {
            let what = format!(
                "{} commands decided again, {} refusals among them; every state root follows",
                self.commands, self.refusals
            );
            verdict.establish(Claim::Decisions, what, Self::log("a replay of every event"));
            return;
        }
        let without = self.epochs.iter().map(|epoch| epoch.epoch);
        let without: Vec<_> = without.filter(|epoch| !epochs.contains(epoch)).collect();
        let reason = match (self.engine_id, self.broken_at) {
            (Some(id), _) if id != *of => format!("the keys are of engine {of}"),
            (_, Some(seq)) => format!("the log breaks at frame {seq}"),
            _ if !self.has_genesis => "the log came without its genesis".to_string(),
            _ if !without.is_empty() => format!("no keys for epochs {without:?}"),
            _ => format!("the replay ended before frame {}", self.replayed_to),
        };
        let unjudged = self.unjudged();
        let counts = format!("{} frames, {} events not judged", unjudged.frames, unjudged.events);
        verdict.lacks(Claim::Decisions, format!("{reason}: {counts}"));
    }

    /// Statements and checkpoints that were kept outside the log.
    fn kept(&self, verdict: &mut Verdict) {
        let unjudged = self.unjudged();
        if self.asked.statements > 0 {
            match (self.asked.statements == self.kept_found, unjudged.statements) {
                (true, _) => {
                    let what = format!("{} statements, each as the log has it", self.kept_found);
                    let basis = Self::log("each statement and its frame");
                    verdict.establish(Claim::StatementsKept, what, basis);
                }
                (false, 0) => {
                    let (found, all) = (self.kept_found, self.asked.statements);
                    let reason = format!("the log has {found} of {all}");
                    verdict.contradicts(Claim::StatementsKept, reason);
                }
                (false, open) => {
                    verdict.lacks(Claim::StatementsKept, format!("{open} were not judged"));
                }
            }
        }
        if self.checkpoints.is_empty() {
            return;
        }
        let is_good = |kept: &&CheckpointReport| {
            matches!(kept.verdict, CheckpointVerdict::Cosigned | CheckpointVerdict::Signed)
        };
        let (good, all) = (self.checkpoints.iter().filter(is_good).count(), self.checkpoints.len());
        match (good == all, unjudged.checkpoints) {
            (true, _) => {
                let what = format!("{all} checkpoints, each as the log has it");
                let basis = Self::log("each checkpoint and the history of that size");
                verdict.establish(Claim::CheckpointsKept, what, basis);
            }
            (false, 0) => {
                let reason = format!("the log has {good} of {all}");
                verdict.contradicts(Claim::CheckpointsKept, reason);
            }
            (false, open) => {
                verdict.lacks(Claim::CheckpointsKept, format!("{open} were not judged"));
            }
        }
    }

    fn policy(&self, verdict: &mut Verdict) {
        let basis = |what: &str| Basis::named(Named::Comparison, what);
        if let Some(wanted) = self.asked.policy_hash.filter(|_| self.frames > 0) {
            let found = self.policy_hash;
            match wanted == found {
                true => {
                    let what = "the policy is the one that you named";
                    verdict.establish(Claim::Policy, what, basis("the header of the last frame"));
                }
                false => {
                    verdict.contradicts(Claim::Policy, format!("it is {found}, not {wanted}"));
                }
            }
        }
        match (self.asked.durability, self.durability) {
            (None, _) => {}
            (Some(wanted), Some(found)) if wanted == found => {
                let what = format!("answers are {}, as asked for", found.name());
                verdict.establish(Claim::Durability, what, basis("the policy of the genesis"));
            }
            (Some(wanted), Some(found)) => {
                let reason = format!("answers are {}, not {}", found.name(), wanted.name());
                verdict.contradicts(Claim::Durability, reason);
            }
            (Some(_), None) => {
                verdict.lacks(Claim::Durability, "the log came without its genesis");
            }
        }
    }
}
