//! Goal: every step of `specs/attestation.md` accepts the documents that AWS signs and refuses each
//! deviation with its named error.
//!
//! Method: genuine documents, tampered ones, and ones that a test authority signed. The genuine
//! documents are read from the folder `attestation` in `MORTISE_VECTORS` (default: `shared/vectors`
//! beside the repository). Without that folder those tests print a line and pass; under `CI=true`
//! they fail. `issuer` signs what AWS would never sign. It is written against the standards, not
//! against our parser.

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
