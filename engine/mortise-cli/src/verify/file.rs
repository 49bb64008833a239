//! Files with answers of an engine: bare, inside a larger answer, or inside an envelope.
//!
//! What it does not do: check. A file without the expected form is refused as `Form`.

use super::refused;
use crate::anchors::Anchors;
use crate::failure::Failure;
use mortise_format::ids::{Bytes32, Signature};
use mortise_format::tlog_proof::TlogProof;
use mortise_rpc::envelope::FRESHNESS;
use mortise_rpc::results::{ReceiptView, SignedStatementView, StatementView};
use mortise_rpc::{HexBytes, json};
use mortise_verify::statement::SignedStatement;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// Maximum size of a file: an answer with the largest event, in hex.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How a `tlog-proof@v1` begins.
const TLOG_PROOF: &[u8] = b"c2sp.org/tlog-proof@";

/// The bytes of a file; `-` is stdin.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let named = |error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let source: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path).map_err(named)?),
    };
    let mut bytes = Vec::new();
    source.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(named)?;
    match u64::try_from(bytes.len()).is_ok_and(|size| size <= FILE_BYTES_MAX) {
        true => Ok(bytes),
        false => Err(form(path, &format!("more than {FILE_BYTES_MAX} bytes"))),
    }
}

/// The answer in a file, out of its envelope.
pub(crate) fn answer(path: &Path) -> Result<Value, Failure> {
    answer_of(path, &bytes(path)?)
}

/// What an answer about now carries beside its result.
pub(super) fn freshness(path: &Path) -> Result<Value, Failure> {
    let mut value = json::parse(&bytes(path)?).map_err(|error| form(path, &error.to_string()))?;
    let shown = value.get_mut(FRESHNESS).map(Value::take);
    shown.ok_or_else(|| form(path, "no member `freshness`: pass the whole answer"))
}

fn answer_of(path: &Path, bytes: &[u8]) -> Result<Value, Failure> {
    let mut value = json::parse(bytes).map_err(|error| form(path, &error.to_string()))?;
    if value.get("jsonrpc").is_some() && value.get("error").is_some() {
        return Err(form(path, "the engine answered with an error: there is nothing to check"));
    }
    Ok(value.get_mut("result").map(Value::take).unwrap_or(value))
}

/// The text in a file: the whole file, or the member `name` of an answer.
pub(super) fn text(path: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let content = bytes(path)?;
    if content.first() != Some(&b'{') {
        return Ok(content);
    }
    let value = answer(path)?;
    let text = value.get(name).and_then(Value::as_str);
    let text = text.ok_or_else(|| form(path, &format!("no text `{name}` in the answer")))?;
    Ok(text.as_bytes().to_vec())
}

/// The checkpoint in a file: a signed note as it is, that of a `tlog-proof@v1`, or that of an
/// answer of getCheckpoint or getReceipt.
pub(crate) fn checkpoint(path: &Path) -> Result<Vec<u8>, Failure> {
    let content = bytes(path)?;
    let content = match content.first() {
        Some(b'{') => {
            let value = answer(path)?;
            let text = value.get("checkpoint").or(value.get("tlogProof")).and_then(Value::as_str);
            let text = text.ok_or_else(|| form(path, "no text `checkpoint` or `tlogProof`"))?;
            text.as_bytes().to_vec()
        }
        _ => content,
    };
    match content.starts_with(TLOG_PROOF) {
        true => {
            let proof = TlogProof::parse(&content).map_err(|error| refused::by(&error))?;
            Ok(proof.checkpoint().as_bytes().to_vec())
        }
        false => Ok(content),
    }
}

/// Reads a type from a value.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| form(path, &error.to_string()))
}

/// The receipt of an answer, if there is one. A receipt has an event.
pub(super) fn receipt_of(value: &Value) -> Option<&Value> {
    match value.get("event").is_some() {
        true => Some(value),
        false => value.get("receipt").filter(|receipt| receipt.is_object()),
    }
}

/// A receipt and the leaf of its frame; receipts of older engines have no leaf.
pub(super) fn receipt(path: &Path) -> Result<(ReceiptView, Option<HexBytes>), Failure> {
    let value = answer(path)?;
    let found = receipt_of(&value).ok_or_else(|| form(path, "no receipt in the answer"))?;
    let leaf = found.get("leaf").map(|leaf| read(path, leaf.clone())).transpose()?;
    let mut found = found.clone();
    if leaf.is_none() {
        found["leaf"] = "0x".into();
    }
    Ok((read(path, found)?, leaf))
}

/// A statement with its signature, from any answer that has one: `getStateRoot` with `signed`, a
/// receipt, a proof, an attestation, a checkpoint; or from an anchors file.
pub(crate) fn statement(path: &Path) -> Result<SignedStatement, Failure> {
    let content = bytes(path)?;
    if let Some(anchors) = std::str::from_utf8(&content).ok().and_then(|t| Anchors::parse(t).ok()) {
        let last = anchors.last().ok_or_else(|| form(path, "no table [last] in the anchors"))?;
        return signed(&last.statement, last.signature);
    }
    let value = answer_of(path, &content)?;
    let inner = [receipt_of(&value), Some(&value)];
    let holder = inner.into_iter().flatten().find(|value| value.get("statement").is_some());
    let holder = holder.ok_or_else(|| form(path, "no statement in the answer"))?;
    let signature = holder.get("statementSignature").or(holder.get("signature"));
    let whole = serde_json::json!({"statement": holder["statement"], "signature": signature});
    let view: SignedStatementView = read(path, whole)?;
    signed(&view.statement, view.signature)
}

/// A statement as the checks need it.
fn signed(view: &StatementView, signature: Signature) -> Result<SignedStatement, Failure> {
    mortise_verify::json::statement(view, signature).map_err(|error| refused::by(&error))
}

/// A path of hashes: a bare list, or the first member of these names.
pub(super) fn hashes(path: &Path, names: &[&str]) -> Result<Vec<[u8; 32]>, Failure> {
    let value = answer(path)?;
    let list = names.iter().find_map(|name| value.get(name)).unwrap_or(&value);
    let words: Vec<Bytes32> = read(path, list.clone())?;
    Ok(mortise_verify::json::hashes(&words))
}

/// A file with another form.
fn form(path: &Path, what: &str) -> Failure {
    refused::named("Form", &format!("{}: {what}", path.display()))
}
