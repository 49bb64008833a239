//! The layout of a segment file. Files are numbered, and the first block of a file names its first
//! frame, so that the next file can be created, filled and synced before it is needed. A file whose
//! first block is zero is not in use yet.
//!
//! ```text
//! segment = block 0: magic | u64 LE first seq | zeros      records ...      zeros to the end
//! record  = magic | u32 LE frame length | u64 LE seq | u64 LE durable | frame | zeros to a block
//! ```
//! Blocks have 512 bytes, the smallest unit that a disk writes atomically. `durable` is the next
//! seq that was known to be on the disk when the record was written. A broken frame below the
//! highest
//! `durable` of any later record was acknowledged, so it is corruption; above it, it is a torn
//! write that was not acknowledged.
//!
//! A frame's digests prove it, so records have no checksum of their own. With a wrong length or seq
//! the frame does not decode or does not fit.

use super::port::CheckedFrame;
use mortise_format::frame::FrameError;
use mortise_format::limits::FRAME_BYTES_MAX;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Size of a segment file.
pub const SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
/// Size of a block.
pub(crate) const BLOCK_BYTES: u64 = 512;
/// Size of what precedes a frame.
pub(super) const RECORD_HEADER_BYTES: usize = 4 + 4 + 8 + 8;
/// Extension of segment files.
const EXTENSION: &str = "seg";

const SEGMENT_MAGIC: [u8; 8] = *b"MRTSEG01";
const RECORD_MAGIC: [u8; 4] = *b"MRTF";

const _: () = assert!(RECORD_HEADER_BYTES < BLOCK_BYTES as usize);
const _: () = assert!(SEGMENT_BYTES > 8 * FRAME_BYTES_MAX as u64);

/// Why there is no whole record at an offset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file cannot be read, or ends too early.
    #[error("{}", read_error_text(.0))]
    Io(#[from] io::Error),
    /// The bytes there are not a record.
    #[error("bytes that are not a record")]
    NoRecord,
    /// The record has another frame.
    #[error("a record of frame {found}")]
    WrongSeq {
        /// The seq that was found.
        found: u64,
    },
    /// The frame does not decode or does not match its digests.
    #[error("a broken frame: {0}")]
    Frame(#[from] FrameError),
}

/// A truncated file is not a system error, so it gets its own text.
fn read_error_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends in the middle of it".to_owned(),
        _ => error.to_string(),
    }
}

#[derive(Debug)]
pub struct Record {
    pub frame: CheckedFrame,
    /// Offset of the record.
    pub offset: u64,
    /// Offset of the next record.
    pub next: u64,
}

/// Bytes in the file of a record with a frame of this length.
pub(crate) fn record_bytes(frame_bytes: usize) -> u64 {
    ((RECORD_HEADER_BYTES + frame_bytes) as u64).next_multiple_of(BLOCK_BYTES)
}

/// Appends the record of `frame` to `out`.
pub(crate) fn encode_record(frame: &CheckedFrame, durable: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let length = u32::try_from(frame.bytes().len()).expect("a checked frame is within its bound");
    out.extend_from_slice(&RECORD_MAGIC);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&frame.seq().to_le_bytes());
    out.extend_from_slice(&durable.to_le_bytes());
    out.extend_from_slice(frame.bytes());
    let padded = record_bytes(frame.bytes().len()) as usize;
    out.resize(start + padded, 0);
}

/// Encodes the first block of a segment.
pub(crate) fn encode_segment_header(first_seq: u64) -> Vec<u8> {
    let mut block = SEGMENT_MAGIC.to_vec();
    block.extend_from_slice(&first_seq.to_le_bytes());
    block.resize(BLOCK_BYTES as usize, 0);
    block
}

/// Path of the segment with this number.
pub(crate) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.{EXTENSION}"))
}

/// The segment files of a folder with their numbers, in order.
///
/// # Errors
/// When the folder cannot be listed.
pub fn segment_files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|e| e == EXTENSION);
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        if let (true, Ok(number)) = (is_segment, stem.parse()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads the records of one segment file.
#[derive(Debug)]
pub struct SegmentReader {
    file: File,
    bytes: u64,
    first_seq: Option<u64>,
}

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RecordHeader {
    length: usize,
    seq: u64,
    durable: u64,
}

impl SegmentReader {
    /// Opens a segment.
    ///
    /// # Errors
    /// `Io`; `NoRecord` when the first block is neither that of a segment nor zero.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut reader = Self { file, bytes, first_seq: None };
        if let Some(block) = reader.block(0)?
            && block.iter().any(|b| *b != 0)
        {
            let first_seq = block.split_at(SEGMENT_MAGIC.len()).1.first_chunk::<8>();
            let first_seq = first_seq.map_or(0, |b| u64::from_le_bytes(*b));
            if block[..] != encode_segment_header(first_seq)[..] {
                return Err(RecordError::NoRecord);
            }
            reader.first_seq = Some(first_seq);
        }
        Ok(reader)
    }

    /// The seq of the first frame; `None` when the segment is not in use yet.
    pub fn first_seq(&self) -> Option<u64> {
        self.first_seq
    }

    /// Offset of the first record.
    pub fn start(&self) -> u64 {
        BLOCK_BYTES
    }

    /// The record of frame `seq` at `offset`; `None` where the file is zero or ends.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn record(&self, offset: u64, seq: u64) -> Result<Option<Record>, RecordError> {
        let Some(block) = self.block(offset)? else { return Ok(None) };
        if block.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let header = parse_header(&block).ok_or(RecordError::NoRecord)?;
        if header.seq != seq {
            return Err(RecordError::WrongSeq { found: header.seq });
        }
        let bytes = self.frame_bytes(offset, header.length)?;
        let frame = CheckedFrame::parse(bytes)?;
        if frame.seq() != seq {
            return Err(RecordError::WrongSeq { found: frame.seq() });
        }
        Ok(Some(Record { frame, offset, next: offset + record_bytes(header.length) }))
    }

    /// Opens a segment with any first block.
    pub(crate) fn open_unchecked(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes, first_seq: None })
    }

    /// The `durable` of the record header at `offset`; 0 without a header.
    pub(crate) fn durable_at(&self, offset: u64) -> io::Result<u64> {
        let header = self.block(offset)?.as_ref().and_then(|block| parse_header(block));
        Ok(header.map_or(0, |header| header.durable.min(header.seq)))
    }

    /// The whole record at `offset`, with any frame, and its `durable`.
    pub(crate) fn any_record(&self, offset: u64) -> io::Result<Option<(Record, u64)>> {
        let Some(header) = self.block(offset)?.as_ref().and_then(|block| parse_header(block))
        else {
            return Ok(None);
        };
        match self.record(offset, header.seq) {
            Ok(Some(record)) => Ok(Some((record, header.durable.min(header.seq)))),
            Err(RecordError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(error)
            }
            // Not a frame, or one that extends over the end of a truncated file.
            _ => Ok(None),
        }
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns true when the block at `offset` is not zero; `None` after the end of the file.
    pub(crate) fn is_used(&self, offset: u64) -> io::Result<Option<bool>> {
        Ok(self.block(offset)?.map(|block| block.iter().any(|b| *b != 0)))
    }

    /// The bytes of a frame whose record starts at `offset`, unchecked.
    pub(super) fn frame_bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset + RECORD_HEADER_BYTES as u64)?;
        Ok(bytes)
    }

    /// The highest `durable` of any record header from `offset` on, and whether any byte there is
    /// not zero.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn beyond(&self, offset: u64) -> io::Result<TailScan> {
        let mut beyond = TailScan::default();
        let mut chunk = vec![0; 1 << 20];
        let mut at = offset;
        while at < self.bytes {
            let wanted = usize::try_from(self.bytes - at).unwrap_or(usize::MAX).min(chunk.len());
            self.file.read_exact_at(&mut chunk[..wanted], at)?;
            for block in chunk[..wanted].chunks(BLOCK_BYTES as usize) {
                beyond.anything |= block.iter().any(|b| *b != 0);
                if let Some(header) = parse_header(block) {
                    beyond.durable = beyond.durable.max(header.durable.min(header.seq));
                }
            }
            at += wanted as u64;
        }
        Ok(beyond)
    }

    fn block(&self, offset: u64) -> io::Result<Option<[u8; BLOCK_BYTES as usize]>> {
        let mut block = [0; BLOCK_BYTES as usize];
        if offset + BLOCK_BYTES > self.bytes {
            return Ok(None);
        }
        self.file.read_exact_at(&mut block, offset)?;
        Ok(Some(block))
    }
}

/// What was found after the last whole record of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TailScan {
    /// Some byte is not zero.
    pub anything: bool,
    /// Frames below this seq were on the disk when some record there was written.
    pub durable: u64,
}

fn parse_header(block: &[u8]) -> Option<RecordHeader> {
    let header = block.first_chunk::<RECORD_HEADER_BYTES>()?;
    let (magic, rest) = header.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (seq, durable) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let header = RecordHeader {
        length,
        seq: u64::from_le_bytes(*seq),
        durable: u64::from_le_bytes(*durable.first_chunk::<8>()?),
    };
    (*magic == RECORD_MAGIC && (1..=FRAME_BYTES_MAX).contains(&length)).then_some(header)
}
