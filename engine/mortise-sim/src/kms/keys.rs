//! Master keys, each in a file, and the ciphertexts that they make.
//!
//! ```text
//! ciphertext = "MLK" 1 | key id (16) | nonce (12) | AES-256-GCM-SIV ciphertext and tag
//! AAD        = the 20 bytes before the nonce | each context pair, lengths before the texts
//! ```

use super::error::{KmsError, KmsErrorKind};
use super::files::{read_if_there, uuid_bytes, uuid_text, write_private};
use super::{LocalKmsError, StoreFile};
use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_engine::ports::{EncryptionContext, Entropy as _};
use mortise_key_policy::PolicyDocument;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::SystemEntropy;

const MAGIC: &[u8] = b"MLK\x01";
const HEAD_BYTES: usize = 20;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// One key; the format of its file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MasterKey {
    pub id: String,
    pub description: String,
    pub enabled: bool,
    pub created_s: u64,
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The text of the policy, exactly as it was put.
    pub policy: String,
    material: Material,
}

/// The key's bytes in base64.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
struct Material(String);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl MasterKey {
    pub fn new(id: String, description: String, policy: String, created_s: u64) -> Self {
        let mut material = Zeroizing::new([0; 32]);
        SystemEntropy.fill(&mut *material);
        let material = Material(STANDARD.encode(*material));
        Self { id, description, enabled: true, created_s, aliases: Vec::new(), policy, material }
    }

    /// The parsed policy. It was checked when it was put.
    pub fn policy(&self) -> Result<PolicyDocument, KmsError> {
        PolicyDocument::parse(&self.policy)
            .map_err(|_| KmsError::new(KmsErrorKind::KmsInternal, "the key's policy is broken"))
    }

    pub fn seal(&self, context: &EncryptionContext, plaintext: &[u8]) -> Result<Vec<u8>, KmsError> {
        let id = uuid_bytes(&self.id).ok_or_else(broken)?;
        let mut blob = [MAGIC, &id].concat();
        let aad = aad(&blob, context);
        let mut nonce = [0; NONCE_BYTES];
        SystemEntropy.fill(&mut nonce);
        let payload = Payload { msg: plaintext, aad: &aad };
        let sealed = self.cipher()?.encrypt(&Nonce::from(nonce), payload).map_err(|_| broken())?;
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(&sealed);
        Ok(blob)
    }

    /// Decrypts a ciphertext of this key; `None` when it was changed or the context differs.
    pub fn open(
        &self,
        context: &EncryptionContext,
        blob: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, KmsError> {
        let (Some((head, rest)), cipher) = (blob.split_at_checked(HEAD_BYTES), self.cipher()?)
        else {
            return Ok(None);
        };
        let Some((nonce, sealed)) = rest.split_at_checked(NONCE_BYTES) else { return Ok(None) };
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| broken())?;
        let payload = Payload { msg: sealed, aad: &aad(head, context) };
        Ok(cipher.decrypt(&Nonce::from(nonce), payload).ok().map(Zeroizing::new))
    }

    fn cipher(&self) -> Result<Aes256GcmSiv, KmsError> {
        let bytes = Zeroizing::new(STANDARD.decode(&self.material.0).map_err(|_| broken())?);
        Aes256GcmSiv::new_from_slice(&bytes).map_err(|_| broken())
    }
}

fn broken() -> KmsError {
    KmsError::new(KmsErrorKind::KmsInternal, "the key's file is broken")
}

/// The id of the key that made a ciphertext; `None` when the format is not ours.
pub(super) fn key_of(blob: &[u8]) -> Option<String> {
    let id: [u8; 16] = blob.strip_prefix(MAGIC)?.get(..16)?.try_into().ok()?;
    (blob.len() >= HEAD_BYTES + NONCE_BYTES + TAG_BYTES).then(|| uuid_text(&id))
}

/// Lengths precede texts, so that no two contexts give the same bytes.
fn aad(head: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut aad = head.to_vec();
    for text in context.iter().flat_map(|(key, value)| [key, value]) {
        aad.extend_from_slice(&text.len().to_be_bytes());
        aad.extend_from_slice(text.as_bytes());
    }
    aad
}

/// All keys of a folder.
#[derive(Debug)]
pub(super) struct Keys {
    folder: PathBuf,
    keys: Mutex<BTreeMap<String, MasterKey>>,
}

impl Keys {
    pub fn open(folder: &Path) -> Result<Self, LocalKmsError> {
        let folder = folder.join("keys");
        std::fs::create_dir_all(&folder)?;
        let mut keys = BTreeMap::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let key = read(&path)?;
                keys.insert(key.id.clone(), key);
            }
        }
        Ok(Self { folder, keys: Mutex::new(keys) })
    }

    pub fn by_id(&self, id: &str) -> Option<MasterKey> {
        self.find(|key| key.id == id)
    }

    pub fn by_alias(&self, alias: &str) -> Option<MasterKey> {
        self.find(|key| key.aliases.iter().any(|found| found == alias))
    }

    fn find(&self, is_it: impl Fn(&MasterKey) -> bool) -> Option<MasterKey> {
        self.all().into_iter().find(is_it)
    }

    pub fn all(&self) -> Vec<MasterKey> {
        self.keys.lock().expect("no holder of the keys panics").values().cloned().collect()
    }

    /// Stores a new or changed key. Returns after the file is synced.
    pub fn put(&self, key: MasterKey) -> std::io::Result<()> {
        let mut keys = self.keys.lock().expect("no holder of the keys panics");
        let text = serde_json::to_vec_pretty(&key).map(Zeroizing::new)?;
        write_private(&self.folder.join(format!("{}.json", key.id)), &text)?;
        keys.insert(key.id.clone(), key);
        Ok(())
    }
}

fn read(path: &Path) -> Result<MasterKey, LocalKmsError> {
    let broken =
        |reason: &str| LocalKmsError::Broken { file: StoreFile::Key, reason: reason.to_owned() };
    let bytes = Zeroizing::new(read_if_there(path)?.unwrap_or_default());
    let key: MasterKey =
        serde_json::from_slice(&bytes).map_err(|_| broken("it is not a key record"))?;
    let is_named = path.file_stem().is_some_and(|stem| stem.to_str() == Some(&key.id));
    if !is_named || uuid_bytes(&key.id).is_none() {
        return Err(broken("its id differs from its file name"));
    }
    key.policy().and_then(|_| key.cipher().map(drop)).map_err(|_| broken("policy or material"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::files::new_uuid;

    fn key() -> MasterKey {
        MasterKey::new(new_uuid(), String::new(), r#"{"Statement":[]}"#.to_owned(), 0)
    }

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn ciphertext_opens_under_its_key_and_context_only() {
        let (key, other) = (key(), key());
        let here = context(&[("a", "1"), ("b", "2")]);
        let blob = key.seal(&here, b"secret").unwrap();
        assert_eq!(key_of(&blob).as_deref(), Some(key.id.as_str()));
        assert_eq!(&**key.open(&here, &blob).unwrap().unwrap(), b"secret");
        assert!(other.open(&here, &blob).unwrap().is_none());
        for wrong in [&[][..], &[("a", "1")], &[("a", "12"), ("b", "")], &[("a", "2"), ("b", "1")]]
        {
            assert!(key.open(&context(wrong), &blob).unwrap().is_none(), "{wrong:?}");
        }
        for i in 0..blob.len() {
            let mut changed = blob.clone();
            changed[i] ^= 1;
            assert!(key.open(&here, &changed).unwrap().is_none(), "byte {i}");
            assert!(key.open(&here, &blob[..i]).unwrap().is_none(), "{i} bytes");
        }
    }

    #[test]
    fn keys_stay_in_their_folder_and_a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut made = key();
        made.aliases.push("alias/a".to_owned());
        Keys::open(folder.path()).unwrap().put(made.clone()).unwrap();
        let again = Keys::open(folder.path()).unwrap();
        assert_eq!(again.by_alias("alias/a").unwrap().id, made.id);
        let blob = made.seal(&context(&[]), b"x").unwrap();
        let found = again.by_id(&made.id).unwrap();
        assert_eq!(&**found.open(&context(&[]), &blob).unwrap().unwrap(), b"x");
        std::fs::write(folder.path().join("keys/x.json"), "{}").unwrap();
        let broken = Keys::open(folder.path()).unwrap_err();
        assert!(matches!(broken, LocalKmsError::Broken { file: StoreFile::Key, .. }));
        assert!(!format!("{again:?}").contains(&found.material.0));
    }
}
