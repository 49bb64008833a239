//! Writes the key policy of an engine or of the application.
//!
//! Four statements: the parent's role may unwrap and make data keys, but only from an attested
//! enclave with the named measurements and in the named context; a Deny forbids both from anything
//! else, even if an IAM policy allows it; a Deny forbids the operations that bypass attestation;
//! administrators manage the key and cannot use it.

use mortise_format::pcr::Pcr;
use serde_json::{Map, Value, json};

/// Why a policy may not approve a text as a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeasurementError {
    /// It is not 96 hex digits.
    #[error("a measurement is 96 hex digits")]
    NotHex,
    /// It is all zero.
    #[error("the measurement is all zero: an enclave in debug mode, or a register without content")]
    Zero,
}

/// Converts a measurement (any case, with or without 0x) to 96 lower-case hex digits.
///
/// # Errors
/// [`MeasurementError`].
pub fn measurement(text: &str) -> Result<String, MeasurementError> {
    let pcr = Pcr::parse(text).map_err(|_| MeasurementError::NotHex)?;
    if pcr.is_zero() {
        return Err(MeasurementError::Zero);
    }
    Ok(pcr.to_string())
}

/// The master key that a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The key that wraps the keys of the log: `lock-engine`.
    Engine,
    /// The key that wraps the application's keys: `app`.
    App,
}

impl Service {
    /// The value of `mortise:service` in every encryption context.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "lock-engine",
            Self::App => "app",
        }
    }
}

/// The input of [`compose`]. Values of registers are 96 lower-case hex digits.
#[derive(Debug, Clone)]
pub struct Plan {
    pub service: Service,
    /// ARN of the role whose credentials the parent holds.
    pub role: String,
    /// ARNs that manage the key.
    pub admins: Vec<String>,
    /// PCR0 of the approved images: the old and the new one during an upgrade.
    pub images: Vec<String>,
    /// Other registers by number, each with its approved values.
    pub registers: Vec<(u8, Vec<String>)>,
    /// The engine ID with `0x`, to restrict the key to one engine; known only after its genesis.
    pub engine_id: Option<String>,
}

/// The operations that the attested enclave uses.
pub const ATTESTED_ACTIONS: [&str; 2] = ["kms:Decrypt", "kms:GenerateDataKey"];

/// Operations that bypass attested unwrapping.
pub const FORBIDDEN_ACTIONS: [&str; 8] = [
    "kms:CreateGrant",
    "kms:Encrypt",
    "kms:GenerateDataKeyPair*",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:DeriveSharedSecret",
    "kms:ImportKeyMaterial",
    "kms:ReEncrypt*",
    "kms:ReplicateKey",
];

/// Operations that administrators may use.
pub const ADMIN_ACTIONS: [&str; 12] = [
    "kms:CancelKeyDeletion",
    "kms:Describe*",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Get*",
    "kms:List*",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
];

const IMAGE: &str = "kms:RecipientAttestation:ImageSha384";

/// Writes the policy in the form of `PutKeyPolicy`.
pub fn compose(plan: &Plan) -> Value {
    json!({
        "Version": "2012-10-17",
        "Id": format!("mortise-{}", plan.service.name()),
        "Statement": [
            {
                "Sid": "AttestedEnclave",
                "Effect": "Allow",
                "Principal": {"AWS": plan.role},
                "Action": ATTESTED_ACTIONS,
                "Resource": "*",
                "Condition": {
                    "StringEqualsIgnoreCase": measured(plan),
                    "StringEquals": contexts(plan),
                },
            },
            {
                "Sid": "NothingElseUnwraps",
                "Effect": "Deny",
                "Principal": "*",
                "Action": ATTESTED_ACTIONS,
                "Resource": "*",
                "Condition": {"StringNotEqualsIgnoreCase": {IMAGE: plan.images}},
            },
            {
                "Sid": "NoWayAround",
                "Effect": "Deny",
                "Principal": "*",
                "Action": FORBIDDEN_ACTIONS,
                "Resource": "*",
            },
            {
                "Sid": "Administrators",
                "Effect": "Allow",
                "Principal": {"AWS": plan.admins},
                "Action": ADMIN_ACTIONS,
                "Resource": "*",
            },
        ],
    })
}

fn measured(plan: &Plan) -> Value {
    let mut tests = Map::from_iter([(IMAGE.to_owned(), json!(plan.images))]);
    for (index, values) in &plan.registers {
        tests.insert(format!("kms:RecipientAttestation:PCR{index}"), json!(values));
    }
    Value::Object(tests)
}

fn contexts(plan: &Plan) -> Value {
    let mut tests = Map::new();
    let service = json!(plan.service.name());
    tests.insert("kms:EncryptionContext:mortise:service".to_owned(), service);
    if let Some(engine_id) = &plan.engine_id {
        tests.insert("kms:EncryptionContext:mortise:log".to_owned(), json!(engine_id));
    }
    Value::Object(tests)
}
