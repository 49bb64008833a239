//! `subscribe`: a stream of frames as they are released.

use super::{client, commit, restart, system};
use crate::client::block_on;
use mortise_client::{ClientError, Notification, Subscription};
use mortise_format::errors::Code;
use mortise_rpc::params::GetEvents;
use mortise_rpc::results::{EndReason, FrameView, SubscriptionEnded};
use mortise_testkit::system::System;
use mortise_testkit::system::wire::{Framed, http};
use mortise_transport::Address;
use serde_json::{Value, json};

fn address(system: &System) -> Address {
    Address::Unix(system.engine_socket())
}

async fn stored(system: &System) -> Vec<FrameView> {
    let asked = GetEvents { from: 0, count: 256, reader: None, wait_ms: 0 };
    client(system).events(asked).await.unwrap().frames
}

#[test]
fn subscriber_gets_every_frame_once_and_in_order_as_it_is_released() {
    let mut system = system(false);
    commit(&system);
    restart(&mut system);
    block_on(async {
        let mut from_start = Subscription::open(&address(&system), Some(0)).await.unwrap();
        let mut from_now = Subscription::open(&address(&system), None).await.unwrap();
        assert_eq!(from_now.begun.from, from_start.begun.released);
        let mut seen = Vec::new();
        for _ in 0..3 {
            commit(&system);
            let newest = stored(&system).await;
            while seen.len() < newest.len() {
                let Notification::Frames(page) = from_start.next().await.unwrap() else {
                    panic!("it goes on")
                };
                seen.extend(page.frames);
            }
            assert_eq!(seen, newest);
        }
        let first = usize::try_from(from_now.begun.from).unwrap();
        let mut later = Vec::new();
        while from_now.next_seq() < from_start.next_seq() {
            let Notification::Frames(page) = from_now.next().await.unwrap() else {
                panic!("it goes on")
            };
            later.extend(page.frames);
        }
        assert_eq!(later, seen[first..]);
    });
}

#[test]
fn subscription_ends_with_a_named_reason_and_the_seq_to_resume_from() {
    let mut system = system(false);
    let mut line = system.line();
    line.say(json!({"jsonrpc":"2.0","method":"subscribe","params":{"from":0},"id":5}).to_string());
    let answer = line.hear();
    assert_eq!((&answer["id"], &answer["result"]["from"]), (&json!(5), &json!(0)));
    let frames = line.hear();
    assert_eq!(frames["method"], "frames");
    assert!(frames.get("id").is_none());
    line.say("{}");
    let ended = line.hear();
    assert_eq!(ended["method"], "subscriptionEnded");
    let params = json!({"reason": "NEW_INPUT", "next": frames["params"]["next"]});
    assert_eq!(ended["params"], params);
    assert!(line.is_over());
    // An engine that stops ends the subscription by name, if time allows; a new subscription
    // resumes at the stated seq.
    let next = block_on(async {
        let mut subscription = Subscription::open(&address(&system), None).await.unwrap();
        system.stop_engine().unwrap();
        match subscription.next().await {
            Ok(Notification::Ended(ended)) => {
                let next = subscription.begun.from;
                assert_eq!(ended, SubscriptionEnded { reason: EndReason::NotServing, next });
            }
            Err(ClientError::Unreachable { .. }) => {}
            other => panic!("{other:?}"),
        }
        subscription.next_seq()
    });
    system.start_engine();
    let again = block_on(Subscription::open(&address(&system), Some(next))).unwrap();
    assert_eq!(again.begun.released, next + 1, "the boot frame came");
}

#[test]
fn half_closed_subscriber_still_receives() {
    let system = system(false);
    let mut line = system.line();
    line.say(json!({"jsonrpc":"2.0","method":"subscribe","id":1}).to_string());
    line.half_close();
    assert!(line.hear()["result"].is_object());
    commit(&system);
    assert_eq!(line.hear()["method"], "frames");
}

#[test]
fn subscribe_is_refused_unless_it_is_alone_on_its_connection() {
    let system = system(false);
    let call = json!({"jsonrpc":"2.0","method":"subscribe","id":1});
    let refused = |answer: &Value| {
        assert_eq!(answer["error"]["code"], Code::InvalidRequest.code(), "{answer}");
    };
    let mut line = system.line();
    line.say(json!([call]).to_string());
    refused(&line.hear()[0]);
    // With a request behind it, which is answered.
    line.say(format!("{call}{}", json!({"jsonrpc":"2.0","method":"getPolicy","id":2})));
    refused(&line.hear());
    assert_eq!(line.hear()["id"], 2);
    line.say(json!({"jsonrpc":"2.0","method":"subscribe","params":{"to":1},"id":3}).to_string());
    assert_eq!(line.hear()["error"]["code"], Code::UnknownField.code());
    let mut framed = Framed::connect(&system.engine_socket());
    framed.send(7, call.to_string());
    refused(&framed.hear().1);
    refused(&http(system.http(), "POST", "/", call.to_string().as_bytes()).json());
}
