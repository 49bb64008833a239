//! One-way messages to a reader, the holder of an X25519 key.
//!
//! HPKE in base mode with the suite of the channel (RFC 9180), one message for each key schedule.
//! The message does not authenticate its sender: anyone who knows the public key can make one. The
//! reader checks the content instead: keys that open no frame are wrong keys.

use crate::error::{OpenError, SealError};
use crate::request::{OneDraw, public_key};
use crate::suite::{Aead, Kdf, Kem};
use alloc::vec::Vec;
use core::fmt;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use mortise_format::channel::ENC_BYTES;
use zeroize::Zeroizing;

/// Seals `plain` for the holder of `public`, bound to the context `info` and `aad`. `ephemeral` is
/// random and serves this call only. Returns the encapsulated key and the ciphertext.
///
/// # Errors
/// `PublicKey` when `public` is a point of low order.
pub fn seal_to_reader(
    public: &[u8; ENC_BYTES],
    ephemeral: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    plain: &[u8],
) -> Result<([u8; ENC_BYTES], Vec<u8>), SealError> {
    let mut draw = OneDraw::new(ephemeral);
    let (public, mode) = (public_key(public), OpModeS::Base);
    let set_up = hpke::setup_sender_with_rng::<Aead, Kdf, Kem>(&mode, &public, info, &mut draw);
    let (enc, mut context) = set_up.map_err(|_| SealError::PublicKey)?;
    let ciphertext = context.seal(plain, aad).expect("the first message under a key is sealed");
    Ok((enc.to_bytes().into(), ciphertext))
}

/// The private half of a reader's key. Wiped on drop, never printed.
pub struct ReaderSecret(<Kem as hpke::Kem>::PrivateKey);

impl ReaderSecret {
    /// An X25519 private key (RFC 7748): any 32 random bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(bytes);
        Self(secret.expect("any 32 bytes are an X25519 private key"))
    }

    /// The public half.
    pub fn public(&self) -> [u8; ENC_BYTES] {
        Kem::sk_to_pk(&self.0).to_bytes().into()
    }

    /// Opens a message to this key.
    ///
    /// **What a success proves**: the sender knew this public key and this plain text and sealed it
    /// for this context; no byte was changed. **What it does not prove**: who the sender is.
    ///
    /// # Errors
    /// `NotAuthentic` when the message is for another key or context, or was changed.
    pub fn open(
        &self,
        enc: &[u8; ENC_BYTES],
        info: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let key = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc);
        let (key, mode) = (key.map_err(|_| OpenError::NotAuthentic)?, OpModeR::Base);
        let context = hpke::setup_receiver::<Aead, Kdf, Kem>(&mode, &self.0, &key, info);
        let mut context = context.map_err(|_| OpenError::NotAuthentic)?;
        let plain = context.open(ciphertext, aad).map_err(|_| OpenError::NotAuthentic)?;
        Ok(Zeroizing::new(plain))
    }
}

impl fmt::Debug for ReaderSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> (ReaderSecret, [u8; 32], Vec<u8>) {
        let reader = ReaderSecret::from_bytes(&[7; 32]);
        let (enc, ciphertext) =
            seal_to_reader(&reader.public(), &[9; 32], b"info", b"aad", b"plain").unwrap();
        (reader, enc, ciphertext)
    }

    #[test]
    fn message_opens_only_for_its_reader_in_its_context() {
        let (reader, enc, ciphertext) = sealed();
        assert_eq!(*reader.open(&enc, b"info", b"aad", &ciphertext).unwrap(), b"plain");
        let refused = Err(OpenError::NotAuthentic);
        let other = ReaderSecret::from_bytes(&[8; 32]);
        let open = |reader: &ReaderSecret, info: &[u8], aad: &[u8]| {
            reader.open(&enc, info, aad, &ciphertext).map(|_| ())
        };
        assert_eq!(open(&other, b"info", b"aad"), refused);
        assert_eq!(open(&reader, b"infO", b"aad"), refused);
        assert_eq!(open(&reader, b"info", b"aaD"), refused);
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_refused() {
        let (reader, enc, ciphertext) = sealed();
        let opened = |enc: &[u8; 32], ciphertext: &[u8]| {
            reader.open(enc, b"info", b"aad", ciphertext).map(|_| ())
        };
        for at in 0..ciphertext.len() {
            let mut changed = ciphertext.clone();
            changed[at] ^= 1;
            assert_eq!(opened(&enc, &changed), Err(OpenError::NotAuthentic), "{at}");
            assert_eq!(opened(&enc, &ciphertext[..at]), Err(OpenError::NotAuthentic), "{at}");
        }
        for at in 0..32 {
            let mut changed = enc;
            changed[at] ^= 1;
            assert_eq!(opened(&changed, &ciphertext), Err(OpenError::NotAuthentic), "{at}");
        }
    }

    /// The public key is the one that Python's `cryptography` gives.
    #[test]
    fn public_half_is_that_of_x25519() {
        let public = ReaderSecret::from_bytes(&[7; 32]).public();
        let expected = "0x13be4feaeaf204c7fd3358fc9c00721881d174278128227ec674f37f7fe97b6d";
        assert_eq!(mortise_format::ids::to_hex(&public), expected);
    }

    #[test]
    fn key_of_low_order_is_refused_and_secrets_do_not_print() {
        let sealed = seal_to_reader(&[0; 32], &[9; 32], b"", b"", b"plain");
        assert_eq!(sealed, Err(SealError::PublicKey));
        assert_eq!(alloc::format!("{:?}", ReaderSecret::from_bytes(&[7; 32])), "[redacted]");
    }
}
