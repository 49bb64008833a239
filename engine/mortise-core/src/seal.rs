//! Sealing and opening frames.
//!
//! ```text
//! ciphertext = AES-256-GCM-SIV(content key of the frame, nonce = seq, AAD = header | clear digest)
//! MAC        = keyed BLAKE3(MAC key, header | clear digest | cipher digest)
//! ```
//! The holder of a content key can read a frame; only the holder of the MAC key can make one.
//! The nonce never repeats under a key because each frame has a key of its own. If it did, SIV mode
//! would leak only whether two plaintexts are equal.

use crate::keys::EpochKeys;
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use alloc::vec::Vec;
use mortise_format::codec;
use mortise_format::frame::{self, Frame, FrameError, FrameHeader, FrameLeaf};
use mortise_format::ids::Bytes32;
use mortise_format::secret::Secret;

/// Why a frame was not opened or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The MAC is wrong: another party made or changed the frame.
    #[error("the frame's MAC is not the engine's")]
    Mac,
    /// The ciphertext does not open under the frame's key and header.
    #[error("the frame's ciphertext does not open")]
    Cipher,
    /// The parts do not make a valid frame.
    #[error("the frame is malformed: {0}")]
    Frame(#[from] FrameError),
}

/// Seals a frame. `header.clear_bytes` and `header.cipher_bytes` are filled in here.
///
/// # Errors
/// `Frame` when a body is over its limit.
pub fn seal(
    keys: &EpochKeys,
    mut header: FrameHeader,
    clear: Vec<u8>,
    plain: &[u8],
) -> Result<Frame, SealError> {
    let size = |bytes: usize| u32::try_from(bytes).map_err(|_| FrameError::Oversized);
    header.clear_bytes = size(clear.len())?;
    header.cipher_bytes = size(plain.len().saturating_add(TAG_BYTES))?;
    let clear_digest = frame::clear_digest(&clear);
    let content_key = keys.content(header.seq);
    let aad = aad(&header, &clear_digest);
    let cipher = content_key.expose(|key| {
        Aes256GcmSiv::new(key.into())
            .encrypt(&nonce(header.seq), Payload { msg: plain, aad: &aad })
            .map_err(|_| SealError::Cipher)
    })?;
    let cipher_digest = frame::cipher_digest(&cipher);
    let mac = mac(keys, &aad, &cipher_digest);
    let leaf = FrameLeaf { header, clear_digest, cipher_digest, mac };
    Ok(Frame::new(leaf, clear, cipher)?)
}

/// Checks a frame's MAC and opens it with the keys of its epoch.
///
/// A success proves that a holder of this engine's MAC key made exactly this frame in this epoch at
/// this seq. It does not prove that the frame belongs to the chain: compare `previous`.
///
/// # Errors
/// `Mac`, then `Cipher`.
pub fn open(keys: &EpochKeys, frame: &Frame) -> Result<Vec<u8>, SealError> {
    let leaf = frame.leaf();
    let aad = aad(&leaf.header, &leaf.clear_digest);
    if !equal(&mac(keys, &aad, &leaf.cipher_digest), &leaf.mac) {
        return Err(SealError::Mac);
    }
    open_content(&keys.content(leaf.header.seq), frame)
}

/// Opens a frame with its content key alone, as an auditor does. Does not prove who made it.
///
/// # Errors
/// `Cipher`.
pub fn open_content(content_key: &Secret, frame: &Frame) -> Result<Vec<u8>, SealError> {
    let leaf = frame.leaf();
    let aad = aad(&leaf.header, &leaf.clear_digest);
    content_key.expose(|key| {
        Aes256GcmSiv::new(key.into())
            .decrypt(&nonce(leaf.header.seq), Payload { msg: frame.cipher(), aad: &aad })
            .map_err(|_| SealError::Cipher)
    })
}

/// Size of the authentication tag of AES-GCM-SIV (RFC 8452).
const TAG_BYTES: usize = 16;

fn aad(header: &FrameHeader, clear_digest: &Bytes32) -> Vec<u8> {
    let mut aad = codec::encode(header);
    aad.extend_from_slice(&clear_digest.0);
    aad
}

fn nonce(seq: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&seq.to_le_bytes());
    nonce.into()
}

fn mac(keys: &EpochKeys, aad: &[u8], cipher_digest: &Bytes32) -> Bytes32 {
    keys.mac().expose(|key| {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(aad);
        hasher.update(&cipher_digest.0);
        Bytes32(*hasher.finalize().as_bytes())
    })
}

/// Constant-time equality: the MAC must not leak how much of a forgery fits.
fn equal(a: &Bytes32, b: &Bytes32) -> bool {
    blake3::Hash::from_bytes(a.0) == blake3::Hash::from_bytes(b.0)
}
