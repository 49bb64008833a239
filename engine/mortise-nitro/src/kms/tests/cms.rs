//! Writes EnvelopedData in both shapes, valid or not: a test can replace each part.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};

/// `AES-256` key of every message made here.
pub(in crate::kms) const CONTENT_KEY: [u8; 32] = [0x6b; 32];
/// Initialization vector of every message made here.
pub(in crate::kms) const IV: [u8; 16] = [0x49; 16];

pub(in crate::kms) const OAEP: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07";
pub(in crate::kms) const MGF1: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08";
pub(in crate::kms) const SHA256: &[u8] = b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01";
pub(in crate::kms) const AES256_CBC: &[u8] = b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2a";
const ENVELOPED: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const NULL: &[u8] = &[5, 0];

/// The parts of a message, each already encoded.
#[derive(Clone)]
pub(in crate::kms) struct Parts {
    /// With indefinite lengths and the content in chunks, as AWS sends it.
    pub(in crate::kms) indefinite: bool,
    pub(in crate::kms) content_info_type: Vec<u8>,
    pub(in crate::kms) version: u8,
    pub(in crate::kms) recipients: usize,
    pub(in crate::kms) recipient_tag: u8,
    pub(in crate::kms) recipient_version: u8,
    pub(in crate::kms) recipient_name: Vec<u8>,
    pub(in crate::kms) key_algorithm: Vec<u8>,
    pub(in crate::kms) encrypted_key: Vec<u8>,
    pub(in crate::kms) content_type: Vec<u8>,
    pub(in crate::kms) content_cipher: Vec<u8>,
    pub(in crate::kms) iv: Vec<u8>,
    pub(in crate::kms) content: Vec<u8>,
    /// Size of the chunks of the content.
    pub(in crate::kms) piece_bytes: usize,
}

/// A value with a definite length.
pub(in crate::kms) fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut out = vec![tag];
    match contents.len() {
        short @ 0..0x80 => out.push(u8::try_from(short).unwrap()),
        byte @ 0x80..0x100 => out.extend([0x81, u8::try_from(byte).unwrap()]),
        long => {
            out.push(0x82);
            out.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    [out, contents].concat()
}

/// OAEP with these three parameters.
pub(in crate::kms) fn oaep(hash: &[u8], mgf_hash: &[u8], more: &[u8]) -> Vec<u8> {
    let hash = der(0xa0, &[&der(0x30, &[hash, NULL])]);
    let mgf = der(0xa1, &[&der(0x30, &[MGF1, &der(0x30, &[mgf_hash, NULL])])]);
    der(0x30, &[OAEP, &der(0x30, &[&hash, &mgf, more])])
}

impl Parts {
    /// As the real service: version 2, `subjectKeyIdentifier`, indefinite lengths.
    pub(in crate::kms) fn service(public_der: &[u8], plaintext: &[u8]) -> Self {
        Self {
            indefinite: true,
            content_info_type: ENVELOPED.to_vec(),
            version: 2,
            recipients: 1,
            recipient_tag: 0x30,
            recipient_version: 2,
            recipient_name: der(0x80, &[&[0xd7; 32]]),
            key_algorithm: oaep(SHA256, SHA256, &[]),
            encrypted_key: encrypt_key(public_der, &CONTENT_KEY),
            content_type: DATA.to_vec(),
            content_cipher: AES256_CBC.to_vec(),
            iv: IV.to_vec(),
            content: encrypt(plaintext),
            piece_bytes: 32,
        }
    }

    /// As an emulator: version 0, `issuerAndSerialNumber`, DER.
    pub(in crate::kms) fn emulator(public_der: &[u8], plaintext: &[u8]) -> Self {
        let recipient_name = der(0x30, &[&der(0x30, &[]), &[2, 1, 1]]);
        let (version, recipient_version) = (0, 0);
        let like = Self::service(public_der, plaintext);
        Self { indefinite: false, version, recipient_version, recipient_name, ..like }
    }

    pub(in crate::kms) fn encode(&self) -> Vec<u8> {
        let recipient = der(
            self.recipient_tag,
            &[
                &[2, 1, self.recipient_version],
                &self.recipient_name,
                &self.key_algorithm,
                &der(4, &[&self.encrypted_key]),
            ],
        );
        let recipients = der(0x31, &vec![recipient.as_slice(); self.recipients]);
        let cipher = der(0x30, &[&self.content_cipher, &der(4, &[&self.iv])]);
        let content = self.encode_content();
        let info = self.wrap(0x30, &[&self.content_type, &cipher, &content]);
        let data = self.wrap(0x30, &[&[2, 1, self.version], &recipients, &info]);
        let explicit = self.wrap(0xa0, &[&data]);
        self.wrap(0x30, &[&self.content_info_type, &explicit])
    }

    fn encode_content(&self) -> Vec<u8> {
        if !self.indefinite {
            return der(0x80, &[&self.content]);
        }
        let pieces: Vec<_> =
            self.content.chunks(self.piece_bytes).map(|piece| der(4, &[piece])).collect();
        self.wrap(0xa0, &[&pieces.concat()])
    }

    fn wrap(&self, tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        if !self.indefinite {
            return der(tag, parts);
        }
        [&[tag, 0x80], parts.concat().as_slice(), &[0, 0]].concat()
    }
}

/// RSAES-OAEP to a public key.
pub(in crate::kms) fn encrypt_key(public_der: &[u8], key: &[u8]) -> Vec<u8> {
    let public = PublicEncryptingKey::from_der(public_der).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut room = vec![0; public.ciphertext_size()];
    let out = public.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut room, None).unwrap();
    out.to_vec()
}

/// AES-256-CBC with padding, under the key and vector of this module.
pub(in crate::kms) fn encrypt(plaintext: &[u8]) -> Vec<u8> {
    let key = UnboundCipherKey::new(&AES_256, &CONTENT_KEY).unwrap();
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
    let mut out = plaintext.to_vec();
    let iv = EncryptionContext::Iv128(FixedLength::from(IV));
    key.less_safe_encrypt(&mut out, iv).unwrap();
    out
}
