//! The roots that may issue the key service's certificate.
//!
//! Only the five roots of Amazon Trust Services are built in: a certificate that any other public
//! authority issues for the service's name is rejected. They come from `webpki-roots` and are
//! selected by the digest of their public key, as Amazon publishes it, so that an update of that
//! crate cannot replace one. A development system names its own root, which replaces all of them.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// SHA-256 of the SubjectPublicKeyInfo of each root.
///
/// Source: Amazon Trust Services repository, "Root CAs", column "SHA-256 Hash of Subject Public
/// Key Information".
const AMAZON_SPKI_SHA256: [(&str, [u8; 32]); 5] = [
    (
        "Amazon Root CA 1",
        *b"\xfb\xe3\x01\x80\x31\xf9\x58\x6b\xcb\xf4\x17\x27\xe4\x17\xb7\xd1\
           \xc4\x5c\x2f\x47\xf9\x3b\xe3\x72\xa1\x7b\x96\xb5\x07\x57\xd5\xa2",
    ),
    (
        "Amazon Root CA 2",
        *b"\x7f\x42\x96\xfc\x5b\x6a\x4e\x3b\x35\xd3\xc3\x69\x62\x3e\x36\x4a\
           \xb1\xaf\x38\x1d\x8f\xa7\x12\x15\x33\xc9\xd6\xc6\x33\xea\x24\x61",
    ),
    (
        "Amazon Root CA 3",
        *b"\x36\xab\xc3\x26\x56\xac\xfc\x64\x5c\x61\xb7\x16\x13\xc4\xbf\x21\
           \xc7\x87\xf5\xca\xbb\xee\x48\x34\x8d\x58\x59\x78\x03\xd7\xab\xc9",
    ),
    (
        "Amazon Root CA 4",
        *b"\xf7\xec\xde\xd5\xc6\x60\x47\xd2\x8e\xd6\x46\x6b\x54\x3c\x40\xe0\
           \x74\x3a\xbe\x81\xd1\x09\x25\x4d\xcf\x84\x5d\x4c\x2c\x78\x53\xc5",
    ),
    (
        "Starfield Services Root Certificate Authority - G2",
        *b"\x2b\x07\x1c\x59\xa0\xa0\xae\x76\xb0\xea\xdb\x2b\xad\x23\xba\xd4\
           \x58\x0b\x69\xc3\x60\x1b\x63\x0c\x2e\xaf\x06\x13\xaf\xa8\x3f\x92",
    ),
];

/// Why a root is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The text has no PEM certificate, or a malformed one.
    #[error("the root is not given as PEM certificates")]
    NotPem,
    /// A certificate is malformed or cannot be a trust anchor.
    #[error("a certificate of the root cannot be a trust anchor")]
    NotAnAnchor,
}

/// The roots that may issue the service's certificate.
#[derive(Clone)]
pub struct TrustRoots(Arc<Vec<TrustAnchor<'static>>>);

impl TrustRoots {
    /// The built-in roots of Amazon Trust Services.
    pub fn amazon() -> Self {
        let is_amazon = |anchor: &&TrustAnchor<'_>| {
            let found = spki_sha256(&anchor.subject_public_key_info);
            AMAZON_SPKI_SHA256.iter().any(|(_, pinned)| *pinned == found)
        };
        Self(Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().filter(is_amazon).cloned().collect()))
    }

    /// Only the certificates of a PEM text, for a development system.
    ///
    /// # Errors
    /// `NotPem` for a text without a certificate, `NotAnAnchor` for one that cannot be read.
    pub fn only_pem(text: &[u8]) -> Result<Self, RootsError> {
        let mut roots = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(text) {
            let certificate = certificate.map_err(|_| RootsError::NotPem)?;
            let anchor = webpki::anchor_from_trusted_cert(&certificate);
            roots.push(anchor.map_err(|_| RootsError::NotAnAnchor)?.to_owned());
        }
        if roots.is_empty() {
            return Err(RootsError::NotPem);
        }
        Ok(Self(Arc::new(roots)))
    }

    /// Number of roots.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The roots for the TLS library.
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.0
    }
}

impl std::fmt::Debug for TrustRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TrustRoots({})", self.count())
    }
}

/// Digest of a SubjectPublicKeyInfo, given only its contents.
fn spki_sha256(contents: &[u8]) -> [u8; 32] {
    let length = contents.len().to_be_bytes();
    let figures = &length[length.iter().take_while(|b| **b == 0).count()..];
    let mut der = vec![0x30];
    if contents.len() >= 0x80 {
        // a length has at most eight bytes, so their number fits the low bits
        der.push(0x80 | u8::try_from(figures.len()).unwrap_or(0x7f));
    }
    der.extend_from_slice(figures);
    der.extend_from_slice(contents);
    Sha256::digest(&der).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_pinned_amazon_roots_are_built_in() {
        let roots = TrustRoots::amazon();
        assert_eq!(roots.count(), AMAZON_SPKI_SHA256.len());
        for (name, pinned) in AMAZON_SPKI_SHA256 {
            let mut found = roots
                .anchors()
                .iter()
                .filter(|anchor| spki_sha256(&anchor.subject_public_key_info) == pinned);
            let anchor = found.next().unwrap();
            assert!(anchor.subject.windows(name.len()).any(|w| w == name.as_bytes()), "{name}");
            assert!(found.next().is_none(), "{name} occurs twice");
        }
    }

    #[test]
    fn text_without_a_certificate_is_no_root() {
        let mangled = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, error) in [
            ("", RootsError::NotPem),
            ("hello", RootsError::NotPem),
            (mangled, RootsError::NotPem),
            (empty, RootsError::NotAnAnchor),
        ] {
            assert_eq!(TrustRoots::only_pem(text.as_bytes()).unwrap_err(), error, "{text}");
        }
    }
}
