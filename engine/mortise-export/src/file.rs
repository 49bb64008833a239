//! The file format: parts, frames, end.
//!
//! ```text
//! head   = magic (8) | version u16 | parts u16 | { name length u8 | name | size u32 | bytes }*
//! frame  = length u32, above 0 | frame                                   seq 0, 1, 2, ...
//! end    = 0 u32 | count u64 | digest of the last frame (32) | file digest (32)
//! ```
//! The chain links every frame to the digest of the last one. So the file digest, BLAKE3 over head,
//! count and last digest, covers all frames.

use crate::frame::CheckedFrame;
use mortise_format::domains::{self, LOG_EXPORT};
use mortise_format::frame::FrameError;
use mortise_format::ids::{EngineId, FrameDigest};
use mortise_format::limits::{BLOB_BYTES_MAX, FRAME_BYTES_MAX};
use mortise_format::store::{LogHead, blob_name_is_valid};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// The version of the layout.
pub const EXPORT_VERSION: u16 = 1;
const MAGIC: [u8; 8] = *b"MRTEXPRT";
/// Most parts beside the frames.
const PARTS_MAX: u16 = 16;

/// Parts beside the frames, by name: the genesis, the sealed keys, the public keys that the engine
/// id covers.
pub type Parts = BTreeMap<String, Vec<u8>>;

/// Why bytes are not an exported log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The file cannot be read or written.
    #[error("the export cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// It does not begin with the magic.
    #[error("the file is not an exported log")]
    Magic,
    /// It has another version.
    #[error("the export has version {found}, not {EXPORT_VERSION}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// It ends inside a part, a frame or its end.
    #[error("the export ends early, after {frames} whole frames")]
    Torn {
        /// Whole frames before the end.
        frames: u64,
    },
    /// A part has a bad name or size, or parts are too many, unordered or repeated.
    #[error("the parts of the export are malformed")]
    Parts,
    /// A frame's length is above the limit of frames.
    #[error(
        "frame {seq} of the export is announced with {bytes} bytes, above the limit of a frame"
    )]
    FrameLength {
        /// The frame.
        seq: u64,
        /// The length.
        bytes: u32,
    },
    /// A frame is malformed or was changed.
    #[error("frame {seq} of the export is broken: {error}")]
    Frame {
        /// The frame.
        seq: u64,
        /// Why it is broken.
        error: FrameError,
    },
    /// A frame does not follow the one before it.
    #[error("frame {seq} of the export does not follow the one before it")]
    Chain {
        /// The expected frame.
        seq: u64,
    },
    /// The end names another number of frames.
    #[error("the export has {found} frames, its end names {stated}")]
    Count {
        /// Frames read.
        found: u64,
        /// Frames by the end of the file.
        stated: u64,
    },
    /// The end names another last frame.
    #[error("the export does not end with the frame that its end names")]
    LastFrame,
    /// The file digest is wrong: the head or the end was changed.
    #[error("the digest of the export is wrong: its head or its end was changed")]
    Digest,
    /// Bytes follow the end.
    #[error("bytes follow the end of the export")]
    Trailing,
}

/// The chain of frames. Writer and reader both check it.
#[derive(Debug)]
struct Chain {
    count: u64,
    last: FrameDigest,
    engine_id: Option<EngineId>,
}

impl Chain {
    /// The chain after a head that the caller knows.
    fn after(head: LogHead) -> Self {
        Self { count: head.next_seq, last: head.digest, engine_id: None }
    }

    fn add(&mut self, frame: &CheckedFrame) -> Result<(), ExportError> {
        let follows = frame.seq() == self.count
            && frame.previous() == self.last
            && self.engine_id.is_none_or(|id| id == frame.engine_id());
        if !follows {
            return Err(ExportError::Chain { seq: self.count });
        }
        self.engine_id = Some(frame.engine_id());
        self.count += 1;
        self.last = frame.digest();
        Ok(())
    }

    fn digest(&self, head: &[u8]) -> [u8; 32] {
        domains::blake3_in(LOG_EXPORT, &[head, &self.count.to_le_bytes(), &self.last.0])
    }
}

/// Writes an export.
#[derive(Debug)]
pub struct ExportWriter<W> {
    out: W,
    head: Vec<u8>,
    chain: Chain,
}

impl<W: Write> ExportWriter<W> {
    /// Writes the head.
    ///
    /// # Errors
    /// `Parts` when they are over their bounds; `Io`.
    pub fn new(out: W, parts: &Parts) -> Result<Self, ExportError> {
        Self::continuing(out, parts, LogHead::EMPTY)
    }

    /// Writes the head of a continuation: what follows is no file, but the frames after `head`, for
    /// a reader that has those before it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn continuing(mut out: W, parts: &Parts, after: LogHead) -> Result<Self, ExportError> {
        let count = u16::try_from(parts.len()).ok().filter(|count| *count <= PARTS_MAX);
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&EXPORT_VERSION.to_le_bytes());
        head.extend_from_slice(&count.ok_or(ExportError::Parts)?.to_le_bytes());
        for (name, bytes) in parts {
            let name_length = u8::try_from(name.len()).map_err(|_| ExportError::Parts)?;
            let size = u32::try_from(bytes.len()).map_err(|_| ExportError::Parts)?;
            if !blob_name_is_valid(name) || bytes.len() > BLOB_BYTES_MAX {
                return Err(ExportError::Parts);
            }
            head.push(name_length);
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(&size.to_le_bytes());
            head.extend_from_slice(bytes);
        }
        out.write_all(&head)?;
        Ok(Self { out, head, chain: Chain::after(after) })
    }

    /// Writes the next frame.
    ///
    /// # Errors
    /// `Chain` when it does not follow; `Io`.
    ///
    /// # Panics
    /// Never: a checked frame is within its bound.
    pub fn frame(&mut self, frame: &CheckedFrame) -> Result<(), ExportError> {
        self.chain.add(frame)?;
        let length = u32::try_from(frame.bytes().len()).expect("a checked frame is within a bound");
        self.out.write_all(&length.to_le_bytes())?;
        Ok(self.out.write_all(frame.bytes())?)
    }

    /// Writes the end and returns the flushed writer.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<W, ExportError> {
        self.out.write_all(&0u32.to_le_bytes())?;
        self.out.write_all(&self.chain.count.to_le_bytes())?;
        self.out.write_all(&self.chain.last.0)?;
        self.out.write_all(&self.chain.digest(&self.head))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Reads an export, frame by frame.
#[derive(Debug)]
pub struct ExportReader<R> {
    from: R,
    head: Vec<u8>,
    parts: Parts,
    chain: Chain,
    read_bytes: u64,
    is_done: bool,
}

impl<R: Read> ExportReader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// `Magic`, `Version`, `Parts`, `Torn`, `Io`.
    pub fn new(from: R) -> Result<Self, ExportError> {
        Self::continuing(from, LogHead::EMPTY)
    }

    /// Reads the head of a continuation: its first frame must follow `head`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn continuing(from: R, after: LogHead) -> Result<Self, ExportError> {
        let mut reader = Self {
            from,
            head: Vec::new(),
            parts: Parts::new(),
            chain: Chain::after(after),
            read_bytes: 0,
            is_done: false,
        };
        let magic = reader.head_bytes(MAGIC.len());
        match magic {
            Ok(magic) if magic == MAGIC => {}
            Ok(_) | Err(ExportError::Torn { .. }) => return Err(ExportError::Magic),
            Err(error) => return Err(error),
        }
        let found = reader.head_u16()?;
        if found != EXPORT_VERSION {
            return Err(ExportError::Version { found });
        }
        let count = reader.head_u16()?;
        if count > PARTS_MAX {
            return Err(ExportError::Parts);
        }
        for _ in 0..count {
            reader.part()?;
        }
        Ok(reader)
    }

    /// The parts beside the frames.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The head of the log after the last frame that was read.
    pub fn head(&self) -> LogHead {
        LogHead { next_seq: self.chain.count, digest: self.chain.last }
    }

    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// The next frame; `None` once the end was read and matches everything before it.
    ///
    /// # Errors
    /// Any [`ExportError`] but those of the head. Do not read on after an error.
    pub fn next_frame(&mut self) -> Result<Option<CheckedFrame>, ExportError> {
        if self.is_done {
            return Ok(None);
        }
        let length = u32::from_le_bytes(self.array()?);
        let Some(size) = usize::try_from(length).ok().filter(|size| *size > 0) else {
            self.end()?;
            self.is_done = true;
            return Ok(None);
        };
        let seq = self.chain.count;
        if size > FRAME_BYTES_MAX {
            return Err(ExportError::FrameLength { seq, bytes: length });
        }
        let mut bytes = vec![0; size];
        self.fill(&mut bytes)?;
        let frame =
            CheckedFrame::parse(bytes).map_err(|error| ExportError::Frame { seq, error })?;
        self.chain.add(&frame)?;
        Ok(Some(frame))
    }

    fn end(&mut self) -> Result<(), ExportError> {
        let stated = u64::from_le_bytes(self.array()?);
        let last = FrameDigest(self.array()?);
        let digest: [u8; 32] = self.array()?;
        let found = self.chain.count;
        if stated != found {
            return Err(ExportError::Count { found, stated });
        }
        if last != self.chain.last {
            return Err(ExportError::LastFrame);
        }
        if digest != self.chain.digest(&self.head) {
            return Err(ExportError::Digest);
        }
        match self.from.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(ExportError::Trailing),
        }
    }

    fn part(&mut self) -> Result<(), ExportError> {
        let name_length = self.head_bytes(1)?[0];
        let name = String::from_utf8(self.head_bytes(usize::from(name_length))?);
        let name = name.ok().filter(|name| blob_name_is_valid(name)).ok_or(ExportError::Parts)?;
        let mut size = [0; 4];
        size.copy_from_slice(&self.head_bytes(4)?);
        let size = usize::try_from(u32::from_le_bytes(size)).unwrap_or(usize::MAX);
        let is_next = self.parts.last_key_value().is_none_or(|(last, _)| *last < name);
        if size > BLOB_BYTES_MAX || !is_next {
            return Err(ExportError::Parts);
        }
        let bytes = self.head_bytes(size)?;
        self.parts.insert(name, bytes);
        Ok(())
    }

    fn head_u16(&mut self) -> Result<u16, ExportError> {
        let bytes = self.head_bytes(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn head_bytes(&mut self, count: usize) -> Result<Vec<u8>, ExportError> {
        let mut bytes = vec![0; count];
        self.fill(&mut bytes)?;
        self.head.extend_from_slice(&bytes);
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ExportError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ExportError> {
        match self.from.read_exact(bytes) {
            Ok(()) => {
                self.read_bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(ExportError::Torn { frames: self.chain.count })
            }
            Err(error) => Err(error.into()),
        }
    }
}
