//! Calls of an honest service.

use super::rig::{
    ACCESS_KEY_ID, APP_KEY, ENGINE_KEY, HOST, PLAINTEXT, Reply, Service, TOKEN, WRAPPED, client,
    honest,
};
use crate::kms::{KmsAppKeys, KmsVault};
use mortise_engine::ports::{AppKeys, EncryptionContext, KeyContext, KeyPurpose, Vault};
use mortise_format::EngineId;
use mortise_rpc::credentials::Credentials;
use serde_json::json;
use std::sync::Arc;

fn honest_service() -> Arc<Service> {
    Service::new(|_, seen| Reply::Json(200, honest(seen)))
}

fn context(purpose: KeyPurpose, epoch: u64) -> KeyContext {
    KeyContext { engine_id: EngineId([0xab; 32]), epoch, purpose }
}

#[tokio::test]
async fn vault_makes_and_opens_keys_under_the_engine_key_in_their_context() {
    let service = honest_service();
    let vault = KmsVault::new(client(&service));
    let (key, wrapped) = vault.generate(&context(KeyPurpose::Genesis, 0)).await.unwrap();
    assert_eq!((key.expose(|bytes| *bytes), wrapped.as_slice()), (PLAINTEXT, WRAPPED));
    let opened = vault.unwrap(&wrapped, &context(KeyPurpose::Epoch, 7)).await.unwrap();
    assert_eq!(opened.expose(|bytes| *bytes), PLAINTEXT);

    let [made, opened] = service.seen().try_into().unwrap();
    let names = |purpose: &str, epoch: &str| {
        json!({
            "mortise:service": "lock-engine",
            "mortise:purpose": purpose,
            "mortise:log": format!("0x{}", "ab".repeat(32)),
            "mortise:epoch": epoch,
        })
    };
    assert_eq!(made.head["x-amz-target"], "TrentService.GenerateDataKey");
    assert_eq!(made.body["KeyId"], ENGINE_KEY);
    assert_eq!(made.body["KeySpec"], "AES_256");
    assert_eq!(made.body["EncryptionContext"], names("genesis", "0"));
    assert_eq!(opened.head["x-amz-target"], "TrentService.Decrypt");
    assert_eq!(opened.body["KeyId"], ENGINE_KEY);
    assert_eq!(opened.body["CiphertextBlob"], "d3JhcHBlZCBieSB0aGUgc2VydmljZQ==");
    assert_eq!(opened.body["EncryptionContext"], names("epoch", "7"));
}

#[tokio::test]
async fn every_request_names_host_time_and_recipient_and_is_signed() {
    let service = honest_service();
    client(&service).generate_random(1, None).await.unwrap();
    let [seen] = service.seen().try_into().unwrap();
    assert_eq!(seen.head["host"], HOST);
    assert_eq!(seen.head["content-type"], "application/x-amz-json-1.1");
    assert_eq!(seen.head["x-amz-date"], "20261122T082501Z");
    assert_eq!(seen.head["x-amz-security-token"], TOKEN);
    let authorization = &seen.head["authorization"];
    let start = format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20261122/eu-west-1/kms/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature="
    );
    assert_eq!(authorization.strip_prefix(&start).unwrap().len(), 64);
    assert_eq!(seen.body["Recipient"]["KeyEncryptionAlgorithm"], "RSAES_OAEP_SHA_256");
    // A 2048-bit key as SubjectPublicKeyInfo.
    assert_eq!(seen.public_der().len(), 294);
}

#[tokio::test]
async fn no_two_requests_have_the_same_recipient() {
    let service = honest_service();
    let client = client(&service);
    for _ in 0..3 {
        client.generate_random(8, None).await.unwrap();
    }
    let mut keys: Vec<_> = service.seen().iter().map(|seen| seen.public_der()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn random_bytes_have_the_length_that_was_asked_for() {
    let service = honest_service();
    let keys = KmsAppKeys::new(client(&service));
    for count in [1, 32, 1024] {
        assert_eq!(*keys.random(count, None).await.unwrap(), vec![PLAINTEXT[0]; count]);
    }
    let [first, ..] = &service.seen()[..] else { panic!("nothing was sent") };
    assert_eq!(first.head["x-amz-target"], "TrentService.GenerateRandom");
    assert_eq!(first.body["NumberOfBytes"], 1);
    assert_eq!(first.body.get("KeyId"), None);
}

#[tokio::test]
async fn application_cannot_name_a_context_of_the_engine() {
    let service = honest_service();
    let keys = KmsAppKeys::new(client(&service));
    let asked: EncryptionContext =
        [("mortise:service", "lock-engine"), ("mortise:purpose", "genesis"), ("owner", "0x01")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let (key, wrapped) = keys.data_key(&asked, None).await.unwrap();
    assert_eq!((key.as_slice(), wrapped.as_slice()), (&PLAINTEXT[..], WRAPPED));
    assert_eq!(*keys.open(&wrapped, &asked, None).await.unwrap(), PLAINTEXT);
    for seen in service.seen() {
        assert_eq!(seen.body["KeyId"], APP_KEY);
        let forced = json!({"mortise:service": "app", "mortise:purpose": "app", "owner": "0x01"});
        assert_eq!(seen.body["EncryptionContext"], forced);
    }
}

#[tokio::test]
async fn credentials_of_a_request_serve_that_request_only() {
    let service = honest_service();
    let keys = KmsAppKeys::new(client(&service));
    let own = Credentials {
        access_key_id: "AKIAREQUEST".to_owned(),
        secret_access_key: "own".to_owned(),
        token: None,
        expiration: None,
    };
    keys.random(1, Some(&own)).await.unwrap();
    keys.random(1, None).await.unwrap();
    let [first, second] = service.seen().try_into().unwrap();
    assert!(first.head["authorization"].contains("Credential=AKIAREQUEST/"));
    assert_eq!(first.head.get("x-amz-security-token"), None);
    assert!(second.head["authorization"].contains(ACCESS_KEY_ID));
}

#[test]
fn calls_can_be_sent_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let service = honest_service();
    let client = client(&service);
    let key = client.config().engine_key().clone();
    let context = EncryptionContext::new();
    is_send(&client.generate_data_key(&key, &context, None));
    is_send(&client.decrypt_data_key(&key, WRAPPED, &context, None));
    is_send(&client.generate_random(1, None));
}
