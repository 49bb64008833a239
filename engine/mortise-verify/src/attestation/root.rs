//! Roots of trust, as callers pin them.

use core::fmt;
use mortise_format::domains::sha256;
use mortise_format::ids::Bytes32;

/// SHA-256 of the DER of a root certificate. Callers pin roots by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootFingerprint(pub [u8; 32]);

/// The root of the commercial AWS partitions, "AWS Nitro Enclaves Root-G1", valid until 2049.
pub const AWS_NITRO_ROOT_G1: RootFingerprint = RootFingerprint([
    0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31,
    0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
]);

impl RootFingerprint {
    /// The fingerprint of a certificate.
    pub fn of_der(der: &[u8]) -> Self {
        Self(sha256(&[der]))
    }
}

impl fmt::Display for RootFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Bytes32(self.0), f)
    }
}

impl fmt::Debug for RootFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
