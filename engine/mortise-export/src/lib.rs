//! A whole log as one file: sealed frames in order, with the genesis and public keys
//! (`specs/audit.md` has the bytes).
//!
//! What it is for: the host writes the file from its store, an auditor reads it without one. Both
//! check digests and chain as they go.
//!
//! What it does not do: open frames, judge what they say, touch a store.
//!
//! Invariants: a file is read as a whole or refused by name; what was read before a refusal is a
//! good beginning of the log, frame by frame.

mod file;
mod frame;

pub use file::{EXPORT_VERSION, ExportError, ExportReader, ExportWriter, Parts};
pub use frame::CheckedFrame;
