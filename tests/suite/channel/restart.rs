//! A channel key lives for one boot: clients get a new key when the engine boots again.

use super::Carried;
use super::raw::Raw;
use super::relay::{Action, Direction};
use crate::client::block_on;
use mortise_client::{Channel, ClientError, Identity};
use mortise_format::channel::is_channel;
use mortise_format::errors::Code;
use mortise_format::ids::{Address, EngineId};
use serde_json::{Value, json};

#[test]
fn client_continues_after_a_restart_with_a_new_proof_and_the_same_request() {
    let mut carried = Carried::start();
    let (client, parties) = (carried.sealed_client(), carried.parties());
    let request = parties.commit(0, 100);
    let before = block_on(client.commit_lock(request.clone())).expect("it is granted");
    let proven = block_on(client.proven()).unwrap().expect("it was asked for");
    carried.boot_again();
    let after = block_on(client.commit_lock(request)).expect("it is the same request");
    assert_eq!(before.commitment, after.commitment);
    let again = block_on(client.proven()).unwrap().expect("it was asked for");
    assert_eq!(again.identity(), proven.identity());
    assert_eq!(again.binding().epoch, proven.binding().epoch + 1);
    assert_ne!(again.keys().channel, proven.keys().channel);
    let questions = carried.relay.seen(Direction::In).iter().filter(|m| !is_channel(m)).count();
    assert_eq!(questions, 2);
    assert!(block_on(client.commit_lock(parties.commit(1, 100))).is_ok());
}

#[test]
fn request_whose_answer_was_lost_is_executed_once() {
    let carried = Carried::start();
    let (client, parties) = (carried.sealed_client(), carried.parties());
    block_on(client.health()).expect("the relay is honest");
    let mut lost = 0;
    carried.relay.on_message(move |way, _| match way {
        Direction::Out if lost < 2 => {
            lost += 1;
            let overloaded = mortise_rpc::ErrorObject::overloaded(1);
            let id = mortise_rpc::envelope::Id::Null;
            Action::Change(mortise_rpc::envelope::failure(&id, &overloaded))
        }
        _ => Action::Pass,
    });
    block_on(client.commit_lock(parties.commit(0, 100))).expect("the third answer arrives");
    let sent = carried.relay.seen(Direction::In);
    let [.., first, second, third] = sent.as_slice() else { panic!("it was sent three times") };
    // The same text, sealed again: the carrier sees three different requests.
    assert!(first != second && second != third && first[19..51] != second[19..51]);
    let open = carried.system.call("getActiveLocks", json!({"owner": parties.owner.address()}));
    assert_eq!(open["result"].as_array().map(Vec::len), Some(1));
}

#[test]
fn message_to_the_key_of_an_earlier_boot_is_refused_with_the_current_key_id() {
    let mut carried = Carried::start();
    let old = Raw::of(&carried.system);
    let (message, _) = old.sealed(r#"{"jsonrpc":"2.0","id":1,"method":"health"}"#);
    carried.boot_again();
    let refused: Value = serde_json::from_slice(&old.exchange(&message)).expect("it is in clear");
    assert_eq!(refused["error"]["code"], Code::ChannelRefused.code());
    assert_eq!(refused["error"]["data"]["keyId"], 2);
}

#[test]
fn proof_of_an_engine_that_is_not_pinned_is_refused() {
    let carried = Carried::start();
    let pinned = Identity { engine_id: EngineId([1; 32]), address: Address([2; 20]) };
    for channel in [Channel::Sealed, Channel::Off] {
        let client = carried.client(channel).pinned(pinned);
        let error = carried.health_error(&client);
        assert!(matches!(error, ClientError::Identity { .. }), "{error}");
    }
}
