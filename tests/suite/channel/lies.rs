//! A carrier that changes messages: the client reports each change with a named error.

use super::relay::{Action, Direction};
use super::{Carried, enclave};
use crate::client::block_on;
use mortise_channel::OpenError;
use mortise_client::{ChannelError, Client, ClientError, ProofError};
use mortise_format::channel::is_channel;
use mortise_format::errors::Code;
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Id, failure};
use mortise_testkit::system::{Options, System};
use mortise_testkit::vault::TestVault;
use mortise_verify::attestation::AttestationError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Changes each sealed answer.
fn change_answers(carried: &Carried, mut change: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static) {
    carried.relay.on_message(move |way, message| match way {
        Direction::Out if is_channel(message) => Action::Change(change(message)),
        _ => Action::Pass,
    });
}

fn channel_error(carried: &Carried, client: &Client) -> ChannelError {
    match carried.health_error(client) {
        ClientError::Channel(error) => error,
        error => panic!("{error}"),
    }
}

fn proof_error(carried: &Carried) -> AttestationError {
    match carried.health_error(&carried.sealed_client()) {
        ClientError::Proof(ProofError::Document(error)) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn answer_with_a_byte_changed_anywhere_or_cut_does_not_open() {
    let carried = Carried::start();
    let client = carried.sealed_client();
    block_on(client.health()).expect("the relay is honest");
    // The tests of `mortise-channel` change every byte.
    for at in [5, 36, 37, 60, 548, 564] {
        change_answers(&carried, move |answer| {
            let mut other = answer.to_vec();
            assert!(answer.len() > at, "{}", answer.len());
            other[at] ^= 1;
            other
        });
        let error = channel_error(&carried, &client);
        assert_eq!(error, ChannelError::Open(OpenError::NotAuthentic), "byte {at}");
    }
    change_answers(&carried, |answer| answer[..answer.len() - 1].to_vec());
    let error = channel_error(&carried, &client);
    assert_eq!(error, ChannelError::Open(OpenError::NotAuthentic));
    change_answers(&carried, |answer| answer[..5].to_vec());
    let error = channel_error(&carried, &client);
    assert!(matches!(error, ChannelError::Open(OpenError::Message(_))), "{error}");
}

#[test]
fn answer_of_another_request_does_not_open() {
    let carried = Carried::start();
    let client = carried.sealed_client();
    block_on(client.health()).expect("the relay is honest");
    let kept = carried.relay.seen(Direction::Out).pop().expect("there was an answer");
    change_answers(&carried, move |_| kept.clone());
    let error = channel_error(&carried, &client);
    assert_eq!(error, ChannelError::Open(OpenError::NotAuthentic));
}

#[test]
fn answer_in_clear_is_refused() {
    let carried = Carried::start();
    let client = carried.sealed_client();
    let honest = block_on(client.health()).expect("the relay is honest");
    let result = serde_json::to_value(&honest).expect("it is JSON");
    change_answers(&carried, move |_| mortise_rpc::envelope::success(&Id::from(3), &result));
    assert_eq!(channel_error(&carried, &client), ChannelError::InClear { code: 0 });
    for code in [Code::LockNotFound, Code::InsufficientAvailable, Code::Fault, Code::NotDurable] {
        change_answers(&carried, move |_| failure(&Id::Null, &ErrorObject::new(code)));
        let error = channel_error(&carried, &client);
        assert_eq!(error, ChannelError::InClear { code: code.code() });
    }
    // An error in clear is accepted: the carrier can suppress an answer anyway.
    change_answers(&carried, |_| failure(&Id::Null, &ErrorObject::not_ready("starting")));
    assert_eq!(carried.health_error(&client).code(), Some(Code::NotReady));
}

#[test]
fn client_gives_up_after_two_proofs_if_its_messages_are_refused() {
    let carried = Carried::start();
    let client = carried.sealed_client();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    carried.relay.on_message(move |way, message| match way {
        Direction::In if is_channel(message) => {
            counted.fetch_add(1, Ordering::Relaxed);
            let refused = ErrorObject::new(Code::ChannelRefused).with("keyId", 7);
            Action::Answer(failure(&Id::Null, &refused))
        }
        _ => Action::Pass,
    });
    assert_eq!(channel_error(&carried, &client), ChannelError::Refused);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let in_clear = carried.relay.seen(Direction::In);
    assert_eq!(in_clear.iter().filter(|message| !is_channel(message)).count(), 2);
}

#[test]
fn proof_of_an_engine_run_by_the_parent_is_refused_by_its_root() {
    let carried = Carried::start();
    let authority = tempfile::tempdir().expect("the system gives a folder");
    let vault: Arc<dyn mortise_engine::ports::Vault> = Arc::new(TestVault::new(132));
    let (platform, _) = enclave(authority.path(), &vault);
    let own = System::with(Options { platform: Some(platform), ..Options::default() });
    let socket = own.engine_socket();
    carried.relay.on_message(move |way, message| match way {
        Direction::In => {
            let mut framed = mortise_testkit::system::wire::Framed::connect(&socket);
            framed.send(1, message);
            Action::Answer(framed.receive().expect("the parent's engine answers").1)
        }
        Direction::Out => Action::Pass,
    });
    let error = proof_error(&carried);
    assert!(matches!(error, AttestationError::RootNotPinned { .. }), "{error}");
}

#[test]
fn key_of_the_parent_beside_a_genuine_document_is_refused() {
    let carried = Carried::start();
    carried.relay.on_message(|way, message| match way {
        Direction::Out => {
            let mut answer: serde_json::Value =
                serde_json::from_slice(message).expect("the proof is in clear");
            let other = mortise_channel::ChannelSecret::derive(&[0xaa; 32]).public();
            let other = mortise_format::ids::Bytes32(other).to_string();
            answer["result"]["binding"]["channelKey"] = other.into();
            Action::Change(answer.to_string().into_bytes())
        }
        Direction::In => Action::Pass,
    });
    let error = proof_error(&carried);
    assert!(matches!(error, AttestationError::BindingMismatch { .. }), "{error}");
    assert_eq!(carried.relay.seen(Direction::In).len(), 1, "nothing was sent without a proof");
}

#[test]
fn proof_made_for_another_nonce_is_refused() {
    let carried = Carried::start();
    block_on(carried.sealed_client().health()).expect("the relay is honest");
    let kept = carried.relay.seen(Direction::Out).remove(0);
    carried.relay.on_message(move |way, _| match way {
        // Both clients give the request the same number.
        Direction::Out => Action::Change(kept.clone()),
        Direction::In => Action::Pass,
    });
    let error = proof_error(&carried);
    assert!(matches!(error, AttestationError::ClaimMismatch { .. }), "{error}");
}
