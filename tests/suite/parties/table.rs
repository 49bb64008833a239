//! Every method, by everyone, in both modes, in clear and in the channel.

use super::{Engine, Route, name};
use mortise_client::Signer;
use mortise_format::ids::Bytes32;
use mortise_format::policy::Reads;
use mortise_rpc::Method;
use mortise_testkit::system::parties::Parties;
use serde_json::{Value, json};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Anyone, without a `ReadRequest`.
    Anyone,
    /// Signs as itself.
    Stranger,
    Owner,
    Beneficiary,
    Arbiter,
    /// The owner of another lock.
    OtherParty,
}

const ALL: [Who; 6] =
    [Who::Anyone, Who::Stranger, Who::Owner, Who::Beneficiary, Who::Arbiter, Who::OtherParty];
const PARTIES: &[Who] = &[Who::Owner, Who::Beneficiary, Who::Arbiter];

/// For whom an answer is under `parties`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// All of it for everyone.
    Everyone,
    /// All of it for these, an error for the others.
    These(&'static [Who]),
    /// All of it for the parties of the lock, a part for the others.
    InPart,
    /// Under `public` too: for these alone.
    TheseAlways(&'static [Who]),
    /// An error of this name for everyone, always.
    NoRight,
}

/// A call and for whom its answer is.
type Row = (Value, For);

/// The rows of a method that takes a `ReadRequest`; none for another one. No wildcard.
fn rows(method: Method, engine: &Engine) -> Vec<Row> {
    let owner = engine.parties.owner.address();
    let lock_id = engine.lock_id;
    let asset = json!({"chainId": 1, "assetType": "native"});
    let account = json!({"owner": owner, "asset": asset});
    let condition = json!({
        "targetChainId": 10, "targetAmount": "1", "recipient": "0x".to_owned() + &"4e".repeat(20),
        "targetAsset": {"chainId": 10, "assetType": "native"},
    });
    let only_owner = For::These(&[Who::Owner]);
    match method {
        Method::CreateLock => vec![(
            json!({"owner": owner, "asset": asset, "amount": "5", "expiresIn": 300,
                "fulfillmentCondition": condition}),
            For::Everyone,
        )],
        Method::GetLock => vec![(json!({"lockId": lock_id}), For::InPart)],
        Method::GetLockHistory => vec![(json!({"lockId": lock_id}), For::These(PARTIES))],
        Method::GetActiveLocks | Method::SuggestNonce => {
            vec![(json!({"owner": owner}), only_owner)]
        }
        Method::ListLocks => lists(engine),
        Method::GetLockedBalance | Method::GetBalance => vec![(account, only_owner)],
        Method::SimulateLock => vec![(
            json!({"owner": owner, "assets": [{"chainId": 1, "assetType": "native", "amount": "5"}],
                "expiresIn": 300, "fulfillmentCondition": condition}),
            only_owner,
        )],
        Method::GetProof => vec![
            (json!({"lockId": lock_id}), For::Everyone),
            (json!({"images": true}), For::Everyone),
            (json!({"owner": owner}), only_owner),
            (account, only_owner),
        ],
        Method::GetReceipt => receipts(engine),
        Method::Health
        | Method::GetBootAttestation
        | Method::GetAttestation
        | Method::SignLock
        | Method::CommitLock
        | Method::CommitBatch
        | Method::ClaimLock
        | Method::ReleaseLock
        | Method::CancelLock
        | Method::ExtendLock
        | Method::VerifyFulfillment
        | Method::GetStateRoot
        | Method::SubmitChainFact
        | Method::CleanupExpiredLocks
        | Method::GetPolicy
        | Method::GetEngineInfo
        | Method::GetEnclaveId
        | Method::GetEnclavePublicKey
        | Method::GetCheckpoint
        | Method::GetConsistencyProof
        | Method::GrantReading
        | Method::ApproveImages
        | Method::GetReadingKeys
        | Method::GetEvents
        | Method::Subscribe
        | Method::KmsEncrypt
        | Method::KmsDecrypt
        | Method::KmsGenerateDataKey
        | Method::KmsGenerateRandom => Vec::new(),
    }
}

/// The rows of `listLocks`.
fn lists(engine: &Engine) -> Vec<Row> {
    let Parties { owner, beneficiary, arbiter, .. } = &engine.parties;
    let (owner, beneficiary) = (owner.address(), beneficiary.address());
    let arbiter = arbiter.address();
    let (only_owner, only_beneficiary) = (&[Who::Owner], &[Who::Beneficiary]);
    vec![
        (json!({"owner": owner}), For::These(only_owner)),
        (json!({"owner": owner, "status": "ACTIVE", "limit": 1}), For::These(only_owner)),
        (json!({"beneficiary": beneficiary}), For::These(only_beneficiary)),
        (json!({"arbiter": arbiter, "open": true}), For::These(&[Who::Arbiter])),
        (json!({"beneficiary": beneficiary, "arbiter": arbiter}), For::These(only_beneficiary)),
        // The list of the owner is walked.
        (json!({"owner": owner, "beneficiary": beneficiary}), For::These(only_owner)),
        (json!({}), For::These(&[])),
        (json!({"open": true}), For::These(&[])),
    ]
}

/// The rows of `getReceipt`.
fn receipts(engine: &Engine) -> Vec<Row> {
    let owner = engine.parties.owner.address();
    let (lock_id, seq, index) = (engine.lock_id, engine.seq, engine.index);
    let id = engine.commit.intent.request.id;
    vec![
        (json!({"lockId": lock_id}), For::These(PARTIES)),
        (json!({"principal": owner, "requestId": id}), For::These(&[Who::Owner])),
        (json!({"seq": seq, "index": index}), For::TheseAlways(PARTIES)),
        (json!({"seq": seq, "index": 0}), For::TheseAlways(&[])),
        (json!({"seq": 0, "index": 0}), For::TheseAlways(&[])),
        (engine.reader.params(seq, u32::try_from(index).unwrap()), For::Everyone),
        (json!({"seq": seq, "index": index, "reader": Bytes32([9; 32])}), For::NoRight),
    ]
}

/// What a caller gets.
#[derive(Debug, PartialEq, Eq)]
enum Gets {
    Whole,
    Part,
    Error(&'static str),
}

fn expected(reads: Reads, is_for: For, who: Who) -> Gets {
    let to = |allowed: &[Who]| match allowed.contains(&who) {
        true => Gets::Whole,
        false => Gets::Error("UNAUTHORIZED"),
    };
    match (is_for, reads) {
        (For::NoRight, _) => Gets::Error("READING_NOT_GRANTED"),
        (For::TheseAlways(allowed), _) | (For::These(allowed), Reads::Parties) => to(allowed),
        (For::InPart, Reads::Parties) if !PARTIES.contains(&who) => Gets::Part,
        _ => Gets::Whole,
    }
}

/// Checks what a caller got, and that an answer which is not for it names none of the parties.
fn check(engine: &Engine, what: &str, row: &Row, gets: &Gets, answer: &Value) {
    let found = name(answer);
    match gets {
        Gets::Error(expected) => {
            assert_eq!(found, *expected, "{what}: {answer}");
            let sign = &answer["error"]["data"]["sign"];
            assert_eq!(*sign == "ReadRequest", *expected == "UNAUTHORIZED", "{what}: {answer}");
        }
        Gets::Whole | Gets::Part => assert_eq!(found, "", "{what}: {answer}"),
    }
    if *gets == Gets::Whole && row.1 != For::Everyone {
        return;
    }
    let text = answer.to_string().to_lowercase();
    for party in [&engine.parties.owner, &engine.parties.beneficiary, &engine.parties.arbiter] {
        let address = party.address().to_string();
        let is_asked_by = row.0.to_string().to_lowercase().contains(&address);
        assert!(is_asked_by || !text.contains(&address[2..]), "{what} names {address}: {answer}");
    }
}

fn check_all(reads: Reads, clear_reads: bool) {
    let engine = Engine::start(reads, clear_reads);
    let (stranger, other) = (Signer::random(), engine.parties.other_owner());
    let committed = engine.system.call("commitLock", json!(other.commit(0, 5)));
    assert_eq!(name(&committed), "", "{committed}");
    let signer = |who| match who {
        Who::Anyone => None,
        Who::Stranger => Some(&stranger),
        Who::Owner => Some(&engine.parties.owner),
        Who::Beneficiary => Some(&engine.parties.beneficiary),
        Who::Arbiter => Some(&engine.parties.arbiter),
        Who::OtherParty => Some(&other.owner),
    };
    let mut count = 0;
    for method in Method::ALL {
        let rows = rows(*method, &engine);
        assert_eq!(rows.is_empty(), !method.takes_read(), "{method:?}");
        for row in &rows {
            for (who, route) in
                ALL.iter().flat_map(|who| [(*who, Route::Clear), (*who, Route::Channel)])
            {
                let what = format!("{} {} by {who:?}, {route:?}", method.name(), row.0);
                let params = match signer(who) {
                    Some(signer) => engine.read_by(signer, *method, &row.0),
                    None => row.0.clone(),
                };
                let is_refused_in_clear = reads == Reads::Parties
                    && route == Route::Clear
                    && who != Who::Anyone
                    && !clear_reads;
                let gets = match is_refused_in_clear {
                    true => Gets::Error("READ_IN_CLEAR"),
                    false => expected(reads, row.1, who),
                };
                let answer = engine.ask(route, method.name(), &params);
                check(&engine, &what, row, &gets, &answer);
                let is_whole = !answer["result"]["owner"].is_null();
                assert!(row.1 != For::InPart || is_whole == (gets == Gets::Whole), "{what}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 12 * 27);
}

#[test]
fn under_parties_each_answer_is_for_those_whom_it_is_about() {
    check_all(Reads::Parties, false);
}

#[test]
fn under_parties_with_clear_reads_the_same_holds_in_clear() {
    check_all(Reads::Parties, true);
}

#[test]
fn under_public_only_events_by_place_are_for_their_parties() {
    check_all(Reads::Public, false);
}

/// Goal: a method whose answer is for everyone takes no `ReadRequest`, and asks for none.
#[test]
fn other_methods_know_no_read_and_refuse_no_one() {
    let engine = Engine::start(Reads::Parties, false);
    let read = json!({"reader": Bytes32([1; 32]), "validUntil": 1, "signature": "0x"});
    for method in Method::ALL.iter().filter(|method| !method.takes_read()) {
        let answer = engine.ask(Route::Channel, method.name(), &json!({"read": read}));
        let field = &answer["error"]["data"]["field"];
        assert_eq!((name(&answer), field), ("UNKNOWN_FIELD", &json!("read")), "{method:?}");
        let answer = engine.ask(Route::Clear, method.name(), &json!({}));
        assert!(!["UNAUTHORIZED", "READ_IN_CLEAR"].contains(&name(&answer)), "{answer}");
    }
}

#[test]
fn granted_reader_opens_the_receipt_and_no_one_else_does() {
    for reads in Reads::ALL {
        let engine = Engine::start(reads, false);
        let index = u32::try_from(engine.index).unwrap();
        let params = engine.reader.params(engine.seq, index);
        let answer = engine.ask(Route::Clear, "getReceipt", &params);
        let shown = engine.reader.open(engine.seq, index, &answer["result"]);
        let by_lock = json!({"lockId": engine.lock_id});
        let by_lock = engine.read_by(&engine.parties.owner, Method::GetReceipt, &by_lock);
        let receipt = engine.ask(Route::Channel, "getReceipt", &by_lock);
        assert_eq!(json!(shown.receipt), receipt["result"]["receipt"]);
        let sealed = serde_json::from_value(answer["result"].clone()).unwrap();
        let at = mortise_format::event::LogPosition { seq: engine.seq, index };
        let other = mortise_client::Reader::random_with_secret().0;
        assert!(other.open_receipt(&engine.id, at, &sealed).is_err());
        let moved = mortise_format::event::LogPosition { seq: engine.seq + 1, index };
        assert!(engine.reader.reader().open_receipt(&engine.id, moved, &sealed).is_err());
    }
}
