//! Requests. The client seals them; the holder of the channel key opens them.

use crate::answer::{AnswerOpener, AnswerSealer};
use crate::error::{OpenError, SealError};
use crate::pad::padded;
use crate::suite::{Aead, Exported, Kdf, Kem, request_info};
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use mortise_format::channel::{ENC_BYTES, EncapsulatedRequest, Header};
use mortise_format::limits::{CHANNEL_REQUEST_OVERHEAD_BYTES, REQUEST_BYTES_MAX};
use zeroize::Zeroizing;

/// Largest text of a request, bytes.
const TEXT_BYTES_MAX: usize = REQUEST_BYTES_MAX - CHANNEL_REQUEST_OVERHEAD_BYTES;

/// Seals a text for the holder of `public`, whose id is `key_id`. `ephemeral` is random and serves
/// this call only: two requests with the same value share their key.
///
/// # Errors
/// `TextTooLong` when the message would exceed `REQUEST_BYTES_MAX`; `PublicKey` when `public`
/// is a point of low order.
pub fn seal_request(
    public: &[u8; ENC_BYTES],
    key_id: u64,
    ephemeral: &[u8; 32],
    text: &[u8],
) -> Result<(Vec<u8>, AnswerOpener), SealError> {
    let text = padded(text, TEXT_BYTES_MAX)?;
    let header = Header { key_id };
    let public = public_key(public);
    let mut draw = OneDraw::new(ephemeral);
    let (info, mode) = (request_info(header), OpModeS::Base);
    let set_up = hpke::setup_sender_with_rng::<Aead, Kdf, Kem>(&mode, &public, &info, &mut draw);
    let (enc, mut context) = set_up.map_err(|_| SealError::PublicKey)?;
    let ciphertext = context.seal(&text, b"").expect("the first message under a key is sealed");
    let enc: [u8; ENC_BYTES] = enc.to_bytes().into();
    let message = EncapsulatedRequest { header, enc: &enc, ciphertext: &ciphertext }.encode();
    let exported = Exported::from(enc, |label, out| context.export(label, out));
    Ok((message, AnswerOpener(exported)))
}

pub(crate) fn public_key(bytes: &[u8; ENC_BYTES]) -> <Kem as hpke::Kem>::PublicKey {
    <Kem as hpke::Kem>::PublicKey::from_bytes(bytes).expect("any 32 bytes are an X25519 key")
}

/// The private half of a channel key. Never leaves this type, wiped on drop, never printed.
pub struct ChannelSecret {
    secret: <Kem as hpke::Kem>::PrivateKey,
    public: [u8; ENC_BYTES],
}

impl ChannelSecret {
    /// Derives the key pair from 32 random bytes (DeriveKeyPair, RFC 9180 7.1.3).
    pub fn derive(random: &[u8; 32]) -> Self {
        let (secret, public) = Kem::derive_keypair(random);
        Self { secret, public: public.to_bytes().into() }
    }

    /// The public half.
    pub fn public(&self) -> [u8; ENC_BYTES] {
        self.public
    }

    /// Opens a request to this key, whose id is `key_id`. Returns the text, still padded, and the
    /// sealer for its answer.
    ///
    /// **What a success proves**: the sender knew this public key and this text, and no byte was
    /// changed. **What it does not prove**: who the sender is, or that the message is new.
    ///
    /// # Errors
    /// In this order: `Message` for bytes that are not a request; `OtherKey` for the key of another
    /// boot; `NotAuthentic` for a request that was changed or sealed to another key.
    pub fn open(
        &self,
        key_id: u64,
        message: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, AnswerSealer), OpenError> {
        let EncapsulatedRequest { header, enc, ciphertext } = EncapsulatedRequest::decode(message)?;
        if header.key_id != key_id {
            return Err(OpenError::OtherKey { expected: key_id, found: header.key_id });
        }
        let key = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc);
        let key = key.expect("any 32 bytes are an encapsulated key");
        let (info, mode) = (request_info(header), OpModeR::Base);
        let context = hpke::setup_receiver::<Aead, Kdf, Kem>(&mode, &self.secret, &key, &info);
        let mut context = context.map_err(|_| OpenError::NotAuthentic)?;
        let text = context.open(ciphertext, b"").map_err(|_| OpenError::NotAuthentic)?;
        let exported = Exported::from(*enc, |label, out| context.export(label, out));
        Ok((Zeroizing::new(text), AnswerSealer(exported)))
    }
}

impl fmt::Debug for ChannelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A generator for one encapsulation: it returns the caller's random bytes, once.
pub(crate) struct OneDraw(Option<Zeroizing<[u8; 32]>>);

impl OneDraw {
    pub fn new(random: &[u8; 32]) -> Self {
        Self(Some(Zeroizing::new(*random)))
    }
}

impl TryRng for OneDraw {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        // RFC 9180 4.1: an encapsulation draws the 32 bytes of one key pair in one call. If `hpke`
        // ever draws otherwise, stop: a repeated byte would break the key.
        let bytes = self.0.take().expect("an encapsulation draws once");
        assert_eq!(out.len(), bytes.len(), "an encapsulation draws 32 bytes");
        out.copy_from_slice(&bytes[..]);
        Ok(())
    }
}

impl TryCryptoRng for OneDraw {}
