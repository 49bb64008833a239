//! A store that answers an append wrongly, or with garbage, while the engine serves.

use super::refusal;
use mortise_engine::server::EngineError;
use mortise_format::ids::FrameDigest;
use mortise_format::store::{StoreRefusal, StoreRequest, StoreResponse};
use mortise_rpc::Method;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::{Parties, call};
use mortise_testkit::system::proxy::Lie;
use mortise_testkit::system::wire::Framed;
use serde_json::Value;

/// Goal: after a wrong answer to an append no signature leaves, the engine stops, and the log alone
/// decides whether the request was executed. Method: the store keeps the frame and a proxy changes
/// its answer; then the same request is sent to an engine over the honest store.
fn a_lie_about_an_append(lie: impl Fn(&StoreResponse) -> Lie + Send + 'static) {
    let mut system = System::behind_proxy();
    let parties = Parties::of(&system.engine_socket());
    let commit = call(1, Method::CommitLock, &parties.commit(0, 100));
    system.proxy().lie(move |asked, answer| match asked {
        StoreRequest::Append { .. } => lie(answer),
        _ => Lie::Honest,
    });
    let mut line = Framed::connect(&system.engine_socket());
    line.send(1, &commit);
    let answer = line.hear().1;
    assert_eq!(refusal(&answer).0, "NOT_DURABLE", "{answer}");
    assert_eq!(answer["error"]["data"]["retryable"], true);
    let ended = system.engine_ended();
    assert!(matches!(&ended, EngineError::Fault { why, .. } if why.contains("append")), "{ended}");
    assert!(ended.is_worth_a_restart());
    system.proxy().be_honest();
    system.start_engine();
    let mut line = Framed::connect(&system.engine_socket());
    for number in 0..2 {
        line.send(number, &commit);
        let answer = line.hear().1;
        assert_eq!(answer["result"]["status"], "ACTIVE", "{answer}");
        // The first attempt was executed, once: the store had kept the frame.
        assert_eq!(answer["result"]["receipt"]["epoch"], 1);
    }
    let locks = system.call("listLocks", Value::Null);
    assert_eq!(locks["result"]["locks"].as_array().map(Vec::len), Some(1));
}

#[test]
fn ack_with_another_digest_is_refused() {
    a_lie_about_an_append(|answer| match answer {
        StoreResponse::Acked { seq, .. } => {
            Lie::Other(StoreResponse::Acked { seq: *seq, digest: FrameDigest([7; 32]) })
        }
        other => panic!("an append is acked: {other:?}"),
    });
}

#[test]
fn ack_of_another_frame_is_refused() {
    a_lie_about_an_append(|answer| match answer {
        StoreResponse::Acked { seq, digest } => {
            Lie::Other(StoreResponse::Acked { seq: seq - 1, digest: *digest })
        }
        other => panic!("an append is acked: {other:?}"),
    });
}

#[test]
fn ack_with_an_unknown_request_number_is_refused() {
    a_lie_about_an_append(|_| Lie::Renumbered);
}

#[test]
fn answer_of_another_kind_is_refused() {
    a_lie_about_an_append(|_| Lie::Other(StoreResponse::BlobKept));
}

#[test]
fn error_in_answer_to_an_append_is_no_ack() {
    a_lie_about_an_append(|_| Lie::Other(StoreResponse::Refused(StoreRefusal::SyncFailed)));
}

#[test]
fn garbage_is_refused() {
    a_lie_about_an_append(|_| Lie::Raw(b"HTTP/1.1 500 oh no\r\n\r\n".to_vec()));
}

#[test]
fn oversized_message_is_refused() {
    a_lie_about_an_append(|_| Lie::Raw(vec![0xff; 64]));
}

#[test]
fn truncated_message_is_refused() {
    a_lie_about_an_append(|_| Lie::Raw(vec![40, 0, 0, 0, 1, 0, 0]));
}

#[test]
fn closed_connection_is_no_ack() {
    a_lie_about_an_append(|_| Lie::Raw(Vec::new()));
}

#[test]
fn answers_wait_for_a_late_ack_and_leave_in_order() {
    let system = System::behind_proxy();
    let parties = Parties::of(&system.engine_socket());
    system.proxy().hold_acks();
    let mut line = Framed::connect(&system.engine_socket());
    let mut last = 0;
    for nonce in 0..20 {
        line.send(nonce, call(nonce, Method::CommitLock, &parties.commit(nonce, 100)));
    }
    system.proxy().release();
    for _ in 0..20 {
        let (_, answer) = line.hear();
        let seq = answer["result"]["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"));
        assert!(seq >= last, "the answer of frame {seq} came after one of frame {last}");
        last = seq;
    }
}
