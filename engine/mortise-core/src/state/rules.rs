//! Which rules are in force: those of the epoch.
//!
//! Only the event that begins an epoch sets the number, so it is constant within an epoch, and a
//! replay follows the rules that made each frame (INV-19).

use super::State;
use super::corruption::Corruption;
use mortise_format::event::Event;
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

    /// True if the last epoch ended in order: its engine answers nothing any more.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Ends the epoch.
    pub(crate) fn apply_end(&mut self) -> Result<(), Corruption> {
        if !self.rules.ends_epochs() {
            return Err(Corruption::Rules);
        }
        self.has_ended = true;
        Ok(())
    }

    /// Nothing but the start of the next epoch follows the end of one.
    pub(crate) fn check_end(&mut self, event: &Event) -> Result<(), Corruption> {
        match (self.has_ended, event) {
            (true, Event::EpochStarted { .. }) => {
                self.has_ended = false;
                Ok(())
            }
            (true, _) => Err(Corruption::EpochEnded),
            (false, _) => Ok(()),
        }
    }
}
