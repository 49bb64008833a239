//! The key of the channel to the attested engine.
//!
//! What it is for: an X25519 key made at every boot from the entropy port, never sealed, whose
//! public half the boot's attestation document binds. What is encrypted to it can be read by this
//! boot alone: by no parent, and by no later boot.
//!
//! What it does not do: speak the channel.

use crate::ports::Entropy;
use mortise_core::keys::Secret;
use std::fmt;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroize;

/// The private half: used here, never handed out, wiped on drop, never printed.
pub struct ChannelKey {
    secret: StaticSecret,
    public: [u8; 32],
}

impl ChannelKey {
    /// A fresh key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        let key = Self::from_bytes(bytes);
        bytes.zeroize();
        key
    }

    fn from_bytes(bytes: [u8; 32]) -> Self {
        let secret = StaticSecret::from(bytes);
        let public = PublicKey::from(&secret).to_bytes();
        Self { secret, public }
    }

    /// The public half, as the attestation binds it.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The secret shared with the holder of `peer` (RFC 7748 6.1).
    ///
    /// `None` for a point of low order, which would give everybody the same secret.
    pub fn agree(&self, peer: &[u8; 32]) -> Option<Secret> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*peer));
        shared.was_contributory().then(|| Secret::new(shared.to_bytes()))
    }
}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::ids::parse_hex;

    fn hex(text: &str) -> [u8; 32] {
        let mut out = [0; 32];
        parse_hex(&format!("0x{text}"), &mut out).unwrap();
        out
    }

    /// RFC 7748 6.1.
    #[test]
    fn public_half_and_shared_secret_are_those_of_the_standard() {
        let alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let alice = ChannelKey::from_bytes(alice);
        let public = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        assert_eq!(alice.public(), public);
        let bob = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(alice.agree(&bob).unwrap().expose(|bytes| *bytes), shared);
        assert_eq!(format!("{alice:?}"), "[redacted]");
    }

    #[test]
    fn point_of_low_order_gives_no_secret() {
        let key = ChannelKey::from_bytes([7; 32]);
        let mut one = [0; 32];
        assert!(key.agree(&one).is_none());
        one[0] = 1;
        assert!(key.agree(&one).is_none());
    }
}
