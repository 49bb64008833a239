//! The golden EIP-712 vectors of `specs/vectors/eip712.json`.
//!
//! The file holds typed data as wallets take it, with every hash and signature on the way, so that
//! any EIP-712 library can check it without this code; `tests/interop/eip712.py` does. Here the
//! same values go through `mortise-format` and must give the same file. To write the file again on
//! purpose: `MORTISE_WRITE_VECTORS=1 cargo test -p mortise-client vectors`.

use crate::signer::Signer;
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::domains::keccak256;
use mortise_format::eip712::{self, Claim, DecryptRequest, Digest, Domain, Place, Request};
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::ids::{
    Address, Bytes32, EngineId, FrameDigest, LockId, Measurement, PolicyHash, RequestId, Root,
    Signature, to_checksum,
};
use mortise_format::images::{ImageApproval, Version};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::lock::{Custody, Durability, LOCKED_ASSET_TYPE, LegTerms, LockTerms, Status};
use mortise_format::read_request::{READ_REQUEST_TYPE, ReadRequest, scope, scope_text};
use mortise_format::reading::ReadingGrant;
use mortise_format::rules::RuleSet;
use mortise_format::secp256k1::recover;
use mortise_format::succession::{SUCCESSION_TYPE, Succession};
use serde_json::{Value, json};

/// First account of the public test mnemonic: never holds anything.
const SECRET: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ENGINE: EngineId = EngineId([0xe1; 32]);
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/vectors/eip712.json");
const CLIENT_DOMAIN_FIELDS: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const ENGINE_DOMAIN_FIELDS: &str = "EIP712Domain(string name,string version,bytes32 salt)";

fn signer() -> Signer {
    Signer::from_hex(SECRET).unwrap()
}

fn request() -> Request {
    Request { id: RequestId([0x51; 32]), valid_until: 1_800_000_600 }
}

fn terms() -> LockTerms {
    let token = |text: &str| Address::parse(text).unwrap();
    let usdc = Asset::erc20(1, token("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"));
    LockTerms {
        owner: signer().address(),
        beneficiary: Address([0xbe; 20]),
        arbiter: Address([0xa7; 20]),
        nonce: 18_446_744_073_709_551_615,
        expires: 1_800_000_300,
        condition: Condition {
            target_chain_id: 42161,
            target_asset: Asset::native(42161),
            target_amount: U256::from(500_000_000_000_000_000u64),
            recipient: Address([0xc0; 20]),
            execution_data: Some(vec![0xca, 0xfe]),
        },
        legs: vec![
            LegTerms { asset: usdc, amount: U256::from(1_000_000_000u64) },
            LegTerms { asset: Asset::native(10), amount: U256::MAX },
        ],
    }
}

fn place() -> Place {
    Place {
        epoch: 3,
        seq: 4_294_967_296,
        index: 17,
        event_root: Root([0x04; 32]),
        state_root: Root([0x05; 32]),
        policy_hash: PolicyHash([0x06; 32]),
    }
}

fn text(bytes: &impl std::fmt::Display) -> Value {
    json!(bytes.to_string())
}

fn hex32(bytes: &[u8; 32]) -> Value {
    text(&Bytes32(*bytes))
}

fn address(address: &Address) -> Value {
    json!(to_checksum(address))
}

/// `[{name, type}]` of one type string.
fn fields(type_string: &str) -> Value {
    let (_, rest) = type_string.split_once('(').unwrap();
    let list = rest.split(')').next().unwrap();
    let field = |pair: &str| {
        let (solidity_type, name) = pair.split_once(' ').unwrap();
        json!({"name": name, "type": solidity_type})
    };
    list.split(',').map(field).collect()
}

fn name(type_string: &str) -> &str {
    type_string.split_once('(').unwrap().0
}

/// The domain that a struct is signed in.
enum In {
    /// The existing client's, on this chain.
    Client(u64),
    /// The engine's.
    Engine,
    /// The domain of commitments and outcomes, in an insecure mode or not.
    Promises(Option<InsecureMode>),
}

/// One struct with every intermediate value up to its signature.
fn vector(encoded_type: &str, domain: In, message: Value, hash: Bytes32) -> Value {
    let split = encoded_type.find(')').unwrap() + 1;
    let (primary, referenced) = encoded_type.split_at(split);
    let ours = |domain, name: &str| {
        let shown = json!({"name": name, "version": eip712::DOMAIN_VERSION, "salt": text(&ENGINE)});
        (domain, ENGINE_DOMAIN_FIELDS, shown)
    };
    let (domain, domain_type, shown) = match domain {
        In::Client(chain_id) => (
            Domain::of_client(chain_id),
            CLIENT_DOMAIN_FIELDS,
            json!({"name": eip712::CLIENT_DOMAIN_NAME, "version": eip712::CLIENT_DOMAIN_VERSION,
                   "chainId": chain_id, "verifyingContract": address(&Address::ZERO)}),
        ),
        In::Engine => ours(Domain::of_engine(&ENGINE), eip712::DOMAIN_NAME),
        In::Promises(mode) => {
            ours(Domain::of_promises(&ENGINE, mode), eip712::promises_domain_name(mode))
        }
    };
    let mut types = json!({"EIP712Domain": fields(domain_type), name(primary): fields(primary)});
    if !referenced.is_empty() {
        types[name(referenced)] = fields(referenced);
    }
    let digest = domain.digest(&hash);
    json!({
        "typedData": {"types": types, "domain": shown, "primaryType": name(primary),
                      "message": message},
        "typeString": encoded_type,
        "typeHash": hex32(&eip712::type_hash(encoded_type)),
        "domainSeparator": hex32(domain.separator()),
        "structHash": text(&hash),
        "digest": hex32(&digest.0),
        "signature": text(&signer().sign(&digest)),
    })
}

fn legs(terms: &LockTerms) -> Value {
    let leg = |leg: &LegTerms| {
        json!({"chainId": leg.asset.chain_id, "assetType": leg.asset.asset_type.number(),
               "token": address(&leg.asset.token),
               "tokenId": text(&leg.asset.token_id.value()), "amount": text(&leg.amount)})
    };
    terms.legs.iter().map(leg).collect()
}

fn approval() -> Value {
    let mut terms = terms();
    terms.legs.truncate(1);
    let lock_id = terms.lock_id(&ENGINE);
    let digest = eip712::lock_approval(&lock_id, &terms).unwrap();
    let message = json!({
        "lockId": text(&lock_id), "owner": address(&terms.owner),
        "asset": text(&terms.legs[0].asset.hash()), "amount": text(&terms.legs[0].amount),
        "nonce": terms.nonce.to_string(), "expiresAt": terms.expires,
        "fulfillmentHash": text(&terms.condition.hash()),
    });
    // the format returns only the digest, so the struct hash is rebuilt from the words it covers
    let hash = mortise_format::abi::Words::typed(&eip712::type_hash(eip712::LOCK_APPROVAL_TYPE))
        .word(&lock_id.0)
        .address(&terms.owner)
        .word(&terms.legs[0].asset.hash().0)
        .amount(terms.legs[0].amount)
        .number(terms.nonce)
        .number(terms.expires)
        .word(&terms.condition.hash().0)
        .hash();
    let vector = vector(eip712::LOCK_APPROVAL_TYPE, In::Client(1), message, hash);
    assert_eq!(vector["digest"], hex32(&digest.0));
    vector
}

fn intent(batch: &Bytes32) -> Value {
    let (terms, request) = (terms(), request());
    let message = json!({
        "owner": address(&terms.owner), "beneficiary": address(&terms.beneficiary),
        "arbiter": address(&terms.arbiter), "nonce": terms.nonce.to_string(),
        "expires": terms.expires, "condition": text(&terms.condition.hash()),
        "batch": text(batch), "requestId": text(&request.id),
        "validUntil": request.valid_until, "assets": legs(&terms),
    });
    let encoded_type = format!("{}{LOCKED_ASSET_TYPE}", eip712::LOCK_INTENT_TYPE);
    vector(&encoded_type, In::Engine, message, eip712::lock_intent(&terms, batch, &request))
}

fn claim() -> Value {
    let claim = Claim {
        lock_id: terms().lock_id(&ENGINE),
        claim_index: 2,
        claimant: Address([0xc1; 20]),
        amounts: vec![U256::from(7u64), U256::MAX],
        evidence: Bytes32([0xed; 32]),
        request: request(),
    };
    let amounts: Vec<Value> = claim.amounts.iter().map(text).collect();
    let message = json!({
        "lockId": text(&claim.lock_id), "claimIndex": claim.claim_index,
        "claimant": address(&claim.claimant), "amounts": amounts,
        "evidence": text(&claim.evidence), "requestId": text(&claim.request.id),
        "validUntil": claim.request.valid_until,
    });
    vector(eip712::CLAIM_TYPE, In::Engine, message, claim.hash())
}

fn consents() -> [Value; 3] {
    let (lock_id, request, new_expires) = (terms().lock_id(&ENGINE), request(), 1_800_000_900);
    let message = json!({"lockId": text(&lock_id), "requestId": text(&request.id),
                         "validUntil": request.valid_until});
    let mut prolonged = message.clone();
    prolonged["newExpires"] = json!(new_expires);
    let release = eip712::release_consent(&lock_id, &request);
    let cancel = eip712::cancel_consent(&lock_id, &request);
    let extend = eip712::extend_consent(&lock_id, new_expires, &request);
    [
        vector(eip712::RELEASE_TYPE, In::Engine, message.clone(), release),
        vector(eip712::CANCEL_TYPE, In::Engine, message, cancel),
        vector(eip712::EXTEND_TYPE, In::Engine, prolonged, extend),
    ]
}

fn decrypt_request() -> Value {
    let (owner, message) = (signer().address(), (&b"encrypted"[..], &[0x5a; 32][..]));
    let asked = DecryptRequest::new(owner, Some(message), b"wrapped", request().valid_until);
    let message = json!({
        "owner": address(&asked.owner), "encrypted": text(&asked.encrypted),
        "signature": text(&asked.signature), "ciphertextBlob": text(&asked.ciphertext_blob),
        "validUntil": asked.valid_until,
    });
    vector(eip712::DECRYPT_TYPE, In::Engine, message, asked.hash())
}

/// What a read of the vectors selects.
fn read_filter() -> [(&'static str, String); 2] {
    [("owner", signer().address().to_string()), ("status", "ACTIVE".to_owned())]
}

fn read_request() -> Value {
    let reader = signer().address();
    let asked = ReadRequest {
        reader,
        owner: reader,
        lock_id: LockId([0; 32]),
        scope: scope("listLocks", &read_filter()),
        valid_until: request().valid_until,
    };
    let message = json!({
        "reader": address(&asked.reader), "owner": address(&asked.owner),
        "lockId": text(&asked.lock_id), "scope": text(&asked.scope),
        "validUntil": asked.valid_until,
    });
    vector(READ_REQUEST_TYPE, In::Engine, message, asked.hash())
}

fn succession() -> Value {
    let succession = Succession { predecessor: ENGINE, genesis: Bytes32([0x77; 32]) };
    let message =
        json!({"predecessor": text(&succession.predecessor), "genesis": text(&succession.genesis)});
    vector(SUCCESSION_TYPE, In::Engine, message, succession.hash())
}

fn grant_reading() -> Value {
    let reader = Bytes32([0x99; 32]);
    let grant = ReadingGrant { reader, from_epoch: 2, to_epoch: 5, request: request() };
    let message = json!({
        "engineId": text(&ENGINE), "reader": text(&grant.reader),
        "fromEpoch": grant.from_epoch, "toEpoch": grant.to_epoch,
        "requestId": text(&grant.request.id), "validUntil": grant.request.valid_until,
    });
    vector(eip712::GRANT_READING_TYPE, In::Engine, message, eip712::grant_reading(&ENGINE, &grant))
}

fn approve_images() -> Value {
    let images = vec![Measurement([0x22; 48]), Measurement([0x33; 48])];
    let minimum_version = Version { major: 0, minor: 10, patch: 2 };
    let valid_until = request().valid_until;
    let rules = RuleSet(2);
    let approval = ImageApproval { serial: 3, images, minimum_version, rules, valid_until };
    let message = json!({
        "engineId": text(&ENGINE), "serial": approval.serial, "images": approval.images,
        "minimumVersion": minimum_version.to_string(), "rules": rules.0,
        "validUntil": valid_until,
    });
    let hash = eip712::approve_images(&ENGINE, &approval);
    vector(eip712::APPROVE_IMAGES_TYPE, In::Engine, message, hash)
}

fn balance_fact() -> Value {
    let fact = BalanceFact {
        asset: terms().legs[0].asset,
        account: signer().address(),
        head_number: 21_000_000,
        head_hash: Bytes32([0x4e; 32]),
        head_time: 1_799_999_990,
        balance: U256::from(u128::MAX),
        withdrawing: U256::from(3u64),
        withdrawal: Withdrawal::Requested,
    };
    let message = json!({
        "chainId": fact.asset.chain_id, "headNumber": fact.head_number,
        "headHash": text(&fact.head_hash), "headTime": fact.head_time,
        "account": address(&fact.account), "assetType": fact.asset.asset_type.number(),
        "token": address(&fact.asset.token), "tokenId": text(&fact.asset.token_id.value()),
        "balance": text(&fact.balance), "withdrawing": text(&fact.withdrawing),
        "withdrawalStatus": fact.withdrawal.number(),
    });
    vector(eip712::BALANCE_FACT_TYPE, In::Engine, message, eip712::balance_fact(&fact))
}

fn commitment(mode: Option<InsecureMode>) -> Value {
    let terms = terms();
    let promise = eip712::LockCommitment {
        lock_id: terms.lock_id(&ENGINE),
        owner: terms.owner,
        beneficiary: terms.beneficiary,
        arbiter: terms.arbiter,
        assets: terms.assets_hash(),
        condition: terms.condition.hash(),
        issued_at: 1_800_000_000,
        expires: terms.expires,
        claim_by: 1_800_000_600,
        settle_by: 1_800_000_900,
        custody: Custody::Escrow,
        durability: Durability::Stored,
        place: place(),
        user_signature_hash: Bytes32([0x07; 32]),
    };
    let mut message = json!({
        "lockId": text(&promise.lock_id), "owner": address(&promise.owner),
        "beneficiary": address(&promise.beneficiary), "arbiter": address(&promise.arbiter),
        "assets": text(&promise.assets), "condition": text(&promise.condition),
        "issuedAt": promise.issued_at, "expires": promise.expires,
        "claimBy": promise.claim_by, "settleBy": promise.settle_by,
        "custody": promise.custody.number(), "durability": promise.durability.number(),
        "userSignatureHash": text(&promise.user_signature_hash),
    });
    add_place(&mut message);
    vector(eip712::COMMITMENT_TYPE, In::Promises(mode), message, promise.hash())
}

fn add_place(message: &mut Value) {
    let place = place();
    message["epoch"] = json!(place.epoch);
    message["frameSeq"] = json!(place.seq);
    message["eventIndex"] = json!(place.index);
    message["eventRoot"] = text(&place.event_root);
    message["stateRoot"] = text(&place.state_root);
    message["policyHash"] = text(&place.policy_hash);
}

fn outcome(mode: Option<InsecureMode>) -> Value {
    let outcome = eip712::LockOutcome {
        lock_id: terms().lock_id(&ENGINE),
        status: Status::Partial,
        claim_index: 2,
        claimant: Address([0xc1; 20]),
        amounts: eip712::amounts_hash(&[U256::from(7u64), U256::MAX]),
        time: 1_800_000_100,
        durability: Durability::Stored,
        place: place(),
    };
    let mut message = json!({
        "lockId": text(&outcome.lock_id), "status": outcome.status.number(),
        "claimIndex": outcome.claim_index, "claimant": address(&outcome.claimant),
        "amounts": text(&outcome.amounts), "time": outcome.time,
        "durability": outcome.durability.number(),
    });
    add_place(&mut message);
    vector(eip712::OUTCOME_TYPE, In::Promises(mode), message, outcome.hash())
}

fn statement() -> Value {
    let statement = eip712::RootStatement {
        engine_id: ENGINE,
        epoch: 3,
        seq: 9,
        time_ms: 1_800_000_000_999,
        frame_digest: FrameDigest([0x0f; 32]),
        event_root: Root([0x04; 32]),
        event_count: 18,
        state_root: Root([0x05; 32]),
        history_root: Root([0x08; 32]),
        history_size: 10,
        policy_hash: PolicyHash([0x06; 32]),
    };
    let message = json!({
        "engineId": text(&statement.engine_id), "epoch": statement.epoch, "seq": statement.seq,
        "time": 1_800_000_000, "frameDigest": text(&statement.frame_digest),
        "eventRoot": text(&statement.event_root), "eventCount": statement.event_count,
        "stateRoot": text(&statement.state_root), "historyRoot": text(&statement.history_root),
        "historySize": statement.history_size, "policyHash": text(&statement.policy_hash),
    });
    let vector = vector(eip712::ROOT_STATEMENT_TYPE, In::Engine, message, statement.hash());
    assert_eq!(vector["digest"], hex32(&statement.digest().0));
    vector
}

/// The hashes that signed structs name instead of fields.
fn named_hashes() -> Value {
    let terms = terms();
    let lock_id = terms.lock_id(&ENGINE);
    let other = LockId([0x02; 32]);
    let condition = &terms.condition;
    json!({
        "asset": {
            "chainId": 1, "assetType": 1, "token": address(&terms.legs[0].asset.token),
            "tokenId": "0", "hash": text(&terms.legs[0].asset.hash()),
        },
        "condition": {
            "targetChainId": condition.target_chain_id,
            "targetAssetHash": text(&condition.target_asset.hash()),
            "targetAmount": text(&condition.target_amount),
            "recipient": address(&condition.recipient), "executionData": "0xcafe",
            "hash": text(&condition.hash()),
        },
        "assets": {"legs": legs(&terms), "hash": text(&terms.assets_hash())},
        "lockId": {
            "engineId": text(&ENGINE), "owner": address(&terms.owner),
            "beneficiary": address(&terms.beneficiary), "arbiter": address(&terms.arbiter),
            "nonce": terms.nonce.to_string(), "expires": terms.expires,
            "condition": text(&condition.hash()), "assets": text(&terms.assets_hash()),
            "hash": text(&lock_id),
        },
        "batch": {
            "lockIds": [text(&lock_id), text(&other)],
            "hash": text(&eip712::batch_hash(&[lock_id, other])),
        },
        "scope": {
            "text": scope_text("listLocks", &read_filter()),
            "hash": text(&scope("listLocks", &read_filter())),
        },
        "amounts": {
            "amounts": ["7", text(&U256::MAX)],
            "hash": text(&eip712::amounts_hash(&[U256::from(7u64), U256::MAX])),
        },
    })
}

/// The two forms of cancel that are not typed data.
fn plain_cancels() -> Value {
    let lock_id = terms().lock_id(&ENGINE);
    let (words, server) = (eip712::cancel_text(&lock_id), eip712::cancel_server_hash(&lock_id));
    json!({
        "text": {
            "lockId": text(&lock_id), "text": format!("Cancel lock: {lock_id}"),
            "digest": hex32(&words.0), "signature": text(&signer().sign(&words)),
        },
        "serverHash": {
            "lockId": text(&lock_id), "digest": hex32(&server.0),
            "signature": text(&signer().sign(&server)),
        },
    })
}

/// Signatures that must be refused, and why.
fn refused() -> Value {
    let digest = Digest(keccak256(&[b"refused"]));
    let good = signer().sign(&digest);
    let parsed = k256::ecdsa::Signature::from_slice(&good.0[..64]).unwrap();
    let negated = k256::ecdsa::Signature::from_scalars(parsed.r(), -parsed.s()).unwrap();
    let with = |change: &dyn Fn(&mut Signature)| {
        let mut bad = good;
        change(&mut bad);
        bad
    };
    let high_s = with(&|bad| {
        bad.0[..64].copy_from_slice(&negated.to_bytes());
        bad.0[64] ^= 27 ^ 28;
    });
    let cases = [
        ("HighS", high_s),
        ("RecoveryId", with(&|bad| bad.0[64] = 29)),
        ("Scalar", with(&|bad| bad.0[..32].fill(0))),
        ("Scalar", with(&|bad| bad.0[32..64].fill(0xff))),
        ("AnotherKey", with(&|bad| bad.0[64] ^= 27 ^ 28)),
    ];
    let case = |(error, signature): &(&str, Signature)| {
        let found = match recover(&digest, signature) {
            Ok(found) if found != signer().address() => "AnotherKey".to_owned(),
            Ok(_) => panic!("{error}: the signature is good"),
            Err(refused) => format!("{refused:?}"),
        };
        assert_eq!(found, *error);
        json!({"digest": hex32(&digest.0), "signature": text(signature), "error": error})
    };
    cases.iter().map(case).collect()
}

fn file() -> Value {
    let [release, cancel, extend] = consents();
    let batch = eip712::batch_hash(&[terms().lock_id(&ENGINE), LockId([0x02; 32])]);
    json!({
        "about": "EIP-712 structs of Mortise with every hash on the way; see specs/eip712.md",
        "signer": {"secret": SECRET, "address": address(&signer().address())},
        "structs": [
            approval(), intent(&Bytes32::ZERO), intent(&batch), claim(), release, cancel, extend,
            balance_fact(), commitment(None), outcome(None), statement(), decrypt_request(),
            read_request(), succession(),
            grant_reading(),
            approve_images(),
            commitment(Some(InsecureMode::Debug)), commitment(Some(InsecureMode::Emulated)),
            outcome(Some(InsecureMode::Debug)), outcome(Some(InsecureMode::Emulated)),
        ],
        "hashes": named_hashes(),
        "cancel": plain_cancels(),
        "refused": refused(),
    })
}

#[test]
fn eip712_vectors_are_those_of_the_file() {
    let computed = file();
    if std::env::var_os("MORTISE_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&computed).unwrap() + "\n";
        std::fs::write(FILE, text).unwrap();
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert_eq!(computed, written);
}

#[test]
fn every_signature_of_the_file_recovers_to_its_signer() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    let cancels = file["cancel"].as_object().unwrap().values();
    let mut count = 0;
    for entry in file["structs"].as_array().unwrap().iter().chain(cancels) {
        let digest = Bytes32::parse(entry["digest"].as_str().unwrap()).unwrap();
        let signature = Signature::parse(entry["signature"].as_str().unwrap()).unwrap();
        assert_eq!(recover(&Digest(digest.0), &signature), Ok(signer().address()));
        count += 1;
    }
    assert_eq!(count, 22);
}
