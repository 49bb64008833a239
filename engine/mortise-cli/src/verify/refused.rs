//! A check that failed: its name, the reason, the next step.

use crate::failure::Failure;
use mortise_verify::named::NamedError;
use serde_json::json;

/// The name of a failed check.
pub(super) fn name(error: &impl NamedError) -> &'static str {
    error.name()
}

/// A failed check of the library: exit 1.
pub(crate) fn by(error: &impl NamedError) -> Failure {
    named(error.name(), &error.to_string())
}

/// A failed check with this name: exit 1.
pub(super) fn named(name: &str, what: &str) -> Failure {
    let next = next(name);
    let evidence = json!({"verdict": "NOT PROVEN", "name": name, "next": next});
    Failure::check(format!("NOT PROVEN: {name}: {what}\n  next: {next}")).with_evidence(evidence)
}

/// The next step for a failed check or a missing claim.
pub(super) fn next(name: &str) -> &'static str {
    let step = NEXT_STEPS.iter().find(|(names, _)| names.contains(&name));
    step.map_or(
        "do not trust the file: it is damaged, cut or forged; request it again from the engine",
        |(_, next)| next,
    )
}

/// Names of failed checks, those of `specs/receipts.md` and its neighbours, and the next step.
const NEXT_STEPS: &[(&[&str], &str)] = &[
    (
        &["Form"],
        "pass the whole, unchanged answer of the engine, alone or with its JSON-RPC envelope",
    ),
    (
        &["EngineId"],
        "it belongs to another engine than the one that you named: check --engine-id or the \
             anchors file",
    ),
    (
        &["Signer", "Malformed"],
        "the engine that you named did not sign this: check --address; if it is correct, the \
             file was changed or forged",
    ),
    (
        &["LogSignature", "LogSignatureMissing", "Origin"],
        "the log that you named did not sign this checkpoint: check --log-key and --origin",
    ),
    (
        &["Quorum", "Cosignature"],
        "the witnesses that you named did not cosign this checkpoint: fetch a newer one, or \
             check --witness and --quorum",
    ),
    (
        &["LeaseOld", "NoCheckpoint"],
        "the answer may be the old state of an engine that another one superseded: ask again, over \
             another route; if it stays, witnesses do not cosign for this engine any more",
    ),
    (
        &["HeadMismatch"],
        "the checkpoint does not belong to the statement: the answer was put together from two; \
             request it again from the engine",
    ),
    (
        &["LeaseFromTheFuture"],
        "a clock is wrong: that of this machine, of the engine or of the witnesses",
    ),
    (
        &["PredecessorId"],
        "parts of the old engine were changed: take genesis, keys and log secret commitment \
             from its log or its getEngineInfo",
    ),
    (
        &["NotAnOperator", "TooFewOperators", "OperatorTwice"],
        "the operators of the old engine did not agree to this file: as many as its policy \
             requires must sign it, unchanged (mortise genesis recover sign)",
    ),
    (
        &["LaterCheckpoint", "OtherRoot"],
        "the old log continued or forked after the checkpoint that the operators named: keep \
             both files, they are evidence",
    ),
    (
        &["NoWitnesses"],
        "nothing shows where the old log ended: create a new engine without a predecessor, and \
             publish that",
    ),
    (
        &["nothing"],
        "the file holds nothing to verify: request it again from the engine, and pass the whole \
             answer",
    ),
    (
        &["kind", "status", "present", "absent", "policy", "terms"],
        "the file is genuine and says something else than you expected: do not rely on it",
    ),
    (
        &["noFindings", "boots", "statementsKept", "checkpointsKept"],
        "the findings name what is wrong, by frame: keep the log and what you kept, they are \
             evidence",
    ),
    (&["Position"], "the answer is about another entry: name the entry that you requested"),
    (
        &["ShowsAbsence", "ShowsPresence", "Mixed"],
        "the answer and its proof disagree: do not use it; request it again",
    ),
    (
        &["DebugMode", "Emulated"],
        "its promises bind no one: use an attested engine (mortise verify attestation); start \
             a production enclave on Nitro, without --debug-mode",
    ),
    (
        &["Terms", "LockId", "UserSignature"],
        "the promise does not match your terms: do not rely on it",
    ),
    (
        &["Custody", "Durability", "Policy"],
        "the engine promised under conditions that you do not accept: do not rely on it",
    ),
    (
        &["Expired", "FromTheFuture", "TimeOrder"],
        "do not fill against it; to check an old promise, pass --at document",
    ),
    (&["OwnerIsTaker"], "its owner can end the lock at any time: do not fill against it"),
    (
        &["RulesUnknown", "Version"],
        "newer code wrote it: take a newer version of mortise to judge it",
    ),
    (
        &["Contradiction"],
        "the engine stated something else than it sealed: keep the file, it is evidence",
    ),
    (
        &["NoContradiction", "SameStatement", "SameLeaf"],
        "this pair shows no fork: one log can have both; compare other statements",
    ),
    (
        &["Fork"],
        "create evidence from both files and publish it: mortise verify fork FILE OLDER --out \
             evidence.json",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_verify::fork::ForkError;

    #[test]
    fn failed_checks_have_a_name_and_the_next_step() {
        let failure = by(&ForkError::NoContradiction);
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.text().starts_with("NOT PROVEN: NoContradiction: "), "{}", failure.text());
        assert_eq!(failure.json()["error"]["evidence"]["name"], "NoContradiction");
        assert!(failure.text().contains("\n  next: "));
    }
}
