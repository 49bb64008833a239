//! One X.509 certificate of the Nitro profile, as received.

use super::error::{AttestationError, CertificateFault, Link};
use p384::ecdsa::signature::hazmat::PrehashVerifier as _;
use p384::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha384};
use x509_cert::certificate::{TbsCertificate, Version};
use x509_cert::der::asn1::{BitStringRef, ObjectIdentifier};
use x509_cert::der::{Decode as _, Error as DerError, Reader as _, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;

/// A certificate with the form that its link requires. Its signature is not checked yet.
pub(super) struct Certificate {
    link: Link,
    /// The subject's public key.
    pub(super) key: VerifyingKey,
    contents: TbsCertificate,
    signature: Signature,
    digest: [u8; 48],
}

impl Certificate {
    /// Reads a certificate and checks its contents, except validity, issuer and signature.
    ///
    /// # Errors
    /// `Certificate` with any fault but `IssuerMismatch`.
    pub(super) fn parse(link: Link, der: &[u8]) -> Result<Self, AttestationError> {
        Self::parse_faulty(link, der).map_err(|fault| AttestationError::Certificate { link, fault })
    }

    fn parse_faulty(link: Link, der: &[u8]) -> Result<Self, CertificateFault> {
        let parts = Parts::split(der).map_err(|_| CertificateFault::NotDer)?;
        let contents =
            TbsCertificate::from_der(parts.signed).map_err(|_| CertificateFault::NotDer)?;
        if contents.version() != Version::V3 {
            return Err(CertificateFault::NotVersion3);
        }
        let algorithms = [&parts.algorithm, contents.signature()];
        if algorithms.iter().any(|found| !is_ecdsa_sha384(found)) {
            return Err(CertificateFault::NotEcdsaSha384);
        }
        let signature = Signature::from_der(parts.signature)
            .map_err(|_| CertificateFault::SignatureMalformed)?;
        let key = parse_key(contents.subject_public_key_info())?;
        let extensions = contents.extensions().map_or(&[][..], Extensions::as_slice);
        check_extensions(extensions)?;
        check_constraints(link, extensions)?;
        check_usage(link, extensions)?;
        let digest = Sha384::digest(parts.signed).into();
        Ok(Self { link, key, contents, signature, digest })
    }

    /// The issuer's name is the subject of `above`, byte for byte of their DER.
    ///
    /// # Errors
    /// `Certificate` with `IssuerMismatch`.
    pub(super) fn check_issuer(&self, above: &Self) -> Result<(), AttestationError> {
        if self.contents.issuer() == above.contents.subject() {
            return Ok(());
        }
        let fault = CertificateFault::IssuerMismatch;
        Err(AttestationError::Certificate { link: self.link, fault })
    }

    /// The certificate is valid at `at_ms`, or becomes so within `leeway_ms`.
    ///
    /// Both bounds are inclusive, in whole seconds.
    ///
    /// # Errors
    /// `NotYetValid`, `Expired`.
    pub(super) fn check_validity(
        &self,
        at_ms: u64,
        leeway_ms: u64,
    ) -> Result<(), AttestationError> {
        let validity = self.contents.validity();
        let seconds = |time: Time| time.to_unix_duration().as_secs();
        let (not_before_s, not_after_s) =
            (seconds(validity.not_before), seconds(validity.not_after));
        let (link, at_s) = (self.link, at_ms / 1000);
        if at_ms.saturating_add(leeway_ms) / 1000 < not_before_s {
            return Err(AttestationError::NotYetValid { link, not_before_s, at_s });
        }
        if at_s > not_after_s {
            return Err(AttestationError::Expired { link, not_after_s, at_s });
        }
        Ok(())
    }

    /// The key of `above` signed this certificate.
    ///
    /// # Errors
    /// `ChainSignatureMismatch`.
    pub(super) fn check_signature(&self, above: &Self) -> Result<(), AttestationError> {
        let mismatch = AttestationError::ChainSignatureMismatch { link: self.link };
        above.key.verify_prehash(&self.digest, &self.signature).map_err(|_| mismatch)
    }
}

/// The three parts of a certificate. The signed part keeps its received bytes.
struct Parts<'a> {
    signed: &'a [u8],
    algorithm: AlgorithmIdentifierOwned,
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(der: &'a [u8]) -> Result<Self, DerError> {
        let mut reader = SliceReader::new(der)?;
        let parts = reader.sequence(|inner| {
            let signed = inner.tlv_bytes()?;
            let algorithm = AlgorithmIdentifierOwned::decode(inner)?;
            let bits = BitStringRef::decode(inner)?;
            let octets = bits.as_bytes();
            let signature =
                octets.ok_or_else(|| DerError::from(x509_cert::der::ErrorKind::Failed))?;
            Ok::<_, DerError>(Parts { signed, algorithm, signature })
        })?;
        reader.finish()?;
        Ok(parts)
    }
}

fn is_ecdsa_sha384(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.oid == ECDSA_WITH_SHA384 && algorithm.parameters.is_none()
}

fn parse_key(info: &SubjectPublicKeyInfoOwned) -> Result<VerifyingKey, CertificateFault> {
    const UNCOMPRESSED: u8 = 4;
    let curve = info.algorithm.parameters.as_ref();
    let curve = curve.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    let point = info.subject_public_key.as_bytes().unwrap_or_default();
    let named = info.algorithm.oid == EC_PUBLIC_KEY && curve == Some(P384);
    if !named || point.first() != Some(&UNCOMPRESSED) {
        return Err(CertificateFault::KeyNotP384);
    }
    VerifyingKey::from_sec1_bytes(point).map_err(|_| CertificateFault::KeyNotP384)
}

/// Checks that no extension occurs twice and that every critical one is understood here.
fn check_extensions(extensions: &[Extension]) -> Result<(), CertificateFault> {
    for (i, extension) in extensions.iter().enumerate() {
        if extensions[..i].iter().any(|earlier| earlier.extn_id == extension.extn_id) {
            return Err(CertificateFault::ExtensionDuplicated);
        }
        let understood = [BASIC_CONSTRAINTS, KEY_USAGE].contains(&extension.extn_id);
        if extension.critical && !understood {
            return Err(CertificateFault::CriticalExtensionUnknown);
        }
    }
    Ok(())
}

fn check_constraints(link: Link, extensions: &[Extension]) -> Result<(), CertificateFault> {
    let bytes = find(extensions, BASIC_CONSTRAINTS);
    let bytes = bytes.ok_or(CertificateFault::BasicConstraintsMissing)?;
    let constraints = BasicConstraints::from_der(bytes).map_err(|_| CertificateFault::NotDer)?;
    let found = constraints.path_len_constraint;
    let Some(needed) = authorities_below(link) else {
        if constraints.ca {
            return Err(CertificateFault::LeafIsAuthority);
        }
        return match found {
            None => Ok(()),
            Some(_) => Err(CertificateFault::PathLength { needed: 0, found }),
        };
    };
    if !constraints.ca {
        return Err(CertificateFault::NotAuthority);
    }
    match found {
        None if link == Link::Root => Ok(()),
        Some(allowed) if allowed >= needed => Ok(()),
        _ => Err(CertificateFault::PathLength { needed, found }),
    }
}

fn check_usage(link: Link, extensions: &[Extension]) -> Result<(), CertificateFault> {
    let bytes = find(extensions, KEY_USAGE).ok_or(CertificateFault::KeyUsageMissing)?;
    let usage = KeyUsage::from_der(bytes).map_err(|_| CertificateFault::NotDer)?;
    if link == Link::Leaf {
        return match usage.digital_signature() && !usage.key_cert_sign() {
            true => Ok(()),
            false => Err(CertificateFault::NotForDocuments),
        };
    }
    match usage.key_cert_sign() {
        true => Ok(()),
        false => Err(CertificateFault::NotForCertificates),
    }
}

fn find(extensions: &[Extension], id: ObjectIdentifier) -> Option<&[u8]> {
    let found = extensions.iter().find(|extension| extension.extn_id == id);
    found.map(|extension| extension.extn_value.as_bytes())
}

/// How many authorities follow this one in the chain; `None` for the leaf, which is no authority.
fn authorities_below(link: Link) -> Option<u8> {
    match link {
        Link::Root => Some(3),
        Link::Region => Some(2),
        Link::Zone => Some(1),
        Link::Instance => Some(0),
        Link::Leaf => None,
    }
}

const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
