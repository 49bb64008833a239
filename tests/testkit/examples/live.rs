//! Answers of a running engine for other verifiers: one line of JSON each, `{"check", "input"}`,
//! with inputs as the vectors have them (`specs/vectors`, `tests/interop/verify.py --live`).
//!
//! ```text
//! cargo run -p mortise-testkit --example live -- FILE LOCKS
//! ```
//! Starts host and engine in this process, commits the locks over several connections, and asks for
//! everything that can be checked about them: commitments, receipts, presence, absence, the same
//! events again in the newest checkpoint, tlog-proofs, consistency.

use mortise_client::Signer;
use mortise_format::ids::LockId;
use mortise_format::note::{KeyUse, NoteKey};
use mortise_rpc::Method;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::Parties;
use mortise_testkit::system::readers::GrantedReader;
use mortise_testkit::system::wire::JsonLine;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Mutex;

/// Connections that commit at once, so that frames have many events.
const CONNECTIONS: usize = 8;
/// Locks of one owner: below the limit of the policy.
const LOCKS_PER_OWNER: usize = 20;

/// A running engine and where its answers go.
struct Live {
    system: System,
    engine: Value,
    out: Mutex<std::io::BufWriter<std::fs::File>>,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().expect("usage: live FILE LOCKS");
    let locks: usize = args.next().and_then(|text| text.parse().ok()).expect("a number of locks");
    let file = std::fs::File::create(&path).expect("the file can be written");
    let system = System::start();
    let info = result(&mut system.line(), "getEngineInfo", json!({}));
    let engine = json!({"engineId": info["engineId"], "address": info["address"]});
    let live = Live { system, engine, out: Mutex::new(std::io::BufWriter::new(file)) };
    let parties = Parties::of(&live.system.engine_socket());
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let (live, parties) = (&live, parties.clone());
            let own = locks / CONNECTIONS + usize::from(connection < locks % CONNECTIONS);
            scope.spawn(move || live.commits(parties, own));
        }
    });
    live.history(&info, locks);
    live.out.into_inner().expect("no thread died").flush().expect("the file can be written");
    println!("{locks} locks committed; answers in {path}");
}

/// The result of a call.
fn result(line: &mut JsonLine, method: &str, params: Value) -> Value {
    let mut answer = line.call(method, params);
    assert!(answer.get("result").is_some(), "{method}: {answer}");
    answer["result"].take()
}

impl Live {
    fn write(&self, entry: &Value) {
        let mut out = self.out.lock().expect("no thread died");
        writeln!(out, "{entry}").expect("the file can be written");
    }

    fn checked(&self, check: &str, mut input: Value) {
        input["engine"] = self.engine.clone();
        self.write(&json!({"check": check, "input": input}));
    }

    /// Locks over one connection, with what is answered and what can be asked right after.
    fn commits(&self, mut parties: Parties, locks: usize) {
        let mut line = self.system.line();
        for number in 0..locks {
            if number % LOCKS_PER_OWNER == 0 {
                parties.owner = Signer::random();
            }
            let nonce = u64::try_from(number).expect("few locks");
            let commit = parties.commit(nonce, nonce + 1);
            let params = serde_json::to_value(&commit).expect("parameters are JSON");
            let answer = result(&mut line, Method::CommitLock.name(), params);
            self.promise(&answer, &commit.intent.signature.to_string());
            let statement = &answer["receipt"]["statement"];
            let head = json!({"size": statement["historySize"], "root": statement["historyRoot"]});
            self.checked("receipts", json!({"receipt": answer["receipt"], "head": head}));
            let lock_id = &answer["commitment"]["lockId"];
            self.entry(&mut line, json!({ "lockId": lock_id }));
            if number % LOCKS_PER_OWNER == 0 {
                let owner = parties.owner.address();
                let asset = json!({"chainId": 1, "assetType": "native"});
                self.entry(&mut line, json!({"owner": owner, "asset": asset}));
                self.entry(&mut line, json!({ "owner": owner }));
                let mut unknown = [7; 32];
                unknown[..20].copy_from_slice(&owner.0);
                self.entry(&mut line, json!({"lockId": LockId(unknown)}));
            }
        }
    }

    /// A commitment against its own terms, and its receipt.
    fn promise(&self, answer: &Value, user_signature: &str) {
        let promise = &answer["commitment"];
        let nonce: u64 = promise["nonce"].as_str().and_then(|text| text.parse().ok()).unwrap();
        let terms = json!({
            "owner": promise["smartAccount"], "beneficiary": promise["beneficiary"],
            "arbiter": promise["arbiter"], "nonce": nonce, "expires": promise["expiresAt"],
            "fulfillmentCondition": promise["fulfillmentCondition"], "legs": promise["legs"],
        });
        let expected = json!({
            "terms": terms, "userSignature": user_signature, "custody": "open",
            "durability": "stored", "policyHash": promise["policyHash"],
            "now": promise["createdAt"],
        });
        let input = json!({"engine": self.engine, "commitment": promise, "expected": expected});
        let entry = json!({"check": "commitments", "input": input, "receipt": answer["receipt"]});
        self.write(&entry);
    }

    fn entry(&self, line: &mut JsonLine, key: Value) {
        let proof = result(line, Method::GetProof.name(), key.clone());
        self.checked("state-proofs", json!({"key": key, "proof": proof}));
    }

    /// The proofs of the log: checkpoint, receipts fetched under it, consistency.
    fn history(&self, info: &Value, locks: usize) {
        let mut line = self.system.line();
        let newest = result(&mut line, "getCheckpoint", json!({}));
        let key = info["checkpointKey"].as_str().expect("a text");
        let mut bytes = [0; 32];
        mortise_format::ids::parse_hex(key, &mut bytes).expect("an Ed25519 key");
        let origin = newest["origin"].as_str().expect("a text");
        let log_key = NoteKey::new(KeyUse::Log, origin, bytes).expect("an origin names a key");
        let log = json!({"origin": origin, "logKey": log_key.to_string(), "witnesses": null});
        let under = |name: &str, text: &Value| {
            let mut input = log.clone();
            input[name] = text.clone();
            input
        };
        self.write(&json!({
            "check": "checkpoints", "input": under("note", &newest["checkpoint"]),
        }));
        let size = newest["size"].as_u64().expect("a number");
        // Events by place are for readers with a right.
        let reader = GrantedReader::of(&self.system);
        for seq in 0..size {
            let sealed = result(&mut line, "getReceipt", reader.params(seq, 0));
            let fetched = json!(reader.open(seq, 0, &sealed));
            let (inclusion, mut receipt) = (&fetched["inclusion"], fetched["receipt"].clone());
            let mut input = under("proof", &fetched["tlogProof"]);
            input["leaf"] = receipt["leaf"].clone();
            self.write(&json!({"check": "tlog-proofs", "input": input}));
            receipt["historyPath"] = inclusion["path"].clone();
            let head = json!({"size": inclusion["size"], "root": inclusion["root"]});
            self.checked("receipts", json!({"receipt": receipt, "head": head}));
            let proof = json!({"from": seq + 1, "to": size});
            let proof = result(&mut line, "getConsistencyProof", proof);
            let input = json!({
                "check": "consistency", "path": proof["path"],
                "earlier": proof["from"], "later": proof["to"],
            });
            self.write(&json!({"check": "history", "input": input}));
        }
        assert!(size > 1 && locks > 0);
    }
}
