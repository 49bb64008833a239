//! Secrets of the log and the keys derived from them.
//!
//! ```text
//! log secret (genesis) --+--> state-salt key, snapshot key
//!                        |
//! data key (per epoch) --+--> content root --> content key of frame s (releasable to auditors)
//!                        +--> MAC key (never leaves)
//! ```
//! Every epoch key is derived from the data key of the epoch and from the log secret.
//!
//! Proves: a party that can wrap a data key of its own choice under the vault's key, but does not
//! know the log secret, cannot make a frame that replay accepts.
//!
//! Does not prove: that the enclave drew the log secret. A party that could wrap keys before the
//! engine was created may have chosen the log secret, the signing key and all that follows from
//! them. The key policy has to exclude that party.

use hkdf::Hkdf;
use mortise_format::content_key::ContentRoot;
use mortise_format::ids::EngineId;
use mortise_format::secret::Secret;
use sha2::Sha256;

fn derive(input: &Secret, salt: &[u8], info: &[&[u8]]) -> Secret {
    let mut out = [0; 32];
    let hkdf = input.expose(|input| Hkdf::<Sha256>::new(Some(salt), input));
    // 32 bytes is one SHA-256 block: below the limit of HKDF, RFC 5869 2.3.
    hkdf.expand_multi_info(info, &mut out).expect("one block is below the limit of HKDF");
    Secret::new(out)
}

/// Keys that hold for the whole life of the log.
#[derive(Debug, Clone)]
pub struct LogKeys {
    log_secret: Secret,
    state_salt: Secret,
    snapshot: Secret,
}

impl LogKeys {
    /// Derives them from the log secret.
    pub fn new(log_secret: Secret, engine_id: &EngineId) -> Self {
        let of = |label: &[u8]| derive(&log_secret, b"mortise log", &[label, &engine_id.0]);
        let (state_salt, snapshot) = (of(b"state salt"), of(b"snapshot"));
        Self { log_secret, state_salt, snapshot }
    }

    /// Key of the salts that hide values in the state tree.
    pub fn state_salt(&self) -> &Secret {
        &self.state_salt
    }

    /// Key of snapshots; never released.
    pub fn snapshot(&self) -> &Secret {
        &self.snapshot
    }

    /// The keys of an epoch.
    pub fn epoch(&self, data_key: &Secret, engine_id: &EngineId, epoch: u64) -> EpochKeys {
        let number = epoch.to_le_bytes();
        let of = |label: &[u8]| {
            self.log_secret.expose(|salt| derive(data_key, salt, &[label, &engine_id.0, &number]))
        };
        EpochKeys { content_root: ContentRoot::new(of(b"content")), mac: of(b"mac") }
    }
}

/// Keys of one epoch.
#[derive(Debug, Clone)]
pub struct EpochKeys {
    content_root: ContentRoot,
    mac: Secret,
}

impl EpochKeys {
    /// Content key of a frame.
    pub fn content(&self, seq: u64) -> Secret {
        self.content_root.content(seq)
    }

    /// The key that an auditor of this epoch gets.
    pub fn content_root(&self) -> &ContentRoot {
        &self.content_root
    }

    /// Key of the frames' MACs.
    pub fn mac(&self) -> &Secret {
        &self.mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::content_key::event_salt;
    use mortise_format::domains;
    use mortise_format::release::{ReleasedEpochs, ReleasedFrames};

    #[test]
    fn keys_differ_by_epoch_engine_secret_and_purpose() {
        let engine = EngineId([1; 32]);
        let keys = LogKeys::new(Secret::new([2; 32]), &engine);
        let data = Secret::new([3; 32]);
        let bytes = |s: &Secret| s.expose(|b| *b);
        let base = keys.epoch(&data, &engine, 1);
        let others = [
            keys.epoch(&data, &engine, 2),
            keys.epoch(&data, &EngineId([9; 32]), 1),
            keys.epoch(&Secret::new([4; 32]), &engine, 1),
            LogKeys::new(Secret::new([5; 32]), &engine).epoch(&data, &engine, 1),
        ];
        assert_ne!(bytes(base.content_root().secret()), bytes(&base.mac));
        assert_ne!(bytes(keys.snapshot()), bytes(keys.state_salt()));
        assert_ne!(bytes(&base.content(1)), bytes(&base.content(2)));
        for other in &others {
            assert_ne!(bytes(base.content_root().secret()), bytes(other.content_root().secret()));
            assert_ne!(bytes(&base.mac), bytes(&other.mac));
        }
    }

    /// Goal: no key that may be released (content root, content keys, salts, state-salt key) equals
    /// a key that never leaves the engine.
    #[test]
    fn no_key_of_one_purpose_is_one_of_another() {
        let engine = EngineId([1; 32]);
        let (log_secret, data) = (Secret::new([2; 32]), Secret::new([3; 32]));
        let log = LogKeys::new(log_secret.clone(), &engine);
        let epoch = log.epoch(&data, &engine, 1);
        let bytes = |s: &Secret| s.expose(|b| *b);
        let (content, content_0) = (epoch.content(1), epoch.content(0));
        let mut keys = alloc::vec![
            bytes(&log_secret),
            bytes(&data),
            bytes(log.state_salt()),
            bytes(log.snapshot()),
            bytes(epoch.content_root().secret()),
            bytes(epoch.mac()),
            bytes(&content),
            bytes(&content_0),
            event_salt(&content, 0),
            event_salt(&content, 1),
            event_salt(&content_0, 0),
            data.commitment(domains::KEY_COMMITMENT).0,
            log_secret.commitment(domains::LOG_SECRET_COMMITMENT).0,
            log_secret.commitment(domains::KEY_COMMITMENT).0,
        ];
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    /// HKDF-SHA-256 of another implementation (Python, hmac and hashlib) gave these.
    #[test]
    fn keys_are_those_that_the_page_derives() {
        let engine = EngineId([1; 32]);
        let log = LogKeys::new(Secret::new([2; 32]), &engine);
        let epoch = log.epoch(&Secret::new([3; 32]), &engine, 1);
        let hex = |s: &Secret| s.expose(|b| mortise_format::ids::to_hex(b));
        assert_eq!(
            hex(log.state_salt()),
            "0xf2e58fcba9cc6b459315dff3a7ac4c3fae8f8cd96220a8d971f19da35622b34b"
        );
        assert_eq!(
            hex(log.snapshot()),
            "0x942ea89d98bb77a21789009feb4466eb8f9b85a5e26fc12e09e23fe091b7683a"
        );
        assert_eq!(
            hex(epoch.content_root().secret()),
            "0x1cc8ebaf84a0e758c85fcc9ece374e037d9b4dd4ad7ad22d874fab48b98fd4b6"
        );
        assert_eq!(
            hex(epoch.mac()),
            "0x121e5c6b6c8b7d06617007c13a0e2c47c137a59f8d9793826d5280236ea3a452"
        );
    }

    /// Goal: exactly the keys that may leave are in the bytes. Method: search the bytes at every
    /// offset for every other secret.
    #[test]
    fn only_content_roots_and_the_salt_key_are_released() {
        let engine = EngineId([1; 32]);
        let log = LogKeys::new(Secret::new([2; 32]), &engine);
        let of = |epoch| log.epoch(&Secret::new([3; 32]), &engine, epoch);
        let (first, second) = (of(1), of(2));
        let mut released = ReleasedEpochs::new(log.state_salt());
        released.push(1, first.content_root());
        released.push(2, second.content_root());
        let mut frames = ReleasedFrames::default();
        frames.push(0, first.content_root());
        frames.push(7, second.content_root());
        let bytes = |s: &Secret| s.expose(|b| *b);
        let (epochs, frames) = (released.encode(), frames.encode());
        let holds = |whole: &[u8], secret: &[u8; 32]| whole.windows(32).any(|w| w == secret);
        for kept in [
            bytes(log.snapshot()),
            bytes(first.mac()),
            bytes(second.mac()),
            [2; 32], // log secret
            [3; 32], // data key
        ] {
            assert!(!holds(&epochs, &kept) && !holds(&frames, &kept));
        }
        for root in [first.content_root(), second.content_root()] {
            assert!(holds(&epochs, &bytes(root.secret())));
            assert!(!holds(&frames, &bytes(root.secret())));
        }
        assert!(holds(&epochs, &bytes(log.state_salt())));
        assert!(!holds(&frames, &bytes(log.state_salt())));
        assert!(holds(&frames, &bytes(&first.content(0))));
        assert_eq!((epochs.len(), frames.len()), (32 + 2 * 40, 2 * 40));
    }
}
