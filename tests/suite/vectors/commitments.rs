//! `commitments.json`: commitments checked against the expected terms.

use super::{File, engine_json, name, read, read_engine, word};
use crate::proofs::Log;
use crate::proofs::commitment::{promise, sign, sign_as, terms};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::domains::keccak256;
use mortise_format::ids::{Address, Bytes32, LockId, PolicyHash, Signature};
use mortise_format::insecure_mode::InsecureMode;
use mortise_format::lock::{Custody, Durability, LegTerms, LockTerms};
use mortise_rpc::results::CommitmentView;
use mortise_verify::commitment::{Expected, SignedCommitment, verify};
use mortise_verify::json::commitment;
use serde::Deserialize;
use serde_json::{Value, json};

const ABOUT: &str = "Commitments (specs/receipts.md): input.commitment is an engine's answer, \
input.expected what it is held against: terms, and lockId, userSignature, custody, durability, \
policyHash, mode (the mark that is taken), now where they are asked for. \
Verdict: proven, or the name of the refusal. Each case \
is its base with other values at the places of `set` (JSON pointers).";

/// The terms of an input, by the names that a lock has on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terms {
    owner: Address,
    beneficiary: Address,
    arbiter: Address,
    nonce: u64,
    expires: u64,
    fulfillment_condition: Condition,
    legs: Vec<LegTerms>,
}

fn view_of(log: &Log, terms: &LockTerms, signed: &SignedCommitment) -> CommitmentView {
    let (mode, commitment) = (signed.mode, &signed.commitment);
    CommitmentView::new(&log.engine.id, mode, terms, commitment, signed.signature)
}

fn check(input: &Value) -> Result<(), &'static str> {
    let engine = read_engine(input)?;
    let view: CommitmentView = read(input, "commitment")?;
    let asked = &input["expected"];
    let wanted: Terms = read(asked, "terms")?;
    let terms = LockTerms {
        owner: wanted.owner,
        beneficiary: wanted.beneficiary,
        arbiter: wanted.arbiter,
        nonce: wanted.nonce,
        expires: wanted.expires,
        condition: wanted.fulfillment_condition,
        legs: wanted.legs,
    };
    let signed = commitment(&view, &engine.id).map_err(name)?;
    let user: Option<Signature> = read(asked, "userSignature")?;
    let lock_id: Option<LockId> = read(asked, "lockId")?;
    let (custody, durability): (Option<Custody>, Option<Durability>) =
        (read(asked, "custody")?, read(asked, "durability")?);
    let (policy_hash, now): (Option<PolicyHash>, Option<u64>) =
        (read(asked, "policyHash")?, read(asked, "now")?);
    let mode: Option<InsecureMode> = read(asked, "mode")?;
    let user_signature = user.as_ref();
    let terms = &terms;
    let expected =
        Expected { terms, lock_id, user_signature, custody, durability, policy_hash, mode, now };
    verify(&engine, &signed, &expected).map(drop).map_err(name)
}

fn input(log: &Log, terms: &LockTerms) -> Value {
    let signed = sign(log, promise(log, terms, 2, 1));
    let view = view_of(log, terms, &signed);
    json!({
        "engine": engine_json(&log.engine),
        "commitment": view,
        "expected": {
            "terms": {
                "owner": terms.owner, "beneficiary": terms.beneficiary, "arbiter": terms.arbiter,
                "nonce": terms.nonce, "expires": terms.expires,
                "fulfillmentCondition": terms.condition, "legs": terms.legs,
            },
            "userSignature": word(&[5; 65]),
            "custody": "escrow",
            "durability": "stored",
            "policyHash": PolicyHash([3; 32]),
            "now": terms.expires - 1,
        },
    })
}

pub fn file() -> File {
    let mut file = File::new("commitments.json", ABOUT, check);
    let log = Log::of(1, 3);
    let mut two = terms();
    let token = Asset::erc20(137, Address([0x12; 20]));
    two.legs.push(LegTerms { asset: token, amount: U256::MAX });
    two.condition.execution_data = Some([1, 2, 3].into());
    file.base("a lock of one asset", input(&log, &terms()));
    file.base("a lock of two assets and call data", input(&log, &two));
    for base in ["a lock of one asset", "a lock of two assets and call data"] {
        file.every_change(base, &["/commitment"]);
    }
    named(&mut file);
    of_one_form(&mut file, &log);
    owner_is_taker(&mut file, &log);
    prolonged(&mut file, &log);
    unordered(&mut file, &log);
    marked(&mut file, &log);
    file
}

/// A promise that names the owner's signature with v 27 or 28, whatever the verifier was given.
fn of_one_form(file: &mut File, log: &Log) {
    let mut signature = log.frames[0].signed.signature;
    let mut commitment = promise(log, &terms(), 2, 1);
    commitment.user_signature_hash = Bytes32(keccak256(&[&signature.0]));
    let view = view_of(log, &terms(), &sign(log, commitment));
    let mut case = |name: &str, signature: &Signature, verdict: &str| {
        let set = json!({"/commitment": view, "/expected/userSignature": signature});
        file.case(name, "a lock of one asset", set, verdict);
    };
    case("the owner's signature", &signature, "proven");
    signature.0[64] -= 27;
    case("the owner's signature, v of 0 or 1", &signature, "proven");
    signature.0[64] ^= 1;
    case("the owner's signature, the other v", &signature, "UserSignature");
}

/// A promise that the owner alone can end.
fn owner_is_taker(file: &mut File, log: &Log) {
    let owner = terms().owner;
    for (name, [beneficiary, arbiter]) in [
        ("the owner is the beneficiary", [owner, terms().arbiter]),
        ("the owner is the arbiter", [terms().beneficiary, owner]),
        ("the owner is both", [owner, owner]),
    ] {
        let shown = input(log, &LockTerms { beneficiary, arbiter, ..terms() });
        let set = json!({"/commitment": shown["commitment"], "/expected": shown["expected"]});
        file.case(name, "a lock of one asset", set, "OwnerIsTaker");
    }
}

fn named(file: &mut File) {
    let base = "a lock of one asset";
    let (other, zeros) = (Address([9; 20]), word(&[0; 32]));
    let leg = LegTerms { asset: Asset::native(1), amount: U256::from(8u64) };
    let leg = json!([leg]);
    let stranger = Log::of(9, 1);
    for (name, set, verdict) in [
        ("another engine", json!({"/engine/engineId": zeros}), "Commitment"),
        ("another key", json!({"/engine/address": stranger.engine.address}), "Signer"),
        ("for another owner", json!({"/expected/terms/owner": other}), "Terms"),
        ("for another beneficiary", json!({"/expected/terms/beneficiary": other}), "Terms"),
        ("with another arbiter", json!({"/expected/terms/arbiter": other}), "Terms"),
        ("of another amount", json!({"/expected/terms/legs": leg}), "Terms"),
        ("to another end", json!({"/expected/terms/expires": 7}), "Terms"),
        ("with another nonce", json!({"/expected/terms/nonce": 5}), "LockId"),
        ("of another lock", json!({"/expected/lockId": zeros}), "LockId"),
        (
            "of another signature",
            json!({"/expected/userSignature": word(&[6; 65])}),
            "UserSignature",
        ),
        ("in another custody", json!({"/expected/custody": "open"}), "Custody"),
        ("under another policy", json!({"/expected/policyHash": zeros}), "Policy"),
        ("too late", json!({"/expected/now": terms().expires}), "Expired"),
        ("too early", json!({"/expected/now": 1}), "FromTheFuture"),
        ("at no time", json!({"/expected/now": null}), "proven"),
        ("custody of no name", json!({"/commitment/custody": "safe"}), "Form"),
    ] {
        file.case(name, base, set, verdict);
    }
}

/// A prolonged lock keeps its id: the verifier names it.
fn prolonged(file: &mut File, log: &Log) {
    let first = terms();
    let mut longer = first.clone();
    longer.expires += 60;
    let lock_id = first.lock_id(&log.engine.id);
    let mut later = promise(log, &longer, 2, 1);
    later.lock_id = lock_id;
    let signed = sign(log, later);
    let view = view_of(log, &longer, &signed);
    let set = json!({
        "/commitment": view, "/expected/terms/expires": longer.expires,
        "/expected/lockId": lock_id,
    });
    file.case("a prolonged lock, named", "a lock of one asset", set.clone(), "proven");
    let mut unnamed = set;
    unnamed["/expected/lockId"] = Value::Null;
    file.case("a prolonged lock, not named", "a lock of one asset", unnamed, "LockId");
}

/// Signed times that contradict each other.
fn unordered(file: &mut File, log: &Log) {
    let terms = terms();
    let mut bad = promise(log, &terms, 2, 1);
    bad.claim_by = terms.expires - 1;
    let signed = sign(log, bad);
    let view = view_of(log, &terms, &signed);
    let set = json!({"/commitment": view});
    file.case("claims end before fills", "a lock of one asset", set, "TimeOrder");
}

/// Commitments in an insecure mode. The bases allow that mode.
fn marked(file: &mut File, log: &Log) {
    let terms = terms();
    let plain = file.input("a lock of one asset");
    for mode in InsecureMode::ALL {
        let (name, base) = match mode {
            InsecureMode::Debug => ("DebugMode", "marked debug, taken"),
            InsecureMode::Emulated => ("Emulated", "marked emulated, taken"),
        };
        let signed = sign_as(log, Some(mode), promise(log, &terms, 2, 1));
        let view = view_of(log, &terms, &signed);
        let mut input = plain.clone();
        (input["commitment"], input["expected"]["mode"]) = (json!(view), json!(mode));
        file.base(base, input);
        let other = InsecureMode::ALL.into_iter().find(|other| *other != mode);
        let hash = &plain["commitment"]["ccmAttestation"]["commitmentHash"];
        let marked_hash = &view.ccm_attestation.commitment_hash;
        let (shown, hashed) =
            ("/commitment/ccmAttestation/mode", "/commitment/ccmAttestation/commitmentHash");
        let taken = "/expected/mode";
        for (what, set, verdict) in [
            ("no mark is taken", json!({taken: null}), name),
            ("another mark is taken", json!({taken: other}), name),
            ("a time that is past, too", json!({taken: null, "/expected/now": u64::MAX}), name),
            ("cut out", json!({shown: null}), "Commitment"),
            ("cut out, hashed anew", json!({shown: null, hashed: hash}), "Signer"),
            ("changed", json!({shown: other}), "Commitment"),
            ("unknown", json!({shown: "attested"}), "Form"),
            ("no text", json!({shown: true}), "Form"),
        ] {
            file.case(&format!("{base}: {what}"), base, set, verdict);
        }
        let base = "a lock of one asset";
        for (what, set, verdict) in [
            ("added", json!({shown: mode}), "Commitment"),
            ("added, hashed anew", json!({shown: mode, hashed: marked_hash}), name),
            (
                "added, hashed anew, taken",
                json!({shown: mode, hashed: marked_hash, taken: mode}),
                "Signer",
            ),
            ("taken and not there", json!({taken: mode}), "proven"),
        ] {
            file.case(&format!("mark {mode} {what}"), base, set, verdict);
        }
    }
}
