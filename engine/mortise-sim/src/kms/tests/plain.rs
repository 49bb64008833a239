//! Calls without a recipient.

use super::*;
use mortise_key_policy::POLICY_BYTES_MAX;

#[test]
fn encrypted_bytes_come_back_under_the_same_context_and_key_alone() {
    let bench = Bench::new();
    let (key, other) = (bench.key(), bench.key());
    let context = json!({"a": "1", "b": "2"});
    let request = json!({"KeyId": key, "Plaintext": base64(b"text"), "EncryptionContext": context});
    let sealed = bench.admin("Encrypt", request).unwrap();
    assert!(sealed["KeyId"].as_str().unwrap().ends_with(&format!(":key/{key}")));
    let blob = &sealed["CiphertextBlob"];
    let open = |more: Value| {
        let mut request = json!({"CiphertextBlob": blob, "EncryptionContext": context});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        bench.admin("Decrypt", request)
    };
    let opened = open(json!({})).unwrap();
    assert_eq!(
        (bytes(&opened["Plaintext"]), &opened["KeyId"]),
        (b"text".to_vec(), &sealed["KeyId"])
    );
    assert_eq!(open(json!({"KeyId": key})).unwrap(), opened);
    for (more, refused) in [
        (json!({"EncryptionContext": {"a": "1"}}), KmsErrorKind::InvalidCiphertext),
        (json!({"EncryptionContext": {}}), KmsErrorKind::InvalidCiphertext),
        (json!({"KeyId": other}), KmsErrorKind::IncorrectKey),
        (json!({"KeyId": "alias/none"}), KmsErrorKind::NotFound),
        (json!({"CiphertextBlob": base64(b"MLK")}), KmsErrorKind::InvalidCiphertext),
        (json!({"CiphertextBlob": ""}), KmsErrorKind::Validation),
    ] {
        assert_eq!(open(more.clone()), Err(refused), "{more}");
    }
}

#[test]
fn data_keys_come_in_clear_and_wrapped_and_open_again() {
    let bench = Bench::new();
    let key = bench.key();
    for (size, length) in [
        (json!({"KeySpec": "AES_256"}), 32),
        (json!({"KeySpec": "AES_128"}), 16),
        (json!({"NumberOfBytes": 64}), 64),
    ] {
        let mut request = size.clone();
        request["KeyId"] = json!(key);
        let made = bench.admin("GenerateDataKey", request).unwrap();
        assert_eq!(bytes(&made["Plaintext"]).len(), length);
        let opened = bench.admin("Decrypt", json!({"CiphertextBlob": made["CiphertextBlob"]}));
        assert_eq!(opened.unwrap()["Plaintext"], made["Plaintext"]);
    }
    for wrong in [
        json!({}),
        json!({"KeySpec": "AES_256", "NumberOfBytes": 32}),
        json!({"KeySpec": "RSA_2048"}),
        json!({"NumberOfBytes": 0}),
        json!({"NumberOfBytes": 1025}),
    ] {
        let mut request = wrong.clone();
        request["KeyId"] = json!(key);
        let refused = bench.admin("GenerateDataKey", request);
        assert_eq!(refused, Err(KmsErrorKind::Validation), "{wrong}");
    }
    let random = bench.enclave("GenerateRandom", json!({"NumberOfBytes": 24})).unwrap();
    assert_eq!(bytes(&random["Plaintext"]).len(), 24);
}

#[test]
fn keys_are_described_disabled_and_named() {
    let bench = Bench::new();
    let key = bench.key();
    let described = bench.admin("DescribeKey", json!({"KeyId": key})).unwrap();
    let arn = described["KeyMetadata"]["Arn"].as_str().unwrap();
    assert_eq!(arn, format!("arn:aws:kms:eu-central-1:{ACCOUNT}:key/{key}"));
    assert_eq!(described["KeyMetadata"]["CreationDate"], 1_767_225_600);
    let alias = json!({"AliasName": "alias/a", "TargetKeyId": arn});
    bench.admin("CreateAlias", alias.clone()).unwrap();
    assert_eq!(bench.admin("CreateAlias", alias), Err(KmsErrorKind::AlreadyExists));
    for name in ["alias/a", &format!("arn:aws:kms:eu-central-1:{ACCOUNT}:alias/a")] {
        assert_eq!(bench.admin("DescribeKey", json!({"KeyId": name})).unwrap(), described);
    }
    for name in ["", "alias/b", "key", &arn.replace("eu-central", "us-east")] {
        let refused = bench.admin("DescribeKey", json!({"KeyId": name}));
        assert_eq!(refused, Err(KmsErrorKind::NotFound), "{name}");
    }
    bench.admin("DisableKey", json!({"KeyId": key})).unwrap();
    let encrypt = json!({"KeyId": key, "Plaintext": "AA=="});
    assert_eq!(bench.admin("Encrypt", encrypt.clone()), Err(KmsErrorKind::Disabled));
    bench.admin("EnableKey", json!({"KeyId": key})).unwrap();
    assert!(bench.admin("Encrypt", encrypt).is_ok());
    assert_eq!(bench.admin("ListKeys", json!({})).unwrap()["Keys"][0]["KeyArn"], *arn);
}

#[test]
fn policies_are_put_read_enforced_and_checked_before() {
    let bench = Bench::new();
    let key = bench.key();
    let put = |policy: &str| bench.admin("PutKeyPolicy", json!({"KeyId": key, "Policy": policy}));
    let mine = r#"{"Statement":{"Effect":"Allow","Resource":"*",
        "Principal":{"AWS":"arn:aws:iam::111122223333:root"},
        "Action":["kms:PutKeyPolicy","kms:GetKeyPolicy"]}}"#;
    assert!(put(mine).is_ok());
    let read = bench.admin("GetKeyPolicy", json!({"KeyId": key})).unwrap();
    assert_eq!((&read["Policy"], &read["PolicyName"]), (&json!(mine), &json!("default")));
    let encrypt = bench.admin("Encrypt", json!({"KeyId": key, "Plaintext": "AA=="}));
    assert_eq!(encrypt, Err(KmsErrorKind::AccessDenied));
    let locked_out = mine.replace("\"kms:PutKeyPolicy\",", "");
    let not = mine.replace("\"Principal\"", "\"NotPrincipal\"");
    for wrong in
        ["", "{}", "{\"Statement\":[]}", &locked_out, &not, &" ".repeat(POLICY_BYTES_MAX + 1)]
    {
        assert_eq!(put(wrong), Err(KmsErrorKind::MalformedPolicy), "{wrong}");
    }
    let other = json!({"KeyId": key, "Policy": mine, "PolicyName": "other"});
    assert_eq!(bench.admin("PutKeyPolicy", other), Err(KmsErrorKind::NotFound));
}

#[test]
fn caller_without_a_policy_of_its_own_is_denied_by_default_policies() {
    let bench = Bench::new();
    let key = bench.key();
    let request = json!({"KeyId": key, "Plaintext": "AA=="});
    assert_eq!(bench.enclave("Encrypt", request), Err(KmsErrorKind::AccessDenied));
    assert_eq!(bench.enclave("CreateKey", json!({})), Err(KmsErrorKind::AccessDenied));
    let random = bench.enclave("GenerateDataKey", json!({"KeyId": key, "KeySpec": "AES_256"}));
    assert!(random.is_ok(), "the account's IAM allows it, and the default policy lets IAM decide");
}

#[test]
fn fields_that_are_none_of_an_operation_are_refused() {
    let bench = Bench::new();
    let key = bench.key();
    let recipient =
        json!({"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": ""});
    for (operation, body, refused) in [
        (
            "Encrypt",
            json!({"KeyId": key, "Plaintext": "AA==", "Recipient": recipient}),
            KmsErrorKind::Validation,
        ),
        ("Encrypt", json!({"KeyId": key}), KmsErrorKind::Validation),
        ("Encrypt", json!({"KeyId": key, "Plaintext": "?"}), KmsErrorKind::Validation),
        (
            "Encrypt",
            json!({"KeyId": key, "Plaintext": base64(&[0; 4097])}),
            KmsErrorKind::Validation,
        ),
        (
            "Encrypt",
            json!({"KeyId": key, "Plaintext": "AA==", "GrantTokens": ["x"]}),
            KmsErrorKind::Unsupported,
        ),
        (
            "Encrypt",
            json!({"KeyId": key, "Plaintext": "AA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}),
            KmsErrorKind::Validation,
        ),
        ("GenerateRandom", json!({}), KmsErrorKind::Validation),
        ("CreateKey", json!({"KeyUsage": "SIGN_VERIFY"}), KmsErrorKind::Unsupported),
        ("CreateKey", json!([]), KmsErrorKind::Serialization),
        ("ScheduleKeyDeletion", json!({"KeyId": key}), KmsErrorKind::UnknownOperation),
    ] {
        assert_eq!(bench.admin(operation, body.clone()), Err(refused), "{operation} {body}");
    }
}

#[test]
fn throttling_is_for_as_many_calls_as_were_asked() {
    let bench = Bench::new();
    bench.kms.throttle_next(2);
    let call = || bench.admin("ListKeys", json!({})).is_ok();
    assert_eq!([call(), call(), call()], [false, false, true]);
}

#[test]
fn opened_again_the_service_has_the_same_keys_principals_and_root() {
    let bench = Bench::new();
    let policy =
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}"#;
    let arn = bench.kms.ensure_key("engine", policy).unwrap();
    assert_eq!(bench.kms.ensure_key("engine", policy).unwrap(), arn);
    assert!(bench.kms.ensure_key("a b", policy).is_err());
    assert!(bench.kms.ensure_key("b", &policy.replace("Action", "NotAction")).is_err());
    let sealed = bench.enclave("Encrypt", json!({"KeyId": arn, "Plaintext": "AA=="})).unwrap();
    let config = LocalKmsConfig::new("eu-central-1", ACCOUNT, Vec::new(), Arc::new(|| NOW_MS));
    let again = LocalKms::open(bench.folder.path(), config).unwrap();
    assert_eq!(again.tls_root_pem(), bench.kms.tls_root_pem());
    assert_eq!(again.credentials(ENCLAVE), bench.kms.credentials(ENCLAVE));
    let again = Bench { kms: again, ..bench };
    let opened = again.enclave("Decrypt", json!({"CiphertextBlob": sealed["CiphertextBlob"]}));
    assert_eq!(opened.unwrap()["Plaintext"], "AA==");
}

#[test]
fn names_of_another_partition_are_those_of_its_region() {
    let folder = tempfile::tempdir().unwrap();
    let config = LocalKmsConfig::new("cn-north-1", ACCOUNT, Vec::new(), Arc::new(|| NOW_MS));
    let kms = LocalKms::open(folder.path(), config).unwrap();
    assert_eq!(kms.host_name(), "kms.cn-north-1.amazonaws.com.cn");
    assert!(kms.enclave_role_arn().starts_with("arn:aws-cn:iam::"));
    let policy =
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}"#;
    let arn = kms.ensure_key("engine", policy).unwrap();
    assert!(arn.starts_with("arn:aws-cn:kms:cn-north-1:"), "{arn}");
}
