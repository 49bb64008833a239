//! A witness of transparency logs, C2SP tlog-witness: it remembers the newest head of each log that
//! it knows, and cosigns a checkpoint only when what it remembers is a beginning of it.
//!
//! What it is for: users who run Mortise `witnessed` before they have found witnesses of others;
//! development; tests. Any other witness of the protocol does as well.
//!
//! What it does not do: know what leaves mean, choose logs, speak TLS, serve monitors. A witness
//! that runs where the log runs is no check on it: run it where somebody else is root.
//!
//! ```text
//! POST /add-checkpoint -> http -> Witness::add_checkpoint: parse, origin, signature, size, path
//!                                   -> Heads: compare and swap, fsync -> cosignature leaves
//! ```
//! Invariants: per log, cosigned sizes never shrink and each is a beginning of the next, restarts
//! included; the head is on the disk before its cosignature leaves; one process has a folder.

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
pub use witness::{Answer, Refused, Witness};
