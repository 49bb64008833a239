//! Goal: only a reader with a right from enough operators can read the log. The keys that it gets
//! open the granted epochs alone, and no frame is served before its release.
//!
//! Method: the core beside the model; then the whole system over its sockets, up to an audit with
//! the served keys.

mod disclosure;
mod frames;
mod release;
mod rights;
mod stream;

use crate::client::{block_on, over_socket};
use mortise_client::{Client, Reader};
use mortise_format::errors::Code;
use mortise_format::ids::Bytes32;
use mortise_format::reading::ReadingGrant;
use mortise_rpc::params::GrantReading;
use mortise_testkit::keys::TestSigner;
use mortise_testkit::scenario::{OPERATORS, with_operators};
use mortise_testkit::system::parties::now_s;
use mortise_testkit::system::{Options, System};
use std::fmt::Debug;

/// A system whose policy has three operators.
fn system(has_proxy: bool) -> System {
    let mut options = Options { has_proxy, ..Options::default() };
    options.genesis.policy = with_operators(options.genesis.policy);
    System::with(options)
}

/// Commits one lock, in its own frame.
fn commit(system: &System) {
    let parties = mortise_testkit::system::parties::Parties::of(&system.engine_socket());
    let answer = system.call("commitLock", serde_json::json!(parties.commit(0, 100)));
    assert!(answer["result"]["commitment"].is_object(), "{answer}");
}

fn restart(system: &mut System) {
    system.stop_engine().expect("it stops in order");
    system.start_engine();
}

/// Grants a right by two operators, over the wire.
fn grant(client: &Client, reader: &Reader, epochs: (u64, u64), id: u8) {
    block_on(async {
        let engine_id = client.identity().await.unwrap().engine_id;
        let grant = right(reader.public(), epochs, id, now_s() + 600);
        let asked = TestSigner::new(engine_id).grant_reading(&OPERATORS[..2], &grant);
        let mortise_format::command::Command::GrantReading { grant, signatures } = asked.command
        else {
            panic!("the signer grants")
        };
        client.grant_reading(GrantReading { grant, signatures }).await.unwrap();
    });
}

fn right(reader: Bytes32, (from, to): (u64, u64), id: u8, valid_until: u64) -> ReadingGrant {
    let request = mortise_format::eip712::Request {
        id: mortise_format::ids::RequestId([id; 32]),
        valid_until,
    };
    ReadingGrant { reader, from_epoch: from, to_epoch: to, request }
}

fn client(system: &System) -> Client {
    over_socket(&system.engine_socket())
}

fn code<T: Debug>(result: Result<T, mortise_client::ClientError>) -> Option<Code> {
    result.expect_err("a refusal was expected").code()
}
