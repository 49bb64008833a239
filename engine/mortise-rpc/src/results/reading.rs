//! Frames of the log, and keys for those who may read them.

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
    /// Whose log.
    pub engine_id: EngineId,
    /// For whom.
    pub reader: Bytes32,
    /// By which right.
    pub grant: ReadingGrantView,
    /// Every right of this reader.
    pub grants: Vec<ReadingGrantView>,
    /// The epochs whose content roots are inside.
    pub epochs: Vec<u64>,
    /// Where to go on; absent when these are all that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_epoch: Option<u64>,
    /// HPKE: the encapsulated key.
    pub encapsulated_key: Bytes32,
    /// HPKE: the ciphertext.
    pub ciphertext: HexBytes,
}

/// A frame as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameView {
    /// Its place in the log.
    pub seq: u64,
    /// Header, digests, MAC: 295 bytes, the leaf of the history.
    pub leaf: HexBytes,
    /// What everybody reads.
    pub clear: Base64,
    /// What is sealed.
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
    /// For whom.
    pub reader: Bytes32,
    /// HPKE: the encapsulated key.
    pub encapsulated_key: Bytes32,
    /// HPKE: the ciphertext.
    pub ciphertext: HexBytes,
}

/// `getEvents`, and the parameters of a `frames` notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsResult {
    /// Whole frames in order, from the one that was asked for; none when it is not released yet.
    pub frames: Vec<FrameView>,
    /// What to ask for next.
    pub next: u64,
    /// How many frames are released.
    pub released: u64,
    /// The keys of the frames, for a reader who may have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<FrameKeysView>,
}

/// `subscribe`: what follows is `frames` notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeResult {
    /// The first frame that will come.
    pub from: u64,
    /// How many frames are released.
    pub released: u64,
}

/// The parameters of a `subscriptionEnded` notification, the last of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionEnded {
    /// Why.
    pub reason: EndReason,
    /// The first frame that did not come: where to go on.
    pub next: u64,
}

/// Why a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EndReason {
    /// The reader took longer than `SUBSCRIBER_MS_MAX` for one notification.
    SlowReader,
    /// The engine is stopping, or in a fault.
    NotServing,
    /// The reader sent something: a subscription is all that its connection is for.
    NewInput,
}
