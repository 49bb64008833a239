//! The stream of records, in pieces of a fixed size.
//!
//! ```text
//! record  length of the payload (u32), kind (u8), payload
//! end     length 0, kind 0; nothing but zeros follows
//! ```
//! A record may lie across two or more parts: a reader keeps what is left over of one part until
//! the next one comes. Integers are little-endian.

use super::SnapshotError;
use super::seal::PART_PLAIN_BYTES;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

const HEADER_BYTES: usize = 5;

/// Cuts a stream into parts of [`PART_PLAIN_BYTES`].
#[derive(Debug, Default)]
pub(super) struct PartWriter {
    full: VecDeque<Vec<u8>>,
    open: Vec<u8>,
}

impl PartWriter {
    /// Appends a record. A payload is never empty.
    pub fn push(&mut self, kind: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a record is some megabytes at most");
        self.write(&length.to_le_bytes());
        self.write(&[kind]);
        self.write(payload);
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(PART_PLAIN_BYTES - self.open.len()));
            self.open.extend_from_slice(now);
            bytes = rest;
            if self.open.len() == PART_PLAIN_BYTES {
                self.full.push_back(core::mem::take(&mut self.open));
            }
        }
    }

    /// Appends the end, and fills the last part unless what is in it is at most `rest_max` bytes.
    pub fn end(&mut self, rest_max: impl FnOnce(usize) -> usize) {
        self.write(&[0; HEADER_BYTES]);
        if self.open.len() > rest_max(self.full.len()) {
            self.open.resize(PART_PLAIN_BYTES, 0);
            self.full.push_back(core::mem::take(&mut self.open));
        }
    }

    /// Takes a full part.
    pub fn take_full(&mut self) -> Option<Vec<u8>> {
        self.full.pop_front()
    }

    /// How many full parts wait.
    pub fn full(&self) -> usize {
        self.full.len()
    }

    /// What filled no part.
    pub fn take_rest(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.open)
    }
}

/// Reads a stream part by part.
#[derive(Debug, Default)]
pub(super) struct StreamReader {
    left: Vec<u8>,
    has_ended: bool,
}

impl StreamReader {
    /// Gives each record that is now whole to `take`.
    ///
    /// # Errors
    /// What `take` refuses; `Malformed` for bytes behind the end.
    pub fn read(
        &mut self,
        part: Vec<u8>,
        mut take: impl FnMut(u8, &[u8]) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        match self.left.is_empty() {
            true => self.left = part,
            false => self.left.extend_from_slice(&part),
        }
        let mut from = 0;
        while !self.has_ended
            && let Some((header, behind)) = self.left[from..].split_at_checked(HEADER_BYTES)
        {
            let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
            let length = usize::try_from(length).map_err(|_| SnapshotError::Malformed)?;
            self.has_ended = length == 0;
            let Some(payload) = behind.get(..length) else { break };
            if !self.has_ended {
                take(header[4], payload)?;
            }
            from += HEADER_BYTES + length;
        }
        self.left.drain(..from);
        match self.has_ended && self.left.iter().any(|byte| *byte != 0) {
            true => Err(SnapshotError::Malformed),
            false => Ok(()),
        }
    }

    /// True when the end was read.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }
}
