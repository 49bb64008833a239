//! A whole log as one file: written from a data folder, read by an auditor, put into a new folder.
//!
//! What it is for: give a log to an auditor, keep it, move it (`specs/audit.md` has the bytes).
//!
//! What it does not do: open frames, judge what they say, write parts of a log.
//!
//! ```text
//! data folder --export--> file --ExportReader--> frames, in order     (audit)
//!                           '----import--------> a new data folder
//! ```
//! Invariants: a file is read as a whole or refused by name; what is read of it up to a refusal is
//! a good beginning of the log, frame by frame; an import is there whole or not at all.

mod folder;
mod parts;

pub use folder::{FolderError, export, import};
pub use mortise_export::{EXPORT_VERSION, ExportError, ExportReader, ExportWriter, Parts};
pub use parts::{is_stored, parts_of};

#[cfg(test)]
mod tests;
