//! Audit by replay: the whole log again, frame by frame (`specs/audit.md`).
//!
//! What it is for: say of a log whether the engine that wrote it kept its rules - without a key as
//! far as that goes, and with the content roots of its epochs down to every single decision.
//!
//! | | outsider | auditor: content roots, state-salt key, genesis |
//! |---|---|---|
//! | bytes | digests of each frame, place in the chain, history | the same |
//! | boots | record, document at its own time, binding of keys and history | the same |
//! | statements | the ones that the frames call for, in order, signed | the same |
//! | events | | open, decode to their one encoding, hash to the event root |
//! | decisions | | each command admitted and decided again, refusals too |
//! | time | | expiries, settlements, prunes: what time calls for, no more and no less |
//! | state | | state root and policy hash after every frame |
//!
//! ```text
//! bytes -> prepare (pure, side by side: digests, cipher, decoding, signatures)
//!              -> Auditor::follow (in order: place, statements, decisions, apply, roots) -> Report
//! ```
//!
//! What it does not do: check MACs. Their keys never leave the engine, because whoever has them
//! could write frames. So frames that a holder of content keys made up follow as well as the
//! engine's; what he cannot make is a statement about them, and [`Report::signed_to`] says how far
//! the engine's own signature reaches. Nor does it see what was never logged: a refusal without a
//! request, a request that was dropped.
//!
//! Invariants: what is judged is judged against the state that the log itself leads to; a finding
//! names frame and event; after a break of the chain, or an event that does not fit the state,
//! nothing that depends on it is judged any more.
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

pub use auditor::{Auditor, Subject};
pub use boots::{BootTrust, Images};
pub use checkpoints::{CheckpointReport, CheckpointVerdict, Recovery};
pub use finding::{Fact, Finding};
#[cfg(feature = "json")]
pub use key_file::{KEY_FILE_FORMAT, KeyFileError};
pub use keys::AuditKeys;
pub use prepare::{Prepared, prepare};
pub use report::{BootAttestation, EngineIdBasis, EpochReport, Gap, Level, Report};
