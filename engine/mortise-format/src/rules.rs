//! Rule-set numbers: the log says which rules made each frame.
//!
//! What it is for: a change of a rule gets a new number. Each frame names its number, so that
//! restart, auditor and verifier follow the rules that made the frame, or refuse by name.
//!
//! What it does not do: decide anything. `decide` and `apply` branch on the number of the state.
//!
//! Invariants: no number is used for two sets of rules. Within an epoch the number is constant, and
//! it never falls from one epoch to the next (INV-19). Decision 0008.

use bincode::{Decode, Encode};
use core::fmt;

/// Number of a set of rules.
///
/// Any number decodes, because a log of newer code must be refused by its number and not as
/// malformed. [`RuleSet::check`] says whether this code knows the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct RuleSet(pub u16);

/// This code does not know the rules of a number, and makes no guess about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("rule set {found} is unknown: this code knows {} to {newest}", RuleSet::OLDEST)]
pub struct RulesUnknown {
    /// The number found.
    pub found: RuleSet,
    /// The newest number that this code knows.
    pub newest: RuleSet,
}

impl RuleSet {
    /// No rules: before the first epoch of a log. Every number may follow it.
    pub const NONE: Self = Self(0);
    /// The oldest set of rules that this code can follow.
    pub const OLDEST: Self = Self(1);
    /// The newest set of rules that this code can follow. A new log starts with it.
    pub const NEWEST: Self = Self(3);

    /// From 2: terms that their owner alone can end, or that no fill can satisfy, are refused.
    pub fn refuses_hollow_terms(self) -> bool {
        self >= Self(2)
    }

    /// From 2: a signature has one form, with v 27 or 28, before anything is hashed or stored.
    pub fn has_one_form_of_signatures(self) -> bool {
        self >= Self(2)
    }

    /// From 2: an extension needs the balance behind the lock, as a grant does.
    pub fn backs_extensions(self) -> bool {
        self >= Self(2)
    }

    /// From 2: the number of a head in a fact is bounded by time and by the step from the last.
    pub fn bounds_heads(self) -> bool {
        self >= Self(2)
    }

    /// From 2: the request of each consent that was used is remembered, not the owner's alone.
    pub fn remembers_every_consent(self) -> bool {
        self >= Self(2)
    }

    /// From 3: a nonce carries its hour, so that an owner who is idle can be forgotten (INV-06).
    pub fn has_hours_in_nonces(self) -> bool {
        self >= Self(3)
    }

    /// From 3: principals and accounts that nothing needs leave the state.
    pub fn forgets_idle(self) -> bool {
        self >= Self(3)
    }

    /// From 3: a refusal that is not final is decided again, and a grant takes its place; refusals
    /// and what ends a promise have quotas of their own; an approval is its lock, not its bytes.
    pub fn has_final_refusals(self) -> bool {
        self >= Self(3)
    }

    /// From 3: what the state holds of each custody class has limits of the policy.
    pub fn has_room_limits(self) -> bool {
        self >= Self(3)
    }

    /// From 3: an epoch may end with an event, after which nothing of it follows.
    pub fn ends_epochs(self) -> bool {
        self >= Self(3)
    }

    /// From 3: the first frame carries the document that was made when the keys were drawn.
    pub fn carries_genesis_document(self) -> bool {
        self >= Self(3)
    }

    /// Checks that this code knows the rules.
    ///
    /// # Errors
    /// [`RulesUnknown`].
    pub fn check(self) -> Result<Self, RulesUnknown> {
        match (Self::OLDEST..=Self::NEWEST).contains(&self) {
            true => Ok(self),
            false => Err(RulesUnknown { found: self, newest: Self::NEWEST }),
        }
    }
}

impl fmt::Display for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const _: () =
    assert!(RuleSet::OLDEST.0 > RuleSet::NONE.0 && RuleSet::OLDEST.0 <= RuleSet::NEWEST.0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_both_ends_are_unknown() {
        let (oldest, newest) = (RuleSet::OLDEST.0, RuleSet::NEWEST.0);
        for known in oldest..=newest {
            assert_eq!(RuleSet(known).check(), Ok(RuleSet(known)));
        }
        for found in [0, oldest - 1, newest + 1, u16::MAX].map(RuleSet) {
            let newest = RuleSet::NEWEST;
            assert_eq!(found.check(), Err(RulesUnknown { found, newest }));
        }
    }
}
