use super::*;
use crate::{Call, Method};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::AssetType;
use mortise_format::command::{CancelForm, Command};
use mortise_format::ids::LockId;
use mortise_format::limits::{
    ATTESTATION_NONCE_BYTES_MAX, BATCH_LOCKS_MAX, EXECUTION_DATA_BYTES_MAX, LOCK_LEGS_MAX,
    OBSERVERS_MAX, PAGE_LOCKS_MAX, PROOF_HASHES_MAX,
};
use serde_json::{Value, json};

const OWNER: &str = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";

fn hash(byte: u8) -> String {
    LockId([byte; 32]).to_string()
}

fn signature() -> String {
    format!("0x{}", "1b".repeat(65))
}

fn native() -> Value {
    json!({"chainId": 1, "assetType": "native"})
}

fn condition() -> Value {
    json!({"targetChainId": 42161, "targetAsset": {"chainId": 42161, "assetType": "native"},
           "targetAmount": "500000000000000000", "recipient": OWNER, "executionData": "0x01Ff"})
}

fn create() -> Value {
    json!({"owner": OWNER, "sessionKey": OWNER,
           "asset": {"chainId": 1, "assetType": "erc20", "contractAddress": OWNER},
           "amount": "1000000000", "expiresIn": 300, "fulfillmentCondition": condition()})
}

/// The terms of a draft.
fn terms() -> Value {
    json!({"owner": OWNER, "assets": [{"chainId": 1, "assetType": "native", "amount": "7"}],
           "nonce": "4", "expires": 1_800_000_000u64, "fulfillmentCondition": condition()})
}

fn commit() -> Value {
    json!({"owner": OWNER, "beneficiary": OWNER, "arbiter": OWNER,
           "assets": [{"chainId": 1, "assetType": "native", "amount": "7"},
                      {"chainId": 10, "assetType": "erc1155", "contractAddress": OWNER,
                       "tokenId": "5", "amount": "8"}],
           "nonce": "3", "expires": 1_800_000_000, "fulfillmentCondition": condition(),
           "requestId": hash(1), "validUntil": 1_800_000_000, "signature": signature()})
}

fn fact() -> Value {
    json!({"kind": "balance", "chainId": 1, "assetType": "native", "account": OWNER,
           "headNumber": 5, "headHash": hash(2), "headTime": 6, "balance": "7",
           "withdrawing": "0", "withdrawalStatus": "requested"})
}

/// A good request of every method that has parameters.
fn good() -> Vec<(Method, Value)> {
    let consent = json!({"lockId": hash(3), "requestId": hash(1), "validUntil": 9,
                         "signature": signature()});
    let with = |field: &str, value: Value| {
        let mut extended = consent.clone();
        extended[field] = value;
        extended
    };
    let mut batch = commit();
    batch["nonce"] = json!("4");
    let proof = json!({"transactionHash": hash(1), "blockNumber": 12_345_678,
                       "blockHash": hash(2), "logIndex": 0, "merkleProof": [hash(3)]});
    let mut simulation = commit();
    for field in ["requestId", "validUntil", "signature", "nonce", "expires"] {
        simulation.as_object_mut().unwrap().remove(field);
    }
    simulation["expiresIn"] = json!(300);
    vec![
        (Method::GetBootAttestation, json!({"nonce": "0x0102"})),
        (Method::CreateLock, create()),
        (Method::SignLock, json!({"lockId": hash(3), "signature": signature()})),
        (Method::SignLock, json!({"lockId": hash(3), "signature": signature(), "terms": terms()})),
        (Method::CommitLock, commit()),
        (Method::CommitBatch, json!({"locks": [commit(), batch]})),
        (
            Method::ClaimLock,
            json!({"lockId": hash(3), "claimIndex": 0, "claimant": OWNER, "amounts": ["1", "2"],
                   "evidence": hash(4), "requestId": hash(1), "validUntil": 9,
                   "signature": signature()}),
        ),
        (Method::ReleaseLock, consent.clone()),
        (Method::CancelLock, with("beneficiarySignature", json!(signature()))),
        (Method::CancelLock, json!({"lockId": hash(3), "signature": signature()})),
        (
            Method::CancelLock,
            json!({"lockId": hash(3), "signature": signature(), "form": "serverHash"}),
        ),
        (Method::ExtendLock, with("newExpires", json!(1_800_000_001))),
        (Method::VerifyFulfillment, json!({"lockId": hash(3), "fulfillmentProof": proof})),
        (Method::GetLock, json!({"lockId": hash(3)})),
        (Method::GetLockHistory, json!({"lockId": hash(3)})),
        (Method::GetActiveLocks, json!({"owner": OWNER})),
        (
            Method::ListLocks,
            json!({"owner": OWNER, "status": "PARTIAL", "cursor": "000000000000beef", "limit": 5}),
        ),
        (Method::GetLockedBalance, json!({"owner": OWNER, "asset": native()})),
        (Method::GetBalance, json!({"owner": OWNER, "asset": native()})),
        (Method::GetStateRoot, json!({"atSeq": 4, "signed": true})),
        (Method::SuggestNonce, json!({"owner": OWNER})),
        (Method::SubmitChainFact, json!({"fact": fact(), "signatures": [signature()]})),
        (Method::SimulateLock, simulation),
        (Method::GetProof, json!({"lockId": hash(3)})),
        (Method::GetProof, json!({"owner": OWNER, "asset": native()})),
        (Method::GetProof, json!({"owner": OWNER})),
        (Method::GetProof, json!({"owner": OWNER, "seq": 12})),
        (Method::GetReceipt, json!({"seq": 7, "index": 1})),
        (Method::GetReceipt, json!({"seq": 7, "index": 1, "reader": hash(9)})),
        (Method::GetReceipt, json!({"lockId": hash(3)})),
        (Method::GetReceipt, json!({"principal": OWNER, "requestId": hash(1)})),
        (Method::GetConsistencyProof, json!({"from": 3, "to": 9})),
        (Method::GetConsistencyProof, json!({"from": 3})),
    ]
}

fn changed(base: &Value, pointer: &str, value: Value) -> Value {
    let mut params = base.clone();
    *params.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    params
}

fn refused(method: Method, params: &Value) -> (i32, String) {
    let error = Call::parse(method, params).unwrap_err();
    (error.code, error.text("field").unwrap().to_string())
}

fn wrong(method: Method, base: &Value, pointer: &str, value: Value, field: &str) {
    let params = changed(base, pointer, value);
    assert_eq!(refused(method, &params), (-32602, field.to_string()), "{params}");
}

#[test]
fn parameters_print_and_parse_back_to_the_same_call() {
    for (method, params) in good() {
        let call = Call::parse(method, &params).unwrap_or_else(|e| panic!("{method:?} {e:?}"));
        assert_eq!(call.method(), method);
        let printed = serde_json::to_value(&call).unwrap();
        assert_eq!(Call::parse(method, &printed).unwrap(), call, "{printed}");
    }
}

#[test]
fn methods_without_parameters_take_nothing_in_three_ways() {
    for method in [Method::Health, Method::GetPolicy, Method::CleanupExpiredLocks] {
        for params in [Value::Null, json!({}), json!([])] {
            assert!(Call::parse(method, &params).is_ok());
        }
        let (code, field) = refused(method, &json!([1]));
        assert_eq!((code, field.as_str()), (-32602, "params"));
    }
}

/// Every object in every request, one field too many.
#[test]
fn unknown_field_is_refused_by_its_path_at_every_level() {
    for (method, params) in good() {
        for path in object_paths(&params) {
            let mut planted = params.clone();
            planted.pointer_mut(&path).unwrap()["fooBar"] = json!(1);
            let (code, field) = refused(method, &planted);
            assert_eq!(code, -32031, "{method:?} {path}");
            assert_eq!(field, wire_path(&format!("{path}/fooBar")), "{method:?}");
        }
    }
    let mut create = create();
    create["fulfillmentCondition"]["foo"] = json!(1);
    let expected = (-32031, "fulfillmentCondition.foo".to_string());
    assert_eq!(refused(Method::CreateLock, &create), expected);
}

fn object_paths(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => return vec![],
    };
    let mut paths: Vec<String> = children
        .into_iter()
        .flat_map(|(k, v)| object_paths(v).into_iter().map(move |p| format!("/{k}{p}")))
        .collect();
    if value.is_object() {
        paths.push(String::new());
    }
    paths
}

/// `/locks/1/owner` as `locks[1].owner`.
fn wire_path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        match part.parse::<usize>() {
            Ok(i) => path.push_str(&format!("[{i}]")),
            Err(_) if path.is_empty() => path.push_str(part),
            Err(_) => path.push_str(&format!(".{part}")),
        }
    }
    path
}

/// Every leaf of every request: of a type that no field has, and null.
#[test]
fn wrong_type_is_refused_by_its_path_and_null_is_absence() {
    for (method, params) in good() {
        for path in leaf_paths(&params) {
            for value in [json!({}), json!([[]]), json!(1.5), json!(-1), json!("zz")] {
                let mut planted = params.clone();
                *planted.pointer_mut(&path).unwrap() = value.clone();
                let (code, field) = refused(method, &planted);
                assert_eq!(code, -32602, "{method:?} {path} {value}");
                assert!(field.starts_with(&wire_path(&path)), "{method:?} {path} {field}");
            }
            let (nulled, absent) = (changed(&params, &path, Value::Null), without(&params, &path));
            if !path.ends_with(|c: char| c.is_ascii_digit()) {
                assert_eq!(Call::parse(method, &nulled), Call::parse(method, &absent), "{path}");
            }
        }
    }
}

fn leaf_paths(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => return vec![String::new()],
    };
    let below = |(k, v): (String, &Value)| -> Vec<String> {
        leaf_paths(v).into_iter().map(|p| format!("/{k}{p}")).collect()
    };
    children.into_iter().flat_map(below).collect()
}

fn without(params: &Value, pointer: &str) -> Value {
    let mut params = params.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    if let Some(map) = params.pointer_mut(parent).unwrap().as_object_mut() {
        map.remove(name);
    }
    params
}

#[test]
fn missing_field_is_named() {
    for (path, field) in [
        ("/owner", "owner"),
        ("/amount", "amount"),
        ("/asset/chainId", "asset.chainId"),
        ("/asset/contractAddress", "asset.contractAddress"),
        ("/fulfillmentCondition/recipient", "fulfillmentCondition.recipient"),
    ] {
        let expected = (-32602, field.to_string());
        assert_eq!(refused(Method::CreateLock, &without(&create(), path)), expected);
    }
}

#[test]
fn amounts_are_decimal_hex_or_exact_integers_and_nothing_else() {
    let amount = |value: Value| CreateLock::parse(&changed(&create(), "/amount", value));
    for (value, expected) in [
        (json!("1000"), U256::from(1000u64)),
        (json!("0x3E8"), U256::from(1000u64)),
        (json!(1000), U256::from(1000u64)),
        (json!(u64::MAX), U256::from(u64::MAX)),
        (json!(U256::MAX.to_decimal()), U256::MAX),
        (json!(0), U256::ZERO),
    ] {
        assert_eq!(amount(value).unwrap().amount, expected);
    }
    let over = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    for value in [
        json!(over),
        json!(format!("0x1{}", "0".repeat(64))),
        json!("-1"),
        json!(-1),
        json!(1.0),
        json!(1e30),
        json!("1.5"),
        json!("1e3"),
        json!(""),
        json!("0x"),
        json!(true),
    ] {
        wrong(Method::CreateLock, &create(), "/amount", value.clone(), "amount");
        let field = "fulfillmentCondition.targetAmount";
        wrong(Method::CreateLock, &create(), "/fulfillmentCondition/targetAmount", value, field);
    }
}

#[test]
fn times_and_nonces_fit_64_bits() {
    for value in [json!("18446744073709551616"), json!(-5), json!(1.5), json!("soon")] {
        wrong(Method::CreateLock, &create(), "/expiresIn", value.clone(), "expiresIn");
        wrong(Method::CommitLock, &commit(), "/nonce", value.clone(), "nonce");
        wrong(Method::CommitLock, &commit(), "/validUntil", value, "validUntil");
    }
}

#[test]
fn hex_of_wrong_length_or_alphabet_is_refused() {
    let cut = |text: &str| json!(text[..text.len() - 1]);
    for value in [
        json!("0x"),
        json!("aa"),
        cut(OWNER),
        json!(format!("{OWNER}0")),
        json!(OWNER.replace('A', "g")),
    ] {
        wrong(Method::CreateLock, &create(), "/owner", value, "owner");
    }
    let sign = json!({"lockId": hash(3), "signature": signature()});
    for value in [cut(&hash(3)), json!(hash(3).replace("0x", "")), json!(hash(3) + "00")] {
        wrong(Method::SignLock, &sign, "/lockId", value, "lockId");
    }
    for bytes in [0, 64, 66] {
        let value = json!(format!("0x{}", "1b".repeat(bytes)));
        wrong(Method::SignLock, &sign, "/signature", value, "signature");
    }
}

#[test]
fn addresses_of_any_case_are_the_same_address() {
    for text in [OWNER.to_lowercase(), OWNER.to_uppercase().replace("0X", "0x"), OWNER.to_string()]
    {
        let parsed = GetActiveLocks::parse(&json!({"owner": text})).unwrap();
        assert_eq!(parsed.owner.to_string(), OWNER.to_lowercase());
    }
}

#[test]
fn assets_follow_the_rules_of_their_type() {
    let zero = "0x0000000000000000000000000000000000000000";
    let asset = |asset: Value| GetBalance::parse(&json!({"owner": OWNER, "asset": asset}));
    let kept = asset(json!({"chainId": 1, "assetType": "native", "contractAddress": zero,
                            "tokenId": "0"}));
    assert_eq!(kept.unwrap().asset.asset_type, AssetType::Native);
    for (bad, field) in [
        (
            json!({"chainId": 1, "assetType": "native", "contractAddress": OWNER}),
            "asset.contractAddress",
        ),
        (json!({"chainId": 1, "assetType": "native", "tokenId": 1}), "asset.tokenId"),
        (json!({"chainId": 1, "assetType": "erc20"}), "asset.contractAddress"),
        (
            json!({"chainId": 1, "assetType": "erc721", "contractAddress": zero}),
            "asset.contractAddress",
        ),
        (
            json!({"chainId": 1, "assetType": "erc20", "contractAddress": OWNER, "tokenId": 1}),
            "asset.tokenId",
        ),
        (json!({"chainId": 1, "assetType": "ERC20", "contractAddress": OWNER}), "asset.assetType"),
        (json!({"chainId": "one", "assetType": "native"}), "asset.chainId"),
    ] {
        assert_eq!(asset(bad).unwrap_err().field(), field);
    }
}

#[test]
fn nonce_of_a_boot_document_has_a_bound() {
    let parsed = |bytes: usize| {
        let nonce = format!("0x{}", "11".repeat(bytes));
        GetBootAttestation::parse(&json!({"nonce": nonce})).map(|asked| asked.nonce.unwrap().0)
    };
    let most = ATTESTATION_NONCE_BYTES_MAX;
    assert_eq!(parsed(most).map(|nonce| nonce.len()), Ok(most));
    assert_eq!(parsed(most + 1).unwrap_err().field(), "nonce");
}

#[test]
fn lists_and_bytes_are_bounded() {
    let leg = json!({"chainId": 1, "assetType": "native", "amount": "7"});
    let legs = |n: usize| json!(vec![leg.clone(); n]);
    let ok = changed(&commit(), "/assets", legs(LOCK_LEGS_MAX));
    assert!(CommitLock::parse(&ok).is_ok());
    wrong(Method::CommitLock, &commit(), "/assets", legs(LOCK_LEGS_MAX + 1), "assets");
    wrong(Method::CommitLock, &commit(), "/assets", legs(0), "assets");
    let batch = |n: usize| json!({"locks": vec![commit(); n]});
    assert!(CommitBatch::parse(&batch(BATCH_LOCKS_MAX)).is_ok());
    assert_eq!(CommitBatch::parse(&batch(BATCH_LOCKS_MAX + 1)).unwrap_err().field(), "locks");
    let data = |n: usize| json!(format!("0x{}", "00".repeat(n)));
    let path = "/fulfillmentCondition/executionData";
    let ok = changed(&create(), path, data(EXECUTION_DATA_BYTES_MAX));
    assert!(CreateLock::parse(&ok).is_ok());
    let field = "fulfillmentCondition.executionData";
    wrong(Method::CreateLock, &create(), path, data(EXECUTION_DATA_BYTES_MAX + 1), field);
    wrong(Method::CreateLock, &create(), path, json!("0x0"), field);
    let signed = |n: usize| json!({"fact": fact(), "signatures": vec![signature(); n]});
    assert!(SubmitChainFact::parse(&signed(OBSERVERS_MAX)).is_ok());
    let many = SubmitChainFact::parse(&signed(OBSERVERS_MAX + 1));
    assert_eq!(many.unwrap_err().field(), "signatures");
    let hashes = vec![hash(1); PROOF_HASHES_MAX + 1];
    let (_, proof) = good().into_iter().find(|(m, _)| *m == Method::VerifyFulfillment).unwrap();
    let most = changed(&proof, "/fulfillmentProof/merkleProof", json!(hashes[1..]));
    assert!(VerifyFulfillment::parse(&most).is_ok());
    let field = "fulfillmentProof.merkleProof";
    wrong(Method::VerifyFulfillment, &proof, "/fulfillmentProof/merkleProof", json!(hashes), field);
    assert!(ListLocks::parse(&json!({"limit": PAGE_LOCKS_MAX})).is_ok());
    for limit in [0, PAGE_LOCKS_MAX + 1] {
        assert_eq!(ListLocks::parse(&json!({"limit": limit})).unwrap_err().field(), "limit");
    }
}

#[test]
fn list_takes_parties_open_and_the_cursor_of_a_page() {
    let all = json!({"owner": OWNER, "beneficiary": OWNER, "arbiter": OWNER, "open": true,
                     "status": "ACTIVE", "cursor": "000000000000beef", "limit": 64});
    let parsed = ListLocks::parse(&all).unwrap();
    assert_eq!(parsed.cursor.unwrap().to_u64(), 0xbeef);
    assert_eq!(ListLocks::parse(&serde_json::to_value(parsed).unwrap()), Ok(parsed));
    assert_eq!(ListLocks::parse(&json!({})), Ok(ListLocks::default()));
    let zero = format!("0x{}", "0".repeat(40));
    for (field, wrong) in [
        ("beneficiary", json!(zero)),
        ("arbiter", json!(zero)),
        ("open", json!(false)),
        ("cursor", json!("beef")),
        ("cursor", json!("000000000000BEEF")),
        ("cursor", json!(hash(1))),
        ("cursor", json!(7)),
    ] {
        let mut params = all.clone();
        params[field] = wrong;
        assert_eq!(ListLocks::parse(&params).unwrap_err().field(), field);
    }
}

#[test]
fn cancel_form_follows_from_what_is_named() {
    let base = json!({"lockId": hash(3), "signature": signature()});
    let form = |extra: Value| {
        let mut params = base.clone();
        params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        CancelLock::parse(&params).map(|c| c.form())
    };
    let request = json!({"requestId": hash(1), "validUntil": 9});
    assert_eq!(form(json!({})).unwrap(), CancelForm::TextOrServerHash);
    assert_eq!(form(json!({"form": "text"})).unwrap(), CancelForm::Text);
    assert_eq!(form(json!({"form": "serverHash"})).unwrap(), CancelForm::ServerHash);
    assert!(matches!(form(request).unwrap(), CancelForm::Consent(r) if r.valid_until == 9));
    for (extra, field) in [
        (json!({"form": "consent"}), "requestId"),
        (json!({"requestId": hash(1)}), "validUntil"),
        (json!({"validUntil": 9}), "requestId"),
        (json!({"form": "text", "requestId": hash(1), "validUntil": 9}), "requestId"),
        (json!({"form": "CANCEL"}), "form"),
        (json!({"form": 1}), "form"),
    ] {
        assert_eq!(form(extra).unwrap_err().field(), field);
    }
}

#[test]
fn absent_beneficiary_arbiter_and_evidence_are_zero() {
    let bare = without(&without(&commit(), "/arbiter"), "/beneficiary");
    let terms = CommitLock::parse(&bare).unwrap().intent.terms;
    assert!(terms.arbiter.is_zero() && terms.beneficiary.is_zero());
    let (_, claim) = good().into_iter().find(|(m, _)| *m == Method::ClaimLock).unwrap();
    let claim = ClaimLock::parse(&without(&claim, "/evidence")).unwrap().into_command();
    assert!(matches!(claim, Command::Claim { claim, .. } if claim.evidence.is_zero()));
}

#[test]
fn simulated_expiry_is_absolute_or_relative_not_both() {
    let (_, params) = good().into_iter().find(|(m, _)| *m == Method::SimulateLock).unwrap();
    let simulation = SimulateLock::parse(&params).unwrap();
    let terms = simulation.terms(7, 1000).unwrap();
    assert_eq!((terms.nonce, terms.expires), (7, 1300));
    assert_eq!(simulation.terms(7, u64::MAX), None);
    let mut both = params.clone();
    both["expires"] = json!(1);
    assert_eq!(SimulateLock::parse(&both).unwrap_err().field(), "expiresIn");
    let neither = without(&params, "/expiresIn");
    assert_eq!(SimulateLock::parse(&neither).unwrap_err().field(), "expires");
}

#[test]
fn proof_key_is_one_of_three() {
    for (params, field) in [
        (json!({}), "lockId"),
        (json!({"asset": native()}), "lockId"),
        (json!({"lockId": hash(1), "owner": OWNER}), "owner"),
        (json!({"lockId": hash(1), "asset": native()}), "asset"),
        (json!({"lockId": hash(1), "seq": -1}), "seq"),
    ] {
        assert_eq!(GetProof::parse(&params).unwrap_err().field(), field);
    }
}

#[test]
fn receipt_key_is_one_of_three() {
    for (params, field) in [
        (json!({}), "lockId"),
        (json!({"seq": 1}), "index"),
        (json!({"index": 1}), "seq"),
        (json!({"seq": 1, "index": -1}), "index"),
        (json!({"seq": 1, "index": 4_294_967_296_u64}), "index"),
        (json!({"seq": 1, "index": 1, "lockId": hash(1)}), "lockId"),
        (json!({"reader": hash(9)}), "seq"),
        (json!({"seq": 1, "reader": hash(9)}), "index"),
        (json!({"reader": hash(9), "lockId": hash(1)}), "lockId"),
        (json!({"seq": 1, "index": 1, "principal": OWNER}), "principal"),
        (json!({"lockId": hash(1), "principal": OWNER}), "principal"),
        (json!({"lockId": hash(1), "requestId": hash(1)}), "requestId"),
        (json!({"principal": OWNER}), "requestId"),
        (json!({"requestId": hash(1)}), "principal"),
    ] {
        assert_eq!(GetReceipt::parse(&params).unwrap_err().field(), field, "{params}");
    }
    for (params, field) in [(json!({"to": 1}), "from"), (json!({"from": 1, "to": "x"}), "to")] {
        assert_eq!(GetConsistencyProof::parse(&params).unwrap_err().field(), field, "{params}");
    }
}

#[test]
fn foreign_names_are_cut_and_cleaned_before_they_are_repeated() {
    let name = format!("\u{1b}[31m{}", "x".repeat(1000));
    let (code, field) = refused(Method::Health, &json!({name: 1}));
    assert_eq!(code, -32031);
    assert!(field.len() <= 64 && field.starts_with("?[31m"), "{field}");
}

#[test]
fn lock_ids_are_what_was_sent() {
    assert_eq!(GetLock::parse(&json!({"lockId": hash(3)})).unwrap().lock_id, LockId([3; 32]));
}
