//! The JSON-RPC 2.0 envelope: single calls, batches, notifications, answers.
//!
//! Requests are parsed strictly. Answers are built as bytes, so that a result that is rebuilt from
//! the log has the same bytes.

use super::error::ErrorObject;
use super::id::texts;
use super::json::{self, JsonError};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mortise_format::errors::Code;
use mortise_format::limits::{REQUEST_BYTES_MAX, RPC_BATCH_MAX};
use serde::Serialize;
use serde_json::{Map, Value};

pub use super::id::Id;

/// A well-formed call.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `None` for a notification, which is executed and not answered.
    pub id: Option<Id>,
    /// Name of the method.
    pub method: String,
    /// The parameters, null when absent.
    pub params: Value,
}

/// One entry of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A call.
    Request(Request),
    /// Not a call: what to answer.
    Refused {
        /// The id if it can be read, else null.
        id: Id,
        /// The error to answer with.
        error: ErrorObject,
    },
}

/// The content of one JSON text.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// One entry, answered by one object.
    Single(Item),
    /// 1 to `RPC_BATCH_MAX` entries, answered by an array without the notifications, or by
    /// nothing when all are notifications.
    Batch(Vec<Item>),
}

/// Parses the bytes of one message. Bytes that are not JSON, and a batch that is empty or too
/// large, give one refused entry with a null id, as JSON-RPC 2.0 specifies.
pub fn parse(bytes: &[u8]) -> Message {
    if bytes.len() > REQUEST_BYTES_MAX {
        return refused(invalid("the request is over its size limit"));
    }
    read(bytes, json::parse(bytes))
}

/// Reads the result of [`json::parse`] of `bytes`; see [`parse`].
pub fn read(bytes: &[u8], parsed: Result<Value, JsonError>) -> Message {
    match parsed {
        Ok(Value::Array(list)) if list.is_empty() => refused(invalid("the batch is empty")),
        Ok(Value::Array(list)) if list.len() > RPC_BATCH_MAX => {
            refused(invalid("the batch has more calls than the limit"))
        }
        Ok(Value::Array(list)) => {
            let texts = id_texts(bytes, &list);
            let texts = texts.into_iter().chain(core::iter::repeat(None));
            Message::Batch(list.into_iter().zip(texts).map(|(v, text)| item(v, text)).collect())
        }
        Ok(value) => {
            let texts = id_texts(bytes, core::slice::from_ref(&value));
            Message::Single(item(value, texts.into_iter().next().flatten()))
        }
        Err(error) => refused(ErrorObject::from(error)),
    }
}

/// The texts of the ids, if one of them is a number that the parser does not keep.
fn id_texts<'a>(bytes: &'a [u8], entries: &[Value]) -> Vec<Option<&'a str>> {
    let is_float = |entry: &Value| entry.get("id").is_some_and(Value::is_f64);
    match core::str::from_utf8(bytes) {
        Ok(text) if entries.iter().any(is_float) => texts(text),
        _ => Vec::new(),
    }
}

fn refused(error: ErrorObject) -> Message {
    Message::Single(Item::Refused { id: Id::Null, error })
}

fn invalid(why: &str) -> ErrorObject {
    ErrorObject::new(Code::InvalidRequest).with_message(why)
}

fn item(value: Value, text: Option<&str>) -> Item {
    let Value::Object(map) = value else {
        return Item::Refused { id: Id::Null, error: invalid("a call is an object") };
    };
    let id = match map.get("id") {
        None => None,
        Some(Value::Null) => Some(Id::Null),
        Some(Value::Number(number)) => Some(Id::number(number, text)),
        Some(Value::String(text)) => Some(Id::Text(text.clone())),
        Some(_) => {
            let error = invalid("an id is a string, a number or null");
            return Item::Refused { id: Id::Null, error };
        }
    };
    match call(map) {
        Ok((method, params)) => Item::Request(Request { id, method, params }),
        Err(error) => Item::Refused { id: id.unwrap_or(Id::Null), error },
    }
}

fn call(mut map: Map<String, Value>) -> Result<(String, Value), ErrorObject> {
    if map.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("jsonrpc must be \"2.0\""));
    }
    let Some(Value::String(method)) = map.remove("method") else {
        return Err(invalid("method must be a string"));
    };
    let params = map.remove("params").unwrap_or(Value::Null);
    if !matches!(params, Value::Object(_) | Value::Array(_) | Value::Null) {
        return Err(invalid("params must be an object or an array"));
    }
    let known = |name: &String| name == "jsonrpc" || name == "id";
    match map.keys().find(|name| !known(name)) {
        None => Ok((method, params)),
        Some(_) => Err(invalid("a call has jsonrpc, method, params and id only")),
    }
}

/// The bytes of a successful answer.
pub fn success<T: Serialize>(id: &Id, result: &T) -> Vec<u8> {
    success_written(id, &to_bytes(result), None)
}

/// As [`success`], around a result that is JSON text already. `freshness` is JSON text too: what an
/// answer about now carries beside its result.
pub fn success_written(id: &Id, result: &[u8], freshness: Option<&[u8]>) -> Vec<u8> {
    match freshness {
        None => answer("result", result, id),
        Some(freshness) => {
            let both: [&[u8]; 4] = [result, b",\"", FRESHNESS.as_bytes(), b"\":"];
            answer("result", &[both.concat().as_slice(), freshness].concat(), id)
        }
    }
}

/// The member of an answer about now, beside its result.
pub const FRESHNESS: &str = "freshness";

/// The bytes of an error answer.
pub fn failure(id: &Id, error: &ErrorObject) -> Vec<u8> {
    answer("error", &to_bytes(error), id)
}

/// The fields of an answer, in the order of the JSON text.
fn answer(field: &str, value: &[u8], id: &Id) -> Vec<u8> {
    let id = id.to_json();
    let parts: [&[u8]; 7] =
        [br#"{"jsonrpc":"2.0",""#, field.as_bytes(), br#"":"#, value, br#","id":"#, &id, b"}"];
    parts.concat()
}

/// The bytes of a batch of answers; `None` when all entries were notifications.
pub fn batch(answers: &[Vec<u8>]) -> Option<Vec<u8>> {
    if answers.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(answers.iter().map(|a| a.len() + 1).sum::<usize>() + 1);
    for (i, answer) in answers.iter().enumerate() {
        out.push(if i == 0 { b'[' } else { b',' });
        out.extend_from_slice(answer);
    }
    out.push(b']');
    Some(out)
}

/// The bytes of a call.
pub fn request<T: Serialize>(id: u64, method: &str, params: &T) -> Vec<u8> {
    #[derive(Serialize)]
    struct Call<'a, T> {
        jsonrpc: &'static str,
        id: u64,
        method: &'a str,
        params: &'a T,
    }
    to_bytes(&Call { jsonrpc: "2.0", id, method, params })
}

fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    match serde_json::to_vec(value) {
        Ok(bytes) => bytes,
        // Our types have text keys and no serializer that fails. The caller gets an answer even so.
        Err(_) => {
            let code = Code::InternalError;
            format!(
                "{{\"jsonrpc\":\"2.0\",\"error\":{{\"code\":{},\"message\":\"{}\"}},\"id\":null}}",
                code.code(),
                code.meaning()
            )
            .into_bytes()
        }
    }
}

/// A parsed answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The id of the call.
    pub id: Id,
    /// Its outcome.
    pub outcome: Result<Value, ErrorObject>,
    /// What an answer about now carries beside its result.
    pub freshness: Option<Value>,
}

/// Reads the bytes of one answer.
///
/// # Errors
/// A message for people when the bytes are no JSON-RPC 2.0 answer.
pub fn parse_response(bytes: &[u8]) -> Result<Response, &'static str> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| "the answer is not JSON")?;
    let Value::Object(mut map) = value else { return Err("the answer is no object") };
    if map.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err("the answer is not JSON-RPC 2.0");
    }
    let id = match map.remove("id") {
        Some(Value::Number(number)) => Id::Number(number),
        Some(Value::String(text)) => Id::Text(text),
        Some(Value::Null) | None => Id::Null,
        Some(_) => return Err("the answer's id is no id"),
    };
    let outcome = match (map.remove("result"), map.remove("error")) {
        (Some(result), None) => Ok(result),
        (None, Some(error)) => {
            Err(serde_json::from_value(error).map_err(|_| "the answer's error is no error")?)
        }
        _ => return Err("an answer has a result or an error"),
    };
    let freshness = map.remove(FRESHNESS);
    Ok(Response { id, outcome, freshness })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use serde_json::json;

    fn only(bytes: &[u8]) -> Item {
        match parse(bytes) {
            Message::Single(item) => item,
            Message::Batch(_) => panic!("one entry was expected"),
        }
    }

    fn refusal(bytes: &[u8]) -> (Id, i32) {
        match only(bytes) {
            Item::Refused { id, error } => (id, error.code),
            Item::Request(request) => panic!("{request:?}"),
        }
    }

    #[test]
    fn calls_notifications_and_ids_are_distinguished() {
        let call = only(br#"{"jsonrpc":"2.0","id":7,"method":"health"}"#);
        let request = Request { id: Some(7.into()), method: "health".into(), params: Value::Null };
        assert_eq!(call, Item::Request(request));
        for (text, id) in [
            (r#"{"jsonrpc":"2.0","method":"m"}"#, None),
            (r#"{"jsonrpc":"2.0","method":"m","id":null}"#, Some(Id::Null)),
            (r#"{"jsonrpc":"2.0","method":"m","id":"a"}"#, Some(Id::Text("a".to_string()))),
        ] {
            assert!(matches!(only(text.as_bytes()), Item::Request(r) if r.id == id), "{text}");
        }
    }

    #[test]
    fn a_malformed_call_is_refused_with_the_code_of_the_specification() {
        assert_eq!(refusal(b"{\"jsonrpc\": \"2.0\", \"method\""), (Id::Null, -32700));
        assert_eq!(refusal(b"[]"), (Id::Null, -32600));
        assert_eq!(refusal(b"1"), (Id::Null, -32600));
        for (text, id) in [
            (r#"{"jsonrpc":"2.0","method":1,"params":"bar"}"#, Id::Null),
            (r#"{"jsonrpc":"2.0","method":"m","params":"bar","id":1}"#, 1.into()),
            (r#"{"jsonrpc":"1.0","method":"m","id":1}"#, 1.into()),
            (r#"{"method":"m","id":1}"#, 1.into()),
            (r#"{"jsonrpc":"2.0","method":"m","id":[]}"#, Id::Null),
            (r#"{"jsonrpc":"2.0","method":"m","id":1,"x":1}"#, 1.into()),
        ] {
            assert_eq!(refusal(text.as_bytes()), (id, -32600), "{text}");
        }
    }

    #[test]
    fn batch_answers_entry_by_entry_within_its_bound() {
        let Message::Batch(items) = parse(br#"[1, {"jsonrpc":"2.0","method":"m","id":2}]"#) else {
            panic!("a batch was expected")
        };
        assert!(matches!(&items[0], Item::Refused { id: Id::Null, error } if error.code == -32600));
        assert!(matches!(&items[1], Item::Request(r) if r.method == "m"));
        let many = |n| json!(vec![0; n]).to_string();
        assert!(matches!(parse(many(RPC_BATCH_MAX).as_bytes()), Message::Batch(_)));
        assert_eq!(refusal(many(RPC_BATCH_MAX + 1).as_bytes()), (Id::Null, -32600));
        assert_eq!(refusal(&vec![b' '; REQUEST_BYTES_MAX + 1]), (Id::Null, -32600));
    }

    #[test]
    fn the_own_text_of_an_id_comes_back() {
        let ids = ["18446744073709551616", "18446744073709551617", "1e2", "-0", "0.50", "7", "-7"];
        let call = |id: &str| format!(r#"{{"jsonrpc":"2.0","params":{{"id":1.5}},"id":{id}"#);
        for id in ids {
            let Message::Single(Item::Request(request)) =
                parse(format!(r#"{},"method":"m"}}"#, call(id)).as_bytes())
            else {
                panic!("a request was expected")
            };
            let answer = success(&request.id.unwrap(), &1);
            assert_eq!(answer, format!(r#"{{"jsonrpc":"2.0","result":1,"id":{id}}}"#).into_bytes());
            // not a call: its id comes back all the same
            let Message::Single(Item::Refused { id: refused, .. }) =
                parse(format!("{}}}", call(id)).as_bytes())
            else {
                panic!("a refusal was expected")
            };
            assert_eq!(refused.to_json(), id.as_bytes());
        }
        let calls: Vec<_> = ids.iter().map(|id| format!("{}}}", call(id))).collect();
        let Message::Batch(items) = parse(format!("[3,{}]", calls.join(",")).as_bytes()) else {
            panic!("a batch was expected")
        };
        for (item, id) in items[1..].iter().zip(ids) {
            assert!(
                matches!(item, Item::Refused { id: found, .. } if found.to_json() == id.as_bytes())
            );
        }
    }

    #[test]
    fn answers_have_the_form_of_the_specification() {
        let ok = success(&1.into(), &json!(19));
        assert_eq!(ok, br#"{"jsonrpc":"2.0","result":19,"id":1}"#);
        let none = success(&1.into(), &Value::Null);
        assert_eq!(none, br#"{"jsonrpc":"2.0","result":null,"id":1}"#);
        let error = ErrorObject::new(Code::ParseError);
        let refused = failure(&Id::Null, &error);
        let back = parse_response(&refused).unwrap();
        assert_eq!(back, Response { id: Id::Null, outcome: Err(error), freshness: None });
        assert_eq!(
            batch(&[ok.clone(), none]).unwrap(),
            [b"[", &ok[..], b",", br#"{"jsonrpc":"2.0","result":null,"id":1}"#, b"]"].concat()
        );
        assert_eq!(batch(&[]), None);
    }

    #[test]
    fn freshness_is_beside_the_result() {
        let fresh = success_written(&1.into(), b"null", Some(b"{\"a\":1}"));
        assert_eq!(fresh, br#"{"jsonrpc":"2.0","result":null,"freshness":{"a":1},"id":1}"#);
        let back = parse_response(&fresh).unwrap();
        assert_eq!(back.outcome, Ok(Value::Null));
        assert_eq!(back.freshness, Some(json!({"a": 1})));
    }

    #[test]
    fn a_malformed_answer_is_an_error() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{}}"#,
        ] {
            assert!(parse_response(bad.as_bytes()).is_err(), "{bad}");
        }
        let null = parse_response(br#"{"jsonrpc":"2.0","id":1,"result":null}"#).unwrap();
        assert_eq!(null.outcome, Ok(Value::Null));
    }
}
