//! A key service and entropy for one thread: deterministic, and as strict as a real one.

use mortise_core::sealed_value::{open_value, seal_value};
use mortise_engine::ports::{Entropy, KeyContext, PortFuture, Vault, VaultError};
use mortise_format::secret::Secret;
use mortise_sim::rng::Rng;
use std::future::ready;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Wraps data keys under a master key, bound to their context.
#[derive(Debug)]
pub struct TestVault {
    master: Secret,
    rng: Mutex<Rng>,
    is_stopped: AtomicBool,
    unwraps: AtomicU64,
}

impl TestVault {
    /// A vault whose keys follow from the seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let master = Secret::new(rng.bytes32());
        let (is_stopped, unwraps) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { master, rng: Mutex::new(rng), is_stopped, unwraps }
    }

    /// Stops the key service, or starts it again.
    pub fn stop(&self, is_stopped: bool) {
        self.is_stopped.store(is_stopped, Ordering::Relaxed);
    }

    /// How often a key was asked for.
    pub fn unwraps(&self) -> u64 {
        self.unwraps.load(Ordering::Relaxed)
    }
}

fn aad(context: &KeyContext, number: &[u8]) -> Vec<u8> {
    let mut aad = context.engine_id.0.to_vec();
    aad.extend_from_slice(&context.epoch.to_le_bytes());
    aad.extend_from_slice(context.purpose.name().as_bytes());
    aad.extend_from_slice(number);
    aad
}

impl TestVault {
    fn wrapping(&self, number: &[u8]) -> Secret {
        self.master.expose(|master| Secret::new(mortise_format::domains::sha256(&[master, number])))
    }

    fn wrap_new(&self, context: &KeyContext) -> (Secret, Vec<u8>) {
        let mut rng = self.rng.lock().expect("no holder of the generator panics");
        let (key, number) = (rng.bytes32(), rng.bytes32());
        // The cipher takes one value per key: the number makes a key of its own for each.
        let wrapping = self.wrapping(&number);
        let mut wrapped = number.to_vec();
        wrapped.extend(seal_value(&wrapping, &aad(context, &number), &key));
        (Secret::new(key), wrapped)
    }

    fn open_wrapped(&self, wrapped: &[u8], context: &KeyContext) -> Result<Secret, VaultError> {
        let refused = || VaultError::Refused(String::from("changed, or of another context"));
        let (number, sealed) = wrapped.split_at_checked(32).ok_or_else(refused)?;
        let opened = open_value(&self.wrapping(number), &aad(context, number), sealed);
        let key: Result<[u8; 32], _> = opened.ok_or_else(refused)?.as_slice().try_into();
        Ok(Secret::new(key.map_err(|_| refused())?))
    }
}

impl Vault for TestVault {
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
        self.unwraps.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(match self.is_stopped.load(Ordering::Relaxed) {
            true => Err(VaultError::Unavailable(String::from("stopped"))),
            false => self.open_wrapped(wrapped, context),
        }))
    }
}

/// Entropy that follows from a seed.
#[derive(Debug)]
pub struct TestEntropy(Mutex<Rng>);

impl TestEntropy {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::new(seed)))
    }
}

impl Entropy for TestEntropy {
    fn fill(&self, out: &mut [u8]) {
        let mut rng = self.0.lock().expect("no holder of the entropy panics");
        for chunk in out.chunks_mut(32) {
            let bytes = rng.bytes32();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_engine::ports::KeyPurpose;
    use mortise_format::ids::EngineId;

    #[test]
    fn wrapped_key_opens_in_its_context_and_vault_only() {
        let vault = TestVault::new(1);
        let context =
            KeyContext { engine_id: EngineId([1; 32]), epoch: 3, purpose: KeyPurpose::Epoch };
        let (key, wrapped) = vault.wrap_new(&context);
        let again = vault.open_wrapped(&wrapped, &context).expect("its own key opens");
        assert_eq!(key.expose(|k| *k), again.expose(|k| *k));
        let wrong = |vault: &TestVault, wrapped: &[u8], context: &KeyContext| {
            let refused = vault.open_wrapped(wrapped, context);
            assert!(matches!(refused, Err(VaultError::Refused(_))));
        };
        wrong(&vault, &wrapped, &KeyContext { epoch: 4, ..context });
        wrong(&vault, &wrapped, &KeyContext { engine_id: EngineId([2; 32]), ..context });
        wrong(&vault, &wrapped, &KeyContext { purpose: KeyPurpose::Genesis, ..context });
        wrong(&TestVault::new(2), &wrapped, &context);
        wrong(&vault, &wrapped[..wrapped.len() - 1], &context);
        wrong(&vault, &[], &context);
    }
}
