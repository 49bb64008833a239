//! An opened and decoded frame, before its position and effect are checked.
//!
//! What it is for: the work that costs time and needs no other frame (digests, cipher, decoding,
//! event tree) is separate from the work that needs the frames before it, so that followers can do
//! it in advance and in parallel.
//!
//! ```text
//! frame -> MAC (the engine only) -> cipher -> bodies -> events, event root
//! ```

use super::FollowError;
use crate::body::{ClearBody, SealedBody};
use crate::event_tree;
use crate::keys::EpochKeys;
use crate::seal;
use alloc::vec::Vec;
use mortise_format::codec::{self, CodecError};
use mortise_format::content_key::{ContentRoot, event_salt};
use mortise_format::event::Event;
use mortise_format::frame::{Frame, FrameHeader, FrameKind};
use mortise_format::ids::Root;

/// The keys that open a frame.
#[derive(Debug, Clone, Copy)]
pub enum Opener<'a> {
    /// The engine, which checks the MAC of its own frames.
    Engine(&'a EpochKeys),
    /// An auditor, who has the content root of the epoch and cannot check who made the frame.
    Auditor(&'a ContentRoot),
}

/// An opened frame.
#[derive(Debug)]
pub struct OpenedFrame {
    body: SealedBody,
    events: Vec<Event>,
    event_root: Root,
}

/// Reads the clear body of a frame. Needs no key.
///
/// # Errors
/// `Codec`, `BootRecord`, `BootDocument`, `GenesisDocument`, in this order.
pub fn read_clear(frame: &Frame) -> Result<ClearBody, FollowError> {
    let clear = ClearBody::of(frame)?;
    if clear.boot.is_some() != (frame.header().kind() == Some(FrameKind::Boot)) {
        return Err(FollowError::BootRecord);
    }
    if clear.boot.as_ref().is_some_and(|boot| !boot.is_consistent()) {
        return Err(FollowError::BootDocument);
    }
    let seq = frame.header().seq;
    if clear.boot.as_ref().is_some_and(|boot| !boot.may_carry_genesis_document(seq)) {
        return Err(FollowError::GenesisDocument);
    }
    Ok(clear)
}

impl OpenedFrame {
    /// Opens a frame and reads its events.
    ///
    /// # Errors
    /// `Seal`; `Codec` when events do not decode, or their encoding is not canonical.
    pub fn open(frame: &Frame, opener: Opener<'_>) -> Result<Self, FollowError> {
        let seq = frame.header().seq;
        let (content_key, plain) = match opener {
            Opener::Engine(keys) => (keys.content(seq), seal::open(keys, frame)?),
            Opener::Auditor(root) => {
                let content_key = root.content(seq);
                let plain = seal::open_content(&content_key, frame)?;
                (content_key, plain)
            }
        };
        let body = SealedBody::parse(plain)?;
        let (mut events, mut leaves) = (Vec::with_capacity(body.count()), Vec::new());
        let mut again = Vec::new();
        for (index, bytes) in (0..).zip(body.events()) {
            let event: Event = codec::decode(bytes)?;
            again.clear();
            codec::encode_into(&event, &mut again);
            if again != bytes {
                return Err(CodecError::Malformed.into());
            }
            events.push(event);
            leaves.push(event_tree::leaf_hash(&event_salt(&content_key, index), bytes));
        }
        let event_root = event_tree::root(&leaves);
        Ok(Self { body, events, event_root })
    }

    /// Checks the events against the header: their number, their root, which one comes first.
    ///
    /// # Errors
    /// `EventRoot`, `FirstEvent`.
    pub fn check_events(&self, header: &FrameHeader) -> Result<(), FollowError> {
        if !self.fits_event_root(header) {
            return Err(FollowError::EventRoot);
        }
        match self.begins_as_its_kind(header) {
            true => Ok(()),
            false => Err(FollowError::FirstEvent),
        }
    }

    /// True when number and root of the events are those of the header.
    pub fn fits_event_root(&self, header: &FrameHeader) -> bool {
        usize::try_from(header.event_count).ok() == Some(self.events.len())
            && self.event_root == header.event_root
    }

    /// True when the first event is the one that the frame's kind requires, with the header's epoch
    /// and rules, or its time.
    pub fn begins_as_its_kind(&self, header: &FrameHeader) -> bool {
        match self.events.first() {
            Some(Event::EpochStarted { epoch, rules, .. }) => {
                let is_stated = *epoch == header.epoch && *rules == header.rules;
                header.kind() == Some(FrameKind::Boot) && is_stated
            }
            Some(Event::TimeAdvanced { time_ms }) => {
                header.kind() == Some(FrameKind::Events) && *time_ms == header.time_ms
            }
            _ => false,
        }
    }

    /// The events in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Root of the event tree that the events make.
    pub fn event_root(&self) -> Root {
        self.event_root
    }

    /// The encoded events.
    pub fn into_body(self) -> SealedBody {
        self.body
    }
}
