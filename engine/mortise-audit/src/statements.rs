//! Statements that frames carry, checked against those that the log requires.

use crate::finding::Fact;
use alloc::vec::Vec;
use mortise_core::body::{CarriedStatement, ClearBody, FrameStatement};
use mortise_core::machine::Chain;
use mortise_format::eip712::RootStatement;
use mortise_format::ids::Address;
use mortise_format::secp256k1::SignatureError;

/// The result for the statements of one frame.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// How many are correct.
    pub good: u64,
    /// The newest frame that a correct one is about.
    pub newest: Option<u64>,
    /// What is wrong.
    pub facts: Vec<Fact>,
}

/// Checks carried statements: the oldest ones not carried yet, in order, signed by the engine.
pub(crate) fn check(
    chain: &Chain,
    clear: &ClearBody,
    signers: &[Result<Address, SignatureError>],
    engine: Option<Address>,
) -> Checked {
    let mut checked = Checked::default();
    let mut next = chain.uncarried().next().map(|stated| stated.statement.seq);
    for (carried, signer) in clear.statements.iter().zip(signers) {
        let about = carried.statement.seq;
        let known = chain.uncarried_about(about).zip(next).filter(|(_, next)| about >= *next);
        let Some((expected, due)) = known else {
            checked.facts.push(Fact::StatementUnexpected { about });
            continue;
        };
        checked.facts.extend((due..about).map(|about| Fact::StatementSkipped { about }));
        next = about.checked_add(1);
        if let Some(field) = differing(expected, carried) {
            checked.facts.push(Fact::StatementField { about, field });
        } else if engine.is_none() || signer.as_ref().ok() != engine.as_ref() {
            let found = signer.as_ref().ok().copied();
            checked.facts.push(Fact::StatementSigner { about, found });
        } else {
            checked.good += 1;
            checked.newest = Some(about);
        }
    }
    checked
}

fn differing(expected: &FrameStatement, found: &CarriedStatement) -> Option<&'static str> {
    differing_field(&expected.statement, &found.statement)
        .or_else(|| (expected.statement.time_ms != found.statement.time_ms).then_some("time"))
        .or_else(|| (expected.history_path != found.history_path).then_some("historyPath"))
}

/// The first signed field that differs.
pub(crate) fn differing_field(a: &RootStatement, b: &RootStatement) -> Option<&'static str> {
    let same = [
        ("engineId", a.engine_id == b.engine_id),
        ("epoch", a.epoch == b.epoch),
        ("seq", a.seq == b.seq),
        ("time", a.time_ms / 1000 == b.time_ms / 1000),
        ("frameDigest", a.frame_digest == b.frame_digest),
        ("eventRoot", a.event_root == b.event_root),
        ("eventCount", a.event_count == b.event_count),
        ("stateRoot", a.state_root == b.state_root),
        ("historyRoot", a.history_root == b.history_root),
        ("historySize", a.history_size == b.history_size),
        ("policyHash", a.policy_hash == b.policy_hash),
    ];
    same.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}
