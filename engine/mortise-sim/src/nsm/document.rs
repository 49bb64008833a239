//! Makes a document from the module's facts and the request, signed by the leaf.

use super::bank::Bank;
use super::cbor::{Major, Writer};
use super::identity::Identity;
use mortise_engine::ports::AttestRequest;
use p384::ecdsa::Signature;
use p384::ecdsa::signature::hazmat::PrehashSigner as _;
use sha2::{Digest as _, Sha384};

/// The fields that the module decides.
pub(super) struct Facts<'a> {
    pub(super) module_id: &'a str,
    pub(super) timestamp_ms: u64,
    pub(super) bank: &'a Bank,
    pub(super) leaf: &'a Identity,
    /// The certificates above the leaf, from the root down.
    pub(super) cabundle: Vec<&'a [u8]>,
}

/// An untagged COSE_Sign1 (RFC 9052, section 4.2), as the real module makes it.
pub(super) fn sign(facts: &Facts<'_>, request: &AttestRequest) -> Vec<u8> {
    let payload = payload(facts, request);
    let mut signed = Writer::default();
    signed.head(Major::Array, 4).text("Signature1").bytes(ES384).bytes(&[]).bytes(&payload);
    let signature: Signature = facts
        .leaf
        .key
        .sign_prehash(&Sha384::digest(signed.finish()))
        .expect("48 bytes are a SHA-384 digest");
    let mut document = Writer::default();
    document.head(Major::Array, 4).bytes(ES384).head(Major::Map, 0).bytes(&payload);
    document.bytes(&signature.to_bytes());
    document.finish()
}

/// The fields in the order of real documents; an absent one is null.
fn payload(facts: &Facts<'_>, request: &AttestRequest) -> Vec<u8> {
    let mut out = Writer::default();
    out.head(Major::Map, 9);
    out.text("module_id").text(facts.module_id);
    out.text("digest").text("SHA384");
    out.text("timestamp").head(Major::Unsigned, facts.timestamp_ms);
    out.text("pcrs").head(Major::Map, facts.bank.locked().count() as u64);
    for (index, pcr) in facts.bank.locked() {
        out.head(Major::Unsigned, index.into()).bytes(&pcr.0);
    }
    out.text("certificate").bytes(&facts.leaf.der);
    out.text("cabundle").head(Major::Array, facts.cabundle.len() as u64);
    for der in &facts.cabundle {
        out.bytes(der);
    }
    out.text("public_key").bytes_or_null(request.public_key.as_deref());
    out.text("user_data").bytes_or_null(request.user_data.as_deref());
    out.text("nonce").bytes_or_null(request.nonce.as_deref());
    out.finish()
}

/// The protected header {1: -35}.
const ES384: &[u8] = &[0xa1, 0x01, 0x38, 0x22];
