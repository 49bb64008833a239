//! A reader's key, and the messages that it opens (`specs/reading.md`).
//!
//! What a successful open proves: the sealer knew the reader's public key and sealed the message
//! for this engine, this right, these frames. It does not prove that the sealer was the engine. Ask
//! through the channel for that, or check that the keys open frames.

use crate::signer::random_bytes;
use mortise_channel::{OpenError, ReaderSecret};
use mortise_format::domains;
use mortise_format::event::LogPosition;
use mortise_format::ids::{Bytes32, EngineId, parse_hex, to_hex};
use mortise_format::reading::{frames_context, keys_context};
use mortise_format::release::{ReleaseError, ReleasedEpochs, ReleasedFrames};
use mortise_rpc::results::{EventsResult, ReadingKeysResult, ReceiptResult, SealedReceipt};
use zeroize::Zeroizing;

/// Why released keys were not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// The text is not 0x and 64 hex digits.
    #[error("a reader's key must be 0x and 64 hex digits")]
    Text,
    /// The message is for another reader.
    #[error("the keys are sealed to another reader")]
    OtherReader,
    /// The message was changed, or is of another engine, right or page.
    #[error("the keys do not open: {0}")]
    Open(#[from] OpenError),
    /// It opens, but does not hold keys.
    #[error("the message opens but does not hold keys: {0}")]
    Release(#[from] ReleaseError),
    /// Its keys are for other epochs or frames than the answer names.
    #[error("the keys are for other epochs or frames than the answer names")]
    OtherKeys,
    /// It opens, but does not hold the receipt that was asked for.
    #[error("the message opens but does not hold this receipt")]
    Receipt,
    /// The answer has no keys.
    #[error("the answer has no keys")]
    NoKeys,
}

/// The X25519 key of a reader of the log. Wiped on drop, never printed.
#[derive(Debug)]
pub struct Reader(ReaderSecret);

impl Reader {
    /// A fresh key with its text, to save it once.
    ///
    /// # Panics
    /// When the operating system has no entropy to give.
    pub fn random_with_secret() -> (Self, Zeroizing<String>) {
        let secret = Zeroizing::new(random_bytes());
        (Self(ReaderSecret::from_bytes(&secret)), Zeroizing::new(to_hex(&*secret)))
    }

    /// From 0x text, spaces around it ignored.
    ///
    /// # Errors
    /// `Text`.
    pub fn from_hex(text: &str) -> Result<Self, ReaderError> {
        let mut secret = Zeroizing::new([0; 32]);
        parse_hex(text.trim(), &mut *secret).map_err(|_| ReaderError::Text)?;
        Ok(Self(ReaderSecret::from_bytes(&secret)))
    }

    /// The public half: what operators sign.
    pub fn public(&self) -> Bytes32 {
        Bytes32(self.0.public())
    }

    /// Opens an answer of `getReadingKeys` of this engine.
    ///
    /// # Errors
    /// In this order: `OtherReader`, `Open`, `Release`, `OtherKeys`.
    pub fn open_epochs(
        &self,
        engine_id: &EngineId,
        answer: &ReadingKeysResult,
    ) -> Result<ReleasedEpochs, ReaderError> {
        if answer.reader != self.public() {
            return Err(ReaderError::OtherReader);
        }
        let at = answer.grant.granted_at;
        let context = keys_context(engine_id, LogPosition { seq: at.seq, index: at.index });
        let (enc, cipher) = (&answer.encapsulated_key.0, &answer.ciphertext.0);
        let plain = self.0.open(enc, domains::READING_KEYS, &context, cipher)?;
        let released = ReleasedEpochs::decode(&plain)?;
        let found = released.epochs().iter().map(|(epoch, _)| *epoch);
        match found.eq(answer.epochs.iter().copied()) {
            true => Ok(released),
            false => Err(ReaderError::OtherKeys),
        }
    }

    /// Opens an answer of `getReceipt` about the event at a place of this engine's log.
    ///
    /// # Errors
    /// In this order: `OtherReader`, `Open`, `Receipt`.
    pub fn open_receipt(
        &self,
        engine_id: &EngineId,
        at: LogPosition,
        answer: &SealedReceipt,
    ) -> Result<ReceiptResult, ReaderError> {
        if answer.reader != self.public() {
            return Err(ReaderError::OtherReader);
        }
        let context = keys_context(engine_id, at);
        let (enc, cipher) = (&answer.encapsulated_key.0, &answer.ciphertext.0);
        let plain = self.0.open(enc, domains::READING_RECEIPT, &context, cipher)?;
        let result: ReceiptResult =
            serde_json::from_slice(&plain).map_err(|_| ReaderError::Receipt)?;
        match (result.receipt.seq, result.receipt.index) == (at.seq, at.index) {
            true => Ok(result),
            false => Err(ReaderError::Receipt),
        }
    }

    /// Opens the content keys of an answer of `getEvents` of this engine.
    ///
    /// # Errors
    /// In this order: `NoKeys`, `OtherReader`, `Open`, `Release`, `OtherKeys`.
    pub fn open_frames(
        &self,
        engine_id: &EngineId,
        answer: &EventsResult,
    ) -> Result<ReleasedFrames, ReaderError> {
        let keys = answer.keys.as_ref().ok_or(ReaderError::NoKeys)?;
        if keys.reader != self.public() {
            return Err(ReaderError::OtherReader);
        }
        let from = answer.frames.first().map_or(0, |frame| frame.seq);
        let context = frames_context(engine_id, from, answer.next);
        let (enc, cipher) = (&keys.encapsulated_key.0, &keys.ciphertext.0);
        let plain = self.0.open(enc, domains::READING_FRAMES, &context, cipher)?;
        let released = ReleasedFrames::decode(&plain)?;
        let found = released.frames().iter().map(|(seq, _)| *seq);
        match found.eq(answer.frames.iter().map(|frame| frame.seq)) {
            true => Ok(released),
            false => Err(ReaderError::OtherKeys),
        }
    }
}
