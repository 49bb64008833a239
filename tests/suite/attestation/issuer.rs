//! A test authority that issues documents in the format of AWS, with any deviation from it.
//!
//! [`plan`] describes an honest document. A test edits the plan, and [`Plan::issue`] signs
//! everything afterwards, so that the deviation is the only fault.

use super::der::{array, bits, bstr, extension, head, name, oid, sequence, tlv, tstr};
use mortise_format::pcr::Pcr;
use mortise_verify::attestation::RootFingerprint;
use p384::ecdsa::signature::hazmat::PrehashSigner as _;
use p384::ecdsa::{Signature, SigningKey};
use sha2::{Digest as _, Sha384};

/// The document's own time: 2026-01-01, 00:00:10.
pub const TIMESTAMP_MS: u64 = (LEAF_FROM_S + 10) * 1000;
/// First second of the leaf: 2026-01-01, 00:00:00.
pub const LEAF_FROM_S: u64 = 1_767_225_600;
/// Last second of the leaf, three hours later.
pub const LEAF_TO_S: u64 = LEAF_FROM_S + 3 * 3600;
/// The nonce of the honest document.
pub const NONCE: [u8; 32] = [0x6e; 32];

/// Indices in the certificate chain.
pub const ROOT: usize = 0;
pub const REGION: usize = 1;
pub const ZONE: usize = 2;
pub const INSTANCE: usize = 3;
pub const LEAF: usize = 4;

/// Identifiers below id-ce.
pub const BASIC_CONSTRAINTS: u8 = 19;
pub const KEY_USAGE: u8 = 15;

const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
pub const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const SECP384R1: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
pub const SECP521R1: &[u8] = &[0x2b, 0x81, 4, 0, 0x23];

/// The contents of one certificate, before it is signed.
#[derive(Clone)]
pub struct CertificatePlan {
    pub version: u8,
    pub subject: String,
    pub issuer: String,
    pub validity: [&'static str; 2],
    pub algorithm_inside: Vec<u8>,
    pub algorithm_outside: Vec<u8>,
    pub curve: Vec<u8>,
    pub point: Vec<u8>,
    pub extensions: Vec<Vec<u8>>,
    /// The index of the key that signs it.
    pub signer: usize,
    /// Applied to the finished DER.
    pub finish: fn(Vec<u8>) -> Vec<u8>,
}

/// The contents of a document, before it is signed.
#[derive(Clone)]
pub struct Plan {
    pub certificates: Vec<CertificatePlan>,
    /// How many of them the bundle holds, without the leaf.
    pub bundle: usize,
    /// Keys and encoded values; `issue` adds the certificates.
    pub fields: Vec<(&'static str, Vec<u8>)>,
    pub indefinite: bool,
    pub after_payload: Vec<u8>,
    pub tag: Vec<u8>,
    pub array: Vec<u8>,
    pub protected: Vec<u8>,
    pub unprotected: Vec<u8>,
    /// The index of the key that signs the document.
    pub signer: usize,
    /// Applied to the finished signature.
    pub signature: fn(Vec<u8>) -> Vec<u8>,
    pub after: Vec<u8>,
}

/// A finished document.
pub struct Issued {
    pub document: Vec<u8>,
    pub root: RootFingerprint,
}

/// The honest document.
pub fn plan() -> Plan {
    let pcrs = (0..16).map(|index| (index, pcr(index)));
    Plan {
        certificates: (0..5).map(certificate_plan).collect(),
        bundle: 4,
        fields: vec![
            ("module_id", tstr("i-0123456789abcdef0-enc0123456789abcdef")),
            ("digest", tstr("SHA384")),
            ("timestamp", head(0, TIMESTAMP_MS)),
            ("pcrs", registers(pcrs)),
            ("public_key", vec![0xf6]),
            ("user_data", vec![0xf6]),
            ("nonce", bstr(&NONCE)),
        ],
        indefinite: false,
        after_payload: Vec::new(),
        tag: Vec::new(),
        array: head(4, 4),
        protected: vec![0xa1, 0x01, 0x38, 0x22],
        unprotected: vec![0xa0],
        signer: LEAF,
        signature: |signature| signature,
        after: Vec::new(),
    }
}

/// The value of a register of the honest document.
pub fn pcr(index: u8) -> Pcr {
    Pcr([index + 1; 48])
}

/// The encoded map of registers.
pub fn registers(pcrs: impl IntoIterator<Item = (u8, Pcr)>) -> Vec<u8> {
    let entries: Vec<_> =
        pcrs.into_iter().map(|(i, pcr)| [head(0, i.into()), bstr(&pcr.0)].concat()).collect();
    let mut map = array(&entries);
    map[0] |= 0x20;
    map
}

impl Plan {
    /// Sets a field to an encoded value.
    pub fn set(&mut self, field: &'static str, value: Vec<u8>) {
        self.fields.retain(|(key, _)| *key != field);
        self.fields.push((field, value));
    }

    /// Replaces the extension with this identifier.
    pub fn extend(&mut self, place: usize, id: u8, value: &[u8]) {
        let kept = extension(id, true, &[]);
        let extensions = &mut self.certificates[place].extensions;
        extensions.retain(|found| found[2..7] != kept[2..7]);
        extensions.push(extension(id, true, value));
    }

    /// Makes and signs everything.
    pub fn issue(&self) -> Issued {
        let certificates: Vec<_> = self.certificates.iter().map(certificate).collect();
        let payload = self.payload(&certificates);
        let mut signed = head(4, 4);
        signed.extend(tstr("Signature1"));
        signed.extend(bstr(&self.protected));
        signed.extend(bstr(&[]));
        signed.extend(bstr(&payload));
        let signature = (self.signature)(sign(self.signer, &signed).to_bytes().to_vec());
        let parts = [bstr(&self.protected), self.unprotected.clone(), bstr(&payload)].concat();
        let document = [&self.tag[..], &self.array, &parts, &bstr(&signature), &self.after];
        let root = RootFingerprint::of_der(&certificates[ROOT]);
        Issued { document: document.concat(), root }
    }

    fn payload(&self, certificates: &[Vec<u8>]) -> Vec<u8> {
        let mut fields = self.fields.clone();
        let present = |key: &str| self.fields.iter().any(|(found, _)| *found == key);
        let bundle: Vec<_> =
            certificates.iter().cycle().take(self.bundle).map(|der| bstr(der)).collect();
        if !present("cabundle") {
            fields.insert(0, ("cabundle", array(&bundle)));
        }
        if !present("certificate") {
            fields.insert(0, ("certificate", bstr(&certificates[LEAF])));
        }
        // a test removed the field
        fields.retain(|(_, value)| !value.is_empty());
        let entries: Vec<_> =
            fields.iter().map(|(key, value)| [tstr(key), value.clone()].concat()).collect();
        let mut payload = array(&entries);
        payload[0] |= 0x20;
        if self.indefinite {
            payload = [&[0xbf], entries.concat().as_slice(), &[0xff]].concat();
        }
        [payload, self.after_payload.clone()].concat()
    }
}

fn certificate_plan(place: usize) -> CertificatePlan {
    let name = |place: usize| format!("{place}.test.nitro-enclaves");
    let above = place.saturating_sub(1);
    let (constraints, usage): (&[u8], &[u8]) = match place {
        ROOT => (&[0x30, 3, 1, 1, 0xff], &[3, 2, 1, 0x86]),
        REGION => (&[0x30, 6, 1, 1, 0xff, 2, 1, 2], &[3, 2, 1, 0x86]),
        ZONE => (&[0x30, 6, 1, 1, 0xff, 2, 1, 1], &[3, 2, 1, 0x86]),
        INSTANCE => (&[0x30, 6, 1, 1, 0xff, 2, 1, 0], &[3, 2, 2, 4]),
        _ => (&[0x30, 0], &[3, 2, 6, 0xc0]),
    };
    CertificatePlan {
        version: 2,
        subject: name(place),
        issuer: name(above),
        validity: match place {
            ROOT => ["200101000000Z", "491231235959Z"],
            REGION => ["251220000000Z", "260110000000Z"],
            ZONE => ["251230000000Z", "260104000000Z"],
            INSTANCE => ["251231120000Z", "260101120000Z"],
            _ => ["260101000000Z", "260101030000Z"],
        },
        algorithm_inside: oid(ECDSA_SHA384),
        algorithm_outside: oid(ECDSA_SHA384),
        curve: oid(SECP384R1),
        point: key(place).verifying_key().to_sec1_point(false).as_bytes().to_vec(),
        extensions: vec![
            extension(BASIC_CONSTRAINTS, true, constraints),
            extension(KEY_USAGE, place != LEAF, usage),
        ],
        signer: above,
        finish: |der| der,
    }
}

fn certificate(plan: &CertificatePlan) -> Vec<u8> {
    let times: Vec<_> = plan.validity.iter().map(|time| tlv(0x17, time.as_bytes())).collect();
    let key = sequence(&[&sequence(&[&oid(EC_PUBLIC_KEY), &plan.curve]), &bits(&plan.point)]);
    let signed = sequence(&[
        &tlv(0xa0, &tlv(0x02, &[plan.version])),
        &tlv(0x02, &[1]),
        &sequence(&[&plan.algorithm_inside]),
        &name(&plan.issuer),
        &sequence(&[&times[0], &times[1]]),
        &name(&plan.subject),
        &key,
        &tlv(0xa3, &tlv(0x30, &plan.extensions.concat())),
    ]);
    let signature = sign(plan.signer, &signed).to_der();
    let algorithm = sequence(&[&plan.algorithm_outside]);
    (plan.finish)(sequence(&[&signed, &algorithm, &bits(signature.as_bytes())]))
}

fn key(place: usize) -> SigningKey {
    let byte = u8::try_from(place + 1).expect("five keys");
    SigningKey::from_slice(&[byte; 48]).expect("the number is below the order of the curve")
}

fn sign(place: usize, bytes: &[u8]) -> Signature {
    key(place).sign_prehash(&Sha384::digest(bytes)).expect("48 bytes are a hash")
}
