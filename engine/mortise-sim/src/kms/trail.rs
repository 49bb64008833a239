//! The audit trail: one JSON line a call, in the words of CloudTrail.
//!
//! What it has: who, when, which operation, the key, the encryption context, what the attestation
//! document said, which kind of refusal. What it never has: plaintexts, ciphertexts, secrets,
//! tokens, the text of a message, anything of a caller that did not sign.

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

/// A trail of this size is set aside, and the one set aside before it removed.
const TRAIL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a call leaves behind, filled in as it becomes known.
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
    /// Notes what a believed document says. CloudTrail writes measurements in base64, and PCR0 as
    /// the image's digest.
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

/// The file.
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

    /// Appends a line. A call whose line cannot be written is refused by the caller of this.
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
            // As CloudTrail shortens it.
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
