//! Frames of the log, and keys for readers that have the right.

use super::lock::PositionView;
use alloc::vec::Vec;
use mortise_format::codec;
use mortise_format::frame::Frame;
use mortise_format::ids::{Bytes32, EngineId, RequestId};
use mortise_format::json::{Base64, HexBytes};
use serde::{Deserialize, Serialize};

/// A reading right of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadingGrantView {
    /// Its request.
    pub request_id: RequestId,
    /// First epoch.
    pub from_epoch: u64,
    /// Last epoch; 0 for no last one.
    pub to_epoch: u64,
    /// The event that granted it.
    pub granted_at: PositionView,
}

/// `getReadingKeys`: content roots and the state-salt key, sealed to the reader
/// (`specs/reading.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadingKeysResult {
    /// The engine that wrote the log.
    pub engine_id: EngineId,
    /// X25519 public key of the reader.
    pub reader: Bytes32,
    /// The right that allows it.
    pub grant: ReadingGrantView,
    /// Every right of this reader.
    pub grants: Vec<ReadingGrantView>,
    /// The epochs whose content roots are inside.
    pub epochs: Vec<u64>,
    /// The epoch to continue from; absent when there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_epoch: Option<u64>,
    /// HPKE: the encapsulated key.
    pub encapsulated_key: Bytes32,
    /// HPKE: the ciphertext.
    pub ciphertext: HexBytes,
}

/// `getReceipt` for a reader: the answer as JSON text ([`super::ReceiptResult`]), sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedReceipt {
    /// X25519 public key of the reader.
    pub reader: Bytes32,
    /// HPKE: the encapsulated key.
    pub encapsulated_key: Bytes32,
    /// HPKE: the ciphertext.
    pub ciphertext: Base64,
}

/// A frame as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameView {
    /// Its position in the log.
    pub seq: u64,
    /// Header, digests, MAC: 297 bytes, the leaf of the history.
    pub leaf: HexBytes,
    /// The part that is not encrypted.
    pub clear: Base64,
    /// The encrypted part.
    pub cipher: Base64,
}

impl From<&Frame> for FrameView {
    fn from(frame: &Frame) -> Self {
        Self {
            seq: frame.header().seq,
            leaf: HexBytes(codec::encode(frame.leaf())),
            clear: Base64(frame.clear().to_vec()),
            cipher: Base64(frame.cipher().to_vec()),
        }
    }
}

impl FrameView {
    /// The bytes of the frame, for [`Frame::decode`].
    pub fn bytes(&self) -> Vec<u8> {
        [&self.leaf.0[..], &self.clear.0, &self.cipher.0].concat()
    }
}

/// The content keys of the frames of an answer, sealed to a reader (`specs/reading.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameKeysView {
    /// X25519 public key of the reader.
    pub reader: Bytes32,
    /// HPKE: the encapsulated key.
    pub encapsulated_key: Bytes32,
    /// HPKE: the ciphertext.
    pub ciphertext: HexBytes,
}

/// `getEvents`, and the parameters of a `frames` notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsResult {
    /// Whole frames in order, from the requested one; none when it is not released yet.
    pub frames: Vec<FrameView>,
    /// The next frame to request.
    pub next: u64,
    /// Number of released frames.
    pub released: u64,
    /// The keys of the frames, for a reader that has the right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<FrameKeysView>,
}

/// `subscribe`: `frames` notifications follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeResult {
    /// The first frame that the notifications have.
    pub from: u64,
    /// Number of released frames.
    pub released: u64,
}

/// The parameters of a `subscriptionEnded` notification, the last of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionEnded {
    /// Why the subscription ended.
    pub reason: EndReason,
    /// The first frame that was not sent: continue here.
    pub next: u64,
}

/// Why a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EndReason {
    /// The reader took longer than `SUBSCRIBER_MS_MAX` for one notification.
    SlowReader,
    /// The engine stops or is in a fault.
    NotServing,
    /// The reader sent something: a connection with a subscription accepts no other request.
    NewInput,
}
