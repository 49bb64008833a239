//! A vault whose root key is in a file.

use mortise_core::sealed_value::{open_value, seal_value};
use mortise_engine::ports::{Entropy, KeyContext, PortFuture, Vault, VaultError};
use mortise_format::codec;
use mortise_format::domains;
use mortise_format::secret::Secret;
use std::future::ready;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroize;

use crate::SystemEntropy;

/// Why a vault file was not opened or created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultFileError {
    /// The file cannot be read or written.
    #[error("the vault file: {0}")]
    Io(#[from] std::io::Error),
    /// The file is not 32 bytes.
    #[error("the vault file is not 32 bytes")]
    Size,
}

/// Wraps each data key under a key of its own, derived from the root key and a fresh salt.
#[derive(Debug)]
pub struct FileVault {
    root: Secret,
}

/// `salt (32) | sealed data key`.
const SALT_BYTES: usize = 32;

impl FileVault {
    /// Opens the vault at `path`, or creates one: 32 random bytes, readable only by their owner.
    ///
    /// # Errors
    /// [`VaultFileError`].
    pub fn open(path: &Path) -> Result<Self, VaultFileError> {
        match std::fs::read(path) {
            Ok(mut bytes) => {
                let root = bytes.as_slice().try_into().map_err(|_| VaultFileError::Size)?;
                bytes.zeroize();
                Ok(Self { root: Secret::new(root) })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error.into()),
        }
    }

    fn create(path: &Path) -> Result<Self, VaultFileError> {
        let root = random();
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        root.expose(|bytes| file.write_all(bytes))?;
        file.sync_all()?;
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(Self { root })
    }

    fn wrapping_key(&self, salt: &[u8]) -> Secret {
        let derive = |root: &[u8; 32]| domains::blake3_in(domains::SOFTWARE_VAULT, &[root, salt]);
        Secret::new(self.root.expose(derive))
    }
}

fn random() -> Secret {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    let secret = Secret::new(bytes);
    bytes.zeroize();
    secret
}

fn context_bytes(context: &KeyContext) -> Vec<u8> {
    let mut bytes = context.engine_id.0.to_vec();
    codec::encode_into(&context.epoch, &mut bytes);
    bytes.extend_from_slice(context.purpose.name().as_bytes());
    bytes
}

impl FileVault {
    fn wrap_new(&self, context: &KeyContext) -> (Secret, Vec<u8>) {
        let data_key = random();
        let mut wrapped = vec![0; SALT_BYTES];
        SystemEntropy.fill(&mut wrapped);
        let key = self.wrapping_key(&wrapped);
        let sealed = data_key.expose(|plain| seal_value(&key, &context_bytes(context), plain));
        wrapped.extend_from_slice(&sealed);
        (data_key, wrapped)
    }

    fn open_wrapped(&self, wrapped: &[u8], context: &KeyContext) -> Result<Secret, VaultError> {
        let refused = || VaultError::Refused(String::from("changed, or of another context"));
        let (salt, sealed) = wrapped.split_at_checked(SALT_BYTES).ok_or_else(refused)?;
        let opened = open_value(&self.wrapping_key(salt), &context_bytes(context), sealed);
        let mut opened = opened.ok_or_else(refused)?;
        let bytes = opened.as_slice().try_into().map_err(|_| refused())?;
        opened.zeroize();
        Ok(Secret::new(bytes))
    }
}

impl Vault for FileVault {
    fn generate<'a>(
        &'a self,
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<(Secret, Vec<u8>), VaultError>> {
        Box::pin(ready(Ok(self.wrap_new(context))))
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a KeyContext,
    ) -> PortFuture<'a, Result<Secret, VaultError>> {
        Box::pin(ready(self.open_wrapped(wrapped, context)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_engine::ports::KeyPurpose;
    use mortise_format::EngineId;

    fn context(epoch: u64, purpose: KeyPurpose) -> KeyContext {
        KeyContext { engine_id: EngineId([1; 32]), epoch, purpose }
    }

    #[test]
    fn a_wrapped_key_opens_in_its_vault_and_context_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let vault = FileVault::open(&path).unwrap();
        let here = context(3, KeyPurpose::Epoch);
        let (key, wrapped) = vault.wrap_new(&here);
        let refuses = |vault: &FileVault, wrapped: &[u8], context: &KeyContext| {
            matches!(vault.open_wrapped(wrapped, context), Err(VaultError::Refused(_)))
        };
        let bytes = |s: &Secret| s.expose(|b| *b);
        let again = FileVault::open(&path).unwrap();
        assert_eq!(bytes(&again.open_wrapped(&wrapped, &here).unwrap()), bytes(&key));
        for other in [context(4, KeyPurpose::Epoch), context(3, KeyPurpose::Genesis)] {
            assert!(refuses(&vault, &wrapped, &other));
        }
        let stranger = FileVault::open(&folder.path().join("other")).unwrap();
        assert!(refuses(&stranger, &wrapped, &here));
        for i in 0..wrapped.len() {
            let mut flipped = wrapped.clone();
            flipped[i] ^= 1;
            assert!(refuses(&vault, &flipped, &here));
        }
    }

    #[test]
    fn the_vault_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        FileVault::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, [0; 31]).unwrap();
        assert!(matches!(FileVault::open(&path), Err(VaultFileError::Size)));
    }
}
