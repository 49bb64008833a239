//! The service from a client's view: operations, recipients, policies, the trail, the socket.

mod attested;
mod envelope;
mod issuer;
mod plain;
mod socket;

use super::trail::Entry;
use super::{ADMIN, ENCLAVE, KmsErrorKind, LocalKms, LocalKmsConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use issuer::Issuer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

const NOW_MS: u64 = 1_767_225_600_000;
const ACCOUNT: &str = "111122223333";

/// A service in its own folder, its clock, and an issuer that it trusts.
struct Bench {
    folder: TempDir,
    kms: LocalKms,
    issuer: Issuer,
    now_ms: Arc<AtomicU64>,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut LocalKmsConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issuer = Issuer::new(NOW_MS / 1000);
        let now_ms = Arc::new(AtomicU64::new(NOW_MS));
        let clock = now_ms.clone();
        let clock = Arc::new(move || clock.load(Ordering::SeqCst));
        let mut config = LocalKmsConfig::new("eu-central-1", ACCOUNT, vec![issuer.root()], clock);
        change(&mut config);
        let kms = LocalKms::open(folder.path(), config).unwrap();
        Self { folder, kms, issuer, now_ms }
    }

    /// Makes a call as a principal, without TLS and signature.
    fn call(&self, who: &str, operation: &str, body: Value) -> Result<Value, KmsErrorKind> {
        let access_key = self.kms.credentials(who).unwrap().access_key_id.clone();
        let principal = self.kms.inner.iam.by_access_key(&access_key).unwrap();
        let target = format!("TrentService.{operation}");
        let mut entry = Entry::default();
        let body = body.to_string();
        let result = self.kms.call(&principal, &target, body.as_bytes(), &mut entry);
        result.map(Option::unwrap_or_default).map_err(|refusal| refusal.kind())
    }

    fn admin(&self, operation: &str, body: Value) -> Result<Value, KmsErrorKind> {
        self.call(ADMIN, operation, body)
    }

    fn enclave(&self, operation: &str, body: Value) -> Result<Value, KmsErrorKind> {
        self.call(ENCLAVE, operation, body)
    }

    /// A key whose use the account's IAM policies decide.
    fn key(&self) -> String {
        let made = self.admin("CreateKey", json!({})).unwrap();
        made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}
