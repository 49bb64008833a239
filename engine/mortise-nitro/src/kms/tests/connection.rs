//! Failures before an answer is complete.

use super::rig::{
    Greeting, HandClock, NOW_MS, Reply, Service, client, config, credentials, honest, http,
    platform, timeouts,
};
use crate::kms::{CredentialStore, KmsClient, KmsError, KmsPlatform, Wait};
use mortise_config::Timeouts;
use mortise_engine::ports::VaultError;
use mortise_rpc::credentials::Credentials;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The error with a service that starts a connection this way, and the number of connections.
async fn greeted(greeting: Greeting, timeouts: Timeouts) -> (KmsError, usize) {
    let service = Service::greeting(move |_| greeting, |_, seen| Reply::Json(200, honest(seen)));
    let config = config().with_timeouts(timeouts).unwrap();
    let client = KmsClient::new(config, platform(&service)).unwrap();
    let error = client.generate_random(1, None).await.unwrap_err();
    assert_eq!(service.seen().len(), 0, "nothing is sent to a peer that is not the service");
    (error, service.dials())
}

#[tokio::test]
async fn peer_that_is_not_the_service_is_refused_by_name_and_gets_nothing() {
    for (greeting, error) in [
        (Greeting::OtherName, KmsError::TlsWrongHost),
        (Greeting::OtherRoot, KmsError::TlsUnknownRoot),
        (Greeting::NamedAlike, KmsError::TlsUnknownRoot),
        (Greeting::Expired, KmsError::TlsCertificate),
        (Greeting::Ssh, KmsError::NotTls),
    ] {
        assert_eq!(greeted(greeting, timeouts()).await, (error, 1));
        assert!(matches!(VaultError::from(error), VaultError::Unavailable(_)));
    }
}

#[tokio::test]
async fn roots_of_amazon_do_not_know_a_local_service() {
    let service = Service::new(|_, seen| Reply::Json(200, honest(seen)));
    let config = config().with_roots(mortise_config::TrustRoots::amazon());
    let client = KmsClient::new(config, platform(&service)).unwrap();
    let error = client.generate_random(1, None).await.unwrap_err();
    assert_eq!((error, service.seen().len()), (KmsError::TlsUnknownRoot, 0));
}

/// Credentials that do not expire.
fn lasting_credentials() -> Credentials {
    let mut lasting = credentials();
    lasting.expiration = None;
    lasting
}

#[tokio::test]
async fn certificate_is_checked_at_the_time_of_the_trusted_clock() {
    let years_30_ms = 30 * 365 * 24 * 3600 * 1000;
    let service = Service::new(|_, seen| Reply::Json(200, honest(seen)));
    let clock = Arc::new(HandClock(AtomicU64::new(NOW_MS + years_30_ms)));
    let credentials = CredentialStore::fixed(&lasting_credentials()).unwrap();
    let platform = KmsPlatform { clock, credentials, ..platform(&service) };
    let client = KmsClient::new(config(), platform).unwrap();
    let error = client.generate_random(1, None).await.unwrap_err();
    assert_eq!(error, KmsError::TlsCertificate);
}

#[tokio::test]
async fn without_a_trusted_time_nothing_is_sent() {
    for now_ms in [u64::MAX, u64::MAX - 1] {
        let service = Service::new(|_, seen| Reply::Json(200, honest(seen)));
        let clock = Arc::new(HandClock(AtomicU64::new(now_ms)));
        let platform = KmsPlatform { clock, ..platform(&service) };
        let client = KmsClient::new(config(), platform).unwrap();
        let error = client.generate_random(1, Some(&lasting_credentials())).await.unwrap_err();
        assert_eq!((error, service.dials()), (KmsError::NoTime, 0));
    }
}

#[tokio::test]
async fn connections_that_fail_are_tried_again_up_to_the_bound() {
    let refused = KmsError::Connect(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(greeted(Greeting::Refused, timeouts()).await, (refused, 3));
    assert_eq!(greeted(Greeting::Hangup, timeouts()).await, (KmsError::ConnectionLost, 3));
}

#[tokio::test]
async fn each_silence_ends_in_its_own_timeout() {
    let short = Duration::from_millis(30);
    let connect = Timeouts { connect: short, attempts_max: 2, ..timeouts() };
    let late = |wait| KmsError::TimedOut(wait);
    assert_eq!(greeted(Greeting::Silence, connect).await, (late(Wait::Connect), 2));
    let overall = Timeouts { overall: short, ..timeouts() };
    let (error, _) = greeted(Greeting::Silence, overall).await;
    assert_eq!(error, late(Wait::Overall));

    let service = Service::new(|_, _| Reply::Silence);
    let answer = Timeouts { answer: short, attempts_max: 2, ..timeouts() };
    let config = config().with_timeouts(answer).unwrap();
    let client = KmsClient::new(config, platform(&service)).unwrap();
    let error = client.generate_random(1, None).await.unwrap_err();
    assert_eq!((error, service.dials()), (late(Wait::Answer), 2));
}

/// Also without the end of TLS: the parent could cut an answer that ends with its connection.
#[tokio::test]
async fn answer_that_is_cut_is_lost_and_tried_again() {
    let whole = http(200, r#"{"CiphertextForRecipient":"AA=="}"#);
    for cut in [0, 5, 17, whole.len() - 10, whole.len() - 1] {
        let part = whole[..cut].to_vec();
        for torn in [true, false] {
            let part = part.clone();
            let service = Service::new(move |_, _| match torn {
                true => Reply::Torn(part.clone()),
                false => Reply::Bytes(part.clone()),
            });
            let error = client(&service).generate_random(1, None).await.unwrap_err();
            assert_eq!((error, service.dials()), (KmsError::ConnectionLost, 3), "{cut} {torn}");
        }
    }
    let endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}".to_vec();
    let service = Service::new(move |_, _| Reply::Torn(endless.clone()));
    let error = client(&service).generate_random(1, None).await.unwrap_err();
    assert_eq!(error, KmsError::ConnectionLost);
}
