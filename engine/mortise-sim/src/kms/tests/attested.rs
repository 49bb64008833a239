//! Calls with a recipient: which documents are accepted, what policies see, what is returned.

use super::issuer::Plan;
use super::*;
use crate::nsm::{Measurements, SoftwareNsm};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use mortise_engine::ports::{AttestRequest, Nsm as _};
use mortise_format::pcr::Pcr;
use mortise_key_policy::compose::{self, Service, compose};
use std::sync::OnceLock;

/// One key for all tests, because generating one is slow.
fn spki() -> Vec<u8> {
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    KEY.get_or_init(|| new_spki(KeySize::Rsa2048)).clone()
}

fn new_spki(size: KeySize) -> Vec<u8> {
    let key = PrivateDecryptingKey::generate(size).unwrap().public_key();
    let der: PublicKeyX509Der<'_> = key.as_der().unwrap();
    der.as_ref().to_vec()
}

fn plan() -> Plan {
    Plan { timestamp_ms: NOW_MS, pcr_base: Some(1), public_key: Some(spki()), unsigned: false }
}

fn pcr(index: u8) -> String {
    Pcr([index + 1; 48]).to_string()
}

impl Bench {
    fn recipient(&self, plan: &Plan) -> Value {
        json!({"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
               "AttestationDocument": base64(&self.issuer.issue(plan))})
    }

    /// A key under the policy that `mortise key-policy aws` writes.
    fn engine_key(&self) -> String {
        let plan = compose::Plan {
            service: Service::Engine,
            role: self.kms.enclave_role_arn(),
            admins: vec![format!("arn:aws:iam::{ACCOUNT}:root")],
            images: vec![pcr(0)],
            registers: vec![(1, vec![pcr(1)]), (2, vec![pcr(2)])],
            engine_id: None,
        };
        self.kms.ensure_key("engine", &compose(&plan).to_string()).unwrap()
    }
}

fn context() -> Value {
    json!({"mortise:service": "lock-engine", "mortise:purpose": "epoch"})
}

#[test]
fn only_the_attested_image_in_its_context_gets_keys() {
    let bench = Bench::new();
    let key = bench.engine_key();
    let ask = |who: &str, recipient: Option<Value>, context: Value| {
        let mut body = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context});
        if let Some(recipient) = recipient {
            body["Recipient"] = recipient;
        }
        bench.call(who, "GenerateDataKey", body)
    };
    let honest = bench.recipient(&plan());
    let made = ask(ENCLAVE, Some(honest.clone()), context()).unwrap();
    assert!(made.get("Plaintext").is_none());
    assert_eq!(bytes(&made["CiphertextForRecipient"]).len(), 493);
    assert_eq!(made["KeyId"], *key);
    let other_image = bench.recipient(&Plan { pcr_base: Some(9), ..plan() });
    let app = json!({"mortise:service": "app"});
    for (who, recipient, context) in [
        (ENCLAVE, None, context()),
        (ENCLAVE, Some(other_image.clone()), context()),
        (ENCLAVE, Some(honest.clone()), app.clone()),
        (ENCLAVE, Some(honest.clone()), json!({})),
        (ADMIN, Some(honest.clone()), context()),
        (ADMIN, None, context()),
    ] {
        assert_eq!(ask(who, recipient, context), Err(KmsErrorKind::AccessDenied));
    }
    let open = |recipient: Option<Value>, context: Value| {
        let mut body =
            json!({"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": context});
        if let Some(recipient) = recipient {
            body["Recipient"] = recipient;
        }
        bench.enclave("Decrypt", body)
    };
    let opened = open(Some(honest.clone()), context()).unwrap();
    assert!(opened.get("Plaintext").is_none() && opened.get("CiphertextForRecipient").is_some());
    assert_eq!(open(None, context()), Err(KmsErrorKind::AccessDenied));
    assert_eq!(open(Some(other_image), context()), Err(KmsErrorKind::AccessDenied));
    assert_eq!(open(Some(honest.clone()), app), Err(KmsErrorKind::AccessDenied));
    let swapped = json!({"mortise:service": "lock-engine", "mortise:purpose": "genesis"});
    assert_eq!(open(Some(honest), swapped), Err(KmsErrorKind::InvalidCiphertext));
}

#[test]
fn bypasses_of_attestation_are_denied_to_everyone() {
    let bench = Bench::new();
    let key = bench.engine_key();
    let encrypt = json!({"KeyId": key, "Plaintext": "AA==", "EncryptionContext": context()});
    for who in [ADMIN, ENCLAVE] {
        assert_eq!(bench.call(who, "Encrypt", encrypt.clone()), Err(KmsErrorKind::AccessDenied));
    }
    assert!(bench.admin("GetKeyPolicy", json!({"KeyId": key})).is_ok());
    assert!(bench.admin("DescribeKey", json!({"KeyId": key})).is_ok());
    let refused = bench.enclave("GetKeyPolicy", json!({"KeyId": key}));
    assert_eq!(refused, Err(KmsErrorKind::AccessDenied));
}

#[test]
fn rejected_documents_fail_before_any_policy_is_evaluated() {
    let bench = Bench::new();
    let ask = |recipient: Value| {
        bench.admin("GenerateRandom", json!({"NumberOfBytes": 8, "Recipient": recipient}))
    };
    let with = |change: fn(&mut Plan)| {
        let mut plan = plan();
        change(&mut plan);
        bench.recipient(&plan)
    };
    assert!(ask(with(|_| {})).is_ok());
    assert!(ask(with(|plan| plan.timestamp_ms -= 50_000)).is_ok());
    let stranger = Issuer::new(NOW_MS / 1000).issue(&plan());
    let mut changed = bench.issuer.issue(&plan());
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let document = |bytes: &[u8]| {
        let mut recipient = bench.recipient(&plan());
        recipient["AttestationDocument"] = json!(base64(bytes));
        recipient
    };
    let mut algorithm = bench.recipient(&plan());
    algorithm["KeyEncryptionAlgorithm"] = json!("RSAES_OAEP_SHA_1");
    for (what, recipient) in [
        ("stranger", document(&stranger)),
        ("changed", document(&changed)),
        ("empty", document(b"")),
        ("algorithm", algorithm),
        ("no key", with(|plan| plan.public_key = None)),
        ("no RSA key", with(|plan| plan.public_key = Some(vec![0x30, 0]))),
        ("key of 3072 bits", with(|plan| plan.public_key = Some(new_spki(KeySize::Rsa3072)))),
        ("debug mode", with(|plan| plan.pcr_base = None)),
        ("unsigned", with(|plan| plan.unsigned = true)),
    ] {
        assert_eq!(ask(recipient), Err(KmsErrorKind::Validation), "{what}");
    }
}

#[test]
fn document_is_five_minutes_old_at_most() {
    let bench = Bench::new();
    let recipient = bench.recipient(&plan());
    for (now_ms, passes) in [
        (NOW_MS + 300_000, true),
        (NOW_MS + 300_001, false),
        (NOW_MS - 300_000, true),
        (NOW_MS - 300_001, false),
    ] {
        bench.now_ms.store(now_ms, Ordering::SeqCst);
        let body = json!({"NumberOfBytes": 8, "Recipient": recipient});
        assert_eq!(bench.admin("GenerateRandom", body).is_ok(), passes, "{now_ms}");
    }
}

#[test]
fn unsigned_documents_are_accepted_only_with_their_switch() {
    let unsigned = Plan { unsigned: true, ..plan() };
    let ask = |bench: &Bench, plan: &Plan| {
        let recipient = bench.recipient(plan);
        bench.admin("GenerateRandom", json!({"NumberOfBytes": 8, "Recipient": recipient}))
    };
    let strict = Bench::new();
    assert_eq!(ask(&strict, &unsigned), Err(KmsErrorKind::Validation));
    let lax = Bench::with(|config| config.accept_unsigned_documents = true);
    assert!(ask(&lax, &unsigned).is_ok());
    assert!(ask(&lax, &plan()).is_ok());
    let stranger = Bench { issuer: Issuer::new(NOW_MS / 1000), ..lax };
    assert_eq!(ask(&stranger, &plan()), Err(KmsErrorKind::Validation), "signed, by a stranger");
}

#[test]
fn trail_shows_what_the_document_says_and_no_plaintext() {
    let bench = Bench::new();
    let key = bench.engine_key();
    let access_key = bench.kms.credentials(ENCLAVE).unwrap().access_key_id.clone();
    let principal = bench.kms.inner.iam.by_access_key(&access_key).unwrap();
    let run = |recipient: Option<Value>| {
        let mut body = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context()});
        if let Some(recipient) = recipient {
            body["Recipient"] = recipient;
        }
        let mut entry = Entry { arn: Some(principal.arn.clone()), ..Entry::default() };
        let target = "TrentService.GenerateDataKey";
        let result = bench.kms.call(&principal, target, body.to_string().as_bytes(), &mut entry);
        let refusal = result.err().map(|refusal| refusal.kind());
        bench.kms.inner.trail.write(&entry, "id", refusal, NOW_MS).unwrap();
    };
    run(Some(bench.recipient(&plan())));
    run(None);
    let text = std::fs::read_to_string(bench.folder.path().join("trail.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [attested, denied] = lines.as_slice() else { panic!("two lines, not {text}") };
    let expected = json!({
        "attestationDocumentModuleId": "i-0123456789abcdef0-enc0123456789abcdef",
        "attestationDocumentEnclaveImageDigest": base64(&[1; 48]),
        "attestationDocumentEnclavePCR1": base64(&[2; 48]),
        "attestationDocumentEnclavePCR2": base64(&[3; 48]),
        "attestationDocumentEnclavePCR3": base64(&[4; 48]),
        "attestationDocumentEnclavePCR4": base64(&[5; 48]),
        "attestationDocumentEnclavePCR8": base64(&[9; 48]),
    });
    assert_eq!(attested["additionalEventData"]["recipient"], expected);
    assert_eq!(attested["eventName"], "GenerateDataKey");
    assert_eq!(attested["eventTime"], "2026-01-01T00:00:00Z");
    assert_eq!(attested["userIdentity"]["type"], "AssumedRole");
    assert_eq!(attested["requestParameters"]["encryptionContext"], context());
    assert_eq!(attested["resources"][0]["ARN"], *key);
    assert!(attested.get("errorCode").is_none());
    assert_eq!(denied["errorCode"], "AccessDenied");
    assert!(denied.get("additionalEventData").is_none());
    for secret in [&principal.secret_access_key, principal.session_token.as_ref().unwrap()] {
        assert!(!text.contains(secret.as_str()));
    }
}

#[test]
fn documents_of_the_software_module_are_accepted_under_its_root_and_not_in_debug_mode() {
    let folder = tempfile::tempdir().unwrap();
    let boot = |debug: bool| match debug {
        false => SoftwareNsm::boot(folder.path(), &Measurements::dev("engine")).unwrap(),
        true => SoftwareNsm::boot_debug(folder.path(), "engine").unwrap(),
    };
    let ask = |bench: &Bench, nsm: &SoftwareNsm| {
        let request = AttestRequest { public_key: Some(spki()), ..AttestRequest::default() };
        let document = base64(&nsm.attest(&request).unwrap());
        let recipient = json!({"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
                               "AttestationDocument": document});
        bench.admin("GenerateRandom", json!({"NumberOfBytes": 8, "Recipient": recipient}))
    };
    let nsm = boot(false);
    let bench = Bench::with(|config| {
        config.clock = crate::kms::system_time();
        config.nitro_roots = vec![nsm.root()];
    });
    assert!(ask(&bench, &nsm).is_ok());
    assert_eq!(ask(&bench, &boot(true)), Err(KmsErrorKind::Validation));
    let stranger = Bench::with(|config| config.clock = crate::kms::system_time());
    assert_eq!(ask(&stranger, &nsm), Err(KmsErrorKind::Validation));
}

#[test]
fn service_that_trusts_no_root_accepts_no_document() {
    let bench = Bench::with(|config| config.nitro_roots.clear());
    let body = json!({"NumberOfBytes": 8, "Recipient": bench.recipient(&plan())});
    assert_eq!(bench.admin("GenerateRandom", body), Err(KmsErrorKind::Validation));
}
