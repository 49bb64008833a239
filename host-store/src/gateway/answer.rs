//! Answers of the gateway itself: errors in the engine's place, with the ids of the request.
//!
//! - One call: one error object with the call's id; null when the body is not a JSON-RPC call.
//! - A batch: an array with one error for each call that has an id.
//! - A notification, or a batch of only notifications: no body, because JSON-RPC forbids an answer;
//!   status 204.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use mortise_format::channel::{MEDIA_TYPE, is_channel};
use mortise_format::errors::Code;
use mortise_transport::HeldBytes;
use serde_json::{Map, Value, json};

/// Adds the headers that let a web page use the gateway: any page, or the one that is named.
pub(super) fn with_cors(
    mut response: Response<Body>,
    origin: Option<HeaderValue>,
) -> Response<Body> {
    let headers = response.headers_mut();
    // A cache must not give one page the answer for another.
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return response };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer with a JSON body.
pub(super) fn json_body(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The engine's answer. The gateway sees that a body is a message of the channel, and nothing in
/// it.
pub(super) fn relayed(answer: Bytes, held: HeldBytes) -> Response<Body> {
    let is_channel = is_channel(&answer);
    let answer = Bytes::from_owner(HeldAnswer { answer, _held: held });
    let mut response = json_body(StatusCode::OK, answer);
    if is_channel {
        let opaque = HeaderValue::from_static(MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, opaque);
    }
    response
}

/// An answer with its part of the budget, which is given back when the last of it is written.
struct HeldAnswer {
    answer: Bytes,
    _held: HeldBytes,
}

impl AsRef<[u8]> for HeldAnswer {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

/// An error of the catalogue with additional fields of `data`.
#[derive(Debug, Clone)]
pub(super) struct GatewayError {
    code: Code,
    fields: Map<String, Value>,
}

impl GatewayError {
    pub(super) fn new(code: Code) -> Self {
        Self { code, fields: Map::new() }
    }

    pub(super) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// Answers `request` in the engine's place.
    pub(super) fn answer(&self, request: &[u8]) -> Response<Body> {
        match self.body(request) {
            Some(body) => json_body(StatusCode::OK, body.into()),
            None => empty(StatusCode::NO_CONTENT),
        }
    }

    /// Answers a request that was not read completely.
    pub(super) fn answer_unread(&self, status: StatusCode) -> Response<Body> {
        json_body(status, self.object("null").into())
    }

    fn body(&self, request: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(request).unwrap_or_default();
        let Ok(request) = serde_json::from_str(text) else {
            return Some(self.object("null"));
        };
        let texts = mortise_rpc::id::texts(text);
        let object = |(call, text): (&Value, &Option<&str>)| {
            id_to_answer(call, *text).map(|id| self.object(id))
        };
        match request {
            Value::Array(calls) if !calls.is_empty() => {
                let errors: Vec<String> = calls.iter().zip(&texts).filter_map(object).collect();
                (!errors.is_empty()).then(|| format!("[{}]", errors.join(",")))
            }
            other => object((&other, texts.first().unwrap_or(&None))),
        }
    }

    /// The error with the JSON text of an id.
    pub(super) fn object(&self, id: &str) -> String {
        let mut data = self.fields.clone();
        data.insert("name".to_owned(), self.code.name().into());
        data.entry("retryable").or_insert_with(|| self.code.retryable().into());
        data.insert("hint".to_owned(), self.code.hint().into());
        let error = json!({
            "code": self.code.code(),
            "message": self.code.meaning(),
            "data": data,
        });
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
    }
}

/// The id for the answer to this call, as the caller wrote it; `None` for a notification.
fn id_to_answer<'a>(call: &Value, text: Option<&'a str>) -> Option<&'a str> {
    let is_call = call.get("method").is_some_and(Value::is_string);
    match call.get("id") {
        None if is_call => None,
        Some(Value::String(_) | Value::Number(_)) => text,
        _ => Some("null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(request: &str) -> Option<Value> {
        GatewayError::new(Code::NotReady)
            .with("phase", "engine unreachable")
            .body(request.as_bytes())
            .map(|body| serde_json::from_str(&body).unwrap())
    }

    #[test]
    fn the_own_text_of_an_id_comes_back() {
        let error = GatewayError::new(Code::NotReady);
        for id in ["18446744073709551617", "1e2", "-0", "12345678901234567890.5", r#""\u0061""#] {
            let call = format!(r#"{{"id":{id},"method":"m"}}"#);
            let answer = error.body(call.as_bytes()).unwrap();
            assert!(answer.contains(&format!(r#""id":{id},"#)), "{answer}");
            let answer = error.body(format!("[{call},{call}]").as_bytes()).unwrap();
            assert_eq!(answer.matches(&format!(r#""id":{id},"#)).count(), 2, "{answer}");
        }
    }

    #[test]
    fn an_error_carries_the_id_of_its_call() {
        for (request, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"health"}"#, json!(7)),
            (r#"{"jsonrpc":"2.0","id":"a","method":"health"}"#, json!("a")),
            (r#"{"jsonrpc":"2.0","id":null,"method":"health"}"#, Value::Null),
            (r#"{"id":{},"method":"health"}"#, Value::Null),
            (r#"{"other":1}"#, Value::Null),
            ("[]", Value::Null),
            ("not json", Value::Null),
            ("", Value::Null),
        ] {
            let error = body(request).unwrap();
            assert_eq!(error["id"], id, "{request}");
            assert_eq!(error["error"]["code"], -32028);
            assert_eq!(error["error"]["data"]["name"], "NOT_READY");
            assert_eq!(error["error"]["data"]["phase"], "engine unreachable");
            assert_eq!(error["error"]["data"]["retryable"], true);
        }
    }

    #[test]
    fn a_notification_is_not_answered_and_a_batch_call_by_call() {
        assert_eq!(body(r#"{"jsonrpc":"2.0","method":"health"}"#), None);
        assert_eq!(body(r#"[{"method":"a"},{"method":"b"}]"#), None);
        let batch = body(r#"[{"method":"a","id":1},{"method":"b"},{"method":"c","id":"x"},3]"#);
        let batch = batch.unwrap();
        let ids: Vec<_> = batch.as_array().unwrap().iter().map(|e| e["id"].clone()).collect();
        assert_eq!(ids, [json!(1), json!("x"), Value::Null]);
    }
}
