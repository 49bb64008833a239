//! The fields of a document, read from the payload.

use super::cbor::Reader;
use super::envelope::Envelope;
use super::error::{AttestationError, Field};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::limits::{ATTESTATION_BYTES_MAX, ATTESTATION_FIELD_BYTES_MAX};
use mortise_format::pcr::{PCR_BYTES, Pcr};

/// The contents of a document that was verified.
///
/// Only [`verify_live`](super::verify_live) and [`verify_archived`](super::verify_archived) make
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    module_id: String,
    timestamp_ms: u64,
    pcrs: BTreeMap<u8, Pcr>,
    public_key: Option<Vec<u8>>,
    user_data: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
}

impl Document {
    /// Name of the module that issued the document: instance and enclave.
    pub fn module_id(&self) -> &str {
        &self.module_id
    }

    /// When the document was made, by the attestation module's clock, milliseconds since 1970.
    pub fn timestamp_ms(&self) -> u64 {
        self.timestamp_ms
    }

    /// The value of a register; `None` when the document does not list it.
    ///
    /// AWS lists the registers that were locked when the document was made.
    pub fn pcr(&self, index: u8) -> Option<&Pcr> {
        self.pcrs.get(&index)
    }

    /// All registers that the document lists, in order of their index.
    pub fn pcrs(&self) -> impl Iterator<Item = (u8, &Pcr)> {
        self.pcrs.iter().map(|(index, pcr)| (*index, pcr))
    }

    /// The public key that the enclave put in the request.
    pub fn public_key(&self) -> Option<&[u8]> {
        self.public_key.as_deref()
    }

    /// The user data that the enclave put in the request.
    pub fn user_data(&self) -> Option<&[u8]> {
        self.user_data.as_deref()
    }

    /// The nonce that the requester of the document sent.
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }
}

/// The contents of a document of which nothing is verified: no signature, no chain, no register.
///
/// Only the enclave itself may rely on it, because it asks its own module. For any other reader
/// the party that supplied the bytes may have written all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// The document's timestamp, milliseconds since 1970; above 0.
    pub timestamp_ms: u64,
    /// The nonce of the request.
    pub nonce: Option<Vec<u8>>,
}

/// Reads a document without verifying it; see [`Unverified`].
///
/// **What a success proves**: the bytes have the shape of a signed document. Nothing else.
///
/// # Errors
/// `DocumentTooLarge`; those of the envelope; those of the fields.
pub fn read_unverified(document: &[u8]) -> Result<Unverified, AttestationError> {
    let payload = parse_unverified(document)?;
    let nonce = payload.nonce.map(<[u8]>::to_vec);
    Ok(Unverified { timestamp_ms: payload.timestamp_ms, nonce })
}

/// The insecure mode that a document admits; see [`Unverified`]. `None` proves nothing: verify the
/// document.
pub fn admitted_insecure_mode(document: &[u8]) -> Option<InsecureMode> {
    match parse_unverified(document) {
        Err(AttestationError::Unsigned { .. }) => Some(InsecureMode::Emulated),
        Ok(payload) if payload.is_debug() => Some(InsecureMode::Debug),
        _ => None,
    }
}

fn parse_unverified(document: &[u8]) -> Result<Payload<'_>, AttestationError> {
    let (bytes_max, found) = (ATTESTATION_BYTES_MAX, document.len());
    if found > bytes_max {
        return Err(AttestationError::DocumentTooLarge { bytes_max, found });
    }
    Payload::parse(Envelope::parse(document)?.payload)
}

/// How many certificates a bundle has: root, region, zone, instance.
pub(super) const CABUNDLE_COUNT: usize = 4;

/// A payload whose shape is checked and whose signature is not. Private to the parent module.
pub(super) struct Payload<'a> {
    module_id: &'a str,
    pub(super) timestamp_ms: u64,
    pub(super) pcrs: BTreeMap<u8, Pcr>,
    pub(super) certificate: &'a [u8],
    pub(super) cabundle: [&'a [u8]; CABUNDLE_COUNT],
    pub(super) public_key: Option<&'a [u8]>,
    pub(super) user_data: Option<&'a [u8]>,
    pub(super) nonce: Option<&'a [u8]>,
}

impl<'a> Payload<'a> {
    /// Reads the map. Accepts each field once.
    ///
    /// # Errors
    /// `Payload`, `FieldUnknown`, `FieldDuplicated`, `FieldMissing`, `FieldLength`,
    /// `DigestNotSha384`, `TimestampZero`, `PcrCount`, `PcrIndex`, `PcrDuplicated`, `PcrLength`,
    /// `CabundleCount`.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, AttestationError> {
        let mut reader = Reader::new(bytes);
        let mut draft = Draft::default();
        let mut count = reader.map_of_any_length().map_err(AttestationError::Payload)?;
        while reader.more(&mut count) {
            draft.read_field(&mut reader)?;
        }
        reader.end().map_err(AttestationError::Payload)?;
        draft.finish()
    }

    /// True when all three registers of the image are zero or absent.
    pub(super) fn is_debug(&self) -> bool {
        [0, 1, 2].iter().all(|index| self.pcrs.get(index).is_none_or(Pcr::is_zero))
    }

    /// Drops what only verification needs. Call it after verification.
    pub(super) fn into_document(self) -> Document {
        Document {
            module_id: String::from(self.module_id),
            timestamp_ms: self.timestamp_ms,
            pcrs: self.pcrs,
            public_key: self.public_key.map(<[u8]>::to_vec),
            user_data: self.user_data.map(<[u8]>::to_vec),
            nonce: self.nonce.map(<[u8]>::to_vec),
        }
    }
}

/// Fields as read. The inner option of the last three is `None` for null.
#[derive(Default)]
struct Draft<'a> {
    module_id: Option<&'a str>,
    digest: Option<()>,
    timestamp_ms: Option<u64>,
    pcrs: Option<BTreeMap<u8, Pcr>>,
    certificate: Option<&'a [u8]>,
    cabundle: Option<[&'a [u8]; CABUNDLE_COUNT]>,
    public_key: Option<Option<&'a [u8]>>,
    user_data: Option<Option<&'a [u8]>>,
    nonce: Option<Option<&'a [u8]>>,
}

impl<'a> Draft<'a> {
    fn read_field(&mut self, reader: &mut Reader<'a>) -> Result<(), AttestationError> {
        let key = reader.text().map_err(AttestationError::Payload)?;
        let unknown = AttestationError::FieldUnknown { offset: reader.offset() };
        let field = Field::by_key(key).ok_or(unknown)?;
        match field {
            Field::ModuleId => set(&mut self.module_id, field, read_module_id(reader)?),
            Field::Digest => set(&mut self.digest, field, read_digest(reader)?),
            Field::Timestamp => set(&mut self.timestamp_ms, field, read_timestamp(reader)?),
            Field::Pcrs => set(&mut self.pcrs, field, read_pcrs(reader)?),
            Field::Certificate => set(&mut self.certificate, field, read_bytes(reader, field)?),
            Field::Cabundle => set(&mut self.cabundle, field, read_cabundle(reader)?),
            Field::PublicKey => set(&mut self.public_key, field, read_optional(reader, field)?),
            Field::UserData => set(&mut self.user_data, field, read_optional(reader, field)?),
            Field::Nonce => set(&mut self.nonce, field, read_optional(reader, field)?),
        }
    }

    fn finish(self) -> Result<Payload<'a>, AttestationError> {
        let missing = |field| AttestationError::FieldMissing { field };
        let module_id = self.module_id.ok_or(missing(Field::ModuleId))?;
        self.digest.ok_or(missing(Field::Digest))?;
        Ok(Payload {
            module_id,
            timestamp_ms: self.timestamp_ms.ok_or(missing(Field::Timestamp))?,
            pcrs: self.pcrs.ok_or(missing(Field::Pcrs))?,
            certificate: self.certificate.ok_or(missing(Field::Certificate))?,
            cabundle: self.cabundle.ok_or(missing(Field::Cabundle))?,
            public_key: self.public_key.flatten(),
            user_data: self.user_data.flatten(),
            nonce: self.nonce.flatten(),
        })
    }
}

fn set<T>(slot: &mut Option<T>, field: Field, value: T) -> Result<(), AttestationError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(AttestationError::FieldDuplicated { field }),
    }
}

fn read_module_id<'a>(reader: &mut Reader<'a>) -> Result<&'a str, AttestationError> {
    let text = reader.text().map_err(AttestationError::Payload)?;
    check_length(Field::ModuleId, 1, text.as_bytes())?;
    Ok(text)
}

fn read_digest(reader: &mut Reader<'_>) -> Result<(), AttestationError> {
    match reader.text().map_err(AttestationError::Payload)? {
        "SHA384" => Ok(()),
        _ => Err(AttestationError::DigestNotSha384),
    }
}

fn read_timestamp(reader: &mut Reader<'_>) -> Result<u64, AttestationError> {
    match reader.unsigned().map_err(AttestationError::Payload)? {
        0 => Err(AttestationError::TimestampZero),
        timestamp_ms => Ok(timestamp_ms),
    }
}

fn read_pcrs(reader: &mut Reader<'_>) -> Result<BTreeMap<u8, Pcr>, AttestationError> {
    let found = reader.map().map_err(AttestationError::Payload)?;
    if found == 0 || found > PCR_COUNT_MAX {
        return Err(AttestationError::PcrCount { max: PCR_COUNT_MAX, found });
    }
    let mut pcrs = BTreeMap::new();
    for _ in 0..found {
        let (index, pcr) = read_pcr(reader)?;
        if pcrs.insert(index, pcr).is_some() {
            return Err(AttestationError::PcrDuplicated { index });
        }
    }
    Ok(pcrs)
}

fn read_pcr(reader: &mut Reader<'_>) -> Result<(u8, Pcr), AttestationError> {
    let max = PCR_COUNT_MAX - 1;
    let found = reader.unsigned().map_err(AttestationError::Payload)?;
    let index = u8::try_from(found).ok().filter(|index| u64::from(*index) <= max);
    let index = index.ok_or(AttestationError::PcrIndex { max, found })?;
    let bytes = reader.bytes().map_err(AttestationError::Payload)?;
    let (expected, found) = (PCR_BYTES, bytes.len());
    let value = bytes.try_into();
    Ok((index, Pcr(value.map_err(|_| AttestationError::PcrLength { index, expected, found })?)))
}

fn read_cabundle<'a>(
    reader: &mut Reader<'a>,
) -> Result<[&'a [u8]; CABUNDLE_COUNT], AttestationError> {
    let found = reader.array().map_err(AttestationError::Payload)?;
    let mut bundle: [&[u8]; CABUNDLE_COUNT] = [&[]; CABUNDLE_COUNT];
    let expected = u64::try_from(bundle.len()).expect("the chain has a handful of certificates");
    if found != expected {
        return Err(AttestationError::CabundleCount { expected, found });
    }
    for certificate in &mut bundle {
        *certificate = read_bytes(reader, Field::Cabundle)?;
    }
    Ok(bundle)
}

fn read_bytes<'a>(reader: &mut Reader<'a>, field: Field) -> Result<&'a [u8], AttestationError> {
    let bytes = reader.bytes().map_err(AttestationError::Payload)?;
    check_length(field, 1, bytes)?;
    Ok(bytes)
}

/// Null and absence mean the same: real documents write null.
fn read_optional<'a>(
    reader: &mut Reader<'a>,
    field: Field,
) -> Result<Option<&'a [u8]>, AttestationError> {
    let bytes = reader.bytes_or_null().map_err(AttestationError::Payload)?;
    if let Some(bytes) = bytes {
        check_length(field, usize::from(field == Field::PublicKey), bytes)?;
    }
    Ok(bytes)
}

fn check_length(field: Field, min: usize, bytes: &[u8]) -> Result<(), AttestationError> {
    let (max, found) = (ATTESTATION_FIELD_BYTES_MAX, bytes.len());
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(AttestationError::FieldLength { field, min, max, found })
}

/// Registers of an attestation module.
const PCR_COUNT_MAX: u64 = 32;
