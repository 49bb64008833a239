//! What the anchors file already knows: the newest statement that its engine signed.
//!
//! Invariants: a statement that contradicts the kept one is never proven, by any command.

use super::pin::EnginePin;
use super::refused;
use super::verdict::Rendered;
use crate::failure::Failure;
use mortise_verify::statement::{VerifiedStatement, verify};
use mortise_verify::verdict::{Basis, Claim, Named};
use mortise_verify::{fork, json};

/// Compares a statement with the newest one of the anchors file, if that has one.
pub(super) fn compare(
    pin: &EnginePin,
    stated: &VerifiedStatement,
    rendered: &mut Rendered,
) -> Result<(), Failure> {
    let Some(kept) = kept(pin)? else { return Ok(()) };
    if let Some(rule) = fork::between(&kept, stated) {
        let what = format!("it contradicts [last] of the anchors file: {rule:?}");
        return Err(refused::named("Fork", &what));
    }
    let (own, known) = (stated.head().size, kept.head().size);
    if own == known {
        let basis = Basis::named(Named::Comparison, "the newest statement of your anchors file");
        let what = format!("its history of {own} frames is the one that your anchors file has");
        rendered.establish(Claim::Continues, what, basis);
    } else {
        rendered.leaves_open(format!(
            "that its history of {own} frames and the {known} of your anchors file are one: \
             mortise verify root --older --consistency"
        ));
    }
    Ok(())
}

/// Compares the policy of a statement with that of the anchors file, if that has one.
pub(super) fn policy(pin: &EnginePin, stated: &VerifiedStatement, rendered: &mut Rendered) {
    if let Some(wanted) = &pin.anchors.policy_hash {
        rendered.compare(Claim::Policy, "the policy", wanted, &stated.fields().policy_hash);
    }
}

/// The kept statement, checked against the engine.
fn kept(pin: &EnginePin) -> Result<Option<VerifiedStatement>, Failure> {
    let Some(last) = pin.anchors.last() else { return Ok(None) };
    let named = |what: &dyn std::fmt::Display| {
        Failure::check(format!("the anchors file: [last]: {what}\n  next: remove the table"))
    };
    let signed = json::statement(&last.statement, last.signature).map_err(|e| named(&e))?;
    verify(&pin.engine, &signed).map(Some).map_err(|error| named(&error))
}
