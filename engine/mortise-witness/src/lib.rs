//! A witness of transparency logs (C2SP tlog-witness). It remembers the newest head of each known
//! log. It cosigns a checkpoint only if the checkpoint extends that head.
//!
//! What it is for: development, tests, and users who run Mortise `witnessed` before they have
//! independent witnesses. Any other witness of the protocol works too.
//!
//! What it does not do: interpret leaves, choose logs, speak TLS, serve monitors. A witness on the
//! machine of the log is no check on the log: run it where another party is root.
//!
//! ```text
//! POST /add-checkpoint -> http -> Witness::add_checkpoint: parse, origin, signature, size, path
//!                                   -> Heads: compare and swap, fsync -> cosignature leaves
//! ```
//! Invariants:
//! - For each log, across restarts, every cosigned head extends the one before it.
//! - A head is on the disk before its cosignature leaves.
//! - One process holds a folder.

mod folder;
mod heads;
mod http;
mod key;
mod logs;
mod witness;

pub use folder::{Folder, FolderError};
pub use heads::{FileHeads, Heads, HeadsError, MemoryHeads};
pub use http::serve;
pub use key::WitnessSigner;
pub use logs::{KnownLogs, LogsError};
pub use witness::{Answer, CosignError, Witness};
