//! The messages of the store protocol (`specs/store-protocol.md`): the requests of the engine to
//! the host that keeps its sealed log, and the responses.
//!
//! What it does not do: trust either side. The host checks what it can see of a frame before it
//! keeps it; the engine checks every response as untrusted bytes.
//!
//! Each message is one bincode value (`codec`) inside the numbered framing of the transport. The
//! order of variants is part of the format; a test pins it.

use crate::frame::LEAF_BYTES;
use crate::ids::{Bytes32, FrameDigest};
use crate::limits::{
    BLOB_NAME_BYTES_MAX, SNAPSHOT_PART_BYTES, STORE_LEAVES_MAX, STORE_MESSAGE_BYTES_MAX,
};
use alloc::string::String;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// Most parts of one snapshot, its manifest included.
pub const SNAPSHOT_PARTS_MAX: u32 = 16 * 1024;
/// Complete snapshots that the host keeps; older ones are removed.
pub const SNAPSHOTS_KEPT: usize = 2;

const _: () = assert!(STORE_LEAVES_MAX * LEAF_BYTES < STORE_MESSAGE_BYTES_MAX / 2);

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LogHead {
    /// The seq that the next frame must have; the count of frames.
    pub next_seq: u64,
    /// The digest of the last frame, zero when there is none.
    pub digest: FrameDigest,
}

impl LogHead {
    /// The head of an empty log.
    pub const EMPTY: Self = Self { next_seq: 0, digest: FrameDigest::ZERO };
}

/// A complete snapshot on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotInfo {
    /// The frame after which the snapshot was taken.
    pub seq: u64,
    /// The digest of its manifest, which is the last part.
    pub digest: Bytes32,
    /// How many parts it has, each but the last of `SNAPSHOT_PART_BYTES`.
    pub parts: u32,
    /// Its size.
    pub bytes: u64,
}

/// A request of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum StoreRequest {
    /// The head, after every append that was sent before on any connection.
    Head,
    /// Keep this frame: its seq must be the next, its `previous` the digest of the head.
    Append {
        /// The bytes of the frame.
        frame: Vec<u8>,
    },
    /// Frames from `from_seq` on, as many as fit `bytes_max`, at least one if there is one.
    Read {
        /// The first frame wanted.
        from_seq: u64,
        /// Most bytes of frames to answer; the host may answer fewer.
        bytes_max: u32,
    },
    /// One part of a snapshot; parts may come in any order, one snapshot at a time. How many they
    /// are is known with the last one.
    SnapshotPut {
        /// The frame after which the snapshot was taken.
        seq: u64,
        /// Which part, from 0.
        part: u32,
        /// Of the last part, the manifest: its digest.
        manifest: Option<Bytes32>,
        /// `SNAPSHOT_PART_BYTES` bytes, or from 1 to so many in the manifest.
        bytes: Vec<u8>,
    },
    /// All complete snapshots.
    Snapshots,
    /// One part of a complete snapshot.
    SnapshotRead {
        /// Which snapshot.
        seq: u64,
        /// Which part, from 0.
        part: u32,
    },
    /// Keep a small sealed value under a name, for ever: another value of the name is refused.
    BlobPut {
        /// See [`blob_name_is_valid`].
        name: String,
        /// The value.
        bytes: Vec<u8>,
    },
    /// The value of a name.
    BlobGet {
        /// See [`blob_name_is_valid`].
        name: String,
    },
    /// The leaves of `count` frames from `from_seq` on, fewer where the log ends.
    Leaves {
        /// The first frame whose leaf is wanted.
        from_seq: u64,
        /// At most `STORE_LEAVES_MAX`.
        count: u32,
    },
}

/// A response of the host.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum StoreResponse {
    /// To `Head`.
    Head(LogHead),
    /// To `Append`: the frame, and all before it, are on the disk.
    Acked {
        /// The frame's seq.
        seq: u64,
        /// The frame's digest.
        digest: FrameDigest,
    },
    /// To `Read`: consecutive frames from `from_seq` on; none when it is not there yet.
    Frames {
        /// The bytes of each frame.
        frames: Vec<Vec<u8>>,
    },
    /// To `SnapshotPut`: the part is stored.
    SnapshotTaken {
        /// The snapshot has all its parts, is on the disk, and is now the one of its seq.
        complete: bool,
    },
    /// To `Snapshots`: newest first, at most `SNAPSHOTS_KEPT`.
    Snapshots(Vec<SnapshotInfo>),
    /// To `SnapshotRead`.
    SnapshotPart {
        /// The part.
        bytes: Vec<u8>,
    },
    /// To `BlobPut`: the value is on the disk.
    BlobKept,
    /// To `BlobGet`.
    Blob {
        /// The value, or none under this name.
        bytes: Option<Vec<u8>>,
    },
    /// To any request.
    Refused(StoreRefusal),
    /// To `Leaves`: the leaves of consecutive frames from `from_seq` on.
    Leaves {
        /// `LEAF_BYTES` for each frame, nothing between them.
        leaves: Vec<u8>,
    },
}

/// Why the host refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[non_exhaustive]
pub enum StoreRefusal {
    /// The frame's seq is below the next one: another writer appended first, or this is a retry.
    #[error("the log already holds this seq; the next is {expected}")]
    SeqTaken {
        /// The next seq.
        expected: u64,
    },
    /// The frame's seq is above the next one.
    #[error("the frame leaves a gap; the next seq is {expected}")]
    Gap {
        /// The next seq.
        expected: u64,
    },
    /// The frame's `previous` is not the digest of the head.
    #[error("the frame follows another frame than the head")]
    PreviousMismatch {
        /// The digest of the head.
        expected: FrameDigest,
    },
    /// The frame is of another engine than the log.
    #[error("the log belongs to another engine")]
    ForeignEngine,
    /// The bytes are not a frame, or its digests do not match.
    #[error("the bytes are not a frame")]
    BadFrame,
    /// A write or a sync failed, now or since the host started; only a restart helps. Whether the
    /// frame is kept is unknown.
    #[error("the host could not write durably")]
    SyncFailed,
    /// No such snapshot or part.
    #[error("no such snapshot or part")]
    SnapshotUnknown,
    /// The part does not fit the snapshot that is being received, or a complete one of this seq.
    #[error("the part belongs to another snapshot")]
    SnapshotConflict,
    /// The name holds another value.
    #[error("another value has this name")]
    BlobExists,
    /// The name is empty, too long, or has a character outside `a-z 0-9 . _ -`.
    #[error("the name is not a valid blob name")]
    BlobName,
    /// The value, the part or its number is over its bound.
    #[error("a value, a part or its number exceeds a limit of the protocol")]
    TooLarge,
    /// The disk is full; nothing was written.
    #[error("the disk is full")]
    Full,
    /// The host could not read what it keeps.
    #[error("the host could not read")]
    Io,
    /// The message is not a request of this protocol.
    #[error("the message is not a request")]
    Malformed,
    /// Whole copies of the value differ, and the host chooses none.
    #[error("whole copies of the value differ: one has the digest {one}, another {other}")]
    BlobConflict {
        /// Digest of one copy.
        one: Bytes32,
        /// Digest of another.
        other: Bytes32,
    },
    /// The value is there, and no copy of it is whole.
    #[error("no copy of the value is whole")]
    BlobBroken,
    /// The stored frame is damaged.
    #[error("the stored frame {seq} is damaged")]
    FrameBroken {
        /// The frame.
        seq: u64,
    },
    /// The frame was pruned: the host stores its leaf alone.
    #[error("the frames before {first} were pruned; they are in an export of the operator")]
    FramePruned {
        /// The first frame that is stored.
        first: u64,
    },
}

/// True for the names that a blob may have: 1 to `BLOB_NAME_BYTES_MAX` of `a-z 0-9 . _ -`.
pub fn blob_name_is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=BLOB_NAME_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

/// True when a part of this size is valid at this index of a snapshot, as the last one or not.
pub fn snapshot_part_is_valid(part: u32, is_last: bool, bytes: usize) -> bool {
    let size_fits = match is_last {
        true => (1..=SNAPSHOT_PART_BYTES).contains(&bytes),
        false => bytes == SNAPSHOT_PART_BYTES,
    };
    part < SNAPSHOT_PARTS_MAX && size_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use alloc::vec;

    fn requests() -> Vec<StoreRequest> {
        let digest = Bytes32([1; 32]);
        vec![
            StoreRequest::Head,
            StoreRequest::Append { frame: vec![1, 2] },
            StoreRequest::Read { from_seq: 3, bytes_max: 4 },
            StoreRequest::SnapshotPut { seq: 5, part: 0, manifest: Some(digest), bytes: vec![6] },
            StoreRequest::Snapshots,
            StoreRequest::SnapshotRead { seq: 7, part: 8 },
            StoreRequest::BlobPut { name: "keys".into(), bytes: vec![9] },
            StoreRequest::BlobGet { name: "keys".into() },
            StoreRequest::Leaves { from_seq: 1, count: 2 },
        ]
    }

    fn responses() -> Vec<StoreResponse> {
        let digest = FrameDigest([2; 32]);
        let info = SnapshotInfo { seq: 1, digest: Bytes32([3; 32]), parts: 2, bytes: 3 };
        vec![
            StoreResponse::Head(LogHead { next_seq: 1, digest }),
            StoreResponse::Acked { seq: 1, digest },
            StoreResponse::Frames { frames: vec![vec![1], vec![]] },
            StoreResponse::SnapshotTaken { complete: true },
            StoreResponse::Snapshots(vec![info]),
            StoreResponse::SnapshotPart { bytes: vec![1] },
            StoreResponse::BlobKept,
            StoreResponse::Blob { bytes: None },
            StoreResponse::Refused(StoreRefusal::Gap { expected: 4 }),
            StoreResponse::Leaves { leaves: vec![1, 2, 3] },
        ]
    }

    fn refusals() -> Vec<StoreRefusal> {
        use StoreRefusal as R;
        vec![
            R::SeqTaken { expected: 1 },
            R::Gap { expected: 1 },
            R::PreviousMismatch { expected: FrameDigest::ZERO },
            R::ForeignEngine,
            R::BadFrame,
            R::SyncFailed,
            R::SnapshotUnknown,
            R::SnapshotConflict,
            R::BlobExists,
            R::BlobName,
            R::TooLarge,
            R::Full,
            R::Io,
            R::Malformed,
            R::BlobConflict { one: Bytes32::ZERO, other: Bytes32::ZERO },
            R::BlobBroken,
            R::FrameBroken { seq: 1 },
            R::FramePruned { first: 1 },
        ]
    }

    #[test]
    fn variants_keep_their_numbers() {
        for (index, request) in (0u32..).zip(requests()) {
            assert_eq!(encode(&request)[..4], index.to_le_bytes(), "{request:?}");
        }
        for (index, response) in (0u32..).zip(responses()) {
            assert_eq!(encode(&response)[..4], index.to_le_bytes(), "{response:?}");
        }
        for (index, refusal) in (0u32..).zip(refusals()) {
            assert_eq!(encode(&refusal)[..4], index.to_le_bytes(), "{refusal:?}");
        }
    }

    #[test]
    fn messages_decode_to_themselves_and_refuse_cuts_and_trailing_bytes() {
        for request in requests() {
            let mut bytes = encode(&request);
            assert_eq!(decode(&bytes), Ok(request));
            assert!(decode::<StoreRequest>(&bytes[..bytes.len() - 1]).is_err());
            bytes.push(0);
            assert!(decode::<StoreRequest>(&bytes).is_err());
        }
        for response in responses() {
            let mut bytes = encode(&response);
            assert_eq!(decode(&bytes), Ok(response));
            bytes.push(0);
            assert!(decode::<StoreResponse>(&bytes).is_err());
        }
    }

    #[test]
    fn an_append_has_the_bytes_of_the_specification() {
        let bytes = encode(&StoreRequest::Append { frame: vec![0xaa, 0xbb] });
        assert_eq!(bytes, [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0xbb]);
    }

    #[test]
    fn a_length_that_lies_is_refused_without_the_memory_for_it() {
        let mut bytes = encode(&StoreRequest::Append { frame: vec![] });
        bytes[4..12].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(decode::<StoreRequest>(&bytes).is_err());
    }

    #[test]
    fn only_plain_names_are_names() {
        assert!(blob_name_is_valid("genesis.sealed-key_1"));
        assert!(blob_name_is_valid(&"a".repeat(BLOB_NAME_BYTES_MAX)));
        let long = "a".repeat(BLOB_NAME_BYTES_MAX + 1);
        for name in ["", "A", "a/b", "a b", "\u{e9}", &long] {
            assert!(!blob_name_is_valid(name), "{name}");
        }
    }

    #[test]
    fn only_the_last_part_may_be_short() {
        assert!(snapshot_part_is_valid(0, false, SNAPSHOT_PART_BYTES));
        assert!(snapshot_part_is_valid(0, true, SNAPSHOT_PART_BYTES));
        assert!(snapshot_part_is_valid(1, true, 1));
        assert!(!snapshot_part_is_valid(0, false, SNAPSHOT_PART_BYTES - 1));
        assert!(!snapshot_part_is_valid(1, true, 0));
        assert!(!snapshot_part_is_valid(1, true, SNAPSHOT_PART_BYTES + 1));
        assert!(!snapshot_part_is_valid(SNAPSHOT_PARTS_MAX, true, 1));
    }
}
