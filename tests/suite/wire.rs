//! The request port and the gateway over real sockets: framing, bounds, order of answers.

mod bounds;
mod gateway;
mod json;
mod messages;

use serde_json::Value;

/// The name of an answer's error.
fn error_name(answer: &Value) -> &str {
    answer["error"]["data"]["name"].as_str().unwrap_or_else(|| panic!("no error: {answer}"))
}
