//! Audit by replay: checks the whole log frame by frame (`specs/audit.md`).
//!
//! What it is for: find out whether the engine that wrote a log kept its rules. Without keys it
//! checks what is public; with the content roots of the epochs it replays every single decision.
//!
//! | | outsider | auditor: content roots, state-salt key, genesis |
//! |---|---|---|
//! | bytes | digests of each frame, order in the chain, history | the same |
//! | boots | record, document at its own time, binding of keys and history | the same |
//! | statements | those that the frames require, in order, signed | the same |
//! | events | | open, decode to their one encoding, hash to the event root |
//! | decisions | | each command admitted and decided again, rejects too |
//! | time | | expiries, settlements, prunes: exactly those that were due |
//! | state | | state root and policy hash after every frame |
//!
//! ```text
//! bytes -> prepare (pure, parallel: digests, cipher, decoding, signatures)
//!              -> Auditor::follow (in order: chain, statements, decisions, apply, roots) -> Report
//! ```
//!
//! What it does not do: check MACs. Their keys never leave the engine, because a holder of them
//! could write frames. So a party that holds the content keys can make up frames that pass this
//! audit. It cannot make a statement about them; [`Report::signed_to`] says how far the engine's
//! own signature reaches. Nor does the audit see what was never logged: a reject without a request
//! ID, a request that was dropped.
//!
//! Invariants: everything is checked against the state that the log itself leads to; a finding
//! names frame and event; after a break of the chain, or an event that does not fit the state,
//! nothing that depends on it is checked.
#![warn(missing_docs)]
#![no_std]
#![deny(clippy::as_conversions, clippy::float_arithmetic)]

extern crate alloc;

mod anchors;
mod auditor;
mod boots;
mod checker;
mod checkpoints;
mod finding;
#[cfg(feature = "json")]
mod key_file;
mod keys;
mod prepare;
mod report;
mod statements;
mod verdict;

pub use auditor::{Auditor, Subject};
pub use boots::{BootTrust, Images};
pub use checkpoints::{CheckpointReport, CheckpointVerdict, Recovery};
pub use finding::{Fact, Finding};
#[cfg(feature = "json")]
pub use key_file::{KEY_FILE_FORMAT, KeyFileError};
pub use keys::AuditKeys;
pub use prepare::{Prepared, prepare};
pub use report::{
    BootAttestation, EngineIdBasis, EpochReport, Gap, GenesisAttestation, Level, Report,
};
pub use verdict::{Asked, Unjudged};
