//! Names of failed checks of attestations, with the next step for each.

use crate::failure::Failure;
use mortise_client::ProofError;
use mortise_verify::attestation::{AttestationError, Field, GenesisDocumentError};
use serde_json::json;

/// A refused document: exit 1, with the name of the check.
pub(super) fn document(error: &AttestationError) -> Failure {
    failure(
        &name(&format!("{error:?}")),
        &format!("the attestation document: {error}"),
        next(error),
    )
}

/// A refused answer.
pub(super) fn proof(error: &ProofError) -> Failure {
    match error {
        ProofError::Document(error) => document(error),
        ProofError::Genesis(error) => genesis(error),
        other => {
            let name = name(&format!("{other:?}"));
            failure(&name, &other.to_string(), next_of_answer(other).to_owned())
        }
    }
}

/// A genesis document that is missing or refused: the claim `genesis` is not proven.
fn genesis(error: &GenesisDocumentError) -> Failure {
    let next = match error {
        GenesisDocumentError::Missing => {
            "the keys may have been made outside by an administrator of the key, who then reads \
             every frame and signs as this engine: ask the operator for an engine that was \
             created with a genesis document, or do without this claim"
        }
        GenesisDocumentError::Document(AttestationError::PcrNotApproved { .. }) => {
            "another image than those that you named drew the keys: name it too if you approve it \
             (--pcr0)"
        }
        _ => {
            "do not trust the keys: the document in the answer is not the one that was made when \
             they were drawn"
        }
    };
    let (name, evidence) =
        (error.name(), json!({"claim": "genesis", "name": error.name(), "next": next}));
    Failure::check(format!("{name}: NOT PROVEN{{genesis}}: {error}\n  next: {next}"))
        .with_evidence(evidence)
}

fn failure(name: &str, what: &str, next: String) -> Failure {
    let evidence = json!({"name": name, "next": next});
    Failure::check(format!("{name}: {what}\n  next: {next}")).with_evidence(evidence)
}

/// The variant, as its `Debug` starts.
fn name(debug: &str) -> String {
    debug.chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn next(error: &AttestationError) -> String {
    use AttestationError as E;
    match error {
        E::RootNotPinned { found } => format!(
            "if this is your development system, pass its root: --root .mortise/dev/nitro-root.pem \
             (SHA-256 {found}); otherwise do not trust the document"
        ),
        E::Unsigned { .. } => {
            "it comes from an emulated module, which signs nothing: only a real enclave or \
             `mortise-dev dev` makes documents that can be verified"
                .into()
        }
        E::DebugMode => {
            "the enclave was started in debug mode, so its parent can read it: the key \
                         service and verifiers refuse it; start it without --debug-mode"
                .into()
        }
        E::PcrNotApproved { index, found, .. } => format!(
            "the enclave runs another image than those that you named; if you approve it, add \
             --pcr{index} {found}"
        ),
        E::PcrMissing { index } => {
            format!("the document does not list PCR{index}, which you named: remove the flag")
        }
        E::Stale { age_ms, .. } => clocks(&format!("{} s behind", age_ms / 1000)),
        E::FromTheFuture { ahead_ms, .. } => clocks(&format!("{} s ahead of", ahead_ms / 1000)),
        E::Expired { not_after_s, at_s, .. } => {
            clocks(&format!("valid until {} s before", at_s.saturating_sub(*not_after_s)))
        }
        E::NotYetValid { not_before_s, at_s, .. } => {
            clocks(&format!("valid from {} s after", not_before_s.saturating_sub(*at_s)))
        }
        E::ClaimMismatch { field: Field::Nonce, .. } => {
            "it answers another request: request it again with your own nonce, or pass the nonce \
             of that request (--nonce)"
                .into()
        }
        E::BindingMismatch { .. }
        | E::BindingPcrMismatch { .. }
        | E::StatementMismatch { .. }
        | E::LeaseMismatch { .. }
        | E::ClaimMismatch { .. } => {
            "do not use the keys or the state of this answer: the enclave did not attest them; \
             reach the engine over another route"
                .into()
        }
        E::Lease(_) => {
            "the enclave lost touch with its witnesses, and another engine may have continued the \
             log: request a fresh document, and ask the operator if it stays"
                .into()
        }
        E::DocumentTooLarge { .. } | E::Envelope(_) | E::Payload(_) => {
            "pass the whole, unchanged COSE_Sign1 bytes: raw, as hex or as base64".into()
        }
        _ => "do not trust the document: it is damaged or forged".into(),
    }
}

/// The time of the document is `where_it_is` the clock of this machine.
fn clocks(where_it_is: &str) -> String {
    format!(
        "its time is {where_it_is} this machine's clock: set the clock if it is wrong, request a \
         fresh document, or check an old one with --at-its-own-time"
    )
}

fn next_of_answer(error: &ProofError) -> &'static str {
    match error {
        ProofError::Unattested => {
            "this engine has no security module, so it cannot prove which code holds its keys: do \
             not rely on its promises"
        }
        _ => {
            "do not use this answer: a relay may have changed it; reach the engine over another \
             route"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::pcr::Pcr;
    use mortise_verify::attestation::AWS_NITRO_ROOT_G1;

    #[test]
    fn failed_checks_have_a_name_and_the_next_step() {
        let found = AWS_NITRO_ROOT_G1;
        let failure = document(&AttestationError::RootNotPinned { found });
        assert!(failure.text().starts_with("RootNotPinned: "), "{}", failure.text());
        assert!(failure.text().contains("--root .mortise/dev/nitro-root.pem"));
        assert_eq!(failure.json()["error"]["evidence"]["name"], "RootNotPinned");
        assert_eq!(failure.exit_code(), 1);
        let found = Pcr([7; 48]);
        let failure = document(&AttestationError::PcrNotApproved { index: 0, approved: 1, found });
        assert!(failure.text().contains(&format!("--pcr0 {found}")), "{}", failure.text());
        let failure = document(&AttestationError::Stale { age_ms_max: 1, age_ms: 400_000 });
        assert!(failure.text().contains("400 s behind this machine's clock"));
        assert!(proof(&ProofError::Unattested).text().starts_with("Unattested: "));
        let failure = document(&AttestationError::DebugMode);
        assert!(failure.text().contains("started in debug mode"));
    }
}
