//! A key with its certificate, in memory and in a file.

use super::certificate::{Contents, Link, point, sign};
use super::error::NsmFolderError;
use p384::SecretKey;
use p384::ecdsa::signature::hazmat::PrehashVerifier as _;
use p384::ecdsa::{Signature, SigningKey};
use p384::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use sha2::{Digest as _, Sha384};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, DecodePem as _, Encode as _, pem};
use zeroize::Zeroizing;

pub(super) struct Identity {
    /// Common name.
    pub(super) name: String,
    pub(super) key: SigningKey,
    pub(super) der: Vec<u8>,
    pub(super) from_s: u64,
    pub(super) to_s: u64,
}

impl Identity {
    /// A new key, certified by `issuer`, or self-signed without one.
    ///
    /// # Errors
    /// `TimeOutOfRange`.
    pub(super) fn issue(
        link: Link,
        name: String,
        [from_s, to_s]: [u64; 2],
        issuer: Option<&Self>,
    ) -> Result<Self, NsmFolderError> {
        let key = fresh_key();
        let contents = Contents {
            link,
            subject: &name,
            issuer: issuer.map_or(&name, |issuer| &issuer.name),
            key: key.verifying_key(),
            serial: random(),
            from_s,
            to_s,
        };
        let der = sign(&contents, issuer.map_or(&key, |issuer| &issuer.key))?;
        Ok(Self { name, key, der, from_s, to_s })
    }

    /// Parses the text of a file; `None` when it is not a key with its certificate.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let (key, certificate) = text.split_at(text.find(CERTIFICATE)?);
        let key: SigningKey = SecretKey::from_pkcs8_pem(key.trim()).ok()?.into();
        let certificate = Certificate::from_pem(certificate).ok()?;
        let contents = certificate.tbs_certificate();
        let certified = contents.subject_public_key_info().subject_public_key.as_bytes()?;
        if certified != point(key.verifying_key()) {
            return None;
        }
        let validity = contents.validity();
        Some(Self {
            name: common_name(&certificate)?,
            key,
            der: certificate.to_der().ok()?,
            from_s: validity.not_before.to_unix_duration().as_secs(),
            to_s: validity.not_after.to_unix_duration().as_secs(),
        })
    }

    /// The text of its file: PKCS #8 and X.509, both as PEM.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let key = SecretKey::from(&self.key).to_pkcs8_pem(LineEnding::LF);
        let mut text = key.expect("a P-384 key fits PKCS #8");
        text.push_str(&self.certificate_pem());
        text
    }

    /// The certificate without the key.
    pub(super) fn certificate_pem(&self) -> String {
        let pem = pem::encode_string("CERTIFICATE", LineEnding::LF, &self.der);
        pem.expect("the label is one of PEM's")
    }

    /// Returns true when it is valid from `from_s` to `to_s`.
    pub(super) fn covers(&self, from_s: u64, to_s: u64) -> bool {
        self.from_s <= from_s && to_s <= self.to_s
    }

    /// Returns true when `issuer` signed its certificate and has the issuer's name.
    pub(super) fn follows(&self, issuer: &Self) -> bool {
        self.is_signed_by(issuer).unwrap_or(false)
    }

    fn is_signed_by(&self, issuer: &Self) -> Option<bool> {
        let own = Certificate::from_der(&self.der).ok()?;
        let above = Certificate::from_der(&issuer.der).ok()?;
        let digest = Sha384::digest(own.tbs_certificate().to_der().ok()?);
        let signature = Signature::from_der(own.signature().as_bytes()?).ok()?;
        let is_named = own.tbs_certificate().issuer() == above.tbs_certificate().subject();
        Some(is_named && issuer.key.verifying_key().verify_prehash(&digest, &signature).is_ok())
    }
}

fn common_name(certificate: &Certificate) -> Option<String> {
    let subject = certificate.tbs_certificate().subject().to_string();
    let name = subject.split(',').find_map(|part| part.trim().strip_prefix("CN="))?;
    Some(name.to_owned())
}

fn fresh_key() -> SigningKey {
    loop {
        let bytes = Zeroizing::new(random::<48>());
        // fails for zero and for numbers above the order: once in 2^190 draws
        if let Ok(key) = SigningKey::from_slice(bytes.as_slice()) {
            return key;
        }
    }
}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has entropy");
    bytes
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
