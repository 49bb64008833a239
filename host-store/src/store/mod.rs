//! Stores sealed frames, snapshots and sealed values on this machine's disk.
//!
//! What it is for: an acknowledged frame is on the disk, even after a power loss.
//!
//! What it does not do: open frames, interpret their contents, use the network.
//!
//! ```text
//! DIR/lock                one host at a time
//! DIR/log/NUMBER.seg      the frames; zero-filled in advance, synced before every ack
//! DIR/log/pruned.leaves   the leaves of frames that were pruned
//! DIR/index/              sled: place and digest of each frame, snapshot catalogue, sealed values
//! DIR/sealed/, DIR/sealed.copy/    each sealed value, as one file in each
//! DIR/snapshots/SEQ.snap  complete snapshots
//! DIR/reserve             room for the index on a full disk
//! ```
//! Why frames are not in sled itself: `specs/decisions/0003-frames-in-segments.md`.

mod condition;
mod damage;
mod disk;
mod growth;
mod index;
mod indexer;
mod opening;
mod port;
mod pruned;
mod recovery;
mod room;
mod sealed;
mod segment;
mod snapshots;
mod sync;
mod tail;
mod writer;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use condition::StoreState;
pub use damage::{SCRUB_BYTES_PER_SECOND, Scrub};
pub use disk::{DiskStore, OpenError, StoreOptions};
pub use index::IndexError;
pub use opening::suspect_index_at_panic;
pub use port::{AppendError, CheckedFrame, LogStore, SnapshotPart};
pub use recovery::RecoveryError;
pub use segment::{RecordError, SEGMENT_BYTES, SegmentReader, segment_files};
pub use sync::{DiskSyncer, Syncer};
pub use writer::{Acked, Writer, WriterClosed};

pub(crate) use disk::{
    INDEX_FOLDER, LOG_FOLDER, SNAPSHOTS_FOLDER, lock_exclusive, lock_shared, log_has_frames,
};
pub(crate) use index::{FramePlace, Index};
pub(crate) use opening::{is_blank, lost_index};
pub(crate) use pruned::{LogBase, Pruned, PrunedError};
pub(crate) use room::INDEX_BYTES;
pub(crate) use sealed::{SealedCopy, SealedFiles, agreed, set_aside};
pub(crate) use segment::{
    BLOCK_BYTES, Record, encode_record, encode_segment_header, record_bytes, segment_path,
};
pub(crate) use snapshots::{snapshot_name, snapshot_seq};
