//! The frame: the unit that is sealed, chained, shipped, synced and replayed.
//!
//! ```text
//! frame  = leaf (297 bytes) | clear body | ciphertext
//! leaf   = header | clear digest | cipher digest | MAC
//! ```
//! Anyone can parse a frame and check its two digests and its place in the chain; only holders of
//! a content key can open it; only the engine can make its MAC. `frame digest = BLAKE3(leaf)`,
//! `history leaf = SHA-256(0x00 | leaf)` (RFC 6962). The byte table is in `specs/event-log.md`.

use crate::codec::{self, CodecError};
use crate::domains;
use crate::ids::{Bytes32, EngineId, FrameDigest, PolicyHash, Root};
use crate::limits::FRAME_BYTES_MAX;
use crate::rules::RuleSet;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// Version of the frame layout.
pub const FRAME_VERSION: u16 = 2;
/// Size of an encoded [`FrameLeaf`].
pub const LEAF_BYTES: usize = HEADER_BYTES + 3 * 32;
/// Size of an encoded [`FrameHeader`].
pub const HEADER_BYTES: usize = 2 + 2 + 1 + 32 + 3 * 8 + 32 + 4 + 3 * 32 + 4 + 4;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Opens an epoch: its clear body names the epoch's wrapped data key.
    Boot,
    /// Carries events.
    Events,
}

impl FrameKind {
    fn byte(self) -> u8 {
        match self {
            Self::Boot => 1,
            Self::Events => 2,
        }
    }
}

/// The header that the chain and the MAC cover; all of it is in the AAD of the ciphertext.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FrameHeader {
    /// [`FRAME_VERSION`].
    pub version: u16,
    /// The rules that made the frame. Any number decodes; [`RuleSet::check`] it before following.
    pub rules: RuleSet,
    /// 1 boot, 2 events; read it with [`FrameHeader::kind`].
    pub kind: u8,
    /// The engine that made the frame.
    pub engine_id: EngineId,
    /// The boot of the engine that made the frame, from 1.
    pub epoch: u64,
    /// The position in the log, from 0, never restarting.
    pub seq: u64,
    /// Engine time of the frame, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Digest of frame `seq - 1`, zero for the first.
    pub previous: FrameDigest,
    /// How many events the frame holds.
    pub event_count: u32,
    /// Root of the event tree.
    pub event_root: Root,
    /// Root of the state tree after the frame.
    pub state_root: Root,
    /// Hash of the policy in force after the frame.
    pub policy_hash: PolicyHash,
    /// Size of the clear body.
    pub clear_bytes: u32,
    /// Size of the ciphertext.
    pub cipher_bytes: u32,
}

impl FrameHeader {
    /// The frame's kind, if the byte names one.
    pub fn kind(&self) -> Option<FrameKind> {
        [FrameKind::Boot, FrameKind::Events].into_iter().find(|k| k.byte() == self.kind)
    }

    /// The byte of a kind.
    pub fn kind_byte(kind: FrameKind) -> u8 {
        kind.byte()
    }
}

/// The header, the digests of both bodies and the MAC: what the chain and the history cover.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FrameLeaf {
    /// The header.
    pub header: FrameHeader,
    /// BLAKE3 digest of the clear body.
    pub clear_digest: Bytes32,
    /// BLAKE3 digest of the ciphertext.
    pub cipher_digest: Bytes32,
    /// Keyed BLAKE3 over header and both digests, under a key that never leaves the engine.
    pub mac: Bytes32,
}

impl FrameLeaf {
    /// Parses the bytes of a leaf and checks its version and kind.
    ///
    /// # Errors
    /// `Version`, `Torn` for fewer bytes than [`LEAF_BYTES`], `Trailing` for more, `Leaf`, `Kind`.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        check_version(bytes)?;
        match bytes.len().cmp(&LEAF_BYTES) {
            core::cmp::Ordering::Less => return Err(FrameError::Torn),
            core::cmp::Ordering::Greater => return Err(FrameError::Trailing),
            core::cmp::Ordering::Equal => {}
        }
        let leaf: Self = codec::decode(bytes).map_err(FrameError::Leaf)?;
        leaf.header.kind().ok_or(FrameError::Kind)?;
        Ok(leaf)
    }

    /// The BLAKE3 digest that chains frames and that an ack names.
    pub fn digest(&self) -> FrameDigest {
        FrameDigest(domains::blake3_in(domains::FRAME_DIGEST, &[&codec::encode(self)]))
    }

    /// The RFC 6962 leaf hash of the frame in the history.
    pub fn history_leaf(&self) -> [u8; 32] {
        domains::sha256(&[&[0], &codec::encode(self)])
    }
}

/// A frame whose lengths and digests were checked against its own leaf.
///
/// Proves: the bodies are those that the leaf names. Does not prove: who made the leaf (the MAC
/// does), or its position in the log (the chain and the history do).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    leaf: FrameLeaf,
    clear: Vec<u8>,
    cipher: Vec<u8>,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Fewer bytes than a leaf, or than the leaf announces.
    #[error("the frame ends early")]
    Torn,
    /// More bytes than the leaf announces.
    #[error("bytes follow the frame")]
    Trailing,
    /// More bytes than a frame may have.
    #[error("the frame is over its size limit")]
    Oversized,
    /// The layout version is not ours.
    #[error("the frame has version {found}, and this code reads version {FRAME_VERSION}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// The kind byte names no kind.
    #[error("the frame has an unknown kind")]
    Kind,
    /// The clear body is not the one of the leaf.
    #[error("the clear body does not match its digest")]
    ClearDigest,
    /// The ciphertext is not the one of the leaf.
    #[error("the ciphertext does not match its digest")]
    CipherDigest,
    /// The leaf does not decode.
    #[error("the leaf does not decode")]
    Leaf(CodecError),
}

impl Frame {
    /// Builds a frame from a leaf and its bodies.
    ///
    /// # Errors
    /// As [`Frame::decode`].
    pub fn new(leaf: FrameLeaf, clear: Vec<u8>, cipher: Vec<u8>) -> Result<Self, FrameError> {
        let frame = Self { leaf, clear, cipher };
        frame.check()?;
        Ok(frame)
    }

    /// Parses a frame and checks its lengths, version, kind and both digests.
    ///
    /// # Errors
    /// One named error per fact that is wrong, see [`FrameError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(FrameError::Oversized);
        }
        check_version(bytes)?;
        let (leaf, rest) = bytes.split_at_checked(LEAF_BYTES).ok_or(FrameError::Torn)?;
        let leaf = FrameLeaf::decode(leaf)?;
        let clear_bytes = usize::try_from(leaf.header.clear_bytes).map_err(|_| FrameError::Torn)?;
        let (clear, cipher) = rest.split_at_checked(clear_bytes).ok_or(FrameError::Torn)?;
        let frame = Self { leaf, clear: clear.to_vec(), cipher: cipher.to_vec() };
        frame.check()?;
        Ok(frame)
    }

    /// The bytes of the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEAF_BYTES + self.clear.len() + self.cipher.len());
        codec::encode_into(&self.leaf, &mut out);
        out.extend_from_slice(&self.clear);
        out.extend_from_slice(&self.cipher);
        out
    }

    /// The leaf.
    pub fn leaf(&self) -> &FrameLeaf {
        &self.leaf
    }

    /// The header.
    pub fn header(&self) -> &FrameHeader {
        &self.leaf.header
    }

    /// The clear body.
    pub fn clear(&self) -> &[u8] {
        &self.clear
    }

    /// The ciphertext with its tag.
    pub fn cipher(&self) -> &[u8] {
        &self.cipher
    }

    /// The digest of the leaf.
    pub fn digest(&self) -> FrameDigest {
        self.leaf.digest()
    }

    fn check(&self) -> Result<(), FrameError> {
        let header = &self.leaf.header;
        if header.version != FRAME_VERSION {
            return Err(FrameError::Version { found: header.version });
        }
        header.kind().ok_or(FrameError::Kind)?;
        let cipher_bytes = usize::try_from(header.cipher_bytes).map_err(|_| FrameError::Torn)?;
        match self.cipher.len().cmp(&cipher_bytes) {
            core::cmp::Ordering::Less => return Err(FrameError::Torn),
            core::cmp::Ordering::Greater => return Err(FrameError::Trailing),
            core::cmp::Ordering::Equal => {}
        }
        if clear_digest(&self.clear) != self.leaf.clear_digest {
            return Err(FrameError::ClearDigest);
        }
        if cipher_digest(&self.cipher) != self.leaf.cipher_digest {
            return Err(FrameError::CipherDigest);
        }
        Ok(())
    }
}

/// Checks the version first: the size of a leaf depends on it, and a leaf of another version must
/// be refused as such, not as cut short.
fn check_version(bytes: &[u8]) -> Result<(), FrameError> {
    match bytes.first_chunk::<2>().map(|version| u16::from_le_bytes(*version)) {
        Some(found) if found != FRAME_VERSION => Err(FrameError::Version { found }),
        _ => Ok(()),
    }
}

/// The digest of a clear body.
pub fn clear_digest(clear: &[u8]) -> Bytes32 {
    Bytes32(domains::blake3_in(domains::CLEAR_DIGEST, &[clear]))
}

/// The digest of a ciphertext.
pub fn cipher_digest(cipher: &[u8]) -> Bytes32 {
    Bytes32(domains::blake3_in(domains::CIPHER_DIGEST, &[cipher]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// A frame with the given place in the chain; what it holds does not matter here.
    fn sample(seq: u64) -> Frame {
        sealed(seq, vec![4; 40])
    }

    fn sealed(seq: u64, cipher: Vec<u8>) -> Frame {
        let clear = vec![1, 2, 3];
        let header = FrameHeader {
            version: FRAME_VERSION,
            rules: RuleSet(7),
            kind: FrameKind::Events.byte(),
            engine_id: EngineId([7; 32]),
            epoch: 1,
            seq,
            time_ms: 1_700_000_000_000,
            previous: FrameDigest([9; 32]),
            event_count: 1,
            event_root: Root([1; 32]),
            state_root: Root([2; 32]),
            policy_hash: PolicyHash([3; 32]),
            clear_bytes: 3,
            cipher_bytes: u32::try_from(cipher.len()).unwrap(),
        };
        let leaf = FrameLeaf {
            header,
            clear_digest: clear_digest(&clear),
            cipher_digest: cipher_digest(&cipher),
            mac: Bytes32([5; 32]),
        };
        Frame::new(leaf, clear, cipher).unwrap()
    }

    #[test]
    fn leaf_has_the_stated_size() {
        assert_eq!(codec::encode(sample(3).leaf()).len(), LEAF_BYTES);
        assert_eq!(codec::encode(sample(3).header()).len(), HEADER_BYTES);
    }

    #[test]
    fn frame_at_its_limit_is_read_and_one_byte_more_is_oversized() {
        let most = FRAME_BYTES_MAX - LEAF_BYTES - 3;
        let largest = sealed(3, vec![4; most]);
        assert_eq!(largest.encode().len(), FRAME_BYTES_MAX);
        assert_eq!(Frame::decode(&largest.encode()), Ok(largest));
        let larger = sealed(3, vec![4; most + 1]).encode();
        assert_eq!(Frame::decode(&larger), Err(FrameError::Oversized));
    }

    #[test]
    fn every_cut_and_every_flipped_body_byte_is_refused_by_name() {
        let bytes = sample(3).encode();
        assert_eq!(Frame::decode(&bytes).unwrap(), sample(3));
        for end in 0..bytes.len() {
            assert_eq!(Frame::decode(&bytes[..end]), Err(FrameError::Torn), "cut at {end}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(Frame::decode(&longer), Err(FrameError::Trailing));
        for i in LEAF_BYTES..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[i] ^= 1;
            let expected =
                if i < LEAF_BYTES + 3 { FrameError::ClearDigest } else { FrameError::CipherDigest };
            assert_eq!(Frame::decode(&flipped), Err(expected));
        }
    }

    #[test]
    fn a_leaf_alone_is_the_one_of_its_frame_or_refused_by_name() {
        let bytes = sample(3).encode()[..LEAF_BYTES].to_vec();
        assert_eq!(FrameLeaf::decode(&bytes).as_ref(), Ok(sample(3).leaf()));
        assert_eq!(FrameLeaf::decode(&bytes[..LEAF_BYTES - 1]), Err(FrameError::Torn));
        assert_eq!(FrameLeaf::decode(&[&bytes[..], &[0]].concat()), Err(FrameError::Trailing));
        let changed = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x40;
            FrameLeaf::decode(&bytes)
        };
        assert_eq!(changed(0), Err(FrameError::Version { found: FRAME_VERSION ^ 0x40 }));
        assert_eq!(changed(4), Err(FrameError::Kind));
        assert_eq!(changed(2).unwrap().header.rules, RuleSet(7 ^ 0x40));
    }

    /// A leaf of version 1 had 295 bytes.
    #[test]
    fn leaf_of_another_version_is_refused_by_version_whatever_its_size() {
        for version in [0, 1, 3, u16::MAX] {
            let mut bytes = sample(3).encode();
            bytes[..2].copy_from_slice(&version.to_le_bytes());
            let refused = FrameError::Version { found: version };
            for size in [2, 295, LEAF_BYTES, bytes.len()] {
                assert_eq!(FrameLeaf::decode(&bytes[..size]), Err(refused));
                assert_eq!(Frame::decode(&bytes[..size]), Err(refused));
            }
        }
    }

    #[test]
    fn every_flipped_leaf_byte_changes_the_digest_or_is_refused() {
        let bytes = sample(3).encode();
        for i in 0..LEAF_BYTES {
            let mut flipped = bytes.clone();
            flipped[i] ^= 1;
            match Frame::decode(&flipped) {
                Ok(frame) => assert_ne!(frame.digest(), sample(3).digest(), "byte {i}"),
                Err(_) => continue,
            }
        }
    }
}
