//! `CiphertextForRecipient`: CMS EnvelopedData in exactly the form that AWS KMS sends.
//!
//! ```text
//! ContentInfo (BER, indefinite)
//!   envelopedData
//!   [0] EnvelopedData (indefinite)
//!     version 2
//!     SET { KeyTransRecipientInfo: version 2, [0] SHA-256 of the key's SPKI,
//!           RSAES-OAEP(SHA-256, MGF1 SHA-256), encrypted AES key }
//!     EncryptedContentInfo (indefinite)
//!       data, AES-256-CBC(iv), [0] OCTET STRINGs of at most 1000 bytes (indefinite)
//! ```

use super::der::{oid, sequence, tlv};
use aws_lc_rs::cipher::EncryptionContext;
use aws_lc_rs::cipher::{AES_256, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey};
use mortise_engine::ports::Entropy;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::SystemEntropy;

const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const RSAES_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a];
const NULL: &[u8] = &[5, 0];
/// Bytes of one chunk of the content.
const CHUNK_BYTES: usize = 1000;

/// Encrypts to a recipient's key. `spki` is the same key, by which the recipient is named.
///
/// # Errors
/// Those of the crypto library, without detail. Keys of 2048 bits do not fail.
pub(super) fn envelope(
    key: &OaepPublicEncryptingKey,
    spki: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let mut content_key = Zeroizing::new([0; 32]);
    let mut iv = [0; 16];
    SystemEntropy.fill(&mut *content_key);
    SystemEntropy.fill(&mut iv);
    let mut wrapped = vec![0; key.key_size_bytes()];
    let wrapped = key.encrypt(&OAEP_SHA256_MGF1SHA256, &*content_key, &mut wrapped, None)?;
    let cipher = UnboundCipherKey::new(&AES_256, &*content_key)?;
    let mut content = Zeroizing::new(plaintext.to_vec());
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    PaddedBlockEncryptingKey::cbc_pkcs7(cipher)?.less_safe_encrypt(&mut *content, context)?;
    Ok(content_info(&recipient(spki, wrapped), &iv, &content))
}

fn content_info(recipient: &[u8], iv: &[u8], content: &[u8]) -> Vec<u8> {
    let algorithm = sequence(&[&oid(AES_256_CBC), &tlv(0x04, iv)]);
    let chunks: Vec<_> = content.chunks(CHUNK_BYTES).map(|chunk| tlv(0x04, chunk)).collect();
    let content = indefinite(0xa0, &chunks.concat());
    let encrypted = indefinite(0x30, &[oid(DATA), algorithm, content].concat());
    let version = tlv(0x02, &[2]);
    let enveloped = indefinite(0x30, &[version, tlv(0x31, recipient), encrypted].concat());
    indefinite(0x30, &[oid(ENVELOPED_DATA), indefinite(0xa0, &enveloped)].concat())
}

fn recipient(spki: &[u8], wrapped: &[u8]) -> Vec<u8> {
    let sha256 = sequence(&[&oid(SHA256), NULL]);
    let mgf1 = sequence(&[&oid(MGF1), &sha256]);
    let parameters = sequence(&[&tlv(0xa0, &sha256), &tlv(0xa1, &mgf1)]);
    sequence(&[
        &tlv(0x02, &[2]),
        &tlv(0x80, &Sha256::digest(spki)),
        &sequence(&[&oid(RSAES_OAEP), &parameters]),
        &tlv(0x04, wrapped),
    ])
}

/// A constructed value of indefinite length.
fn indefinite(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x80], content, &[0, 0]].concat()
}
