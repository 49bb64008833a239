//! No secret is in the log, in an error or in the trail.

use super::line::WireFault;
use super::rig::{IMAGE, Rig};
use crate::client::block_on;
use mortise_engine::api::ShareKey;
use mortise_engine::app::{App, AppConfig, plain};
use mortise_nitro::kms::KmsAppKeys;
use mortise_sim::kms::{ADMIN, ENCLAVE};
use mortise_sim::{SystemClock, SystemEntropy};
use serde_json::{Value, json};
use std::io;
use std::sync::{Arc, Mutex};

const TEXT: &str = "a-text-that-must-stay-secret";

/// Collects the log of all threads while it exists. The subscriber is the process's own: a thread's
/// subscriber can miss the lines of a call site that another thread reached first.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Option<Vec<u8>>>>);

impl Log {
    fn start() -> Self {
        let log = Self(Arc::new(Mutex::new(Some(Vec::new()))));
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("set here alone");
        log
    }

    fn take(self) -> String {
        let logged = self.0.lock().unwrap().take();
        String::from_utf8(logged.expect("taken once")).expect("a log is text")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(lines) = &mut *self.0.lock().unwrap() {
            lines.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Method: requests succeed, and fail at each step, with logging at the finest level. Then every
/// secret is searched for in the log, the errors and the trail.
#[test]
fn no_secret_is_in_log_error_or_trail() {
    let rig = Rig::start();
    let log = Log::start();
    let app = |way| {
        let client = rig.client_over(IMAGE, &rig.line(way));
        let keys = Arc::new(KmsAppKeys::new(client));
        let config = AppConfig { release_plaintext: true };
        App::new(keys, Arc::new(SystemClock), Arc::new(SystemEntropy), config)
    };
    let (honest, cut) = (app(WireFault::Honest), app(WireFault::ResetAfter(2000)));
    let ask = |app: &App, request: Value| -> Value {
        let answer = block_on(plain::answer(Ok(app), ShareKey::default(), request));
        serde_json::from_slice(&answer).expect("JSON")
    };
    let good = rig.kms.credentials(ENCLAVE).expect("the service has made them");
    let denied = rig.kms.credentials(ADMIN).expect("the service has made them");
    let mut forged = good.clone();
    forged.secret_access_key.push_str("forged");
    let key = ask(&honest, json!({"operation": "genkey", "credentials": good}));
    let parts = ask(&honest, json!({"message": TEXT, "credentials": good}));
    let decrypt = |part: &str, value: Value| {
        let mut request = parts.clone();
        for name in ["status", "plaintext"] {
            request.as_object_mut().unwrap().remove(name);
        }
        request["operation"] = json!("decrypt");
        request["credentials"] = json!(good);
        request[part] = value;
        request
    };
    let refusals = [
        ask(&honest, json!({"message": TEXT, "credentials": denied})),
        ask(&honest, json!({"message": TEXT, "credentials": forged})),
        ask(&cut, json!({"message": TEXT, "credentials": good})),
        ask(&honest, json!({"message": TEXT, "encrypted": TEXT, "credentials": good})),
        ask(&honest, decrypt("signature", key["plaintext"].clone())),
        ask(&honest, decrypt("ciphertext_blob", json!("AAAA"))),
        ask(&honest, decrypt("credentials", json!({"AccessKeyId": TEXT, "SecretAccessKey": TEXT}))),
    ];
    assert_eq!(ask(&honest, decrypt("operation", json!("decrypt")))["message"], TEXT);
    assert!(refusals.iter().all(|answer| answer["status"] == "error"), "{refusals:?}");
    let logged = log.take();
    assert!(logged.contains("MESSAGE_SIGNATURE") && logged.contains("KMS_DENIED"), "{logged}");
    let trail = std::fs::read_to_string(rig.trail_path()).expect("the service writes a trail");
    let key = key["plaintext"].as_str().expect("the switch is on").to_owned();
    let mut secrets = vec![TEXT.to_owned(), key];
    for credentials in [&good, &denied, &forged] {
        secrets.push(credentials.secret_access_key.clone());
        secrets.extend(credentials.token.clone());
    }
    let refused_texts = serde_json::to_string(&refusals).expect("JSON");
    for secret in &secrets {
        for (name, text) in [("log", &logged), ("refusals", &refused_texts), ("trail", &trail)] {
            assert!(!text.contains(secret), "a secret is in the {name}");
        }
    }
    assert!(!logged.contains(&good.access_key_id) && !refused_texts.contains(&good.access_key_id));
}
