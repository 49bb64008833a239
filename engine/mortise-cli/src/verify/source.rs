//! A document from a file or stdin, in one of the forms that tools write.

use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_format::hex;
use mortise_format::limits::ATTESTATION_BYTES_MAX;
use mortise_rpc::json;
use mortise_rpc::results::{Attestation, BootAttestation};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// What a file holds.
#[derive(Debug)]
pub(super) enum Source {
    /// A document without the keys that it binds.
    Document(Vec<u8>),
    /// An answer of `getAttestation`.
    Live(Box<Attestation>),
    /// An answer of `getBootAttestation`.
    Boot(Box<BootAttestation>),
}

/// Maximum size of a file: an answer with its documents in hex, or the same in an envelope.
const FILE_BYTES_MAX: usize = 6 * ATTESTATION_BYTES_MAX;
/// First byte of a COSE_Sign1 without a tag, and with tag 18; neither starts a text.
const COSE_STARTS: [u8; 2] = [0x84, 0xd2];

impl Source {
    /// Reads a file; `-` is stdin.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let named = |error| Failure::check(format!("cannot read {}: {error}", path.display()));
        let source: Box<dyn Read> = match path.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(std::fs::File::open(path).map_err(named)?),
        };
        let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        source.take(limit).read_to_end(&mut bytes).map_err(named)?;
        if bytes.len() > FILE_BYTES_MAX {
            let text = format!("{}: more than {FILE_BYTES_MAX} bytes", path.display());
            return Err(Failure::check(text));
        }
        Self::parse(&bytes).ok_or_else(|| {
            Failure::check(format!(
                "{}: no attestation document\n  next: pass the COSE_Sign1 bytes raw, as hex or as \
                 base64, or an answer of an engine as JSON",
                path.display()
            ))
        })
    }

    /// The first byte gives the form; a text with none of the forms is `None`.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let first = bytes.first()?;
        if COSE_STARTS.contains(first) {
            return Some(Self::Document(bytes.to_vec()));
        }
        let text = std::str::from_utf8(bytes).ok()?.trim();
        if text.starts_with('{') {
            return answer(text);
        }
        let text: String = text.split_whitespace().collect();
        hex(&text).or_else(|| STANDARD.decode(&text).ok()).map(Self::Document)
    }
}

/// Hex digits of any case, with or without 0x; not empty.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode(digits).ok().filter(|bytes| !bytes.is_empty())
}

/// An answer, alone or as the `result` of a JSON-RPC envelope.
fn answer(text: &str) -> Option<Source> {
    let mut value = json::parse(text.as_bytes()).ok()?;
    if let Some(result) = value.get_mut("result") {
        value = result.take();
    }
    let is_live = value.get("statement").is_some_and(Value::is_object);
    match is_live {
        true => serde_json::from_value(value).ok().map(|answer| Source::Live(Box::new(answer))),
        false => serde_json::from_value(value).ok().map(|answer| Source::Boot(Box::new(answer))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(bytes: &[u8]) -> Option<Vec<u8>> {
        match Source::parse(bytes)? {
            Source::Document(document) => Some(document),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn raw_hex_and_base64_give_the_same_document() {
        let raw = [0x84, 0x44, 0xa1, 0x01];
        for form in
            [&raw[..], b"0x8444a101", b"8444A101\n", b" 0x84\n44a1 01", b"hEShAQ==", b"hESh\nAQ=="]
        {
            assert_eq!(document(form).as_deref(), Some(&raw[..]), "{form:?}");
        }
    }

    #[test]
    fn what_has_none_of_the_forms_is_no_document() {
        for bytes in
            [&b""[..], b"0x", b"hello, world", b"{}", b"{\"a\": 1}", b"[1]", b"\xff", b"0x8"]
        {
            assert!(Source::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
