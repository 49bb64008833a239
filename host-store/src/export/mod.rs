//! A whole log as one file: written from a data folder, read by an auditor, imported into a new
//! folder.
//!
//! What it is for: give a log to an auditor, keep it, move it (`specs/audit.md` has the bytes).
//!
//! What it does not do: open frames, judge what they say, write parts of a log.
//!
//! ```text
//! data folder, stopped --------> write --> file --ExportReader--> frames, in order    (audit)
//! data folder, running host --socket--^      '----import--------> a new data folder
//! ```
//! Invariants: a file is read as a whole or refused by name; what is read of it up to a refusal is
//! a good beginning of the log, frame by frame; an export or an import is there whole or not at
//! all.

mod client;
mod folder;
mod frames;
mod live;
mod parts;
mod server;

pub use client::LiveError;
pub use folder::{FolderError, export, import};
pub use mortise_export::{EXPORT_VERSION, ExportError, ExportReader, ExportWriter, Parts};
pub use parts::{is_stored, parts_of};

pub(crate) use server::{ExportListener, ExportServer, serve};

#[cfg(test)]
mod live_tests;
#[cfg(test)]
pub(crate) mod tests;
