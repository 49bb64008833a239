use super::*;
use crate::HexBytes;
use crate::typed_data::TypedData;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::eip712::{LockCommitment, LockOutcome, Place, RootStatement, amounts_hash};
use mortise_format::ids::{
    Address, Bytes32, EngineId, FrameDigest, LockId, PolicyHash, Root, Signature,
};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::lock::{Custody, Durability, LegTerms, LockTerms, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const ENGINE: EngineId = EngineId([0x11; 32]);

fn terms() -> LockTerms {
    let token = Address::parse("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48").unwrap();
    LockTerms {
        owner: Address([0xaa; 20]),
        beneficiary: Address([0xbb; 20]),
        arbiter: Address::ZERO,
        nonce: u64::MAX,
        expires: 1_800_000_000,
        condition: Condition {
            target_chain_id: 42161,
            target_asset: Asset::native(42161),
            target_amount: U256::MAX,
            recipient: Address([0xcc; 20]),
            execution_data: Some(vec![1, 2]),
        },
        legs: vec![
            LegTerms { asset: Asset::erc20(1, token), amount: U256::from(1_000_000u64) },
            LegTerms { asset: Asset::native(10), amount: U256::ONE },
        ],
    }
}

fn place() -> Place {
    Place {
        epoch: 1,
        seq: 2,
        index: 3,
        event_root: Root([4; 32]),
        state_root: Root([5; 32]),
        policy_hash: PolicyHash([6; 32]),
    }
}

fn promise() -> LockCommitment {
    let terms = terms();
    LockCommitment {
        lock_id: terms.lock_id(&ENGINE),
        owner: terms.owner,
        beneficiary: terms.beneficiary,
        arbiter: terms.arbiter,
        assets: terms.assets_hash(),
        condition: terms.condition.hash(),
        issued_at: 1_799_999_000,
        expires: terms.expires,
        claim_by: terms.expires + 300,
        settle_by: terms.expires + 600,
        custody: Custody::Open,
        durability: Durability::Stored,
        place: place(),
        user_signature_hash: Bytes32([7; 32]),
    }
}

fn statement() -> RootStatement {
    RootStatement {
        engine_id: ENGINE,
        epoch: 1,
        seq: 2,
        time_ms: 1_799_999_000_999,
        frame_digest: FrameDigest([8; 32]),
        event_root: Root([4; 32]),
        event_count: 9,
        state_root: Root([5; 32]),
        history_root: Root([10; 32]),
        history_size: 3,
        policy_hash: PolicyHash([6; 32]),
    }
}

fn receipt() -> ReceiptView {
    ReceiptView {
        epoch: 1,
        seq: 2,
        index: 3,
        event: HexBytes(vec![0xde, 0xad]),
        salt: Bytes32([1; 32]),
        path: vec![Bytes32([2; 32])],
        statement: StatementView::from(&statement()),
        statement_signature: Signature([3; 65]),
        leaf: HexBytes(vec![4; 297]),
        history_path: vec![],
    }
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(value: &T) -> Value {
    let json = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(json.clone()).unwrap(), value);
    json
}

#[test]
fn lock_has_the_fields_and_types_of_the_existing_client() {
    let terms = terms();
    let lock_id = terms.lock_id(&ENGINE);
    let lock = LockView::of_terms(lock_id, &terms, LockStatus::Pending, 1_799_999_000);
    let json = round_trip(&lock);
    assert_eq!(json["id"], json!(lock_id));
    assert_eq!(json["status"], "PENDING");
    assert_eq!(json["amount"], "1000000");
    assert_eq!(json["nonce"], u64::MAX.to_string());
    assert_eq!(json["lockedAt"], 1_799_999_000);
    assert_eq!(json["expiresAt"], 1_800_000_000);
    assert_eq!(
        json["asset"],
        json!({"chainId": 1, "assetType": "erc20",
               "contractAddress": "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"})
    );
    let condition = &json["fulfillmentCondition"];
    assert_eq!(condition["targetAsset"], json!({"chainId": 42161, "assetType": "native"}));
    assert_eq!(condition["targetAmount"], U256::MAX.to_decimal());
    assert_eq!(condition["executionData"], "0x0102");
    assert_eq!(json["legs"][1]["chainId"], 10);
    assert_eq!(json["legs"][1]["remaining"], "1");
    assert!(json.get("userSignature").is_none());
}

#[test]
fn commitment_has_the_fields_of_the_existing_client_and_gives_its_promise_back() {
    let promise = promise();
    let view = CommitmentView::new(&ENGINE, None, &terms(), &promise, Signature([9; 65]));
    let json = round_trip(&view);
    for field in [
        "lockId",
        "version",
        "chainId",
        "smartAccount",
        "lockedAsset",
        "lockedAmount",
        "createdAt",
        "expiresAt",
        "settlementDeadline",
        "fulfillmentCondition",
        "nonce",
        "stateRoot",
        "userSignatureHash",
        "ccmAttestation",
    ] {
        assert!(json.get(field).is_some(), "{field}");
    }
    for field in ["enclaveId", "timestamp", "commitmentHash", "signature"] {
        assert!(json["ccmAttestation"].get(field).is_some(), "{field}");
    }
    let back: CommitmentView = serde_json::from_value(json).unwrap();
    assert_eq!(back.promise(), promise);
    assert_eq!(back.terms(), terms());
    assert!(back.is_consistent());
    assert_eq!(back.digest(&ENGINE).0, back.ccm_attestation.commitment_hash.0);
}

#[test]
fn changed_commitment_field_changes_the_digest_or_is_seen_to_contradict() {
    let view = CommitmentView::new(&ENGINE, None, &terms(), &promise(), Signature([9; 65]));
    let json = serde_json::to_value(&view).unwrap();
    let digest = view.digest(&ENGINE);
    let changes = [
        ("/lockId", json!(LockId([0; 32]))),
        ("/version", json!(2)),
        ("/chainId", json!(2)),
        ("/smartAccount", json!(Address([1; 20]))),
        ("/lockedAmount", json!("1")),
        ("/createdAt", json!(1)),
        ("/expiresAt", json!(1)),
        ("/settlementDeadline", json!(1)),
        ("/fulfillmentCondition/targetAmount", json!("1")),
        ("/stateRoot", json!(Root([0; 32]))),
        ("/userSignatureHash", json!(Root([0; 32]))),
        ("/beneficiary", json!(Address::ZERO)),
        ("/arbiter", json!(Address([1; 20]))),
        ("/legs/1/amount", json!("2")),
        ("/claimBy", json!(1)),
        ("/settleBy", json!(1)),
        ("/custody", json!("escrow")),
        ("/policyHash", json!(Root([0; 32]))),
        ("/epoch", json!(9)),
        ("/seq", json!(9)),
        ("/eventIndex", json!(9)),
        ("/eventRoot", json!(Root([0; 32]))),
        ("/ccmAttestation/timestamp", json!(1)),
    ];
    for (pointer, value) in changes {
        let mut changed = json.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let changed: CommitmentView = serde_json::from_value(changed).unwrap();
        let noticed = changed.digest(&ENGINE) != digest || !changed.is_consistent();
        assert!(noticed, "{pointer}");
    }
}

fn amounts() -> Vec<U256> {
    vec![U256::ONE, U256::ZERO]
}

fn outcome() -> LockOutcome {
    LockOutcome {
        lock_id: LockId([1; 32]),
        status: Status::Cancelled,
        claim_index: 0,
        claimant: Address::ZERO,
        amounts: amounts_hash(&amounts()),
        time: 7,
        durability: Durability::Stored,
        place: place(),
    }
}

#[test]
fn outcome_gives_its_digest_back_from_the_wire() {
    let (outcome, signature) = (outcome(), Signature([2; 65]));
    let result = OutcomeResult::new(&ENGINE, None, &outcome, amounts(), signature, receipt());
    let json = round_trip(&result);
    assert_eq!(json["operation"], "CANCEL");
    assert_eq!(json["status"], "CANCELLED");
    let back: OutcomeResult = serde_json::from_value(json).unwrap();
    assert_eq!(back.outcome.outcome(), Some(outcome));
    assert_eq!(back.outcome.digest(&ENGINE).map(|d| d.0), Some(back.data_hash.0));
}

#[test]
fn mark_of_a_promise_is_in_its_digest_and_absent_from_one_that_binds() {
    let (promise, terms, signature) = (promise(), terms(), Signature([9; 65]));
    let committed = |mode| CommitmentView::new(&ENGINE, mode, &terms, &promise, signature);
    let ended = |mode| {
        OutcomeResult::new(&ENGINE, mode, &outcome(), amounts(), signature, receipt()).outcome
    };
    let plain = round_trip(&committed(None));
    assert!(plain["ccmAttestation"].get("mode").is_none());
    assert!(round_trip(&ended(None)).get("mode").is_none());
    for mode in InsecureMode::ALL {
        let marked = round_trip(&committed(Some(mode)));
        assert_eq!(marked["ccmAttestation"]["mode"], mode.name());
        assert_ne!(committed(Some(mode)).digest(&ENGINE), committed(None).digest(&ENGINE));
        assert_ne!(ended(Some(mode)).digest(&ENGINE), ended(None).digest(&ENGINE));
        assert_eq!(round_trip(&ended(Some(mode)))["mode"], mode.name());
        // Cut out, or given to one that has none: not the digest that stands beside it.
        let mut cut = committed(Some(mode));
        cut.ccm_attestation.mode = None;
        assert_ne!(cut.digest(&ENGINE).0, cut.ccm_attestation.commitment_hash.0);
        let mut added = committed(None);
        added.ccm_attestation.mode = Some(mode);
        assert_ne!(added.digest(&ENGINE).0, added.ccm_attestation.commitment_hash.0);
    }
    let mut unknown = plain;
    unknown["ccmAttestation"]["mode"] = json!("unattested");
    assert!(serde_json::from_value::<CommitmentView>(unknown).is_err());
}

#[test]
fn statement_from_the_wire_has_the_digest_that_was_signed() {
    let view = StatementView::from(&statement());
    let json = round_trip(&view);
    assert_eq!(json["time"], 1_799_999_000);
    assert_eq!(RootStatement::from(&view).digest(), statement().digest());
}

#[test]
fn answers_of_logged_calls_carry_place_and_root() {
    let view = CommitmentView::new(&ENGINE, None, &terms(), &promise(), Signature([9; 65]));
    let status = LockStatus::from(Status::Active);
    let one = round_trip(&CommitResult::new(view.clone(), status, receipt()));
    let batch = round_trip(&BatchResult::new(vec![view], status, receipt()));
    let fact = round_trip(&FactResult::new(receipt()));
    for json in [one, batch, fact] {
        assert_eq!((json["epoch"].as_u64(), json["seq"].as_u64()), (Some(1), Some(2)));
        assert_eq!(json["stateRoot"], json!(Root([5; 32])));
        assert_eq!(json["receipt"]["event"], "0xdead");
    }
}

#[test]
fn state_root_is_a_bare_text_unless_signed() {
    let root = round_trip(&StateRootResult::Root(Root([5; 32])));
    assert_eq!(root, json!(Root([5; 32])));
    let statement = Box::new(StatementView::from(&statement()));
    round_trip(&StateRootResult::Signed { statement, signature: Signature([1; 65]) });
}

#[test]
fn typed_data_is_what_the_existing_client_signs() {
    let mut terms = terms();
    assert_eq!(TypedData::of_approval(&LockId([1; 32]), &terms), None);
    terms.legs.truncate(1);
    let lock_id = terms.lock_id(&ENGINE);
    let json = round_trip(&TypedData::of_approval(&lock_id, &terms).unwrap());
    assert_eq!(
        json["domain"],
        json!({"name": "CredibleCommitmentMachine", "version": "1.0.0", "chainId": 1,
               "verifyingContract": "0x0000000000000000000000000000000000000000"})
    );
    assert_eq!(json["primaryType"], "LockApproval");
    assert_eq!(json["types"].as_object().unwrap().len(), 1);
    assert_eq!(
        json["types"]["LockApproval"][6],
        json!({"name": "fulfillmentHash", "type": "bytes32"})
    );
    assert_eq!(json["message"]["amount"], "1000000");
    assert_eq!(json["message"]["asset"], json!(terms.legs[0].asset.hash()));
}
