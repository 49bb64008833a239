//! The service's certificates: its own authority, kept in the folder, and a new leaf at each start.

use super::LocalKmsError;
use super::StoreFile;
use super::der::{bits, extension, name, oid, sequence, serial, tlv};
use super::files::{read_if_there, write_private, write_public};
use super::time::x509;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_engine::ports::Entropy as _;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::SystemEntropy;

const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const SECP384R1: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const SUBJECT_KEY_ID: u8 = 14;
const KEY_USAGE: u8 = 15;
const SUBJECT_ALT_NAME: u8 = 17;
const BASIC_CONSTRAINTS: u8 = 19;
const AUTHORITY_KEY_ID: u8 = 35;
const EXTENDED_KEY_USAGE: u8 = 37;

const AUTHORITY: &str = "Local KMS TLS root - development only";
const DAY_S: u64 = 86_400;
const AUTHORITY_DAYS: u64 = 3650;
const LEAF_DAYS: u64 = 90;

pub(super) struct Authority {
    key: EcdsaKeyPair,
    certificate: Vec<u8>,
    path: PathBuf,
}

impl Authority {
    /// Opens the authority of a folder, or creates it: key (0600) and certificate in PEM.
    pub fn open(folder: &Path, now_s: u64) -> Result<Self, LocalKmsError> {
        let (key_path, path) = (folder.join("tls-root.key"), folder.join("tls-root.pem"));
        let files = (read_if_there(&key_path)?.map(Zeroizing::new), read_if_there(&path)?);
        if let (Some(key), Some(pem)) = &files {
            let certificate = from_pem(pem).ok_or_else(|| broken("no certificate"))?;
            return Ok(Self { key: key_pair(key)?, certificate, path });
        }
        let pkcs8 = new_key()?;
        let key = key_pair(&pkcs8)?;
        let id = key_id(&key);
        let extensions = [
            extension(BASIC_CONSTRAINTS, true, &sequence(&[&[1, 1, 0xff], &[2, 1, 0]])),
            extension(KEY_USAGE, true, &[3, 2, 2, 4]),
            extension(SUBJECT_KEY_ID, false, &tlv(0x04, &id)),
        ];
        let validity = [now_s.saturating_sub(DAY_S), now_s + AUTHORITY_DAYS * DAY_S];
        let certificate = issue(&key, &key, AUTHORITY, validity, &extensions)?;
        write_private(&key_path, &pkcs8)?;
        write_public(&path, to_pem(&certificate).as_bytes())?;
        Ok(Self { key, certificate, path })
    }

    /// Path of the certificate in PEM.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        to_pem(&self.certificate)
    }

    /// A TLS configuration with a new certificate for this host name, `localhost` and 127.0.0.1.
    pub fn server(&self, host: &str, now_s: u64) -> Result<ServerConfig, LocalKmsError> {
        let pkcs8 = new_key()?;
        let key = key_pair(&pkcs8)?;
        let names =
            [tlv(0x82, host.as_bytes()), tlv(0x82, b"localhost"), tlv(0x87, &[127, 0, 0, 1])];
        let extensions = [
            extension(BASIC_CONSTRAINTS, true, &sequence(&[])),
            extension(KEY_USAGE, true, &[3, 2, 7, 0x80]),
            extension(EXTENDED_KEY_USAGE, false, &sequence(&[&oid(SERVER_AUTH)])),
            extension(SUBJECT_ALT_NAME, false, &sequence(&[&names.concat()])),
            extension(SUBJECT_KEY_ID, false, &tlv(0x04, &key_id(&key))),
            extension(AUTHORITY_KEY_ID, false, &sequence(&[&tlv(0x80, &key_id(&self.key))])),
        ];
        let validity = [now_s.saturating_sub(DAY_S), now_s + LEAF_DAYS * DAY_S];
        let leaf = issue(&self.key, &key, host, validity, &extensions)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(leaf)], private)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn broken(reason: &str) -> LocalKmsError {
    LocalKmsError::Broken { file: StoreFile::TlsRoot, reason: reason.to_owned() }
}

fn new_key() -> Result<Zeroizing<Vec<u8>>, LocalKmsError> {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &SystemRandom::new());
    let document = document.map_err(|_| LocalKmsError::Crypto)?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

fn key_pair(pkcs8: &[u8]) -> Result<EcdsaKeyPair, LocalKmsError> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8)
        .map_err(|_| broken("no P-384 key"))
}

/// The first 20 bytes of the SHA-256 of the point (RFC 7093).
fn key_id(key: &EcdsaKeyPair) -> Vec<u8> {
    Sha256::digest(key.public_key().as_ref())[..20].to_vec()
}

/// Signs a certificate for the key of `subject`.
fn issue(
    issuer: &EcdsaKeyPair,
    subject: &EcdsaKeyPair,
    subject_name: &str,
    validity: [u64; 2],
    extensions: &[Vec<u8>],
) -> Result<Vec<u8>, LocalKmsError> {
    let mut number = [0; 16];
    SystemEntropy.fill(&mut number);
    let times = validity.map(|unix_s| {
        let (tag, text) = x509(unix_s);
        tlv(tag, text.as_bytes())
    });
    let curve = sequence(&[&oid(EC_PUBLIC_KEY), &oid(SECP384R1)]);
    let algorithm = sequence(&[&oid(ECDSA_SHA384)]);
    let signed = sequence(&[
        &tlv(0xa0, &tlv(0x02, &[2])),
        &serial(number),
        &algorithm,
        &name(AUTHORITY),
        &sequence(&[&times[0], &times[1]]),
        &name(subject_name),
        &sequence(&[&curve, &bits(subject.public_key().as_ref())]),
        &tlv(0xa3, &tlv(0x30, &extensions.concat())),
    ]);
    let signature =
        issuer.sign(&SystemRandom::new(), &signed).map_err(|_| LocalKmsError::Crypto)?;
    Ok(sequence(&[&signed, &algorithm, &bits(signature.as_ref())]))
}

fn to_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line));
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}

fn from_pem(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let body = text.split("-----").nth(2)?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}
