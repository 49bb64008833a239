//! Attestation documents: genuine ones, changed ones, and ones that a made-up authority signed.
//!
//! Goal: every step of `specs/attestation.md` accepts what AWS makes and refuses each deviation by
//! its name. Method: the genuine documents are read from the folder `attestation` in
//! `MORTISE_VECTORS` (default: `shared/vectors` beside the repository); without it those tests say
//! so and pass, except under `CI=true`, where they fail. What AWS would never sign is signed by
//! `issuer`, an authority of the same shape written against the standards, not against our reader.

pub(crate) mod der;
pub(crate) mod genuine;
pub(crate) mod issuer;
mod live;
mod refused;
mod tampered;

use mortise_verify::attestation::AttestationError;

/// The name of an error: its variant, without fields.
fn name(error: &AttestationError) -> String {
    let text = format!("{error:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}
