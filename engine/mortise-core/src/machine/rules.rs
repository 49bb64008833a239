//! The rules of the next boot.
//!
//! What it is for: one rule for who may change the rules. Operators do, in the approval of images;
//! without an approval, which is development, the one who starts the engine may raise the number.
//!
//! What it does not do: change rules in the middle of an epoch. Only a boot frame does (INV-19).

use super::Machine;
use mortise_format::rules::{RuleSet, RulesUnknown};

/// Why no boot is possible under the rules that the log or its operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesRefusal {
    /// This code does not know the rules.
    #[error(transparent)]
    Unknown(#[from] RulesUnknown),
    /// Rules below those of the last epoch were asked for.
    #[error("rule set {asked} is below {last}, under which this log was last written")]
    Lower {
        /// The number asked for.
        asked: RuleSet,
        /// The number of the last epoch.
        last: RuleSet,
    },
    /// Other rules were asked for than the approval in force names.
    #[error("rule set {asked} is not {approved}, which the operators approved")]
    NotApproved {
        /// The number asked for.
        asked: RuleSet,
        /// The number in the approval.
        approved: RuleSet,
    },
}

impl Machine {
    /// The rules of the next epoch: those of the approval in force. Without an approval, `asked`;
    /// without either, those of the last epoch, and the newest for an empty log.
    ///
    /// # Errors
    /// [`RulesRefusal`].
    pub fn next_rules(&self, asked: Option<RuleSet>) -> Result<RuleSet, RulesRefusal> {
        let approved = self.state.approved_images().map(|a| a.approval.rules);
        let last = self.chain.head.rules;
        let default = if self.chain.head.epoch == 0 { RuleSet::NEWEST } else { last };
        let next = match (approved, asked) {
            (Some(approved), Some(asked)) if asked != approved => {
                return Err(RulesRefusal::NotApproved { asked, approved });
            }
            (None, Some(asked)) if asked < last => {
                return Err(RulesRefusal::Lower { asked, last });
            }
            (approved, asked) => approved.or(asked).unwrap_or(default),
        };
        Ok(next.check()?)
    }
}
