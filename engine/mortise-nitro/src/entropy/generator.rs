//! The generator and its seeds. Nothing here waits for anything but the two sources.

use mortise_engine::ports::{Nsm, NsmError};
use mortise_format::domains::{ENTROPY_SEED, blake3_in};
use std::sync::Arc;
use std::time::Duration;
use zeroize::{Zeroize as _, Zeroizing};

/// Least bytes of each source in a seed.
pub const SEED_BYTES: usize = 64;
/// Most calls of the module for one seed. It may return one byte at a time.
const SEED_CALLS_MAX: usize = SEED_BYTES;

/// Why there is no seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntropyError {
    /// The module did not answer.
    #[error("the module gives no randomness: {0}")]
    Module(#[from] NsmError),
    /// The module returned too few bytes in [`SEED_BYTES`] calls.
    #[error("the module gave {given} random bytes, but {needed} are needed")]
    TooLittle {
        given: usize,
        /// [`SEED_BYTES`].
        needed: usize,
    },
    /// The module returned the same bytes twice: it is stuck.
    #[error("the module gave the same random bytes twice")]
    Repeated,
    /// The kernel returned no bytes.
    #[error("the kernel gives no randomness: {0}")]
    Kernel(String),
    /// The current seed is used up, and no new one arrived in time.
    #[error("no new seed arrived within {waited:?}")]
    Late {
        /// The timeout of the draw.
        waited: Duration,
    },
    /// The thread that fetches seeds cannot start.
    #[error("no thread for the entropy: {0}")]
    Thread(String),
}

/// New bytes of both sources, not mixed in yet.
pub(super) struct Seed {
    pub module: Zeroizing<Vec<u8>>,
    pub kernel: Zeroizing<[u8; SEED_BYTES]>,
}

/// Reads both sources and detects a stuck module. Its calls block.
pub(super) struct Sources {
    nsm: Arc<dyn Nsm>,
    /// Digest of the module's last bytes.
    last: [u8; 32],
}

impl Sources {
    pub fn new(nsm: Arc<dyn Nsm>) -> Self {
        Self { nsm, last: [0; 32] }
    }

    pub fn seed(&mut self) -> Result<Seed, EntropyError> {
        let module = module_bytes(self.nsm.as_ref())?;
        let digest = *blake3::hash(&module).as_bytes();
        if digest == self.last {
            return Err(EntropyError::Repeated);
        }
        let mut kernel = Zeroizing::new([0; SEED_BYTES]);
        let given = getrandom::fill(kernel.as_mut_slice());
        given.map_err(|error| EntropyError::Kernel(error.to_string()))?;
        self.last = digest;
        Ok(Seed { module, kernel })
    }
}

fn module_bytes(nsm: &dyn Nsm) -> Result<Zeroizing<Vec<u8>>, EntropyError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4 * SEED_BYTES));
    for _ in 0..SEED_CALLS_MAX {
        let given = Zeroizing::new(nsm.random()?);
        bytes.extend_from_slice(&given);
        if bytes.len() >= SEED_BYTES {
            return Ok(bytes);
        }
    }
    Err(EntropyError::TooLittle { given: bytes.len(), needed: SEED_BYTES })
}

/// The current key and the number of bytes of output since the last seed. Always seeded.
pub(super) struct Generator {
    key: Zeroizing<[u8; 32]>,
    given: usize,
}

impl Generator {
    pub fn seeded(seed: &Seed) -> Self {
        let mut generator = Self { key: Zeroizing::new([0; 32]), given: 0 };
        generator.mix(seed);
        generator
    }

    /// Bytes of output since the last seed.
    pub fn given(&self) -> usize {
        self.given
    }

    pub fn mix(&mut self, seed: &Seed) {
        *self.key = mix(&self.key, &seed.module, seed.kernel.as_slice());
        self.given = 0;
    }

    /// Fills `out` and replaces the key that made the bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        let mut stream = hasher.finalize_xof();
        stream.fill(self.key.as_mut_slice());
        stream.fill(out);
        stream.zeroize();
        hasher.zeroize();
        self.given = self.given.saturating_add(out.len());
    }
}

/// The next key. Only the module's bytes vary in length, and they are between two fixed-length
/// inputs, so no two inputs give the same bytes.
fn mix(key: &[u8; 32], module: &[u8], kernel: &[u8]) -> [u8; 32] {
    blake3_in(ENTROPY_SEED, &[key, module, kernel])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator() -> Generator {
        Generator { key: Zeroizing::new([9; 32]), given: 100 }
    }

    #[test]
    fn every_source_and_the_old_key_change_the_next_key() {
        let (key, module, kernel) = ([1; 32], vec![2; 64], vec![3; 64]);
        let whole = mix(&key, &module, &kernel);
        assert_ne!(mix(&[0; 32], &module, &kernel), whole);
        assert_ne!(mix(&key, &[4; 64], &kernel), whole);
        assert_ne!(mix(&key, &module, &[4; 64]), whole);
    }

    #[test]
    fn seed_changes_the_key_and_resets_the_count() {
        let mut generator = generator();
        let module = Zeroizing::new(vec![2; 64]);
        let kernel = Zeroizing::new([3; 64]);
        generator.mix(&Seed { module: module.clone(), kernel: kernel.clone() });
        assert_eq!(*generator.key, mix(&[9; 32], &module, kernel.as_slice()));
        assert_eq!(generator.given(), 0);
    }

    #[test]
    fn key_is_replaced_by_each_output() {
        let mut generator = generator();
        let (mut first, mut second) = ([0; 40], [0; 40]);
        generator.fill(&mut first);
        let between = *generator.key;
        assert_ne!(between, [9; 32]);
        assert!(!first.windows(32).any(|window| window == between), "the output contains the key");
        generator.fill(&mut second);
        assert_ne!(first, second);
        assert_eq!(generator.given(), 180);
    }

    /// The output depends only on the key: BLAKE3 keyed, from byte 32 on.
    #[test]
    fn output_is_the_keyed_stream_after_the_next_key() {
        let mut generator = generator();
        let mut given = [0; 8];
        generator.fill(&mut given);
        let mut stream = [0; 40];
        blake3::Hasher::new_keyed(&[9; 32]).finalize_xof().fill(&mut stream);
        assert_eq!((&stream[..32], &stream[32..]), (&generator.key[..], &given[..]));
    }
}
