//! Requests of the application without JSON-RPC: any JSON object without `jsonrpc`.
//!
//! `specs/application.md` lists the keys. A request names no owner and has no signature: the parent
//! sends it, which holds the credentials.

use super::credentials::Credentials;
use super::fields::{Fields, Item, ParamError};
use super::params::{KmsGenerateRandom, PlainText, SealedText};
use super::rows::ReadFields;
use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;
use mortise_format::json::Base64;
use mortise_format::limits::CREDENTIALS_LINE_BYTES_MAX;
use serde_json::Value;

type Result<T> = core::result::Result<T, ParamError>;

/// All keys of a request.
const KEYS: &[&str] = &[
    "message",
    "operation",
    "credentials",
    "encrypted",
    "signature",
    "ciphertext_blob",
    "number_of_bytes",
];
/// The key of every call of JSON-RPC, malformed ones included.
const CALL_KEY: &str = "jsonrpc";

/// The operation and its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlainOperation {
    /// `encrypt`, also for a message without an operation.
    Encrypt(PlainText),
    /// `decrypt`; without encrypted text and signature it asks for the bare data key.
    Decrypt {
        /// Encrypted text and signature.
        sealed: Option<SealedText>,
        /// The wrapped key.
        wrapped: Base64,
    },
    /// `genkey`.
    GenerateDataKey,
    /// `generate-random`.
    GenerateRandom(u32),
}

/// A request, and credentials for it alone.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainRequest {
    /// The operation and its input.
    pub operation: PlainOperation,
    /// None: the engine uses those that the parent sends on port 5003.
    pub credentials: Option<Credentials>,
}

impl fmt::Debug for PlainRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainRequest({})", self.operation.name())
    }
}

impl PlainOperation {
    /// The name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Encrypt(_) => "encrypt",
            Self::Decrypt { .. } => "decrypt",
            Self::GenerateDataKey => "genkey",
            Self::GenerateRandom(_) => "generate-random",
        }
    }
}

impl PlainRequest {
    /// True for every object without `jsonrpc`, well-formed or not: [`parse`](Self::parse) names
    /// what is wrong with it. An array is a batch of JSON-RPC.
    pub fn is_meant(value: &Value) -> bool {
        matches!(value, Value::Object(map) if !map.contains_key(CALL_KEY))
    }

    /// Parses a request.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(value: &Value) -> Result<Self> {
        let fields = Fields::of_params(value, |name| KEYS.contains(&name))?;
        Ok(Self {
            operation: operation(&fields)?,
            credentials: fields.optional("credentials", Item::object)?,
        })
    }
}

fn operation(fields: &Fields<'_>) -> Result<PlainOperation> {
    const EXPECTED: &str = "encrypt, decrypt, genkey or generate-random";
    let name = fields.optional("operation", Item::text)?;
    let (operation, inputs): (_, &[&str]) = match name {
        None | Some("encrypt") => {
            let text = fields.required("message", PlainText::parse)?;
            (PlainOperation::Encrypt(text), &["message"])
        }
        Some("decrypt") => {
            let wrapped = fields.required("ciphertext_blob", SealedText::wrapped_key)?;
            let sealed = ReadFields::read(fields)?;
            let inputs = &["encrypted", "signature", "ciphertext_blob"];
            (PlainOperation::Decrypt { sealed, wrapped }, inputs)
        }
        Some("genkey") => (PlainOperation::GenerateDataKey, &[]),
        Some("generate-random") => {
            let count = fields.optional("number_of_bytes", KmsGenerateRandom::byte_count)?;
            let count = count.unwrap_or(KmsGenerateRandom::BYTES_DEFAULT);
            (PlainOperation::GenerateRandom(count), &["number_of_bytes"])
        }
        Some(_) => return Err(fields.wrong("operation", EXPECTED)),
    };
    let others = KEYS.iter().filter(|key| !["operation", "credentials"].contains(key));
    match others.filter(|key| !inputs.contains(key)).find(|key| fields.has(key)) {
        Some(key) => Err(fields.wrong(key, "absent for this operation")),
        None => Ok(operation),
    }
}

/// The names of a field: that of the instance metadata service, and that of the document's client.
const ACCESS_KEY_ID: [&str; 2] = ["AccessKeyId", "access_key_id"];
const SECRET_ACCESS_KEY: [&str; 2] = ["SecretAccessKey", "secret_access_key"];
const TOKEN: [&str; 2] = ["Token", "session_token"];
const EXPIRATION: &str = "Expiration";

impl ReadFields for Credentials {
    fn knows(name: &str) -> bool {
        let spelled = [ACCESS_KEY_ID, SECRET_ACCESS_KEY, TOKEN];
        name == EXPIRATION || spelled.iter().any(|names| names.contains(&name))
    }

    fn read(fields: &Fields<'_>) -> Result<Self> {
        let required = |names: [&str; 2]| {
            either(fields, names, credential)?.ok_or_else(|| fields.missing(names[0]))
        };
        Ok(Self {
            access_key_id: required(ACCESS_KEY_ID)?,
            secret_access_key: required(SECRET_ACCESS_KEY)?,
            token: either(fields, TOKEN, token)?.flatten(),
            expiration: fields.optional(EXPIRATION, credential)?,
        })
    }
}

/// A field in one of its two spellings.
fn either<T>(
    fields: &Fields<'_>,
    [name, other]: [&str; 2],
    parse: impl Fn(&Item<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if fields.has(name) && fields.has(other) {
        return Err(fields.wrong(other, "absent beside its other spelling"));
    }
    match fields.optional(name, &parse)? {
        Some(value) => Ok(Some(value)),
        None => fields.optional(other, &parse),
    }
}

/// An empty token is none: the document's client sends one for long-lived credentials.
fn token(item: &Item<'_>) -> Result<Option<String>> {
    if item.text()?.is_empty() { Ok(None) } else { credential(item).map(Some) }
}

fn credential(item: &Item<'_>) -> Result<String> {
    let text = item.text()?;
    match text.is_empty() || text.len() > CREDENTIALS_LINE_BYTES_MAX {
        true => Err(item.wrong("a text within the bound")),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use serde_json::json;

    #[test]
    fn message_with_credentials_is_the_request_of_the_document() {
        let value = json!({"message": "Hello", "credentials":
            {"AccessKeyId": "AKIA", "SecretAccessKey": "the secret", "Token": "the token"}});
        assert!(PlainRequest::is_meant(&value));
        let request = PlainRequest::parse(&value).unwrap();
        assert_eq!(request.operation.name(), "encrypt");
        let credentials = request.credentials.clone().unwrap();
        assert_eq!(credentials.secret_access_key, "the secret");
        assert_eq!(credentials.token.as_deref(), Some("the token"));
        assert_eq!(format!("{request:?}"), "PlainRequest(encrypt)");
        assert!(!format!("{:?}", request.operation).contains("Hello"));
    }

    /// Source: the documents' public client, `kms-client.py` of the repository enclave_demo.
    #[test]
    fn credentials_of_the_documents_client_are_taken_with_an_empty_token() {
        let keys = |token: &str| {
            let (id, secret) = ("AKIA", "S");
            json!({"access_key_id": id, "secret_access_key": secret, "session_token": token})
        };
        let read = |credentials: &Value| {
            let value = json!({"operation": "encrypt", "message": "", "credentials": credentials});
            PlainRequest::parse(&value).map(|request| request.credentials.unwrap())
        };
        let read_keys = read(&keys("T")).unwrap();
        let ours = json!({"AccessKeyId": "AKIA", "SecretAccessKey": "S", "Token": "T"});
        assert_eq!(read(&ours).unwrap(), read_keys);
        assert_eq!(read(&keys("")).unwrap().token, None);
        let mut twice = keys("");
        twice["AccessKeyId"] = json!("AKIB");
        assert_eq!(read(&twice).unwrap_err().field(), "credentials.access_key_id");
        let mut half = keys("");
        half.as_object_mut().unwrap().remove("secret_access_key");
        assert_eq!(read(&half).unwrap_err().field(), "credentials.SecretAccessKey");
    }

    #[test]
    fn objects_without_jsonrpc_are_meant_and_nothing_else_is() {
        for value in [
            json!({"jsonrpc": "2.0", "id": 1, "method": "health", "message": ""}),
            json!({"jsonrpc": "1.0", "operation": "encrypt"}),
            json!({"jsonrpc": null, "message": ""}),
            json!([{"message": ""}]),
            json!([]),
            json!("message"),
            json!(7),
            json!(null),
        ] {
            assert!(!PlainRequest::is_meant(&value), "{value}");
        }
        for value in [
            json!({"operation": 1}),
            json!({"method": "health", "message": ""}),
            json!({"id": 1, "method": "health"}),
            json!({"JSONRPC": "2.0"}),
            json!({}),
        ] {
            assert!(PlainRequest::is_meant(&value), "{value}");
        }
    }

    #[test]
    fn every_wrong_request_is_refused_by_its_field() {
        let keys = json!({"AccessKeyId": "A", "SecretAccessKey": "S"});
        for (value, field) in [
            (json!({"operation": "sign", "message": ""}), "operation"),
            (json!({"operation": 1}), "operation"),
            (json!({"operation": "encrypt"}), "message"),
            (json!({"credentials": keys}), "message"),
            (json!({"message": 7}), "message"),
            (json!({"message": "", "encrypted": "AA=="}), "encrypted"),
            (json!({"operation": "genkey", "message": ""}), "message"),
            (json!({"operation": "decrypt", "encrypted": "AA=="}), "ciphertext_blob"),
            (
                json!({"operation": "decrypt", "ciphertext_blob": "AA==", "encrypted": "AA=="}),
                "signature",
            ),
            (json!({"operation": "generate-random", "number_of_bytes": 0}), "number_of_bytes"),
            (json!({"message": "", "credentials": 1}), "credentials"),
            (json!({"message": "", "credentials": {}}), "credentials.AccessKeyId"),
            (json!({"message": "", "credentials": {"X": 1}}), "credentials.X"),
            (json!({"message": "", "more": 1}), "more"),
            (json!({"id": 1, "method": "health"}), "id"),
            (json!({"method": "health", "message": ""}), "method"),
            (json!({"message": "", "params": {"jsonrpc": "2.0"}}), "params"),
            (json!({}), "message"),
        ] {
            assert_eq!(PlainRequest::parse(&value).unwrap_err().field(), field, "{value}");
        }
    }
}
