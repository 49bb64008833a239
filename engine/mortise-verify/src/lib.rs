//! Offline verification: what anyone can check with no server and no trust in the source of bytes.
//!
//! What it is for, one module for each question:
//!
//! | question | module | answer |
//! |---|---|---|
//! | did this engine state this about a frame and its log? | [`statement`] | `VerifiedStatement` |
//! | is this event in its log, and where? | [`receipt`] | `VerifiedReceipt`, `VerifiedFrame` |
//! | what did its state hold, or not hold? | [`state`] | `VerifiedLeaf`, `VerifiedAbsence` |
//! | is this leaf in that log? | [`history`] | `VerifiedInclusion`, `VerifiedConsistency` |
//! | did log and witnesses sign this checkpoint? | [`checkpoint`] | `CosignedCheckpoint` |
//! | how old is this answer about now? | [`lease`] | `VerifiedLease` |
//! | is this `tlog-proof@v1` good? | [`tlog_proof`] | `VerifiedTlogProof` |
//! | did it contradict itself? | [`fork`] | `VerifiedFork` |
//! | which engine replaced a lost engine, and who agreed? | [`succession`] | `VerifiedSuccession` |
//! | did it promise this lock? | [`commitment`], [`insecure`] | `VerifiedCommitment` |
//! | what do all checks of a file come to? | [`verdict`] | `Verdict` |
//! | which image holds its keys? | `attestation`, a feature | `VerifiedAttestation` |
//!
//! What it does not do: fetch anything, read a clock, draw entropy, remember what it saw. Time,
//! trusted roots, engines and policies are parameters.
//!
//! Invariants: a verified value has its own type with private fields, and only its check makes one;
//! leaves are hashed here, counts and roots come from signed statements, and each path has exactly
//! the length that its index and size require; a verified value contains nothing that was not
//! checked; no input makes a check panic, recurse or allocate beyond its bounds
//! (`mortise_format::limits`).
//!
//! This crate does not depend on the engine's code. Whether an engine kept its rules in every frame
//! is what `mortise-audit` checks by replaying the log.
//!
//! A check that fails has a stable name ([`named`]). `specs/vectors` has a vector for every name.
#![warn(missing_docs)]
#![cfg_attr(feature = "json", doc = include_str!("example.md"))]
#![no_std]
#![deny(clippy::as_conversions, clippy::float_arithmetic)]

extern crate alloc;

#[cfg(feature = "attestation")]
pub mod attestation;
pub mod checkpoint;
pub mod commitment;
mod engine;
pub mod fork;
pub mod history;
pub mod insecure;
#[cfg(feature = "json")]
pub mod json;
pub mod lease;
pub mod named;
pub mod receipt;
pub mod state;
pub mod statement;
pub mod succession;
pub mod tlog_proof;
pub mod verdict;
pub mod witness_answer;

pub use engine::{Engine, SignerError};
