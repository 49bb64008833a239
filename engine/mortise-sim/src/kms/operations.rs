//! The operations: each parses its fields, evaluates the policies and executes.

use super::error::{KmsError, KmsErrorKind, validation};
use super::files::new_uuid;
use super::iam::Principal;
use super::keys::{MasterKey, key_of};
use super::recipient::Recipient;
use super::request::{self, RecipientField};
use super::trail::Entry;
use super::{Inner, LocalKms, request::Blob};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_engine::ports::{EncryptionContext, Entropy as _};
use mortise_key_policy::{Access, Caller, Decision, Facts, PolicyDocument, evaluate};
use serde_json::{Map, Value, json};
use std::sync::atomic::Ordering;
use zeroize::Zeroizing;

use crate::SystemEntropy;

/// The only name that a key policy has.
const POLICY_NAME: &str = "default";

/// One authenticated call.
struct Call<'a> {
    kms: &'a LocalKms,
    principal: &'a Principal,
    caller: Caller,
    operation: &'static str,
    entry: &'a mut Entry,
    now_ms: u64,
}

macro_rules! operations {
    ($($name:literal => $method:ident,)*) => {
        /// The operations, by the second half of `X-Amz-Target`.
        const OPERATIONS: &[&str] = &[$($name,)*];

        impl Call<'_> {
            fn run(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
                match self.operation {
                    $($name => self.$method(body),)*
                    _ => Err(KmsError::new(KmsErrorKind::UnknownOperation, "")),
                }
            }
        }
    };
}

operations! {
    "CreateAlias" => create_alias,
    "CreateKey" => create_key,
    "Decrypt" => decrypt,
    "DescribeKey" => describe_key,
    "DisableKey" => disable_key,
    "EnableKey" => enable_key,
    "Encrypt" => encrypt,
    "GenerateDataKey" => generate_data_key,
    "GenerateRandom" => generate_random,
    "GetKeyPolicy" => get_key_policy,
    "ListKeys" => list_keys,
    "PutKeyPolicy" => put_key_policy,
}

impl LocalKms {
    /// Executes a signed call. `None` is an empty answer.
    ///
    /// # Errors
    /// Every kind except those of the signature.
    pub(super) fn call(
        &self,
        principal: &Principal,
        target: &str,
        body: &[u8],
        entry: &mut Entry,
    ) -> Result<Option<Value>, KmsError> {
        let name = target.strip_prefix("TrentService.").unwrap_or_default();
        let operation = OPERATIONS.iter().find(|operation| **operation == name);
        let operation =
            operation.ok_or_else(|| KmsError::new(KmsErrorKind::UnknownOperation, ""))?;
        entry.operation = Some(operation);
        let throttled = &self.inner.throttled;
        let take = |left: u32| left.checked_sub(1);
        if throttled.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            return Err(KmsError::new(KmsErrorKind::Throttling, "Rate exceeded"));
        }
        let caller = principal.caller().ok_or_else(|| internal("the caller's ARN is malformed"))?;
        let now_ms = self.now_ms();
        Call { kms: self, principal, caller, operation, entry, now_ms }.run(body)
    }
}

impl Call<'_> {
    fn create_key(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::CreateKey = request::read(body)?;
        request.check()?;
        self.allow_without_key(&Facts::default())?;
        let policy = request.policy.clone().unwrap_or_else(|| self.default_policy());
        self.check_policy(&policy, request.bypass_policy_lockout_safety_check)?;
        let key =
            MasterKey::new(new_uuid(), request.description.clone(), policy, self.now_ms / 1000);
        self.note_key(&key);
        let answer = json!({"KeyMetadata": self.metadata(&key)});
        self.put(key)?;
        Ok(Some(answer))
    }

    fn create_alias(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::CreateAlias = request::read(body)?;
        if !request::is_alias(&request.alias_name) {
            return Err(validation("aliasName is alias/ and letters, digits, /, _ and -."));
        }
        let mut key = self.key_by_id(&request.target_key_id)?;
        self.allow(&key, &Facts::default())?;
        if self.kms.inner.keys.by_alias(&request.alias_name).is_some() {
            return Err(KmsError::new(KmsErrorKind::AlreadyExists, "the alias is taken"));
        }
        key.aliases.push(request.alias_name);
        self.put(key)?;
        Ok(None)
    }

    fn describe_key(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::OfKey = request::read(body)?;
        let key = self.key(&request.key_id)?;
        self.allow(&key, &Facts::default())?;
        Ok(Some(json!({"KeyMetadata": self.metadata(&key)})))
    }

    fn list_keys(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::ListKeys = request::read(body)?;
        if request.marker.is_some() || request.limit.is_some_and(|limit| limit == 0) {
            return Err(validation("there is one page, and no marker."));
        }
        self.allow_without_key(&Facts::default())?;
        let entry = |key: MasterKey| json!({"KeyId": key.id, "KeyArn": self.kms.key_arn(&key.id)});
        let keys: Vec<_> = self.kms.inner.keys.all().into_iter().map(entry).collect();
        Ok(Some(json!({"Keys": keys, "Truncated": false})))
    }

    fn enable_key(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        self.set_enabled(body, true)
    }

    fn disable_key(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        self.set_enabled(body, false)
    }

    fn set_enabled(&mut self, body: &[u8], enabled: bool) -> Result<Option<Value>, KmsError> {
        let request: request::OfKey = request::read(body)?;
        let mut key = self.key_by_id(&request.key_id)?;
        self.allow(&key, &Facts::default())?;
        key.enabled = enabled;
        self.put(key)?;
        Ok(None)
    }

    fn get_key_policy(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::GetKeyPolicy = request::read(body)?;
        let key = self.key_by_id(&request.key_id)?;
        self.allow(&key, &Facts::default())?;
        check_policy_name(request.policy_name.as_deref())?;
        Ok(Some(json!({"Policy": key.policy, "PolicyName": POLICY_NAME})))
    }

    fn put_key_policy(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::PutKeyPolicy = request::read(body)?;
        let mut key = self.key_by_id(&request.key_id)?;
        self.allow(&key, &Facts::default())?;
        check_policy_name(request.policy_name.as_deref())?;
        self.check_policy(&request.policy, request.bypass_policy_lockout_safety_check)?;
        key.policy = request.policy;
        self.put(key)?;
        Ok(None)
    }

    fn encrypt(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::Encrypt = request::read(body)?;
        request.check()?;
        self.note("encryptionAlgorithm", json!("SYMMETRIC_DEFAULT"));
        let facts = self.facts(&request.encryption_context);
        let key = self.usable(&request.key_id, &facts)?;
        let blob = key.seal(&request.encryption_context, &request.plaintext.0)?;
        Ok(Some(json!({
            "CiphertextBlob": STANDARD.encode(blob),
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "KeyId": self.kms.key_arn(&key.id),
        })))
    }

    fn decrypt(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::Decrypt = request::read(body)?;
        request.check()?;
        self.note("encryptionAlgorithm", json!("SYMMETRIC_DEFAULT"));
        let mut facts = self.facts(&request.encryption_context);
        let recipient = self.recipient(request.recipient.as_ref(), &mut facts)?;
        let key = self.key_of_ciphertext(&request.ciphertext_blob, request.key_id.as_deref())?;
        self.allow(&key, &facts)?;
        self.check_enabled(&key)?;
        let opened = key.open(&request.encryption_context, &request.ciphertext_blob.0)?;
        let plaintext = opened.ok_or_else(|| KmsError::new(KmsErrorKind::InvalidCiphertext, ""))?;
        let mut answer = Map::new();
        answer.insert("KeyId".to_owned(), json!(self.kms.key_arn(&key.id)));
        answer.insert("EncryptionAlgorithm".to_owned(), json!("SYMMETRIC_DEFAULT"));
        insert_plaintext(&mut answer, recipient.as_ref(), &plaintext)?;
        Ok(Some(Value::Object(answer)))
    }

    fn generate_data_key(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::GenerateDataKey = request::read(body)?;
        let count = request.check()?;
        self.note("numberOfBytes", json!(count));
        let mut facts = self.facts(&request.encryption_context);
        let recipient = self.recipient(request.recipient.as_ref(), &mut facts)?;
        let key = self.usable(&request.key_id, &facts)?;
        let plaintext = random(count);
        let blob = key.seal(&request.encryption_context, &plaintext)?;
        let mut answer = Map::new();
        answer.insert("KeyId".to_owned(), json!(self.kms.key_arn(&key.id)));
        answer.insert("CiphertextBlob".to_owned(), json!(STANDARD.encode(blob)));
        insert_plaintext(&mut answer, recipient.as_ref(), &plaintext)?;
        Ok(Some(Value::Object(answer)))
    }

    fn generate_random(&mut self, body: &[u8]) -> Result<Option<Value>, KmsError> {
        let request: request::GenerateRandom = request::read(body)?;
        let count = request.number_of_bytes.ok_or_else(|| validation("numberOfBytes is missing."));
        let count = request::random_bytes(count?)?;
        self.note("numberOfBytes", json!(count));
        let mut facts = Facts::default();
        let recipient = self.recipient(request.recipient.as_ref(), &mut facts)?;
        self.allow_without_key(&facts)?;
        let mut answer = Map::new();
        insert_plaintext(&mut answer, recipient.as_ref(), &random(count))?;
        Ok(Some(Value::Object(answer)))
    }

    /// The condition keys of a call with an encryption context. Notes the context for the trail.
    fn facts(&mut self, context: &EncryptionContext) -> Facts {
        let mut facts = Facts::default();
        for (key, value) in context {
            facts.set(&format!("kms:EncryptionContext:{key}"), value);
        }
        if !context.is_empty() {
            self.note("encryptionContext", json!(context));
        }
        facts
    }

    /// Verifies the recipient and adds its measurements to the condition keys.
    fn recipient(
        &mut self,
        field: Option<&RecipientField>,
        facts: &mut Facts,
    ) -> Result<Option<Recipient>, KmsError> {
        let Some(field) = field else { return Ok(None) };
        if field.key_encryption_algorithm != "RSAES_OAEP_SHA_256" {
            return Err(validation("keyEncryptionAlgorithm is RSAES_OAEP_SHA_256."));
        }
        let trust = &self.kms.inner.trust;
        let found = Recipient::verify(&field.attestation_document.0, trust, self.now_ms)?;
        for (index, pcr) in &found.pcrs {
            facts.set(&format!("kms:RecipientAttestation:PCR{index}"), &pcr.to_string());
        }
        if let Some(image) = found.pcrs.get(&0) {
            facts.set("kms:RecipientAttestation:ImageSha384", &image.to_string());
        }
        self.entry.attested(&found);
        Ok(Some(found))
    }

    /// A key that is enabled and that the caller may use.
    fn usable(&mut self, name: &str, facts: &Facts) -> Result<MasterKey, KmsError> {
        let key = self.key(name)?;
        self.allow(&key, facts)?;
        self.check_enabled(&key)?;
        Ok(key)
    }

    fn check_enabled(&self, key: &MasterKey) -> Result<(), KmsError> {
        match key.enabled {
            true => Ok(()),
            false => {
                let text = format!("{} is disabled.", self.kms.key_arn(&key.id));
                Err(KmsError::new(KmsErrorKind::Disabled, text))
            }
        }
    }

    /// The key that made a ciphertext. It must match the key that the caller names, if any.
    fn key_of_ciphertext(
        &mut self,
        blob: &Blob,
        named: Option<&str>,
    ) -> Result<MasterKey, KmsError> {
        let id =
            key_of(&blob.0).ok_or_else(|| KmsError::new(KmsErrorKind::InvalidCiphertext, ""))?;
        if let Some(named) = named
            && self.key(named)?.id != id
        {
            let text = "The key ID in the request does not identify a CMK that can perform this \
                        operation.";
            return Err(KmsError::new(KmsErrorKind::IncorrectKey, text));
        }
        let key = self.kms.inner.keys.by_id(&id).ok_or_else(|| {
            let text = "The ciphertext refers to a customer master key that does not exist, does \
                        not exist in this region, or you are not allowed to access.";
            KmsError::new(KmsErrorKind::AccessDenied, text)
        })?;
        self.note_key(&key);
        Ok(key)
    }

    /// A key by its id, its ARN, its alias or the alias's ARN.
    fn key(&mut self, name: &str) -> Result<MasterKey, KmsError> {
        let prefix = self.kms.key_arn("");
        let prefix = prefix.trim_end_matches("key/");
        let local = name.strip_prefix(prefix).unwrap_or(name);
        let key = match local.starts_with("alias/") {
            true => self.kms.inner.keys.by_alias(local),
            false => self.kms.inner.keys.by_id(local.strip_prefix("key/").unwrap_or(local)),
        };
        let key =
            key.ok_or_else(|| KmsError::new(KmsErrorKind::NotFound, "The key does not exist"))?;
        self.note_key(&key);
        Ok(key)
    }

    /// A key by its id or ARN, where AWS accepts no alias.
    fn key_by_id(&mut self, name: &str) -> Result<MasterKey, KmsError> {
        match name.contains("alias/") {
            true => Err(KmsError::new(KmsErrorKind::NotFound, "an alias is not a key id here")),
            false => self.key(name),
        }
    }

    fn allow(&self, key: &MasterKey, facts: &Facts) -> Result<(), KmsError> {
        self.decide(Some(&key.policy()?), &self.kms.key_arn(&key.id), facts)
    }

    fn allow_without_key(&self, facts: &Facts) -> Result<(), KmsError> {
        self.decide(None, "*", facts)
    }

    fn decide(
        &self,
        policy: Option<&PolicyDocument>,
        resource: &str,
        facts: &Facts,
    ) -> Result<(), KmsError> {
        let action = format!("kms:{}", self.operation);
        let access = self.access(&action, resource, facts);
        let why = match evaluate(policy, self.principal.identity_policy().as_ref(), &access) {
            Decision::Allowed => return Ok(()),
            Decision::Denied => "with an explicit deny in a policy",
            Decision::NotAllowed => "because no policy allows the action",
        };
        let text = format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
            self.caller.arn()
        );
        Err(KmsError::new(KmsErrorKind::AccessDenied, text))
    }

    fn access<'a>(&'a self, action: &'a str, resource: &'a str, facts: &'a Facts) -> Access<'a> {
        Access { caller: &self.caller, action, resource, account: &self.kms.inner.account, facts }
    }

    /// Checks that a policy parses, that this service evaluates every part of it, and that its
    /// author can still change it.
    fn check_policy(&self, text: &str, bypass_lockout_check: bool) -> Result<(), KmsError> {
        let malformed = |text: String| KmsError::new(KmsErrorKind::MalformedPolicy, text);
        let policy = PolicyDocument::parse(text).map_err(|error| malformed(error.to_string()))?;
        policy.check_supported().map_err(|error| malformed(error.to_string()))?;
        let facts = Facts::default();
        let access = self.access("kms:PutKeyPolicy", "*", &facts);
        let identity = self.principal.identity_policy();
        let is_locked_out =
            evaluate(Some(&policy), identity.as_ref(), &access) != Decision::Allowed;
        match is_locked_out && !bypass_lockout_check {
            true => Err(malformed(String::from(
                "The new key policy will not allow you to update the key policy in the future.",
            ))),
            false => Ok(()),
        }
    }

    /// The policy that AWS gives a key that is created without one.
    fn default_policy(&self) -> String {
        let Inner { partition, account, .. } = &*self.kms.inner;
        let root = format!("arn:{}:iam::{account}:root", partition.name());
        json!({
            "Version": "2012-10-17",
            "Id": "key-default-1",
            "Statement": [{"Sid": "Enable IAM User Permissions", "Effect": "Allow",
                "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}],
        })
        .to_string()
    }

    fn metadata(&self, key: &MasterKey) -> Value {
        json!({
            "AWSAccountId": self.kms.inner.account,
            "Arn": self.kms.key_arn(&key.id),
            "CreationDate": key.created_s,
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "Description": key.description,
            "Enabled": key.enabled,
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "KeyId": key.id,
            "KeyManager": "CUSTOMER",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "KeyState": if key.enabled { "Enabled" } else { "Disabled" },
            "KeyUsage": "ENCRYPT_DECRYPT",
            "MultiRegion": false,
            "Origin": "AWS_KMS",
        })
    }

    fn put(&self, key: MasterKey) -> Result<(), KmsError> {
        self.kms.inner.keys.put(key).map_err(|_| internal("the key's file cannot be written"))
    }

    fn note(&mut self, name: &str, value: Value) {
        self.entry.parameters.insert(name.to_owned(), value);
    }

    fn note_key(&mut self, key: &MasterKey) {
        let arn = self.kms.key_arn(&key.id);
        self.note("keyId", json!(arn));
        self.entry.key_arn = Some(arn);
    }
}

fn internal(message: &str) -> KmsError {
    KmsError::new(KmsErrorKind::KmsInternal, message)
}

fn check_policy_name(name: Option<&str>) -> Result<(), KmsError> {
    match name {
        None | Some(POLICY_NAME) => Ok(()),
        Some(_) => Err(KmsError::new(KmsErrorKind::NotFound, "a key has one policy: default")),
    }
}

fn random(count: u32) -> Zeroizing<Vec<u8>> {
    let length = usize::try_from(count).expect("at most 1024 bytes");
    let mut bytes = Zeroizing::new(vec![0; length]);
    SystemEntropy.fill(&mut bytes);
    bytes
}

/// Adds the plaintext to an answer: encrypted to the recipient, in clear only without one.
fn insert_plaintext(
    answer: &mut Map<String, Value>,
    recipient: Option<&Recipient>,
    plaintext: &[u8],
) -> Result<(), KmsError> {
    let (field, bytes) = match recipient {
        Some(recipient) => ("CiphertextForRecipient", recipient.encrypt(plaintext)?),
        None => ("Plaintext", plaintext.to_vec()),
    };
    answer.insert(field.to_owned(), json!(STANDARD.encode(bytes)));
    Ok(())
}
