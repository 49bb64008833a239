//! The form of the second document: one connection, one object, half-close, one object back.

use crate::failure::Failure;
use mortise_client::ClientError;
use mortise_format::limits::RESPONSE_BYTES_MAX;
use mortise_rpc::credentials::Credentials;
use mortise_rpc::{Base64, ErrorObject};
use mortise_transport::{Address, connect};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// Timeout of an answer: the engine waits half of it for the key service.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A request port, and the credentials to use.
pub(super) struct Plain {
    address: Address,
    credentials: Option<Credentials>,
}

/// An answer that is not an error.
pub(super) struct Answer(Value);

impl Plain {
    pub(super) fn new(address: Address, credentials: Option<&Path>) -> Result<Self, Failure> {
        let credentials = credentials.map(read_credentials).transpose()?;
        Ok(Self { address, credentials })
    }

    pub(super) async fn ask(&self, mut request: Value) -> Result<Answer, Failure> {
        if let Some(credentials) = &self.credentials {
            request["credentials"] = json!(credentials);
        }
        let exchange = timeout(ANSWER_MAX, self.exchange(&request)).await;
        let unreachable = |reason: String| {
            let endpoint = self.address.to_string();
            Failure::from(ClientError::Unreachable { endpoint, reason })
        };
        let answer = match exchange {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable(format!("no answer within {ANSWER_MAX:?}"))),
        };
        read(&answer)
    }

    async fn exchange(&self, request: &Value) -> std::io::Result<Vec<u8>> {
        let mut stream = connect(&self.address).await?;
        stream.write_all(request.to_string().as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        let bound = u64::try_from(RESPONSE_BYTES_MAX).unwrap_or(u64::MAX);
        stream.take(bound).read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

fn read_credentials(path: &Path) -> Result<Credentials, Failure> {
    let read = std::fs::read(path);
    let bytes = read.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    // The parser's message would quote the credentials.
    serde_json::from_slice(&bytes).map_err(|_| {
        let names = "AccessKeyId, SecretAccessKey, Token";
        Failure::usage(format!("{}: this is not a JSON object with {names}", path.display()))
    })
}

fn read(answer: &[u8]) -> Result<Answer, Failure> {
    let value: Value = serde_json::from_slice(answer)
        .map_err(|_| Failure::check("the answer is not a JSON object"))?;
    match value["status"].as_str() {
        Some("ok") => Ok(Answer(value)),
        _ => {
            // A port that does not know this form answers with an error of JSON-RPC.
            let error = serde_json::from_value::<ErrorObject>(value["error"].clone());
            let error = error.map_err(|_| Failure::check("the answer has another form"))?;
            Err(Failure::from(ClientError::Refused(Box::new(error))))
        }
    }
}

impl Answer {
    pub(super) fn base64(&self, field: &str) -> Result<Base64, Failure> {
        let text = self.0[field].as_str().unwrap_or_default();
        let bytes = Base64::parse(text).ok().filter(|bytes| !bytes.0.is_empty());
        bytes.ok_or_else(|| Failure::check(format!("the answer has no {field}")))
    }

    pub(super) fn text_and_verdict(&self) -> Result<(Option<String>, Option<bool>), Failure> {
        match (self.0["message"].as_str(), self.0["signature_valid"].as_bool()) {
            (Some(text), Some(true)) => Ok((Some(text.to_owned()), Some(true))),
            _ => Err(Failure::check("the answer has no text with a valid signature")),
        }
    }
}
