//! Snapshots of a machine: taken while it works, sealed part by part under a key that is never
//! released.
//!
//! What it is for: a boot that does not replay the whole log. [`Machine::begin_snapshot`] fixes the
//! moment after the last closed frame; from then on every value of the state is encoded before it
//! changes (`state::chunks`), and the rest in slices of bounded size between the turns of the
//! writer. Nothing is cloned, nothing is sorted.
//!
//! What it does not do: upload, choose when, wait. The order of values in a snapshot depends on
//! slots, so two machines with equal states make different snapshots; what is checked at load is
//! the state root.
//!
//! ```text
//! stream    head record | records of values and of tiles, in any order | end     (stream.rs)
//! parts     the stream in pieces of SNAPSHOT_PART_BYTES when sealed, each sealed by itself
//! manifest  head | state root | digest of each part | the rest of the stream; the last part
//! ```
//! Invariants: a part opens only at its own place in its own snapshot, because the manifest names
//! its digest; a load takes one part at a time, so that its memory is that of the state; a snapshot
//! that is not whole, or does not lead to the state root of its head, is a named error.

mod load;
mod seal;
mod stream;
mod take;
#[cfg(test)]
mod tests;

pub use load::SnapshotLoad;
pub use seal::{SealedPart, SnapshotKeys};
pub use take::{SnapshotStep, Taking};

use super::{EpochRecord, Head};
use crate::body::FrameStatement;
use crate::history::Frontier;
use alloc::vec::Vec;
use bincode::{Decode, Encode};
use mortise_format::ids::{Bytes32, Root};
use mortise_format::rules::RulesUnknown;

/// Layout version of snapshots. A snapshot of another layout is not used.
pub const SNAPSHOT_VERSION: u8 = 9;

/// What is sealed last and read first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Manifest {
    head: Head,
    state_root: Root,
    /// Digest of every part but this one, in order.
    parts: Vec<Bytes32>,
    /// The end of the stream, which filled no part.
    rest: Vec<u8>,
}

/// The first record of the stream, with that of the state: the small part of a machine, copied when
/// the snapshot begins.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct MachineHead {
    history: Frontier,
    /// Full tiles of the archive, which follow in records of their own.
    tiles: u64,
    /// Leaf hashes of the archive's open tile.
    open_tile: Vec<[u8; 32]>,
    epochs: Vec<EpochRecord>,
    uncarried: Vec<FrameStatement>,
}

/// Why a snapshot is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It does not begin as a snapshot of this layout does.
    #[error("the snapshot is not of layout {SNAPSHOT_VERSION}")]
    Layout,
    /// Its manifest, or a part that the manifest names, does not open under the snapshot key.
    #[error("the snapshot does not open")]
    Cipher,
    /// It opens but does not decode.
    #[error("the snapshot does not decode")]
    Malformed,
    /// It belongs to another frame.
    #[error("the snapshot belongs to another frame")]
    Foreign,
    /// It is of rules that this code does not know.
    #[error(transparent)]
    RulesUnknown(#[from] RulesUnknown),
    /// The store lists another number of parts than the manifest names.
    #[error("the manifest names {named} parts and the store lists {listed}")]
    PartCount {
        /// By the manifest, itself included.
        named: u64,
        /// By the store.
        listed: u64,
    },
    /// A part is not the one that the manifest names at its place: cut, changed, of another place
    /// or of another snapshot.
    #[error("part {part} is not the one that the manifest names")]
    WrongPart {
        /// The part.
        part: u32,
    },
    /// A record is missing, or there twice.
    #[error("the snapshot is not whole")]
    Incomplete,
    /// Its frontier and its archive belong to different histories.
    #[error("the snapshot's history contradicts itself")]
    History,
    /// The state in it does not hash to the root in it, or is inconsistent.
    #[error("the snapshot's state does not match its root")]
    StateRoot,
    /// The state does not fit the parts that a snapshot may have.
    #[error("the state does not fit a snapshot")]
    TooLarge,
}
