//! The plain form of the second document: one JSON object, one JSON answer, then the connection
//! ends.
//!
//! A plain request names no owner and has no signature. Any caller that reaches the request port,
//! which means the parent, can decrypt what was encrypted in this form. Only streams of JSON values
//! serve it, never relayed messages, so the gateway does not expose it.

use super::AppError;
use super::service::{App, Caller, Message};
use crate::api::ShareKey;
use mortise_format::errors::Code;
use mortise_format::limits::{KMS_WRAPPED_KEY_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_rpc::plain::{PlainOperation, PlainRequest};
use mortise_rpc::results::{KmsDataKey, KmsDecrypted, KmsEncrypted, KmsRandom};
use mortise_rpc::{ErrorObject, ParamError};
use serde_json::{Value, json};
use zeroize::Zeroize as _;

/// Answers a plain request, with the error of an engine whose application is not open. Wipes
/// `value`. The calls count against `share`.
pub async fn answer(app: Result<&App, ErrorObject>, share: ShareKey, mut value: Value) -> Vec<u8> {
    let parsed = PlainRequest::parse(&value);
    wipe(&mut value);
    let answered = match parsed {
        Ok(request) => serve(app, share, request).await,
        Err(error) => Err(malformed(&error)),
    };
    let mut answer = answered.unwrap_or_else(|error| refusal(&error));
    let mut bytes = serde_json::to_vec(&answer).expect("answers have text keys only");
    wipe(&mut answer);
    if bytes.len() <= RESPONSE_BYTES_MAX {
        return bytes;
    }
    // A text of control characters has six bytes of JSON for each.
    bytes.zeroize();
    let error =
        ErrorObject::new(Code::InvalidRequest).with_message("the answer is over its size limit");
    serde_json::to_vec(&refusal(&error)).expect("answers have text keys only")
}

/// The most bytes of the answer to a request of this size. An encrypted text comes back beside the
/// request's text; a decrypted one twice, each character in up to six bytes of JSON for less than
/// one and a half of base64.
pub fn answer_bytes_max(request_bytes: usize) -> usize {
    (9 * request_bytes + 2 * KMS_WRAPPED_KEY_BYTES_MAX + 2048).min(RESPONSE_BYTES_MAX)
}

/// Explains to a caller that forgot `jsonrpc` how its request was parsed.
fn malformed(error: &ParamError) -> ErrorObject {
    let object = ErrorObject::from(error);
    match error {
        ParamError::UnknownField { .. } | ParamError::Missing { .. } => object.with_message(
            format!("{error}; without jsonrpc this is a plain application request, not a call"),
        ),
        _ => object,
    }
}

async fn serve(
    app: Result<&App, ErrorObject>,
    share: ShareKey,
    request: PlainRequest,
) -> Result<Value, ErrorObject> {
    let name = request.operation.name();
    let answered = operate(app?, share, request).await;
    tracing::info!(
        operation = name,
        outcome = answered.as_ref().map_or_else(|error| error.code().name(), |_| "OK"),
        "plain request"
    );
    answered.map_err(|error| ErrorObject::from(&error))
}

async fn operate(app: &App, share: ShareKey, request: PlainRequest) -> Result<Value, AppError> {
    let PlainRequest { operation, credentials } = request;
    let caller = Caller { share, owner: None, credentials: credentials.as_ref() };
    Ok(match operation {
        PlainOperation::Encrypt(text) => {
            // The document's client prints the text from the answer.
            let KmsEncrypted { encrypted, signature, ciphertext_blob } =
                app.encrypt(text.clone(), caller).await?;
            json!({"status": "ok", "operation": "encrypt", "plaintext": text,
                "encrypted": encrypted, "signature": signature,
                "ciphertext_blob": ciphertext_blob})
        }
        PlainOperation::Decrypt { sealed, wrapped } => {
            decrypted(&mut app.decrypt(Message { sealed, wrapped }, caller).await?)
        }
        PlainOperation::GenerateDataKey => {
            let KmsDataKey { ciphertext_blob, plaintext } = &app.generate_data_key(caller).await?;
            let mut answer = json!({"status": "ok", "ciphertext_blob": ciphertext_blob});
            if let Some(plaintext) = plaintext {
                answer["plaintext"] = json!(plaintext);
            }
            answer
        }
        PlainOperation::GenerateRandom(count) => {
            let KmsRandom { random } = app.random(count, caller).await?;
            json!({"status": "ok", "random": random})
        }
    })
}

fn decrypted(result: &mut KmsDecrypted) -> Value {
    match (result.text.take(), &result.plaintext) {
        (Some(text), _) => json!({"status": "ok", "operation": "decrypt", "decrypted": text,
            "message": text, "signature_valid": true}),
        (None, plaintext) => {
            json!({"status": "ok", "operation": "decrypt", "plaintext": plaintext})
        }
    }
}

/// Puts `signature_valid` beside the error, where clients of this form expect it.
fn refusal(error: &ErrorObject) -> Value {
    let mut answer = json!({"status": "error", "error": error});
    if error.entry() == Some(Code::MessageSignature) {
        answer["signature_valid"] = json!(false);
    }
    answer
}

/// Wipes the texts of a value that held credentials, a text or a key.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        // The request parser bounds the depth of requests; the engine builds the answers.
        Value::Array(list) => list.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}
