//! What an outsider can check with no server and no trust in whoever handed him the bytes.
//!
//! What it is for: attestation documents of AWS Nitro Enclaves (feature `attestation`): who signed
//! them, which image runs, which keys it holds, how fresh they are (`specs/attestation.md`).
//!
//! What it does not do: fetch anything, read a clock, draw entropy, remember what it saw. Time,
//! trusted roots and policies are parameters.
//!
//! Invariants: a verified thing has its own type with private fields, and only the check makes one;
//! no input makes it panic, recurse or allocate beyond its bounds (`mortise_format::limits`).
#![no_std]
#![deny(clippy::as_conversions, clippy::float_arithmetic)]

#[cfg(feature = "attestation")]
extern crate alloc;

#[cfg(feature = "attestation")]
pub mod attestation;
