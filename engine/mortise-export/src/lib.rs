//! A whole log as one file: sealed frames in order, with the genesis and public keys
//! (`specs/audit.md` has the bytes).
//!
//! What it is for: the host writes the file from its store, and an auditor reads it without a
//! store. Both check digests and chain for each frame.
//!
//! What it does not do: open frames, check their content, access a store.
//!
//! Invariants: a file is read completely or refused with a named error. The frames read before an
//! error are a valid beginning of the log.

mod file;
mod frame;

pub use file::{EXPORT_VERSION, ExportError, ExportReader, ExportWriter, Parts};
pub use frame::CheckedFrame;
