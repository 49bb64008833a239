//! Goal: invalid requests and dishonest peers get a named error and change nothing.

mod log;
mod signed;
mod store;
mod text;

use mortise_testkit::system::System;
use serde_json::Value;

/// Name and `data.field` of an answer's error; the field is empty when there is none.
fn refusal(answer: &Value) -> (&str, &str) {
    let data = &answer["error"]["data"];
    let name = data["name"].as_str().unwrap_or_else(|| panic!("no error: {answer}"));
    (name, data["field"].as_str().unwrap_or_default())
}

/// Every method but health answers FAULT.
fn assert_serves_nothing(system: &System) {
    let health = system.call("health", Value::Null);
    assert_eq!(health["result"]["phase"], "fault", "{health}");
    assert_eq!(health["result"]["status"], "fault");
    for method in
        ["getEnclaveId", "getEngineInfo", "getPolicy", "getStateRoot", "cleanupExpiredLocks"]
    {
        let answer = system.call(method, Value::Null);
        assert_eq!(refusal(&answer).0, "FAULT", "{method}: {answer}");
    }
}
