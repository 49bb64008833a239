//! No text of ours contains a secret or foreign text.

use super::rig::{
    ACCESS_KEY_ID, Half, PLAINTEXT, Reply, SECRET, Service, TOKEN, client, credentials, honest,
    platform,
};
use crate::kms::{
    Bound, ByteStream, CredentialStore, CredentialsFault, Dialer, EnvelopeError, Field, KmsError,
    RecipientKey, Wait,
};
use crate::logged::Logged;
use mortise_engine::ports::{EncryptionContext, NsmError, PortFuture, VaultError};
use mortise_rpc::credentials::Credentials;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Foreign text that must not be repeated.
const FOREIGN: &str = "foreign-words";

fn assert_clean(text: &str) {
    for secret in [SECRET, TOKEN, ACCESS_KEY_ID, FOREIGN, "QQQQ", "81, 81, 81", "UVFRUVFR"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// One error of each variant. The test counts the variants in the source.
fn every_error() -> Vec<KmsError> {
    let envelope = KmsError::Envelope(EnvelopeError::Undecryptable);
    vec![
        KmsError::NoCredentials,
        KmsError::ClocksApart { theirs_s: 0, ours_s: 3600 },
        KmsError::CredentialsMalformed(CredentialsFault::Token),
        KmsError::NoTime,
        KmsError::RequestOutOfBounds(Bound::Context),
        NsmError::NoDevice(FOREIGN.to_owned()).into(),
        KmsError::KeyGeneration,
        KmsError::Connect(std::io::ErrorKind::ConnectionRefused),
        KmsError::NotTls,
        KmsError::TlsWrongHost,
        KmsError::TlsUnknownRoot,
        KmsError::TlsCertificate,
        KmsError::Tls,
        KmsError::ConnectionLost,
        KmsError::TimedOut(Wait::Answer),
        KmsError::NotHttp,
        KmsError::AnswerTooLarge { max: 1 },
        KmsError::AccessDenied,
        KmsError::ExpiredToken,
        KmsError::SignatureRefused,
        KmsError::InvalidCiphertext,
        KmsError::IncorrectKey,
        KmsError::KeyUnusable,
        KmsError::RequestRefused { status: 400 },
        KmsError::Throttled,
        KmsError::ServiceFailed { status: 500 },
        KmsError::JsonMalformed,
        KmsError::PlaintextPresent,
        KmsError::FieldMissing(Field::KeyId),
        KmsError::FieldMalformed(Field::CiphertextBlob),
        KmsError::KeyIdMismatch,
        envelope,
        KmsError::PlaintextLength { expected: 32, found: 31 },
    ]
}

/// The name of a variant.
fn name(error: &KmsError) -> String {
    let text = format!("{error:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

#[test]
fn every_error_has_a_clean_text_of_its_own_and_a_row_in_the_spec() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/kms-and-keys.md");
    let page = std::fs::read_to_string(page).unwrap();
    let source = include_str!("../error.rs");
    let body = source.split("pub enum KmsError {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let is_variant =
        |line: &&str| line.starts_with("    ") && line.as_bytes()[4].is_ascii_uppercase();
    let errors = every_error();
    assert_eq!(errors.len(), body.lines().filter(is_variant).count(), "a variant is not listed");
    let mut texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    for error in &errors {
        assert_clean(&error.to_string());
        assert_clean(&format!("{error:?}"));
        assert_clean(&VaultError::from(*error).to_string());
        assert!(page.contains(&format!("| `{}`", name(error))), "{} has no row", name(error));
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), errors.len());
}

#[tokio::test]
async fn debug_forms_hold_no_secret() {
    let service = Service::new(|_, seen| Reply::Json(200, honest(seen)));
    let client = client(&service);
    assert_clean(&format!("{client:?}"));
    assert_clean(&format!("{:?}", crate::kms::KmsVault::new(client.clone())));
    assert_clean(&format!("{:?}", crate::kms::KmsAppKeys::new(client.clone())));
    assert_clean(&format!("{:?}", platform(&service).credentials));
    let key = RecipientKey::generate().unwrap();
    assert_eq!(format!("{key:?}"), "RecipientKey([redacted])");
    let made = client
        .generate_data_key(client.config().engine_key(), &EncryptionContext::new(), None)
        .await
        .unwrap();
    assert_eq!(*made.key, PLAINTEXT);
    assert_clean(&format!("{made:?}"));
}

#[tokio::test]
async fn words_of_the_service_are_not_repeated() {
    let body = json!({"__type": format!("{FOREIGN}Exception"), "message": FOREIGN});
    let service = Service::new(move |_, _| Reply::Json(400, body.clone()));
    let error = client(&service).generate_random(1, None).await.unwrap_err();
    assert_clean(&format!("{error:?} {error} {}", VaultError::from(error)));
}

#[tokio::test]
async fn log_of_failing_calls_and_refused_lines_is_clean() {
    let logged = Logged::start();
    let (parent, mut end) = tokio::io::duplex(64 * 1024);
    let once = Mutex::new(Some(parent));
    let store = CredentialStore::from_parent(Arc::new(Once(once)), Arc::new(Half));
    let line = format!("{{\"SecretAccessKey\":\"{SECRET}\",\"Token\":\"{TOKEN}\"}}\n");
    end.write_all(line.as_bytes()).await.unwrap();
    assert_eq!(end.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    drop(store);

    let body = json!({"__type": "ThrottlingException", "message": FOREIGN});
    let service = Service::new(move |_, _| Reply::Json(400, body.clone()));
    client(&service).generate_random(1, Some(&credentials())).await.unwrap_err();
    let text = logged.take();
    assert!(text.contains("a line is rejected") && text.contains("throttling"), "{text}");
    assert_clean(&text);
}

/// One stream, and then none.
struct Once(Mutex<Option<tokio::io::DuplexStream>>);

impl Dialer for Once {
    fn dial(&self) -> PortFuture<'_, std::io::Result<Box<dyn ByteStream>>> {
        match self.0.lock().unwrap().take() {
            Some(stream) => {
                Box::pin(std::future::ready(Ok(Box::new(stream) as Box<dyn ByteStream>)))
            }
            None => Box::pin(std::future::pending()),
        }
    }
}

#[test]
fn credentials_that_are_refused_are_not_repeated() {
    let refuse = |change: fn(&mut Credentials)| {
        let mut given = credentials();
        change(&mut given);
        let fault = CredentialStore::fixed(&given).unwrap_err();
        assert_clean(&format!("{fault} {fault:?}"));
        fault
    };
    assert_eq!(refuse(|c| c.access_key_id.push('/')), CredentialsFault::AccessKeyId);
    assert_eq!(refuse(|c| c.access_key_id.clear()), CredentialsFault::AccessKeyId);
    assert_eq!(refuse(|c| c.access_key_id = "A".repeat(129)), CredentialsFault::AccessKeyId);
    assert_eq!(refuse(|c| c.secret_access_key.clear()), CredentialsFault::SecretAccessKey);
    assert_eq!(refuse(|c| c.secret_access_key.push(' ')), CredentialsFault::SecretAccessKey);
    assert_eq!(refuse(|c| c.token = Some(String::new())), CredentialsFault::Token);
    assert_eq!(refuse(|c| c.token = Some("a".repeat(20_000))), CredentialsFault::Token);
    assert_eq!(refuse(|c| c.expiration = Some("soon".to_owned())), CredentialsFault::Expiration);
    let injected = |c: &mut Credentials| c.token = Some("x\r\nX-Injected: 1".to_owned());
    assert_eq!(refuse(injected), CredentialsFault::Token);
}
