//! The audit trail: one JSON line for each call, in the format of CloudTrail.
//!
//! It contains the caller, the time, the operation, the key, the encryption context, the contents
//! of the attestation document and the kind of error. It never contains plaintexts, ciphertexts,
//! secrets, tokens, error messages, or anything about a caller that did not sign.

use super::error::KmsErrorKind;
use super::files::new_uuid;
use super::recipient::Recipient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_format::civil::Civil;
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// At this size the trail is rotated. One old trail is kept.
const TRAIL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The record of a call, filled in during the call.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub arn: Option<String>,
    pub access_key_id: Option<String>,
    /// A known operation.
    pub operation: Option<&'static str>,
    pub parameters: Map<String, Value>,
    pub key_arn: Option<String>,
    pub recipient: Option<Value>,
}

impl Entry {
    /// Records the accepted document. CloudTrail writes measurements in base64, and PCR0 as the
    /// image's digest.
    pub fn attested(&mut self, recipient: &Recipient) {
        let mut fields = Map::new();
        fields.insert("attestationDocumentModuleId".to_owned(), json!(recipient.module_id));
        for (index, pcr) in &recipient.pcrs {
            let name = match index {
                0 => "attestationDocumentEnclaveImageDigest".to_owned(),
                1..=4 | 8 => format!("attestationDocumentEnclavePCR{index}"),
                _ => continue,
            };
            fields.insert(name, json!(STANDARD.encode(pcr.0)));
        }
        self.recipient = Some(Value::Object(fields));
    }
}

#[derive(Debug)]
pub(super) struct Trail {
    path: PathBuf,
    region: String,
    account: String,
    file: Mutex<File>,
}

impl Trail {
    pub fn open(folder: &Path, region: &str, account: &str) -> io::Result<Self> {
        let path = folder.join("trail.jsonl");
        let file = Mutex::new(open(&path)?);
        Ok(Self { path, region: region.to_owned(), account: account.to_owned(), file })
    }

    /// Appends a line. On an error the caller must reject the call.
    pub fn write(
        &self,
        entry: &Entry,
        request_id: &str,
        refusal: Option<KmsErrorKind>,
        now_ms: u64,
    ) -> io::Result<()> {
        let mut line = self.line(entry, request_id, refusal, now_ms).to_string();
        line.push('\n');
        let mut file = self.file.lock().expect("no holder of the trail panics");
        if file.metadata()?.len() >= TRAIL_BYTES_MAX {
            std::fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
            *file = open(&self.path)?;
        }
        file.write_all(line.as_bytes())
    }

    fn line(
        &self,
        entry: &Entry,
        request_id: &str,
        refusal: Option<KmsErrorKind>,
        now_ms: u64,
    ) -> Value {
        let identity = match &entry.arn {
            Some(arn) => json!({"type": identity_type(arn), "arn": arn,
                "accountId": self.account, "accessKeyId": entry.access_key_id}),
            None => json!({"type": "Unknown"}),
        };
        let mut line = json!({
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": Civil::of_unix(now_ms / 1000).to_string(),
            "eventSource": "kms.amazonaws.com",
            "eventName": entry.operation,
            "awsRegion": self.region,
            "sourceIPAddress": "127.0.0.1",
            "requestParameters": entry.parameters,
            "responseElements": null,
            "requestID": request_id,
            "eventID": new_uuid(),
            "eventType": "AwsApiCall",
            "recipientAccountId": self.account,
        });
        if let Some(kind) = refusal {
            // CloudTrail shortens this one name.
            let code = kind.name();
            line["errorCode"] =
                json!(if code == "AccessDeniedException" { "AccessDenied" } else { code });
        }
        if let Some(recipient) = &entry.recipient {
            line["additionalEventData"] = json!({"recipient": recipient});
        }
        if let Some(arn) = &entry.key_arn {
            line["resources"] =
                json!([{"accountId": self.account, "type": "AWS::KMS::Key", "ARN": arn}]);
        }
        line
    }
}

fn identity_type(arn: &str) -> &'static str {
    match arn {
        _ if arn.contains(":assumed-role/") => "AssumedRole",
        _ if arn.contains(":user/") => "IAMUser",
        _ if arn.ends_with(":root") => "Root",
        _ => "Role",
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
