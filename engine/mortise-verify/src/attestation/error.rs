//! Why a document is rejected: one variant for each check, in the order of the checks.
//!
//! Values of a document are printed as numbers or hex, never as text that the peer chose.

use super::cbor::CborError;
use super::root::RootFingerprint;
use crate::lease::LeaseError;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use mortise_format::ids::{Bytes32, to_hex};
use mortise_format::pcr::Pcr;

/// Why an attestation document is not accepted: the first check that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// The document is larger than any that the attestation module can produce.
    #[error("the document has {found} bytes, at most {bytes_max} are accepted")]
    DocumentTooLarge {
        /// `ATTESTATION_BYTES_MAX`.
        bytes_max: usize,
        /// Its size.
        found: usize,
    },
    /// The bytes are not a CBOR array of bytes, map, bytes, bytes.
    #[error("the envelope is not a COSE_Sign1: {0}")]
    Envelope(CborError),
    /// The envelope has a tag other than that of COSE_Sign1.
    #[error("the envelope has the tag {found}, not {expected}")]
    TagMismatch {
        /// 18.
        expected: u64,
        /// The tag found.
        found: u64,
    },
    /// The envelope has another number of elements.
    #[error("the envelope has {found} elements, not {expected}")]
    EnvelopeElements {
        /// 4.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// The protected header is not a CBOR map with the algorithm.
    #[error("the protected header cannot be read: {0}")]
    ProtectedHeader(CborError),
    /// The protected header contains something besides the algorithm.
    #[error("the protected header contains more than the algorithm")]
    ProtectedHeaderNotAlgorithm,
    /// The header has the reserved number that emulators use for an unsigned document.
    #[error("the document is unsigned (algorithm {algorithm}): an emulator made it")]
    Unsigned {
        /// -1, which is not an algorithm.
        algorithm: i64,
    },
    /// The document is signed with another algorithm.
    #[error("the algorithm is {found}, not {expected} (ECDSA with SHA-384)")]
    AlgorithmMismatch {
        /// -35, ES384.
        expected: i64,
        /// The algorithm found.
        found: i64,
    },
    /// The unprotected header, which no signature covers, is not empty.
    #[error("the unprotected header has {entries} entries, which no signature covers")]
    UnprotectedNotEmpty {
        /// How many entries it has.
        entries: u64,
    },
    /// The signature has another length.
    #[error("the signature has {found} bytes, not {expected}")]
    SignatureLength {
        /// 96.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// The signature contains a zero, or a number not below the order of the curve.
    #[error("the signature is not a pair of numbers below the order of P-384")]
    SignatureOutOfRange,

    /// The payload is not a CBOR map of the expected shape.
    #[error("the payload cannot be read: {0}")]
    Payload(CborError),
    /// A key of the payload is not one of the nine fields.
    #[error("the payload has an unknown field, before byte {offset}")]
    FieldUnknown {
        /// Where its key ends, in the payload.
        offset: usize,
    },
    /// A field occurs twice.
    #[error("the field {field} occurs twice")]
    FieldDuplicated {
        /// The field.
        field: Field,
    },
    /// A mandatory field is absent.
    #[error("the field {field} is missing")]
    FieldMissing {
        /// The field.
        field: Field,
    },
    /// A field, or an item of it, is too short or too long.
    #[error("the field {field} has {found} bytes; {min} to {max} are accepted")]
    FieldLength {
        /// The field.
        field: Field,
        /// Least bytes.
        min: usize,
        /// Most bytes.
        max: usize,
        /// Its bytes.
        found: usize,
    },
    /// The registers are not SHA-384 values.
    #[error("the field digest is not SHA384")]
    DigestNotSha384,
    /// The time is zero.
    #[error("the timestamp is zero")]
    TimestampZero,
    /// There are no registers, or too many.
    #[error("the document has {found} PCRs; 1 to {max} are accepted")]
    PcrCount {
        /// 32.
        max: u64,
        /// The number found.
        found: u64,
    },
    /// The index of a register is too high.
    #[error("a PCR has the index {found}; the highest is {max}")]
    PcrIndex {
        /// 31.
        max: u64,
        /// The index found.
        found: u64,
    },
    /// A register index occurs twice.
    #[error("PCR{index} occurs twice")]
    PcrDuplicated {
        /// The index.
        index: u8,
    },
    /// A register is not a SHA-384 value.
    #[error("PCR{index} has {found} bytes, not {expected}")]
    PcrLength {
        /// The index.
        index: u8,
        /// 48.
        expected: usize,
        /// Its bytes.
        found: usize,
    },
    /// The bundle is not root, region, zone, instance.
    #[error("the cabundle has {found} certificates, not {expected}")]
    CabundleCount {
        /// 4.
        expected: u64,
        /// The number found.
        found: u64,
    },

    /// The first certificate of the bundle is not one of the pinned roots.
    #[error("the root certificate {found} is not pinned")]
    RootNotPinned {
        /// SHA-256 of its DER.
        found: RootFingerprint,
    },
    /// A certificate does not have the form or the contents that its link requires.
    #[error("the {link} certificate is rejected: {fault}")]
    Certificate {
        /// Which one.
        link: Link,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// A certificate is not yet valid.
    #[error("the {link} certificate is valid from {not_before_s}, not yet at {at_s}")]
    NotYetValid {
        /// Which one.
        link: Link,
        /// First second of its validity.
        not_before_s: u64,
        /// The second at which it was checked.
        at_s: u64,
    },
    /// A certificate is no longer valid.
    #[error("the {link} certificate was valid until {not_after_s}, not at {at_s}")]
    Expired {
        /// Which one.
        link: Link,
        /// Last second of its validity.
        not_after_s: u64,
        /// The second at which it was checked.
        at_s: u64,
    },
    /// The leaf's key did not sign the document.
    #[error("the key of the leaf certificate did not sign this document")]
    SignatureMismatch,
    /// A certificate is not signed by the one above it.
    #[error("the {link} certificate is not signed by the one above it")]
    ChainSignatureMismatch {
        /// The certificate that is not signed.
        link: Link,
    },

    /// PCR0, PCR1 and PCR2 are zero or absent: the enclave runs in debug mode, readable by its
    /// parent.
    #[error("the enclave runs in debug mode: PCR0, PCR1 and PCR2 are zero")]
    DebugMode,
    /// The document lacks a register that the policy or the binding names.
    #[error("the document lacks PCR{index}")]
    PcrMissing {
        /// The register.
        index: u8,
    },
    /// A register has none of the values that the policy approves.
    #[error("PCR{index} is {found}, none of the {approved} approved values")]
    PcrNotApproved {
        /// The register.
        index: u8,
        /// How many values are approved.
        approved: usize,
        /// Its value.
        found: Pcr,
    },
    /// The document binds another engine, epoch, history or policy, or other keys.
    #[error("user_data is {}, not the digest {expected} of the expected keys", or_absent(.found))]
    BindingMismatch {
        /// Digest of the expected [`KeyBinding`](super::KeyBinding).
        expected: Bytes32,
        /// What `user_data` has; `None` when it is absent.
        found: Option<Hex>,
    },
    /// PCR16 was not extended with the binding, or was extended with more.
    #[error("PCR16 is {found}, not {expected} (extended with the binding alone)")]
    BindingPcrMismatch {
        /// [`KeyBinding::pcr16`](super::KeyBinding::pcr16).
        expected: Pcr,
        /// Its value.
        found: Pcr,
    },
    /// The digest after the binding's is not that of the expected statement, or is missing.
    #[error(
        "after its binding the document names {}, not the statement {expected}", or_absent(.found)
    )]
    StatementMismatch {
        /// Digest of the statement.
        expected: Bytes32,
        /// The bytes after the binding's digest.
        found: Option<Hex>,
    },
    /// After the statement's digest the document does not name the expected lease.
    #[error(
        "after the statement the document names {}, not the lease {expected}", or_absent(.found)
    )]
    LeaseMismatch {
        /// Digest of checkpoint and time.
        expected: Bytes32,
        /// The bytes after the statement's digest.
        found: Option<Hex>,
    },
    /// The lease did not hold when the document was made: another engine may have continued the
    /// log.
    #[error("the lease in the document: {0}")]
    Lease(#[from] LeaseError),
    /// An optional field is not what the caller expects.
    #[error("the field {field} is {}, expected {}", or_absent(.found), or_absent(.expected))]
    ClaimMismatch {
        /// `user_data`, `public_key` or `nonce`.
        field: Field,
        /// What was expected; `None` when it had to be absent.
        expected: Option<Hex>,
        /// What is there; `None` when it is absent.
        found: Option<Hex>,
    },
    /// The document was made too long ago.
    #[error("the document is {age_ms} ms old, at most {age_ms_max} are accepted")]
    Stale {
        /// `ATTESTATION_SKEW_MS_MAX`.
        age_ms_max: u64,
        /// Its age.
        age_ms: u64,
    },
    /// The document is from the future.
    #[error(
        "the document is {ahead_ms} ms ahead of the clock, at most {ahead_ms_max} are accepted"
    )]
    FromTheFuture {
        /// `ATTESTATION_SKEW_MS_MAX`.
        ahead_ms_max: u64,
        /// How far ahead it is.
        ahead_ms: u64,
    },
}

/// What is wrong with one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It is not the DER of one certificate.
    #[error("it is not the DER of one X.509 certificate")]
    NotDer,
    /// It is not X.509 version 3.
    #[error("it is not X.509 version 3")]
    NotVersion3,
    /// The inner or the outer algorithm is not ECDSA with SHA-384.
    #[error("it is not signed with ECDSA and SHA-384")]
    NotEcdsaSha384,
    /// Its signature is not a DER pair of numbers below the order of P-384.
    #[error("its signature is not an ECDSA signature over P-384")]
    SignatureMalformed,
    /// Its key is not an uncompressed point of P-384.
    #[error("its key is not an uncompressed point of P-384")]
    KeyNotP384,
    /// An extension occurs twice.
    #[error("an extension occurs twice")]
    ExtensionDuplicated,
    /// A critical extension is neither basicConstraints nor keyUsage.
    #[error("it has a critical extension of unknown meaning")]
    CriticalExtensionUnknown,
    /// basicConstraints is missing.
    #[error("it lacks basicConstraints")]
    BasicConstraintsMissing,
    /// keyUsage is missing.
    #[error("it lacks keyUsage")]
    KeyUsageMissing,
    /// It is above the leaf and is not a certificate authority.
    #[error("it is not a certificate authority")]
    NotAuthority,
    /// It is the leaf and claims to be a certificate authority.
    #[error("it is the leaf and claims to be a certificate authority")]
    LeafIsAuthority,
    /// Its pathLenConstraint allows fewer authorities than follow; only the root may have none.
    #[error("its pathLenConstraint is {found:?}; {needed} authorities follow")]
    PathLength {
        /// How many authorities follow in the chain.
        needed: u8,
        /// The constraint; `None` when it is absent.
        found: Option<u8>,
    },
    /// It is above the leaf and its keyUsage lacks keyCertSign.
    #[error("its keyUsage lacks keyCertSign")]
    NotForCertificates,
    /// It is the leaf, and its keyUsage lacks digitalSignature or has keyCertSign.
    #[error("its keyUsage is not that of a leaf")]
    NotForDocuments,
    /// Its issuer is not the subject of the certificate above it.
    #[error("its issuer is not the subject of the certificate above it")]
    IssuerMismatch,
}

/// The place of a certificate in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Link {
    /// The pinned root.
    Root,
    /// Of an AWS region.
    Region,
    /// Of an availability zone.
    Zone,
    /// Of the parent instance.
    Instance,
    /// Of the enclave; it signs documents.
    Leaf,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Region => "region",
            Self::Zone => "zone",
            Self::Instance => "instance",
            Self::Leaf => "leaf",
        })
    }
}

/// The fields of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// Name of the issuing module.
    ModuleId,
    /// Hash function of the registers.
    Digest,
    /// When the document was made.
    Timestamp,
    /// The registers.
    Pcrs,
    /// The leaf certificate.
    Certificate,
    /// The certificates above it, or one of them.
    Cabundle,
    /// A key that the enclave put in the request.
    PublicKey,
    /// Bytes that the enclave put in the request.
    UserData,
    /// Bytes that the requester sent.
    Nonce,
}

impl Field {
    /// The field with this key.
    pub(super) fn by_key(key: &str) -> Option<Self> {
        Some(match key {
            "module_id" => Self::ModuleId,
            "digest" => Self::Digest,
            "timestamp" => Self::Timestamp,
            "pcrs" => Self::Pcrs,
            "certificate" => Self::Certificate,
            "cabundle" => Self::Cabundle,
            "public_key" => Self::PublicKey,
            "user_data" => Self::UserData,
            "nonce" => Self::Nonce,
            _ => return None,
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ModuleId => "module_id",
            Self::Digest => "digest",
            Self::Timestamp => "timestamp",
            Self::Pcrs => "pcrs",
            Self::Certificate => "certificate",
            Self::Cabundle => "cabundle",
            Self::PublicKey => "public_key",
            Self::UserData => "user_data",
            Self::Nonce => "nonce",
        })
    }
}

/// Bytes in an error; they print as hex.
#[derive(Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl Hex {
    /// A copy of optional bytes.
    pub(super) fn of(bytes: Option<&[u8]>) -> Option<Self> {
        bytes.map(|bytes| Self(bytes.to_vec()))
    }
}

/// The text of an optional field.
pub(super) fn or_absent(value: &Option<Hex>) -> String {
    value.as_ref().map_or_else(|| String::from("absent"), |hex| to_hex(&hex.0))
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}
