//! The HTTP gateway in front of a real engine.

use super::error_name;
use mortise_format::limits::REQUEST_BYTES_MAX;
use mortise_testkit::system::parties::plain_call;
use mortise_testkit::system::wire::http;
use mortise_testkit::system::{Options, System, eventually};
use serde_json::{Value, json};

#[test]
fn a_post_is_relayed_and_answered_200_errors_included() {
    let system = System::start();
    for path in ["/", "/any/path?with=query"] {
        let answer = http(system.http(), "POST", path, &plain_call(7, "getEnclaveId"));
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(7)));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        // A program names no origin. Pages get theirs back: `mortise_host::gateway::access`.
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    for (body, name) in [
        (&b"{"[..], "PARSE_ERROR"),
        (b"", "PARSE_ERROR"),
        (br#"{"jsonrpc":"2.0","id":1,"method":"none"}"#, "METHOD_NOT_FOUND"),
    ] {
        let answer = http(system.http(), "POST", "/", body);
        assert_eq!((answer.status, error_name(&answer.json())), (200, name));
    }
}

#[test]
fn a_batch_over_http_is_answered_whole_and_a_notification_with_204() {
    let system = System::start();
    let batch = [plain_call(1, "health"), plain_call(2, "getEnclaveId")].join(&b","[..]);
    let batch = [&b"["[..], &batch, b"]"].concat();
    let answer = http(system.http(), "POST", "/", &batch);
    assert_eq!(answer.json().as_array().map(Vec::len), Some(2));
    let note = br#"{"jsonrpc":"2.0","method":"health"}"#;
    let answer = http(system.http(), "POST", "/", note);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
}

#[test]
fn other_verbs_are_refused_and_a_preflight_without_an_origin_allows_nothing() {
    let system = System::start();
    for verb in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = http(system.http(), verb, "/", b"");
        assert_eq!(answer.status, 405, "{verb}");
        assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
    }
    let answer = http(system.http(), "OPTIONS", "/", b"");
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    // Nothing is allowed to a page that names no origin.
    assert_eq!(answer.header("access-control-allow-methods"), None);
}

#[test]
fn a_body_over_the_limit_is_413_and_the_limit_itself_is_read() {
    let system = System::start();
    let answer = http(system.http(), "POST", "/", &vec![b' '; REQUEST_BYTES_MAX + 1]);
    assert_eq!((answer.status, error_name(&answer.json())), (413, "INVALID_REQUEST"));
    let answer = http(system.http(), "POST", "/", &vec![b' '; REQUEST_BYTES_MAX]);
    assert_eq!((answer.status, error_name(&answer.json())), (200, "PARSE_ERROR"));
}

#[test]
fn health_of_host_and_engine_are_separate() {
    let mut system = System::start();
    let get = |system: &System, path| http(system.http(), "GET", path, b"");
    assert_eq!((get(&system, "/healthz").status, get(&system, "/readyz").status), (200, 200));
    assert_eq!(get(&system, "/readyz").json()["result"]["phase"], "ready");
    system.stop_engine().unwrap();
    assert_eq!(get(&system, "/healthz").status, 200);
    let not_ready = eventually("the gateway sees that the engine is gone", || {
        let answer = get(&system, "/readyz");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(error_name(&not_ready.json()), "NOT_READY");
    let answer = http(system.http(), "POST", "/", &plain_call(5, "health"));
    assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(5)));
    assert_eq!(error_name(&answer.json()), "NOT_READY");
    assert_eq!(answer.json()["error"]["data"]["retryable"], true);
    system.start_engine();
    eventually("the gateway finds the engine again", || {
        (get(&system, "/readyz").status == 200).then_some(())
    });
}

#[test]
fn engine_that_is_not_ready_reports_it_through_the_gateway() {
    let mut system = System::stopped(Options::default());
    system.start_host();
    let answer = http(system.http(), "POST", "/", &plain_call(1, "getEnclaveId"));
    assert_eq!(error_name(&answer.json()), "NOT_READY");
    assert_eq!(answer.json()["error"]["data"]["phase"], "engine unreachable");
}

#[test]
fn metrics_count_requests_and_answers() {
    let system = System::start();
    for id in 0..3 {
        http(system.http(), "POST", "/", &plain_call(id, "health"));
    }
    let answer = http(system.http(), "GET", "/metrics", b"");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").is_some_and(|found| found.starts_with("text/plain")));
    let text = answer.text();
    let lines = || text.lines().filter(|line| !line.starts_with('#'));
    assert!(lines().all(|line| line.is_empty() || line.starts_with("mortise_")), "{text}");
    let relayed = lines().find(|l| l.contains("relayed") && l.ends_with(" 3"));
    assert!(relayed.is_some(), "{text}");
    let synced = lines().any(|line| line.contains("sync"));
    assert!(synced, "{text}");
    // Asked for this scrape: only the engine knows.
    assert!(lines().any(|line| line == "mortise_host_engine_healthy 1"), "{text}");
    assert_ne!(system.statement(), Value::Null);
}
