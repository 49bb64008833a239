//! Which rules are in force: those of the epoch.
//!
//! Only the event that begins an epoch sets the number, so it is constant within an epoch, and a
//! replay follows the rules that made each frame (INV-19).

use super::State;
use super::corruption::Corruption;
use mortise_format::rules::RuleSet;

impl State {
    /// The rules of the current epoch; none before the first one.
    pub fn rules(&self) -> RuleSet {
        self.rules
    }

    pub(crate) fn apply_rules(&mut self, rules: RuleSet) -> Result<(), Corruption> {
        if rules < self.rules || rules.check().is_err() {
            return Err(Corruption::Rules);
        }
        self.rules = rules;
        Ok(())
    }
}
