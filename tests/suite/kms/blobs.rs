//! The application API can never unwrap the engine's own keys.

use super::rig::Rig;
use crate::client::{block_on, over_socket};
use mortise_client::Signer;
use mortise_core::body::ClearBody;
use mortise_engine::app::AppConfig;
use mortise_engine::keyring::{KEYS_BLOB, SealedKeys};
use mortise_engine::store::{LogStore, RemoteLog};
use mortise_format::errors::Code;
use mortise_rpc::Base64;
use mortise_rpc::results::KmsEncrypted;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::now_s;
use serde_json::json;

/// Every wrapped key in the store: from genesis and from each boot.
fn wrapped_keys(system: &System) -> Vec<Vec<u8>> {
    block_on(async {
        let log = RemoteLog::connect(&system.store_address()).await.expect("the store listens");
        let keys = log.blob_get(KEYS_BLOB).await.expect("it answers").expect("genesis stored it");
        let sealed = SealedKeys::decode(&keys).expect("its own encoding");
        let mut wrapped = vec![sealed.wrapped_key];
        for frame in log.read(0, 1024 * 1024).await.expect("it answers") {
            let clear = ClearBody::of(&frame).expect("its own encoding");
            wrapped.extend(clear.boot.map(|boot| boot.record.wrapped_key));
        }
        wrapped
    })
}

/// Method: the switch is on, so that only master key and context protect the key.
#[test]
fn application_cannot_decrypt_any_sealed_blob_of_the_engine() {
    let rig = Rig::start();
    let config = AppConfig { release_plaintext: true };
    let mut system = rig.system(config);
    system.stop_engine().expect("an engine that is asked to stop stops");
    system.options_mut().platform = Some(rig.platform(config));
    system.start_engine();
    let wrapped = wrapped_keys(&system);
    assert_eq!(wrapped.len(), 3, "genesis and two boots");
    let client = over_socket(&system.engine_socket());
    let owner = Signer::random();
    for wrapped in wrapped {
        let blob = Base64(wrapped);
        let bare = block_on(client.kms_unwrap(&owner, blob.clone(), now_s() + 60));
        assert_eq!(bare.expect_err("a key of the engine").code(), Some(Code::KmsRefused));
        let parts = KmsEncrypted {
            encrypted: Base64(vec![1; 40]),
            signature: Base64(vec![1; 32]),
            ciphertext_blob: blob.clone(),
        };
        let text = block_on(client.kms_decrypt(&owner, parts, now_s() + 60));
        assert_eq!(text.expect_err("a key of the engine").code(), Some(Code::KmsRefused));
        let mut line = system.line();
        line.say(json!({"operation": "decrypt", "ciphertext_blob": blob}).to_string());
        line.half_close();
        let answer = line.hear();
        assert_eq!(answer["error"]["data"]["name"], "KMS_REFUSED", "{answer}");
    }
    let opened = rig.trail().into_iter().filter(|line| {
        let is_app = line["requestParameters"]["encryptionContext"]["mortise:service"] == "app";
        is_app && line["errorCode"].is_null()
    });
    assert_eq!(opened.count(), 0);
}
