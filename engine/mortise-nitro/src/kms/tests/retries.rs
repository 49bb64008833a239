//! Which failures are retried, and with new keys.

use super::rig::{
    EchoModule, Greeting, Reply, Service, client, config, honest, platform, timeouts,
};
use crate::kms::{KmsClient, KmsError, KmsPlatform};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn failure(name: &str) -> serde_json::Value {
    json!({ "__type": name })
}

#[tokio::test]
async fn throttling_and_failures_of_the_service_are_tried_again_with_fresh_keys() {
    for (name, status) in [
        ("ThrottlingException", 400),
        ("LimitExceededException", 400),
        ("", 429),
        ("KMSInternalException", 500),
        ("DependencyTimeoutException", 503),
        ("KeyUnavailableException", 500),
        ("", 502),
    ] {
        let service = Service::new(move |attempt, seen| match attempt {
            0 | 1 => Reply::Json(status, failure(name)),
            _ => Reply::Json(200, honest(seen)),
        });
        let module = Arc::new(EchoModule::default());
        let nsm = Arc::clone(&module);
        let platform = KmsPlatform { nsm, ..platform(&service) };
        let client = KmsClient::new(config(), platform).unwrap();
        assert_eq!(client.generate_random(4, None).await.unwrap().len(), 4, "{name}");
        let mut keys: Vec<_> = service.seen().iter().map(|seen| seen.public_der()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!((keys.len(), module.documents.load(Ordering::SeqCst)), (3, 3), "{name}");
    }
}

#[tokio::test]
async fn attempts_are_bounded_and_the_last_failure_is_returned() {
    let service = Service::new(|attempt, _| match attempt {
        0 | 1 => Reply::Json(400, failure("ThrottlingException")),
        _ => Reply::Json(500, failure("KMSInternalException")),
    });
    let error = client(&service).generate_random(4, None).await.unwrap_err();
    assert_eq!((error, service.dials()), (KmsError::ServiceFailed { status: 500 }, 3));
    let throttled = Service::new(|_, _| Reply::Json(400, failure("ThrottlingException")));
    let error = client(&throttled).generate_random(4, None).await.unwrap_err();
    assert_eq!((error, throttled.dials()), (KmsError::Throttled, 3));
}

#[tokio::test]
async fn refusal_after_a_failure_is_final() {
    let service = Service::new(|attempt, _| match attempt {
        0 => Reply::Json(500, failure("KMSInternalException")),
        _ => Reply::Json(400, failure("AccessDeniedException")),
    });
    let error = client(&service).generate_random(4, None).await.unwrap_err();
    assert_eq!((error, service.dials()), (KmsError::AccessDenied, 2));
}

#[tokio::test]
async fn broken_connection_is_followed_by_a_good_one() {
    let greeting = |attempt| match attempt {
        0 => Greeting::Refused,
        1 => Greeting::Hangup,
        _ => Greeting::Honest,
    };
    let service = Service::greeting(greeting, |_, seen| Reply::Json(200, honest(seen)));
    assert_eq!(client(&service).generate_random(4, None).await.unwrap().len(), 4);
    assert_eq!((service.dials(), timeouts().attempts_max), (3, 3));
}

#[tokio::test]
async fn answer_of_an_earlier_attempt_does_not_open_a_later_one() {
    let earlier = std::sync::Mutex::new(None);
    let service = Service::new(move |attempt, seen| {
        let answer = earlier.lock().unwrap().get_or_insert_with(|| honest(seen)).clone();
        match attempt {
            0 => Reply::Json(500, failure("KMSInternalException")),
            _ => Reply::Json(200, answer),
        }
    });
    let error = client(&service).generate_random(4, None).await.unwrap_err();
    assert_eq!(error, KmsError::Envelope(crate::kms::EnvelopeError::Undecryptable));
}
