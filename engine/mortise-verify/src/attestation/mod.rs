//! Attestation documents of AWS Nitro Enclaves, checked step by step (`specs/attestation.md`).
//!
//! What it is for: turn untrusted bytes into a [`VerifiedAttestation`] (fresh, for a caller that
//! sent a nonce) or an [`ArchivedAttestation`] (any time later, from a log). The genesis document
//! of an engine has a check of its own ([`verify_genesis`]).
//!
//! What it does not do: decide that an image is good (the caller's [`PcrPolicy`] does), look up
//! revocations (AWS publishes none for verifiers), remember nonces.
//!
//! ```text
//! envelope -> fields -> certificates -> signatures -> debug? -> PCRs -> claims -> freshness
//! COSE_Sign1  CBOR map  pin, profile,   document,     refused  policy  binding,  live only
//! ES384                 validity        then chain                     nonce
//! ```
//!
//! Invariants: the first check that fails, in the order above, names the error; signatures are
//! verified over the received bytes, never over a re-encoding; a document that is accepted live is
//! accepted archived under the same roots, policy and claims.
//!
//! ```
//! use mortise_verify::attestation::{
//!     AWS_NITRO_ROOT_G1, ArchivedCheck, AttestationError, Claims, Expect, PcrPolicy,
//!     verify_archived,
//! };
//!
//! let check = ArchivedCheck {
//!     roots: &[AWS_NITRO_ROOT_G1],
//!     pcrs: &PcrPolicy::any_image(),
//!     claims: Claims::unchecked(),
//!     nonce: Expect::Anything,
//! };
//! let refused = verify_archived(b"no document", &check).unwrap_err();
//! assert!(matches!(refused, AttestationError::Envelope(_)));
//! ```

mod cbor;
mod certificate;
mod chain;
mod document;
mod envelope;
mod error;
mod genesis;
mod policy;
mod root;
mod verify;

pub use cbor::{CborError, CborType};
pub use document::{Document, Unverified, admitted_insecure_mode, read_unverified};
pub use error::{AttestationError, CertificateFault, Field, Hex, Link};
pub use genesis::{GenesisDocumentError, verify_genesis};
pub use mortise_format::binding::{BoundKeys, KeyBinding, LeaseDigest};
pub use mortise_format::pcr::{PCR_BYTES, Pcr};
pub use policy::{ImageRule, PcrPolicy, PolicyError};
pub use root::{AWS_NITRO_ROOT_G1, RootFingerprint};
pub use verify::{
    ArchivedAttestation, ArchivedCheck, Claims, Expect, LeaseClaim, LiveCheck, VerifiedAttestation,
    verify_archived, verify_live,
};
