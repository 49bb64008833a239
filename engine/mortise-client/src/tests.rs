//! The client against a tiny engine on loopback.

mod insecure;

use crate::check::CheckError;
use crate::error::{ClientError, Exit};
use crate::identity::Identity;
use crate::signer::Signer;
use crate::statements::ContradictionKind;
use crate::testing::{Engine, Server, ServerBehaviour, new_lock};
use mortise_format::errors::Code;
use mortise_format::ids::LockId;
use mortise_format::merkle::events::EventProofError;
use mortise_format::rules::RuleSet;
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::Request;
use mortise_rpc::params::{CancelLock, CancelSignedAs};
use mortise_verify::SignerError;
use mortise_verify::history::HistoryProofError;
use mortise_verify::json::JsonError;
use mortise_verify::receipt::{FrameError, ReceiptError};
use mortise_verify::statement::StatementError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn honest(_: &Request) -> ServerBehaviour {
    ServerBehaviour::Answer
}

/// Treats the first calls of a method in another way.
fn first(
    count: u32,
    method: &'static str,
    treat: impl Fn() -> ServerBehaviour + Send + Sync + 'static,
) -> impl Fn(&Request) -> ServerBehaviour + Send + Sync + 'static {
    let calls = AtomicU32::new(0);
    move |request| {
        let special = request.method == method && calls.fetch_add(1, Ordering::Relaxed) < count;
        if special { treat() } else { ServerBehaviour::Answer }
    }
}

fn owner() -> Signer {
    Signer::from_bytes(&[7; 32]).unwrap()
}

#[tokio::test]
async fn lock_is_committed_and_checked_over_http_and_over_a_socket() {
    for server in [Server::http(honest).await, Server::unix(honest).await] {
        let client = server.client();
        let result = client.commit(&owner(), &new_lock()).await.unwrap();
        assert_eq!(result.commitment.smart_account, owner().address());
        assert_eq!(client.identity().await.unwrap(), server.engine.identity());
        let kept = client.last_statement().unwrap();
        assert_eq!(kept.statement, result.receipt.statement);
    }
}

#[tokio::test]
async fn lost_connection_is_retried_with_the_same_bytes() {
    for lossy in [|| ServerBehaviour::Drop, || ServerBehaviour::Unavailable] {
        let server = Server::http(first(2, "commitLock", lossy)).await;
        server.client().commit(&owner(), &new_lock()).await.unwrap();
        let sent = server.seen("commitLock");
        assert_eq!(sent.len(), 3);
        assert!(sent.iter().all(|text| *text == sent[0]));
    }
    let server = Server::unix(first(2, "commitLock", || ServerBehaviour::Drop)).await;
    server.client().commit(&owner(), &new_lock()).await.unwrap();
    assert_eq!(server.seen("commitLock").len(), 3);
}

#[tokio::test]
async fn overloaded_and_not_ready_are_retried() {
    for refusal in [ErrorObject::overloaded(2), ErrorObject::not_ready("replaying")] {
        let refuse = move || ServerBehaviour::Refuse(refusal.clone());
        let server = Server::http(first(2, "commitLock", refuse)).await;
        server.client().commit(&owner(), &new_lock()).await.unwrap();
        assert_eq!(server.seen("commitLock").len(), 3);
    }
}

#[tokio::test]
async fn attempts_are_bounded_and_the_last_error_gives_the_exit_code() {
    let refuse = || ServerBehaviour::Refuse(ErrorObject::not_ready("replaying"));
    let server = Server::http(first(u32::MAX, "health", refuse)).await;
    let error = server.client().health().await.unwrap_err();
    assert_eq!((error.code(), error.exit()), (Some(Code::NotReady), Exit::NotReady));
    assert_eq!(server.seen("health").len(), 4);
    let server = Server::http(first(u32::MAX, "health", || ServerBehaviour::Drop)).await;
    assert_eq!(server.client().health().await.unwrap_err().exit(), Exit::Unreachable);
    let empty = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}", empty.path().join("none.sock").display());
    let client =
        crate::Client::new(endpoint.parse().unwrap()).with_retry(crate::RetryPolicy::once());
    assert_eq!(client.health().await.unwrap_err().exit(), Exit::Unreachable);
}

#[tokio::test]
async fn final_error_is_not_retried() {
    let refuse = || ServerBehaviour::Refuse(ErrorObject::new(Code::InsufficientAvailable));
    let server = Server::http(first(1, "commitLock", refuse)).await;
    let error = server.client().commit(&owner(), &new_lock()).await.unwrap_err();
    assert_eq!((error.code(), error.exit()), (Some(Code::InsufficientAvailable), Exit::Refused));
    assert_eq!(server.seen("commitLock").len(), 1);
}

#[tokio::test]
async fn taken_nonce_is_replaced_under_a_new_request_id() {
    let refuse = || ServerBehaviour::Refuse(ErrorObject::new(Code::NonceUsed));
    let server = Server::http(first(1, "commitLock", refuse)).await;
    server.client().commit(&owner(), &new_lock()).await.unwrap();
    let sent = server.seen("commitLock");
    assert_eq!((sent.len(), server.seen("suggestNonce").len()), (2, 2));
    assert_ne!(sent[0], sent[1]);
}

#[tokio::test]
async fn cancel_without_a_request_id_is_not_retried() {
    let server = Server::http(first(1, "cancelLock", || ServerBehaviour::Drop)).await;
    let client = server.client();
    let request = client.new_request().await.unwrap();
    let consent = owner().cancel(&server.engine.id, LockId([1; 32]), request, None);
    let text = CancelLock { signed_as: CancelSignedAs::Text, ..consent.clone() };
    let error = client.cancel_lock(text).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert_eq!(server.seen("cancelLock").len(), 1);
    client.cancel_lock(consent).await.unwrap();
}

/// Goal: every forged field in the answer to a commit is found.
#[tokio::test]
async fn changed_commitment_is_refused_by_what_is_wrong_with_it() {
    type Lie = fn(&str) -> String;
    let contradictory = CheckError::Json(JsonError::Commitment);
    let lies: [(Lie, CheckError); 8] = [
        (
            |t| t.replacen("\"lockedAmount\":\"1000\"", "\"lockedAmount\":\"1001\"", 1),
            contradictory,
        ),
        (|t| t.replace("\"amount\":\"1000\"", "\"amount\":\"1\""), contradictory),
        (|t| t.replacen("\"claimBy\":18000006", "\"claimBy\":18000001", 1), contradictory),
        (|t| t.replacen("\"settleBy\":1800000900,", "\"settleBy\":1800000901,", 1), contradictory),
        (|t| t.replacen("\"custody\":\"open\"", "\"custody\":\"escrow\"", 1), contradictory),
        (
            |t| t.replacen("\"index\":1,", "\"index\":0,", 1),
            CheckError::Receipt(ReceiptError::Event(EventProofError::Root)),
        ),
        (
            |t| {
                let leaf = format!("\"leaf\":\"0x0200{:02x}0002", RuleSet::NEWEST.0);
                t.replacen(&format!("{leaf}11"), &format!("{leaf}12"), 1)
            },
            CheckError::Frame(FrameError::FrameDigest),
        ),
        (
            |t| {
                t.replacen("\"historyPath\":[", "\"historyPath\":[\"0x", 1).replacen(
                    "[\"0x\"0x",
                    &format!("[\"0x{}\",\"0x", "01".repeat(32)),
                    1,
                )
            },
            CheckError::Frame(FrameError::History(HistoryProofError::PathLength {
                expected: 3,
                found: 4,
            })),
        ),
    ];
    for (lie, expected) in lies {
        let server =
            Server::http(first(1, "commitLock", move || ServerBehaviour::Change(lie))).await;
        let error = server.client().commit(&owner(), &new_lock()).await.unwrap_err();
        assert!(matches!(error, ClientError::Check(found) if found == expected), "{error:?}");
        assert_eq!(error.exit(), Exit::Refused);
    }
}

#[tokio::test]
async fn other_engine_than_the_pinned_one_is_refused() {
    let server = Server::http(honest).await;
    let other = Identity { address: owner().address(), ..server.engine.identity() };
    let client = server.client().pinned(other);
    let error = client.check_identity().await.unwrap_err();
    assert!(matches!(error, ClientError::Identity { .. }));
    let error = client.commit(&owner(), &new_lock()).await.unwrap_err();
    let ClientError::Check(CheckError::Receipt(ReceiptError::Statement(
        StatementError::Signature(SignerError::Signer { expected, found }),
    ))) = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((expected, found), (owner().address(), Engine::new().key.address()));
}

#[tokio::test]
async fn rewound_engine_is_an_error_that_carries_both_statements() {
    let server = Server::http(honest).await;
    let client = server.client();
    let kept = client.check_root().await.unwrap();
    server.engine.seq.fetch_sub(1, Ordering::Relaxed);
    let error = client.check_root().await.unwrap_err();
    let ClientError::Contradiction(evidence) = error else { panic!("{error:?}") };
    assert_eq!(evidence.kind, ContradictionKind::Behind);
    assert_eq!(evidence.kept, kept);
    assert_eq!(evidence.shown.statement.history_size + 1, kept.statement.history_size);
}

#[tokio::test]
async fn kept_statement_of_the_pinned_engine_is_accepted_again() {
    let server = Server::http(honest).await;
    let kept = server.client().check_root().await.unwrap();
    server.engine.seq.fetch_sub(1, Ordering::Relaxed);
    let client = server.client().pinned(server.engine.identity());
    let client = client.with_statement(kept.clone()).unwrap();
    assert!(matches!(client.check_root().await, Err(ClientError::Contradiction(_))));
    let unpinned = server.client().with_statement(kept.clone()).unwrap_err();
    assert!(matches!(unpinned, ClientError::Check(CheckError::NotPinned)));
    let mut forged = kept;
    forged.statement.history_size += 1;
    forged.statement.seq += 1;
    let pinned = server.client().pinned(server.engine.identity());
    assert!(matches!(pinned.with_statement(forged), Err(ClientError::Check(_))));
}

#[tokio::test]
async fn invalid_answer_is_named_and_not_retried() {
    for text in [
        "",
        "{}",
        "[1]",
        r#"{"jsonrpc":"2.0","id":99999,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"status":1}}"#,
    ] {
        let server = Server::http(first(1, "health", move || ServerBehaviour::Garbage(text))).await;
        let error = server.client().health().await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol { method: "health", .. }), "{error:?}");
        assert_eq!(server.seen("health").len(), 1);
    }
}

#[tokio::test]
async fn waiting_for_a_lock_that_is_gone_ends_at_once() {
    let server = Server::http(honest).await;
    let status = mortise_format::lock::Status::Expired.into();
    let waited = server.client().wait_for_status(LockId([1; 32]), status, Duration::MAX / 4).await;
    assert!(matches!(waited, Err(ClientError::LockGone)));
}

#[tokio::test]
async fn calls_on_one_socket_do_not_wait_for_each_other() {
    let server = Server::unix(honest).await;
    let client = std::sync::Arc::new(server.client());
    let calls = (0..100).map(|_| {
        let client = std::sync::Arc::clone(&client);
        tokio::spawn(async move { client.health().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.seen("health").len(), 100);
}
