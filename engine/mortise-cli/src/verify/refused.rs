//! A check that failed: its name, what it says, the next step.

use crate::failure::Failure;
use mortise_verify::named::NamedError;
use serde_json::json;

/// The name of a refusal.
pub(super) fn name(error: &impl NamedError) -> &'static str {
    error.name()
}

/// A refusal by the library: exit 1.
pub(crate) fn by(error: &impl NamedError) -> Failure {
    named(error.name(), &error.to_string())
}

/// A refusal of this name: exit 1.
pub(super) fn named(name: &str, what: &str) -> Failure {
    let next = next(name);
    let evidence = json!({"verdict": "NOT PROVEN", "name": name, "next": next});
    Failure::check(format!("NOT PROVEN: {name}: {what}\n  next: {next}")).with_evidence(evidence)
}

/// What to do. Names are those of `specs/receipts.md` and its neighbours.
fn next(name: &str) -> &'static str {
    match name {
        "Form" => {
            "give the engine's answer whole and unchanged, alone or with its JSON-RPC envelope"
        }
        "EngineId" => {
            "it is of another engine than the one that you named: check --engine-id, or ask the \
             engine that you believe"
        }
        "Signer" | "Malformed" => {
            "the engine that you named did not sign this: check --address; if it is right, \
             somebody changed or made up the file"
        }
        "LogSignature" | "LogSignatureMissing" | "Origin" => {
            "the log that you named did not sign this checkpoint: check --log-key and --origin"
        }
        "Quorum" | "Cosignature" => {
            "the witnesses that you named did not vouch for this checkpoint: ask for a newer one, \
             or check --witness and --quorum"
        }
        "PredecessorId" => {
            "parts of the old engine were changed: take genesis, keys and log secret commitment \
             from its log or its getEngineInfo"
        }
        "NotAnOperator" | "TooFewOperators" | "OperatorTwice" => {
            "the operators of the old engine did not agree to this file: let as many as its policy \
             asks for sign it, unchanged (mortise genesis recover sign)"
        }
        "LaterCheckpoint" | "OtherRoot" => {
            "the old log went on, or forked, behind what the operators named: keep both files, \
             they are evidence"
        }
        "NoWitnesses" => {
            "nothing says where the old log ended: found a new engine without a predecessor, and \
             say so"
        }
        "Position" => "the answer is about another entry: name the one that you asked about",
        "ShowsAbsence" | "ShowsPresence" | "Mixed" => {
            "the answer says one thing and its proof another: do not use it; ask again"
        }
        "DebugMode" | "Emulated" => {
            "whatever it promises, nobody is bound by it: ask an engine that is attested (mortise \
             verify attestation); a production enclave starts without --debug-mode, on Nitro"
        }
        "Terms" | "LockId" | "UserSignature" => {
            "the promise is not the one that you asked for: do not rely on it"
        }
        "Custody" | "Durability" | "Policy" => {
            "the engine promised under other conditions than you accept: do not rely on it"
        }
        "Expired" | "FromTheFuture" | "TimeOrder" => {
            "do not fill against it; to look at an old promise, say --at document"
        }
        "Contradiction" => {
            "the engine stated something else than it sealed: keep the file, it is evidence"
        }
        "NoContradiction" | "SameStatement" | "SameLeaf" => {
            "this pair shows no fork: one log can have both; compare other statements"
        }
        "Fork" => {
            "make evidence of both files and hand it on: mortise verify fork FILE OLDER --out \
             evidence.json"
        }
        _ => "do not believe the file: it is damaged, cut or made up; ask the engine again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_verify::fork::ForkError;

    #[test]
    fn refusals_are_named_and_say_the_next_step() {
        let failure = by(&ForkError::NoContradiction);
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.text().starts_with("NOT PROVEN: NoContradiction: "), "{}", failure.text());
        assert_eq!(failure.json()["error"]["evidence"]["name"], "NoContradiction");
        assert!(failure.text().contains("\n  next: "));
    }
}
