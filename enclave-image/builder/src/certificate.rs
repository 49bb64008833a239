//! The signing certificate: PEM in the image, DER in the measurement.

use crate::sign::SignatureError;
use p384::ecdsa::VerifyingKey;
use p384::pkcs8::DecodePublicKey as _;
use x509_cert::Certificate as X509;
use x509_cert::der::{Decode as _, Encode as _, pem};
use x509_cert::time::Time;

/// The certificate of an image's signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The measured bytes.
    pub der: Vec<u8>,
    pub key: VerifyingKey,
    pub subject: String,
    /// First second of its validity, in Unix time.
    pub not_before_s: u64,
    /// Last second of its validity, in Unix time.
    pub not_after_s: u64,
}

impl Certificate {
    /// Reads one certificate with a key on P-384.
    pub fn parse(text: &[u8]) -> Result<Self, SignatureError> {
        let (label, der) =
            pem::decode_vec(text.trim_ascii()).map_err(|_| SignatureError::Certificate)?;
        if label != "CERTIFICATE" {
            return Err(SignatureError::Certificate);
        }
        let certificate = X509::from_der(&der).map_err(|_| SignatureError::Certificate)?;
        let contents = certificate.tbs_certificate();
        let key = contents.subject_public_key_info().to_der();
        let key = key.map_err(|_| SignatureError::Certificate)?;
        let key =
            VerifyingKey::from_public_key_der(&key).map_err(|_| SignatureError::KeyNotP384)?;
        let seconds = |time: Time| time.to_unix_duration().as_secs();
        let validity = contents.validity();
        Ok(Self {
            key,
            subject: contents.subject().to_string(),
            not_before_s: seconds(validity.not_before),
            not_after_s: seconds(validity.not_after),
            der,
        })
    }
}
