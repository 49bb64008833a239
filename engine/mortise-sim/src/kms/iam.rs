//! The principals that may sign, with their access keys and policies, in a small file.

use super::files::{read_if_there, write_private};
use super::{LocalKmsError, StoreFile};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_engine::ports::Entropy as _;
use mortise_format::civil::Civil;
use mortise_key_policy::{Caller, PolicyDocument};
use mortise_rpc::credentials::Credentials;
use mortise_transport::aws::Partition;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::SystemEntropy;

/// The name of the principal that creates and manages keys.
pub const ADMIN: &str = "admin";
/// The name of the principal whose credentials the parent hands to the enclave.
pub const ENCLAVE: &str = "enclave";
/// The role of [`ENCLAVE`].
pub const ENCLAVE_ROLE: &str = "mortise-enclave";

/// One entry of the file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Principal {
    /// The name for `LocalKms::credentials` and for people.
    pub name: String,
    /// The ARN, as the trail shows it.
    pub arn: String,
    /// Public half of the access key.
    pub access_key_id: String,
    /// Secret half.
    pub secret_access_key: String,
    /// The session token, for sessions of a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
    /// When a session ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// Its identity policy, which an account's IAM would hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({})", self.arn)
    }
}

impl Principal {
    fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            token: self.session_token.clone(),
            expiration: self.expires_at_ms.map(|ms| Civil::of_unix(ms / 1000).to_string()),
        }
    }

    /// The caller for policy decisions; `None` when the ARN is malformed, which opening excludes.
    pub(super) fn caller(&self) -> Option<Caller> {
        Caller::new(&self.arn)
    }

    /// Its own policy, parsed.
    pub(super) fn identity_policy(&self) -> Option<PolicyDocument> {
        PolicyDocument::parse(&self.policy.as_ref()?.to_string()).ok()
    }
}

/// The account that principals belong to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) partition: Partition,
    /// Twelve digits.
    pub(super) id: &'a str,
}

/// All principals of the service.
#[derive(Debug)]
pub(super) struct Iam {
    path: PathBuf,
    principals: Mutex<Vec<Principal>>,
}

impl Iam {
    /// Reads the file, or creates one with [`ADMIN`] and [`ENCLAVE`].
    pub fn open(folder: &Path, of: Account<'_>) -> Result<Self, LocalKmsError> {
        let path = folder.join("iam.json");
        let principals = match read_if_there(&path)? {
            Some(bytes) => read(&bytes)?,
            None => {
                let new = vec![admin(of), enclave(of)];
                write_private(&path, &print(&new))?;
                new
            }
        };
        Ok(Self { path, principals: Mutex::new(principals) })
    }

    /// The principal of an access key.
    pub fn by_access_key(&self, id: &str) -> Option<Principal> {
        self.find(|principal| principal.access_key_id == id)
    }

    /// The credentials of a principal.
    pub fn credentials(&self, name: &str) -> Option<Credentials> {
        self.find(|principal| principal.name == name).map(|principal| principal.credentials())
    }

    fn find(&self, is_it: impl Fn(&Principal) -> bool) -> Option<Principal> {
        let principals = self.principals.lock().expect("no holder of the principals panics");
        principals.iter().find(|principal| is_it(principal)).cloned()
    }

    /// Gives a principal a new session with an end. The old session is void immediately.
    pub fn renew(&self, name: &str, ends_ms: u64) -> Result<Option<Credentials>, LocalKmsError> {
        let mut principals = self.principals.lock().expect("no holder of the principals panics");
        let Some(place) = principals.iter().position(|principal| principal.name == name) else {
            return Ok(None);
        };
        let principal = &mut principals[place];
        principal.access_key_id = access_key_id("ASIA");
        principal.secret_access_key = random_text(30);
        principal.session_token = Some(random_text(96));
        principal.expires_at_ms = Some(ends_ms);
        let credentials = principal.credentials();
        write_private(&self.path, &print(&principals))?;
        Ok(Some(credentials))
    }
}

fn read(bytes: &[u8]) -> Result<Vec<Principal>, LocalKmsError> {
    let broken = |reason: &str| LocalKmsError::Broken {
        file: StoreFile::Principals,
        reason: reason.to_owned(),
    };
    let principals: Vec<Principal> =
        serde_json::from_slice(bytes).map_err(|_| broken("it is not a list of principals"))?;
    for principal in &principals {
        principal.caller().ok_or_else(|| broken("an arn is malformed"))?;
        if principal.policy.is_some() && principal.identity_policy().is_none() {
            return Err(broken("a policy is malformed"));
        }
    }
    Ok(principals)
}

fn print(principals: &[Principal]) -> Vec<u8> {
    serde_json::to_vec_pretty(principals).expect("principals have text keys only")
}

fn admin(of: Account<'_>) -> Principal {
    Principal {
        name: ADMIN.to_owned(),
        arn: format!("arn:{}:iam::{}:user/{ADMIN}", of.partition.name(), of.id),
        access_key_id: access_key_id("AKIA"),
        secret_access_key: random_text(30),
        session_token: None,
        expires_at_ms: None,
        policy: Some(allow(&["kms:*"])),
    }
}

fn enclave(of: Account<'_>) -> Principal {
    Principal {
        name: ENCLAVE.to_owned(),
        arn: format!(
            "arn:{}:sts::{}:assumed-role/{ENCLAVE_ROLE}/local",
            of.partition.name(),
            of.id
        ),
        access_key_id: access_key_id("ASIA"),
        session_token: Some(random_text(96)),
        policy: Some(allow(&["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateRandom"])),
        ..admin(of)
    }
}

fn allow(actions: &[&str]) -> Value {
    json!({"Version": "2012-10-17",
           "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
}

/// Four letters and sixteen of base 32.
fn access_key_id(prefix: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    let letters = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    prefix.chars().chain(letters).collect()
}

fn random_text(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    SystemEntropy.fill(&mut random);
    STANDARD.encode(random)
}
