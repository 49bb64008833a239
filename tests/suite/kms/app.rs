//! The application's native API, through socket or gateway, engine and key service.

use super::rig::Rig;
use crate::client::{block_on, over_http, over_socket};
use mortise_client::{Client, ClientError, Signer};
use mortise_engine::app::AppConfig;
use mortise_format::errors::Code;
use mortise_format::limits::APP_TEXT_BYTES_MAX;
use mortise_rpc::params::PlainText;
use mortise_rpc::results::KmsEncrypted;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::now_s;
use serde_json::json;

const CHINESE: &str = "\u{4f60}\u{597d}\u{ff0c}\u{8fd9}\u{662f}\u{79d8}\u{5bc6}";
const KOREAN: &str = "\u{c548}\u{b155}\u{d558}\u{c138}\u{c694}, \u{be44}\u{bc00}";

fn text(text: &str) -> PlainText {
    PlainText::new(text.to_owned()).expect("within the bound")
}

fn decrypted(
    client: &Client,
    owner: &Signer,
    parts: KmsEncrypted,
) -> Result<Option<String>, ClientError> {
    let result = block_on(client.kms_decrypt(owner, parts, now_s() + 60))?;
    assert_eq!((result.signature_valid, &result.plaintext), (Some(true), &None));
    Ok(result.text.clone())
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, ClientError>, code: Code) {
    assert_eq!(result.expect_err("a refusal was expected").code(), Some(code));
}

#[test]
fn texts_of_any_language_and_length_round_trip_through_socket_and_gateway() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let owner = Signer::random();
    let (socket, http) = (over_socket(&system.engine_socket()), over_http(&system));
    for (client, other) in [(&socket, &http), (&http, &socket)] {
        for plain in [CHINESE, KOREAN, "", "\0\u{1f511}"] {
            let parts = block_on(client.kms_encrypt(text(plain), owner.address()));
            let parts = parts.expect("the key service gives a key");
            assert_eq!(decrypted(other, &owner, parts).unwrap().as_deref(), Some(plain));
        }
        let largest = CHINESE.repeat(APP_TEXT_BYTES_MAX / CHINESE.len());
        let largest = format!("{largest}{}", "a".repeat(APP_TEXT_BYTES_MAX - largest.len()));
        let parts = block_on(client.kms_encrypt(text(&largest), owner.address())).unwrap();
        assert_eq!(decrypted(other, &owner, parts).unwrap(), Some(largest));
    }
    let over = "a".repeat(APP_TEXT_BYTES_MAX + 1);
    let answer = system.call("kmsEncrypt", json!({"text": over, "owner": owner.address()}));
    assert_eq!(answer["error"]["data"]["field"], "text");
}

#[test]
fn two_encryptions_of_one_text_share_no_part() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let client = over_socket(&system.engine_socket());
    let owner = Signer::random().address();
    let [one, two] =
        [(); 2].map(|()| block_on(client.kms_encrypt(text(KOREAN), owner)).expect("a key"));
    assert_ne!(one.encrypted, two.encrypted);
    assert_ne!(one.signature, two.signature);
    assert_ne!(one.ciphertext_blob, two.ciphertext_blob);
}

/// Goal: only the owner's signature decrypts a text, whichever caller asks.
#[test]
fn text_is_decrypted_for_its_owner_alone() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let client = over_socket(&system.engine_socket());
    let (owner, other) = (Signer::random(), Signer::random());
    let parts = block_on(client.kms_encrypt(text(CHINESE), owner.address())).unwrap();
    // Under their own name: the encryption context has another owner.
    assert_refused(decrypted(&client, &other, parts.clone()), Code::KmsRefused);
    // In the owner's name: the signature is not the owner's.
    let engine_id = block_on(client.identity()).unwrap().engine_id;
    let mut params = json!({"owner": owner.address(), "encrypted": parts.encrypted,
        "signature": parts.signature, "ciphertextBlob": parts.ciphertext_blob,
        "validUntil": now_s() + 60, "ownerSignature": format!("0x{}", "00".repeat(65))});
    let asked = |params: &serde_json::Value| system.call("kmsDecrypt", params.clone());
    assert_eq!(asked(&params)["error"]["code"], Code::InvalidSignature.code());
    let parse = mortise_rpc::params::KmsDecrypt::parse;
    let signed = other.sign_decrypt(&engine_id, parse(&params).unwrap());
    params["ownerSignature"] = json!(signed.owner_signature);
    assert_eq!(asked(&params)["error"]["code"], Code::Unauthorized.code());
    let signed = owner.sign_decrypt(&engine_id, parse(&params).unwrap());
    params["ownerSignature"] = json!(signed.owner_signature);
    assert_eq!(asked(&params)["result"]["text"], CHINESE);
    // A signature that expired, and one that is valid for too long.
    for valid_until in [now_s() - 60, now_s() + 2 * 86_400] {
        let late = block_on(client.kms_decrypt(&owner, parts.clone(), valid_until));
        assert_refused(late.map(drop), Code::Validation);
    }
    assert_eq!(decrypted(&client, &owner, parts).unwrap().as_deref(), Some(CHINESE));
}

/// Goal: each changed byte of a short message is refused with the error of the failed check: the
/// signature for encrypted text and signature, the key service for the wrapped key.
#[test]
fn every_changed_part_is_refused_with_the_error_of_its_check() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let client = over_socket(&system.engine_socket());
    let owner = Signer::random();
    let parts = block_on(client.kms_encrypt(text("ab"), owner.address())).unwrap();
    for at in (0..parts.encrypted.0.len()).step_by(5) {
        let mut changed = parts.clone();
        changed.encrypted.0[at] ^= 1;
        assert_refused(decrypted(&client, &owner, changed), Code::MessageSignature);
    }
    for at in (0..parts.signature.0.len()).step_by(8) {
        let mut changed = parts.clone();
        changed.signature.0[at] ^= 0x80;
        assert_refused(decrypted(&client, &owner, changed), Code::MessageSignature);
    }
    for at in 0..parts.ciphertext_blob.0.len() {
        let mut changed = parts.clone();
        changed.ciphertext_blob.0[at] ^= 1;
        assert_refused(decrypted(&client, &owner, changed), Code::KmsRefused);
    }
    // Parts of two messages do not combine.
    let other = block_on(client.kms_encrypt(text("ab"), owner.address())).unwrap();
    let swapped = KmsEncrypted { ciphertext_blob: other.ciphertext_blob, ..parts };
    assert_refused(decrypted(&client, &owner, swapped), Code::MessageSignature);
}

#[test]
fn data_keys_stay_in_the_enclave_unless_the_measured_switch_is_on() {
    let rig = Rig::start();
    let owner = Signer::random();
    let open = |system: &System| over_socket(&system.engine_socket());
    assert!(!AppConfig::default().release_plaintext);
    let wrapped = {
        let system = rig.system(AppConfig::default());
        let client = open(&system);
        let key = block_on(client.kms_generate_data_key(owner.address())).unwrap();
        assert_eq!(key.plaintext, None);
        let dials = rig.trail().len();
        let bare = block_on(client.kms_unwrap(&owner, key.ciphertext_blob.clone(), now_s() + 60));
        assert_refused(bare, Code::PlaintextWithheld);
        assert_eq!(rig.trail().len(), dials, "a refused request does not reach the key service");
        key.ciphertext_blob.clone()
    };
    let config = AppConfig { release_plaintext: true };
    let system = rig.system(config);
    let client = open(&system);
    let key = block_on(client.kms_unwrap(&owner, wrapped, now_s() + 60)).unwrap();
    assert_eq!(key.plaintext.as_ref().map(|key| key.0.len()), Some(32));
    let key = block_on(client.kms_generate_data_key(owner.address())).unwrap();
    let again = block_on(client.kms_unwrap(&owner, key.ciphertext_blob.clone(), now_s() + 60));
    assert_eq!(again.unwrap().plaintext, key.plaintext);
}

#[test]
fn random_bytes_have_the_requested_length_and_differ() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let client = over_socket(&system.engine_socket());
    for bytes in [1, 32, 1024] {
        let random = block_on(client.kms_generate_random(bytes)).unwrap().random;
        assert_eq!(u32::try_from(random.0.len()), Ok(bytes));
    }
    let [one, two] = [(); 2].map(|()| block_on(client.kms_generate_random(32)).unwrap());
    assert_ne!(one, two);
    assert_refused(block_on(client.kms_generate_random(0)), Code::InvalidParams);
}

#[test]
fn engine_without_the_application_reports_it() {
    let system = System::start();
    let client = over_socket(&system.engine_socket());
    let encrypted = block_on(client.kms_encrypt(text(""), Signer::random().address()));
    assert_refused(encrypted, Code::AppUnavailable);
    assert_refused(block_on(client.kms_generate_random(1)), Code::AppUnavailable);
}

#[test]
fn trail_names_the_owner_and_the_code_of_each_call() {
    let rig = Rig::start();
    let system = rig.system(AppConfig::default());
    let client = over_socket(&system.engine_socket());
    let owner = Signer::random();
    let before = rig.trail().len();
    let parts = block_on(client.kms_encrypt(text(KOREAN), owner.address())).unwrap();
    decrypted(&client, &owner, parts).unwrap();
    let trail = rig.trail();
    let names: Vec<_> = trail[before..].iter().map(|line| line["eventName"].as_str()).collect();
    assert_eq!(names, [Some("GenerateDataKey"), Some("Decrypt")]);
    for line in &trail[before..] {
        let context = &line["requestParameters"]["encryptionContext"];
        let wanted = json!({"mortise:service": "app", "mortise:purpose": "app",
            "mortise:owner": owner.address().to_string()});
        assert_eq!(context, &wanted);
        let recipient = &line["additionalEventData"]["recipient"];
        assert!(recipient["attestationDocumentEnclaveImageDigest"].is_string(), "{line}");
    }
}
