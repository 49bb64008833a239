//! Goal: every answer is for those whom the policy's `reads` names, and for no one else.
//!
//! Method: the whole system over its sockets, once for each mode. The table goes over all methods;
//! a new method does not compile until it has a row.

mod oracles;
mod requests;
mod table;

use mortise_channel::{AnswerOpener, seal_request};
use mortise_client::{Signer, random_request_id};
use mortise_format::genesis::Genesis;
use mortise_format::ids::{Bytes32, EngineId, LockId};
use mortise_format::policy::{Edition, Reads, Service};
use mortise_rpc::params::CommitLock;
use mortise_rpc::{Call, Method, SignedRead};
use mortise_testkit::system::parties::{Parties, now_s};
use mortise_testkit::system::readers::GrantedReader;
use mortise_testkit::system::wire::Framed;
use mortise_testkit::system::{Options, System, genesis};
use serde_json::{Value, json};

/// The genesis of the test system with these reads.
pub(crate) fn genesis_with(reads: Reads, clear_reads: bool) -> Genesis {
    let mut genesis = genesis();
    let service = *genesis.policy.service();
    genesis.policy.edition = Edition::Second(Service { reads, clear_reads, ..service });
    genesis
}

/// How a call travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Clear,
    Channel,
}

/// An engine with a lock, whose grant is an event of its own.
struct Engine {
    system: System,
    id: EngineId,
    channel_key: Bytes32,
    /// Owner, beneficiary and arbiter of the lock.
    parties: Parties,
    commit: CommitLock,
    lock_id: LockId,
    /// The place of the grant.
    seq: u64,
    index: u64,
    reader: GrantedReader,
}

impl Engine {
    fn start(reads: Reads, clear_reads: bool) -> Self {
        let genesis = genesis_with(reads, clear_reads);
        let system = System::with(Options { genesis, ..Options::default() });
        let info = system.call("getEngineInfo", json!({}))["result"].clone();
        let channel_key = serde_json::from_value(info["channelKey"].clone()).expect("a key");
        let parties = Parties::of(&system.engine_socket());
        let commit = parties.commit(0, 777_001);
        let granted = system.call("commitLock", json!(commit));
        let receipt = &granted["result"]["receipt"];
        let number = |name: &str| receipt[name].as_u64().unwrap_or_else(|| panic!("{granted}"));
        let (seq, index) = (number("seq"), number("index"));
        let lock_id = parties.lock_id(&commit.intent.terms);
        let reader = GrantedReader::of(&system);
        let id = parties.engine_id;
        Self { system, id, channel_key, parties, commit, lock_id, seq, index, reader }
    }

    fn ask(&self, route: Route, method: &str, params: &Value) -> Value {
        match route {
            Route::Clear => self.system.call(method, params.clone()),
            Route::Channel => {
                let (message, opener) = self.sealed(method, params);
                let answer = opener.open(&self.exchange(&message)).expect("it opens");
                serde_json::from_slice(&answer).expect("it is JSON")
            }
        }
    }

    fn sealed(&self, method: &str, params: &Value) -> (Vec<u8>, AnswerOpener) {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let ephemeral = random_request_id().0;
        seal_request(&self.channel_key.0, 1, &ephemeral, call.to_string().as_bytes())
            .expect("it fits")
    }

    fn exchange(&self, message: &[u8]) -> Vec<u8> {
        let mut framed = Framed::connect(&self.system.engine_socket());
        framed.send(1, message);
        framed.receive().expect("the engine answers").1
    }

    /// What a reader signs for this call.
    fn read(&self, reader: &Signer, method: Method, params: &Value) -> SignedRead {
        let valid_until = now_s() + 200;
        let call = Call::parse(method, params).expect("it parses");
        let request = call.read_request(reader.address(), valid_until).expect("it takes one");
        let signature = reader.sign(&request.digest(&self.id));
        SignedRead { reader: reader.address(), valid_until, signature }
    }

    /// The parameters of a call with what its reader signed.
    fn read_by(&self, reader: &Signer, method: Method, params: &Value) -> Value {
        let mut params = params.clone();
        params["read"] = json!(self.read(reader, method, &params));
        params
    }
}

/// The name of the error; empty for a result.
fn name(answer: &Value) -> &str {
    assert!(answer["result"].is_null() != answer["error"].is_null(), "{answer}");
    answer["error"]["data"]["name"].as_str().unwrap_or_default()
}
