//! Answers that the client rejects, and rejections of the service.

use super::cms::Parts;
use super::rig::{
    Dial, Greeting, NOW_MS, PLAINTEXT, Reply, Seen, Service, WRAPPED, client, honest,
};
use crate::kms::{
    Bound, CredentialStore, CredentialsFault, EnvelopeError, Field, KmsClient, KmsError,
    KmsPlatform, KmsVault,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_engine::ports::{
    EncryptionContext, KeyContext, KeyPurpose, NsmError, ServiceTime, Vault, VaultError,
};
use mortise_format::EngineId;
use mortise_format::limits::{
    KMS_ANSWER_BYTES_MAX, KMS_CONTEXT_BYTES_MAX, KMS_RANDOM_BYTES_MAX, KMS_WRAPPED_KEY_BYTES_MAX,
};
use mortise_rpc::credentials::Credentials;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// The error of GenerateDataKey, and how often it was sent.
async fn refused(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (KmsError, usize) {
    let service = Service::new(move |_, seen| script(seen));
    let client = client(&service);
    let key = client.config().engine_key();
    let made = client.generate_data_key(key, &EncryptionContext::new(), None).await;
    (made.unwrap_err(), service.dials())
}

/// The error of an honest answer with one field changed; a null removes it.
async fn changed(field: &'static str, value: Value) -> KmsError {
    let (error, sent) = refused(move |seen| {
        let mut answer = honest(seen);
        match &value {
            Value::Null => drop(answer.as_object_mut().unwrap().remove(field)),
            value => answer[field] = value.clone(),
        }
        Reply::Json(200, answer)
    })
    .await;
    assert_eq!(sent, 1, "{field}: a refusal is final");
    error
}

/// The error of an honest answer with another message to the recipient.
async fn enveloped(make: fn(&[u8]) -> Vec<u8>) -> KmsError {
    let (error, sent) = refused(move |seen| {
        let mut answer = honest(seen);
        answer["CiphertextForRecipient"] = STANDARD.encode(make(&seen.public_der())).into();
        Reply::Json(200, answer)
    })
    .await;
    assert_eq!(sent, 1);
    error
}

#[tokio::test]
async fn key_in_clear_is_refused_even_beside_an_encrypted_one() {
    for plaintext in [json!("UFBQ"), json!("!"), json!(7), json!([]), json!({})] {
        assert_eq!(changed("Plaintext", plaintext).await, KmsError::PlaintextPresent);
    }
    let service = Service::new(|_, seen| {
        let mut answer = honest(seen);
        answer["Plaintext"] = "".into();
        Reply::Json(200, answer)
    });
    client(&service).generate_random(4, None).await.unwrap();
}

#[tokio::test]
async fn wrong_or_missing_fields_are_refused_by_name() {
    let missing = |field| KmsError::FieldMissing(field);
    let malformed = |field| KmsError::FieldMalformed(field);
    let other = "arn:aws:kms:eu-west-1:123456789012:key/mrk-app";
    for (field, value, error) in [
        ("KeyId", json!(null), missing(Field::KeyId)),
        ("KeyId", json!(1), missing(Field::KeyId)),
        ("KeyId", json!(other), KmsError::KeyIdMismatch),
        ("KeyId", json!(""), KmsError::KeyIdMismatch),
        ("KeyId", json!("1234abcd-12ab-34cd-56ef-1234567890ab"), KmsError::KeyIdMismatch),
        ("CiphertextForRecipient", json!(null), missing(Field::CiphertextForRecipient)),
        ("CiphertextForRecipient", json!([]), missing(Field::CiphertextForRecipient)),
        ("CiphertextForRecipient", json!(""), malformed(Field::CiphertextForRecipient)),
        ("CiphertextForRecipient", json!("AA=="), KmsError::Envelope(EnvelopeError::Truncated)),
        ("CiphertextForRecipient", json!("AAA"), malformed(Field::CiphertextForRecipient)),
        ("CiphertextForRecipient", json!("A A="), malformed(Field::CiphertextForRecipient)),
        ("CiphertextForRecipient", json!("AB=="), malformed(Field::CiphertextForRecipient)),
        (
            "CiphertextForRecipient",
            json!("A".repeat(12 * 1024)),
            malformed(Field::CiphertextForRecipient),
        ),
        ("CiphertextBlob", json!(null), missing(Field::CiphertextBlob)),
        ("CiphertextBlob", json!(""), malformed(Field::CiphertextBlob)),
        ("CiphertextBlob", json!("*"), malformed(Field::CiphertextBlob)),
        ("CiphertextBlob", json!("A".repeat(9 * 1024)), malformed(Field::CiphertextBlob)),
    ] {
        let found = changed(field, value.clone()).await;
        assert_eq!(found, error, "{field}: {value}");
    }
}

#[tokio::test]
async fn messages_that_are_not_for_this_request_are_refused_by_name() {
    let undecryptable = KmsError::Envelope(EnvelopeError::Undecryptable);
    let other_key = enveloped(|_| {
        let other = crate::kms::RecipientKey::generate().unwrap();
        Parts::service(other.public_der(), &PLAINTEXT).encode()
    });
    assert_eq!(other_key.await, undecryptable);
    let short = enveloped(|key| Parts::service(key, &PLAINTEXT[..31]).encode()).await;
    assert_eq!(short, KmsError::PlaintextLength { expected: 32, found: 31 });
    let long = enveloped(|key| Parts::emulator(key, &[0; 33]).encode()).await;
    assert_eq!(long, KmsError::PlaintextLength { expected: 32, found: 33 });
    let empty = enveloped(|key| Parts::service(key, &[]).encode()).await;
    assert_eq!(empty, KmsError::PlaintextLength { expected: 32, found: 0 });
    let two = enveloped(|key| Parts { recipients: 2, ..Parts::service(key, &PLAINTEXT) }.encode());
    assert_eq!(two.await, KmsError::Envelope(EnvelopeError::ManyRecipients));
}

#[tokio::test]
async fn old_answer_to_the_same_question_opens_nothing() {
    let first = Mutex::new(None);
    let service = Service::new(move |_, seen| {
        let mut first = first.lock().unwrap();
        let answer = first.get_or_insert_with(|| honest(seen));
        Reply::Json(200, answer.clone())
    });
    let client = client(&service);
    let key = client.config().engine_key();
    let context = EncryptionContext::new();
    assert!(client.decrypt_data_key(key, WRAPPED, &context, None).await.is_ok());
    let replayed = client.decrypt_data_key(key, WRAPPED, &context, None).await.unwrap_err();
    assert_eq!(replayed, KmsError::Envelope(EnvelopeError::Undecryptable));
}

#[tokio::test]
async fn text_that_is_not_a_strict_json_object_is_refused() {
    let cases: [fn(&str) -> String; 8] = [
        |_| String::new(),
        |_| "null".to_owned(),
        |_| "[]".to_owned(),
        |text| text[..text.len() - 1].to_owned(),
        |text| format!("{text}{text}"),
        |text| text.replacen('{', "{\"KeyId\":\"x\",", 1),
        |text| text.replacen('{', "{\"New\":{\"a\":1,\"a\":1},", 1),
        |text| text.replacen('{', &format!("{{\"New\":{}", "[".repeat(5000)), 1),
    ];
    for (i, case) in cases.into_iter().enumerate() {
        let (error, sent) =
            refused(move |seen| Reply::Text(200, case(&honest(seen).to_string()))).await;
        assert_eq!((error, sent), (KmsError::JsonMalformed, 1), "case {i}");
    }
}

#[tokio::test]
async fn oversized_answer_is_refused_with_and_without_its_length() {
    let too_large = KmsError::AnswerTooLarge { max: KMS_ANSWER_BYTES_MAX };
    let spaces = || " ".repeat(KMS_ANSWER_BYTES_MAX);
    let (error, sent) =
        refused(move |seen| Reply::Text(200, format!("{}{}", honest(seen), spaces()))).await;
    assert_eq!((error, sent), (too_large, 1));
    let (error, _) = refused(move |_| {
        let chunk = format!("{:x}\r\n{}\r\n", spaces().len(), spaces());
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Reply::Bytes(format!("{head}{chunk}{chunk}0\r\n\r\n").into_bytes())
    })
    .await;
    assert_eq!(error, too_large);
    let (error, _) = refused(|_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n{";
        Reply::Bytes(head.as_bytes().to_vec())
    })
    .await;
    assert!(matches!(error, KmsError::AnswerTooLarge { .. } | KmsError::NotHttp), "{error:?}");
}

#[tokio::test]
async fn head_that_is_no_http_or_endless_is_refused() {
    for head in ["220 mail.example ESMTP\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 xx\r\n\r\n"] {
        let (error, sent) = refused(|_| Reply::Bytes(head.as_bytes().to_vec())).await;
        assert_eq!((error, sent), (KmsError::NotHttp, 1), "{head}");
    }
    let (error, sent) = refused(|_| {
        let line = format!("X: {}\r\n", "x".repeat(32 * 1024));
        Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{line}\r\n").into_bytes())
    })
    .await;
    assert_eq!((error, sent), (KmsError::NotHttp, 1));
}

/// Name of the service, status, our name, and the error of the port.
type Named = (&'static str, u16, KmsError, fn(String) -> VaultError);

const NAMED: &[Named] = &[
    ("AccessDeniedException", 400, KmsError::AccessDenied, VaultError::Denied),
    ("com.amazonaws.kms#AccessDeniedException", 400, KmsError::AccessDenied, VaultError::Denied),
    ("ExpiredTokenException", 400, KmsError::ExpiredToken, VaultError::Unavailable),
    ("ExpiredToken", 403, KmsError::ExpiredToken, VaultError::Unavailable),
    ("UnrecognizedClientException", 400, KmsError::SignatureRefused, VaultError::Denied),
    ("InvalidSignatureException", 400, KmsError::SignatureRefused, VaultError::Denied),
    ("MissingAuthenticationToken", 403, KmsError::SignatureRefused, VaultError::Denied),
    ("InvalidCiphertextException", 400, KmsError::InvalidCiphertext, VaultError::Refused),
    ("IncorrectKeyException", 400, KmsError::IncorrectKey, VaultError::Refused),
    ("NotFoundException", 400, KmsError::KeyUnusable, VaultError::Denied),
    ("DisabledException", 400, KmsError::KeyUnusable, VaultError::Denied),
    ("KMSInvalidStateException", 400, KmsError::KeyUnusable, VaultError::Denied),
    ("InvalidKeyUsageException", 400, KmsError::KeyUnusable, VaultError::Denied),
    ("ValidationException", 400, KmsError::RequestRefused { status: 400 }, VaultError::Refused),
    ("NobodyKnowsException", 418, KmsError::RequestRefused { status: 418 }, VaultError::Refused),
    ("", 301, KmsError::RequestRefused { status: 301 }, VaultError::Refused),
    ("", 204, KmsError::RequestRefused { status: 204 }, VaultError::Refused),
];

#[tokio::test]
async fn every_refusal_of_the_service_has_its_name_and_is_final() {
    for (name, status, expected, expected_error) in NAMED {
        let body = json!({"__type": name, "message": "the-words-of-the-service"});
        let (error, sent) = refused(move |_| Reply::Json(*status, body.clone())).await;
        assert_eq!((error, sent), (*expected, 1), "{name}");
        let text = error.to_string();
        assert_eq!(VaultError::from(error), expected_error(text), "{name}");
    }
    let (error, _) = refused(|_| Reply::Text(400, "<html>".to_owned())).await;
    assert_eq!(error, KmsError::RequestRefused { status: 400 });
}

/// Goal: a rejection for the time names both times; one for the key, or by a service whose clock
/// agrees, stays what it is.
#[tokio::test]
async fn rejection_by_a_service_whose_clock_is_apart_names_both_times() {
    let ours_s = NOW_MS / 1000;
    let (hour, apart) = (ours_s - 3600, "Sun, 22 Nov 2026 07:25:01 GMT");
    let near = "Sun, 22 Nov 2026 08:24:00 GMT";
    let clocks = KmsError::ClocksApart { theirs_s: hour, ours_s };
    for (name, date, expected) in [
        ("InvalidSignatureException", apart, clocks),
        ("ExpiredTokenException", apart, clocks),
        ("InvalidSignatureException", near, KmsError::SignatureRefused),
        ("AccessDeniedException", apart, KmsError::AccessDenied),
        ("InvalidSignatureException", "yesterday", KmsError::SignatureRefused),
    ] {
        let body = json!({ "__type": name }).to_string();
        let answer = format!(
            "HTTP/1.1 400 x\r\ndate: {date}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (error, sent) = refused(move |_| Reply::Bytes(answer.clone().into_bytes())).await;
        assert_eq!((error, sent), (expected, 1), "{name} {date}");
    }
    let text = "the clocks are apart: the key service says 2026-11-22T07:25:01Z, this enclave \
                2026-11-22T08:25:01Z";
    assert_eq!(VaultError::from(clocks), VaultError::ClocksApart(text.to_owned()));
}

/// Goal: each answer, a refusal too, gives the service's clock beside the trusted one.
#[tokio::test]
async fn time_in_the_last_answer_is_the_second_source() {
    let answer = "HTTP/1.1 400 x\r\ndate: Sun, 22 Nov 2026 07:25:01 GMT\r\n\
                  content-length: 2\r\n\r\n{}";
    let client = client(&Service::new(move |_, _| Reply::Bytes(answer.as_bytes().to_vec())));
    let vault = KmsVault::new(client);
    assert_eq!(vault.service_time(), None, "nothing was asked");
    let context = KeyContext { engine_id: EngineId([1; 32]), epoch: 1, purpose: KeyPurpose::Epoch };
    vault.generate(&context).await.unwrap_err();
    let ours_s = NOW_MS / 1000;
    let said = ServiceTime { theirs_s: ours_s - 3600, ours_s };
    assert_eq!(vault.service_time(), Some(said));
}

#[tokio::test]
async fn refusal_reaches_the_engine_through_the_vault() {
    let context = KeyContext { engine_id: EngineId([1; 32]), epoch: 1, purpose: KeyPurpose::Epoch };
    let vault = |name: &'static str| {
        let body = json!({ "__type": name });
        KmsVault::new(client(&Service::new(move |_, _| Reply::Json(400, body.clone()))))
    };
    let denied = vault("AccessDeniedException").generate(&context).await.unwrap_err();
    assert!(matches!(denied, VaultError::Denied(_)), "{denied:?}");
    let refused = vault("InvalidCiphertextException").unwrap(WRAPPED, &context).await;
    assert!(matches!(refused, Err(VaultError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn request_and_answer_at_their_bounds_pass() {
    let service = Service::new(|_, seen| {
        let text = honest(seen).to_string();
        let spaces = " ".repeat(KMS_ANSWER_BYTES_MAX - text.len());
        Reply::Text(200, format!("{text}{spaces}"))
    });
    let client = client(&service);
    let key = client.config().app_key();
    let value = "b".repeat(KMS_CONTEXT_BYTES_MAX - 1);
    let context = EncryptionContext::from([("a".to_owned(), value)]);
    assert!(client.generate_data_key(key, &context, None).await.is_ok());
    let wrapped = [0; KMS_WRAPPED_KEY_BYTES_MAX];
    let opened = client.decrypt_data_key(key, &wrapped, &EncryptionContext::new(), None).await;
    assert_eq!(opened.map(|_| ()), Ok(()));
    let random = client.generate_random(KMS_RANDOM_BYTES_MAX, None).await;
    assert_eq!(random.map(|bytes| bytes.len()), Ok(KMS_RANDOM_BYTES_MAX));
}

#[tokio::test]
async fn request_beyond_the_bounds_is_not_sent() {
    let service = Service::new(|_, seen| Reply::Json(200, honest(seen)));
    let client = client(&service);
    let key = client.config().app_key();
    let none = EncryptionContext::new();
    let name = "a".repeat(KMS_CONTEXT_BYTES_MAX);
    let large = EncryptionContext::from([(name, "b".to_owned())]);
    let out = |bound| KmsError::RequestOutOfBounds(bound);
    let made = client.generate_data_key(key, &large, None).await.unwrap_err();
    assert_eq!(made, out(Bound::Context));
    for wrapped in [vec![], vec![0; KMS_WRAPPED_KEY_BYTES_MAX + 1]] {
        let opened = client.decrypt_data_key(key, &wrapped, &none, None).await.unwrap_err();
        assert_eq!(opened, out(Bound::WrappedKey));
    }
    for count in [0, KMS_RANDOM_BYTES_MAX + 1, usize::MAX] {
        let random = client.generate_random(count, None).await.unwrap_err();
        assert_eq!(random, out(Bound::RandomBytes));
    }
    assert_eq!(service.dials(), 0);
}

#[tokio::test]
async fn without_a_document_nothing_is_sent() {
    let service = Service::new(|_, seen| Reply::Json(200, honest(seen)));
    let fails = Some(NsmError::NoDevice("the-words-of-the-system".to_owned()));
    let module = Arc::new(super::rig::EchoModule { fails, ..Default::default() });
    let nsm = Arc::clone(&module);
    let platform = KmsPlatform { nsm, ..super::rig::platform(&service) };
    let config: mortise_config::KmsConfig = super::rig::config();
    let client = KmsClient::new(config, platform).unwrap();
    let error = client.generate_random(1, None).await.unwrap_err();
    assert_eq!(error, KmsError::Attestation("there is no security module"));
    assert_eq!((service.dials(), module.documents.load(Ordering::SeqCst)), (0, 1));
}

/// The error with these credentials as the parent's, and as the caller's own.
async fn signed_with(change: fn(&mut Credentials)) -> [Option<KmsError>; 2] {
    let service = Service::new(|_, seen| Reply::Json(200, honest(seen)));
    let mut given = super::rig::credentials();
    change(&mut given);
    let parent = match CredentialStore::fixed(&given) {
        Ok(credentials) => {
            let platform = KmsPlatform { credentials, ..super::rig::platform(&service) };
            let client = KmsClient::new(super::rig::config(), platform).unwrap();
            client.generate_random(1, None).await.err()
        }
        Err(fault) => Some(KmsError::CredentialsMalformed(fault)),
    };
    let own = client(&service).generate_random(1, Some(&given)).await.err();
    assert_eq!(service.dials(), [&parent, &own].iter().filter(|error| error.is_none()).count());
    [parent, own]
}

#[tokio::test]
async fn malformed_credentials_are_refused_before_anything_is_sent_and_expired_ones_are_sent() {
    let until = |c: &mut Credentials| c.expiration = Some("2026-11-22T08:25:01.501Z".to_owned());
    assert_eq!(signed_with(until).await, [None, None]);
    let at = |c: &mut Credentials| c.expiration = Some("2026-11-22T08:25:01.500Z".to_owned());
    assert_eq!(signed_with(at).await, [None, None]);
    let malformed = |c: &mut Credentials| c.token = Some("a b".to_owned());
    let fault = KmsError::CredentialsMalformed(CredentialsFault::Token);
    assert_eq!(signed_with(malformed).await, [Some(fault); 2]);
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let service = Service::new(|_, seen| Reply::Json(200, honest(seen)));
    let platform = super::rig::platform(&service);
    let silent = Service::greeting(|_| Greeting::Silence, |_, _| Reply::Silence);
    let credentials =
        CredentialStore::from_parent(Arc::new(Dial(silent)), Arc::clone(&platform.entropy));
    let platform = KmsPlatform { credentials, ..platform };
    let client = KmsClient::new(super::rig::config(), platform).unwrap();
    let error = client.generate_random(1, None).await.unwrap_err();
    assert_eq!((error, service.dials()), (KmsError::NoCredentials, 0));
}
