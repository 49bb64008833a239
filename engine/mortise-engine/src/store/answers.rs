//! Checks of the store's answers: everything that needs no key.

use super::Ack;
use super::error::{Garbage, StoreError};
use mortise_format::frame::{Frame, FrameLeaf, LEAF_BYTES};
use mortise_format::limits::{BLOB_BYTES_MAX, FRAME_BYTES_MAX, SNAPSHOT_PART_BYTES};
use mortise_format::store::{
    LogHead, SNAPSHOT_PARTS_MAX, SNAPSHOTS_KEPT, SnapshotInfo, StoreResponse,
};

pub(super) fn head(answer: StoreResponse) -> Result<LogHead, StoreError> {
    match answer {
        StoreResponse::Head(head) if (head.next_seq == 0) == head.digest.is_zero() => Ok(head),
        StoreResponse::Head(_) => Err(Garbage::WrongHead.into()),
        other => Err(otherwise(other)),
    }
}

pub(super) fn ack(answer: StoreResponse, expected: Ack) -> Result<Ack, StoreError> {
    match answer {
        StoreResponse::Acked { seq, digest } if expected == (Ack { seq, digest }) => Ok(expected),
        StoreResponse::Acked { .. } => Err(Garbage::WrongAck.into()),
        other => Err(otherwise(other)),
    }
}

/// The frames of an answer to `Read { from_seq, bytes_max }`.
///
/// Proves: each frame matches its leaf, and the frames follow one another. Does not prove: that
/// they belong to this engine's log.
pub(super) fn frames(
    answer: StoreResponse,
    from_seq: u64,
    bytes_max: u32,
) -> Result<Vec<Frame>, StoreError> {
    let StoreResponse::Frames { frames } = answer else {
        return Err(otherwise(answer));
    };
    let bytes: usize = frames.iter().map(Vec::len).sum();
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    if bytes > bytes_max && (frames.len() > 1 || bytes > FRAME_BYTES_MAX) {
        return Err(Garbage::TooMuch.into());
    }
    let mut checked: Vec<Frame> = Vec::with_capacity(frames.len());
    let mut expected = from_seq;
    for bytes in frames {
        let frame = Frame::decode(&bytes);
        let frame = frame.map_err(|error| Garbage::NotAFrame { seq: expected, error })?;
        let found = frame.header().seq;
        if found != expected {
            return Err(Garbage::WrongSeq { expected, found }.into());
        }
        if checked.last().is_some_and(|last| last.digest() != frame.header().previous) {
            return Err(Garbage::BrokenChain { seq: found }.into());
        }
        expected = expected.checked_add(1).ok_or(Garbage::TooMuch)?;
        checked.push(frame);
    }
    Ok(checked)
}

/// The leaves of an answer to `Leaves { from_seq, count }`.
///
/// Proves: their seqs are those requested. Does not prove: that they belong to this engine's log.
pub(super) fn leaves(
    answer: StoreResponse,
    from_seq: u64,
    count: u32,
) -> Result<Vec<FrameLeaf>, StoreError> {
    let StoreResponse::Leaves { leaves } = answer else {
        return Err(otherwise(answer));
    };
    if leaves.len() / LEAF_BYTES > usize::try_from(count).unwrap_or(usize::MAX) {
        return Err(Garbage::TooMuch.into());
    }
    let mut checked = Vec::with_capacity(leaves.len() / LEAF_BYTES);
    let mut expected = from_seq;
    for bytes in leaves.chunks(LEAF_BYTES) {
        let leaf = FrameLeaf::decode(bytes);
        let leaf = leaf.map_err(|error| Garbage::NotAFrame { seq: expected, error })?;
        let found = leaf.header.seq;
        if found != expected {
            return Err(Garbage::WrongSeq { expected, found }.into());
        }
        expected = expected.checked_add(1).ok_or(Garbage::TooMuch)?;
        checked.push(leaf);
    }
    Ok(checked)
}

pub(super) fn snapshot_taken(answer: StoreResponse) -> Result<bool, StoreError> {
    match answer {
        StoreResponse::SnapshotTaken { complete } => Ok(complete),
        other => Err(otherwise(other)),
    }
}

pub(super) fn snapshots(answer: StoreResponse) -> Result<Vec<SnapshotInfo>, StoreError> {
    let StoreResponse::Snapshots(found) = answer else {
        return Err(otherwise(answer));
    };
    if found.len() > SNAPSHOTS_KEPT {
        return Err(Garbage::TooMuch.into());
    }
    if found.iter().any(|info| snapshot_parts(info.bytes) != Some(info.parts)) {
        return Err(Garbage::WrongSize.into());
    }
    Ok(found)
}

/// Number of parts of a snapshot of this size; `None` for a size that no snapshot has.
pub(super) fn snapshot_parts(bytes: u64) -> Option<u32> {
    let parts = bytes.div_ceil(SNAPSHOT_PART_BYTES as u64);
    u32::try_from(parts).ok().filter(|parts| (1..=SNAPSHOT_PARTS_MAX).contains(parts))
}

pub(super) fn snapshot_part(
    answer: StoreResponse,
    part: u32,
    info: SnapshotInfo,
) -> Result<Vec<u8>, StoreError> {
    let full = SNAPSHOT_PART_BYTES as u64;
    let expected = info.bytes.saturating_sub(u64::from(part) * full).min(full);
    match answer {
        StoreResponse::SnapshotPart { bytes } if bytes.len() as u64 == expected => Ok(bytes),
        StoreResponse::SnapshotPart { .. } => Err(Garbage::WrongSize.into()),
        other => Err(otherwise(other)),
    }
}

pub(super) fn blob_kept(answer: StoreResponse) -> Result<(), StoreError> {
    match answer {
        StoreResponse::BlobKept => Ok(()),
        other => Err(otherwise(other)),
    }
}

pub(super) fn blob(answer: StoreResponse) -> Result<Option<Vec<u8>>, StoreError> {
    match answer {
        StoreResponse::Blob { bytes: Some(bytes) } if bytes.len() > BLOB_BYTES_MAX => {
            Err(Garbage::TooMuch.into())
        }
        StoreResponse::Blob { bytes } => Ok(bytes),
        other => Err(otherwise(other)),
    }
}

fn otherwise(answer: StoreResponse) -> StoreError {
    match answer {
        StoreResponse::Refused(refusal) => refusal.into(),
        _ => Garbage::WrongKind.into(),
    }
}
