//! Hash functions with their domain tags (`specs/domains.md`): no two uses share a tag.

use sha2::Digest as _;

/// BLAKE3 `derive_key` context of the digest over a frame's leaf.
pub const FRAME_DIGEST: &str = "mortise 2026 frame digest v1";
/// Context of the digest over a frame's clear body.
pub const CLEAR_DIGEST: &str = "mortise 2026 frame clear body v1";
/// Context of the digest over a frame's ciphertext.
pub const CIPHER_DIGEST: &str = "mortise 2026 frame ciphertext v1";
/// Context of the key for leaves of the state tree.
pub const STATE_LEAF: &str = "mortise 2026 state tree leaf v1";
/// Context of the key for inner nodes of the state tree.
pub const STATE_NODE: &str = "mortise 2026 state tree node v1";
/// Context of the key for positions in the state tree.
pub const STATE_POSITION: &str = "mortise 2026 state tree position v1";
/// Context of the key for salted values of the state tree.
pub const STATE_VALUE: &str = "mortise 2026 state tree value v1";
/// Context of the key for leaves of a frame's event tree.
pub const EVENT_LEAF: &str = "mortise 2026 event tree leaf v1";
/// Context of the key for inner nodes of a frame's event tree.
pub const EVENT_NODE: &str = "mortise 2026 event tree node v1";
/// Context of the digest of a request's content.
pub const CONTENT_DIGEST: &str = "mortise 2026 request content v1";
/// Context of the digest over a part of a snapshot.
pub const SNAPSHOT_PART: &str = "mortise 2026 snapshot part v1";
/// Context of the digest over the manifest of a snapshot.
pub const SNAPSHOT_DIGEST: &str = "mortise 2026 snapshot v1";
/// Context of the commitment to an epoch's data key.
pub const KEY_COMMITMENT: &str = "mortise 2026 key commitment v1";
/// Context of the commitment to the log secret.
pub const LOG_SECRET_COMMITMENT: &str = "mortise 2026 log secret commitment v1";
/// Context of the digest at the end of an exported log.
pub const LOG_EXPORT: &str = "mortise 2026 log export v1";
/// Context of the digest in a file of the host that holds a sealed value.
pub const SEALED_VALUE: &str = "mortise 2026 sealed value v1";

/// Context of the wrapping keys of the software vault, which no measured binary links.
pub const SOFTWARE_VAULT: &str = "mortise 2026 software vault wrapping key v1";
/// Context of the digest over what an attestation document binds.
pub const ATTESTATION_BINDING: &str = "mortise 2026 attestation binding v1";
/// Context of the digest over the lease that an attestation document covers.
pub const ATTESTED_LEASE: &str = "mortise 2026 attested lease v1";
/// Context of the digest by which a boot frame names its attestation document.
pub const ATTESTATION_DOCUMENT: &str = "mortise 2026 attestation document v1";
/// Context of the digest in the attestation document that an engine makes when it draws its keys.
pub const GENESIS_DOCUMENT: &str = "mortise 2026 genesis document v1";
/// Context of the seed of an enclave's generator.
pub const ENTROPY_SEED: &str = "mortise 2026 entropy seed v1";

/// Label of the context in which a request of the channel is encrypted; header bytes follow.
pub const CHANNEL_REQUEST: &[u8] = b"mortise channel request v1";
/// Label of the secret that is exported from that context for the answer.
pub const CHANNEL_ANSWER: &[u8] = b"mortise channel answer v1";

/// Info of the HPKE message that releases keys of epochs to a reader.
pub const READING_KEYS: &[u8] = b"mortise reading keys v1";
/// Info of the HPKE message that releases keys of frames to a reader.
pub const READING_FRAMES: &[u8] = b"mortise reading frames v1";
/// Info of the HPKE message that shows a receipt to a reader.
pub const READING_RECEIPT: &[u8] = b"mortise reading receipt v1";

/// HKDF salt of the two keys of one message of the application.
pub const APP_MESSAGE: &[u8] = b"mortise app message v1";

/// First line of what a witness signs (C2SP tlog-cosignature).
pub const COSIGNATURE_V1: &str = "cosignature/v1";
/// Type byte of an Ed25519 key that signs notes (C2SP signed-note).
pub const NOTE_ED25519: u8 = 0x01;
/// Type byte of an Ed25519 key that cosigns checkpoints (C2SP tlog-cosignature).
pub const NOTE_COSIGNATURE: u8 = 0x04;

/// All BLAKE3 contexts; a test holds that they differ.
pub const ALL: &[&str] = &[
    FRAME_DIGEST,
    CLEAR_DIGEST,
    CIPHER_DIGEST,
    STATE_LEAF,
    STATE_NODE,
    STATE_POSITION,
    STATE_VALUE,
    EVENT_LEAF,
    EVENT_NODE,
    CONTENT_DIGEST,
    SNAPSHOT_PART,
    SNAPSHOT_DIGEST,
    KEY_COMMITMENT,
    LOG_SECRET_COMMITMENT,
    LOG_EXPORT,
    SEALED_VALUE,
    SOFTWARE_VAULT,
    ATTESTATION_BINDING,
    ATTESTED_LEASE,
    ATTESTATION_DOCUMENT,
    GENESIS_DOCUMENT,
    ENTROPY_SEED,
];

/// BLAKE3 in `derive_key` mode under `context`, over the concatenation of `parts`.
pub fn blake3_in(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The constant 32-byte key of `context`, for uses that hash one block at a time in keyed mode.
pub fn blake3_key(context: &str) -> [u8; 32] {
    blake3_in(context, &[b"key"])
}

/// Keccak-256 over the concatenation of `parts`.
pub fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = sha3::Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// SHA-256 over the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_domains_are_equal() {
        for (i, a) in ALL.iter().enumerate() {
            for b in &ALL[i + 1..] {
                assert_ne!(a, b);
            }
        }
    }
}
