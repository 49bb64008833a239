//! Randomness of the enclave: the module's, mixed with the kernel's.
//!
//! What it is for: keys that are good as long as *one* of the two sources is. The module's bytes
//! come from the hypervisor; the kernel's from a machine that has just started and may have
//! gathered little.
//!
//! What it does not do: reach code that draws on the kernel alone, such as the TLS library.
//!
//! ```text
//! key' = BLAKE3 "entropy seed" ( key | module's bytes | kernel's bytes )
//!        at start, and again every so many bytes
//! BLAKE3 keyed(key), extended output:  | next key (32) | what is given ... |    each request
//! ```
//! The key of a request is gone when the request is answered (fast key erasure): who reads the
//! memory later learns nothing that was given before. BLAKE3, because the enclave links it anyway
//! and its extended output is a generator of any length; a second cipher would buy nothing.
//!
//! Invariants: nothing is given before the module gave at least [`SEED_BYTES`] bytes and the kernel
//! as many; when a source fails, the process stops.

use mortise_engine::ports::{Entropy, Nsm, NsmError};
use mortise_format::domains::{ENTROPY_SEED, blake3_in};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::{Zeroize as _, Zeroizing};

/// Least bytes of each source in a seed.
pub const SEED_BYTES: usize = 64;
/// Most bytes that are given under one seed.
pub const RESEED_BYTES: usize = 64 * 1024;
/// Most questions to the module for one seed: it may give one byte at a time.
const SEED_CALLS_MAX: usize = SEED_BYTES;

/// Why there is no seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntropyError {
    /// The module did not answer.
    #[error("the module gives no randomness: {0}")]
    Module(#[from] NsmError),
    /// It gave too little in too many answers.
    #[error("the module gave {given} random bytes, {needed} are needed")]
    TooLittle {
        /// How many it gave.
        given: usize,
        /// [`SEED_BYTES`].
        needed: usize,
    },
    /// It gave the same bytes twice: it is stuck.
    #[error("the module gives the same random bytes again")]
    Repeated,
    /// The kernel gave nothing.
    #[error("the kernel gives no randomness: {0}")]
    Kernel(String),
}

/// Entropy from a module and the kernel. See the [module](self).
pub struct NsmEntropy {
    nsm: Arc<dyn Nsm>,
    generator: Mutex<Generator>,
}

impl std::fmt::Debug for NsmEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NsmEntropy [redacted]")
    }
}

impl NsmEntropy {
    /// Seeds a generator.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn new(nsm: Arc<dyn Nsm>) -> Result<Self, EntropyError> {
        let mut generator = Generator::default();
        generator.reseed(nsm.as_ref())?;
        Ok(Self { nsm, generator: Mutex::new(generator) })
    }

    /// Mixes fresh bytes of both sources in.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn reseed(&self) -> Result<(), EntropyError> {
        let mut generator = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        generator.reseed(self.nsm.as_ref())
    }
}

impl Entropy for NsmEntropy {
    /// Asks the module when the seed has given [`RESEED_BYTES`]: one blocking call then.
    ///
    /// # Panics
    /// When the module or the kernel gives nothing: nothing secret can be made then, and the engine
    /// must not go on.
    fn fill(&self, out: &mut [u8]) {
        let mut generator = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        for part in out.chunks_mut(RESEED_BYTES) {
            if generator.left < part.len() {
                let seeded = generator.reseed(self.nsm.as_ref());
                assert!(seeded.is_ok(), "no secret can be made without entropy: {seeded:?}");
            }
            generator.fill(part);
        }
    }
}

/// A key and how much it may still give.
#[derive(Default)]
struct Generator {
    key: Zeroizing<[u8; 32]>,
    left: usize,
    /// Digest of the module's last bytes.
    last: [u8; 32],
}

impl Generator {
    fn reseed(&mut self, nsm: &dyn Nsm) -> Result<(), EntropyError> {
        let module = module_bytes(nsm)?;
        let digest = *blake3::hash(&module).as_bytes();
        if digest == self.last {
            return Err(EntropyError::Repeated);
        }
        let mut kernel = Zeroizing::new([0; SEED_BYTES]);
        let given = getrandom::fill(kernel.as_mut_slice());
        given.map_err(|error| EntropyError::Kernel(error.to_string()))?;
        *self.key = mix(&self.key, &module, kernel.as_slice());
        (self.left, self.last) = (RESEED_BYTES, digest);
        Ok(())
    }

    /// At most `left` bytes; the key that made them is replaced.
    fn fill(&mut self, out: &mut [u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        let mut stream = hasher.finalize_xof();
        stream.fill(self.key.as_mut_slice());
        stream.fill(out);
        stream.zeroize();
        hasher.zeroize();
        self.left = self.left.saturating_sub(out.len());
    }
}

/// The next key. The lengths are fixed but for the module's bytes, which stand between two fixed
/// ones: no two inputs join to the same bytes.
fn mix(key: &[u8; 32], module: &[u8], kernel: &[u8]) -> [u8; 32] {
    blake3_in(ENTROPY_SEED, &[key, module, kernel])
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

#[cfg(test)]
mod tests;
