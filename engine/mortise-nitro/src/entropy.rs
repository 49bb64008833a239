//! Randomness of the enclave: the module's, mixed with the kernel's.
//!
//! What it is for: keys that are secure while *one* of the two sources is. The module's bytes come
//! from the hypervisor; the kernel's come from a machine that has just started and may have little
//! entropy.
//!
//! What it does not do: serve code that draws from the kernel alone, such as the TLS library; call
//! the module on a thread that draws.
//!
//! ```text
//! key' = BLAKE3 "entropy seed" ( key | module's bytes | kernel's bytes )
//!        at the start, and again after ENTROPY_RESEED_BYTES
//! BLAKE3 keyed(key), extended output:  | next key (32) | output ... |    each request
//! ```
//! Each request erases its key (fast key erasure): an attacker who reads the memory later learns
//! nothing about earlier output. The generator is BLAKE3 because the enclave links it anyway and
//! its extended output has any length; a second cipher would add nothing.
//!
//! ```text
//! bytes of output under one seed
//! 0 ........ ENTROPY_RESEED_BYTES ................. ENTROPY_SEED_GIVES_BYTES_MAX
//!            a draw requests the next seed;          draws wait for it, at most
//!            draws continue under this one           ENTROPY_WAIT_MS_MAX, then stop
//! ```
//! A draw requests the next seed long before it is needed, and the thread mixes it in as soon as it
//! has it. A seed never stays in memory unmixed: an attacker who reads the memory before the
//! request cannot predict the output after it, whereas a seed fetched in advance would be read as
//! well. A late seed only delays this recovery: under one good seed the generator could safely
//! produce far more than the bound.
//!
//! Invariants:
//! - There is no output before the module and the kernel each gave at least [`SEED_BYTES`] bytes.
//! - After construction only the entropy's own thread calls the module, one call at a time. A draw
//!   waits for it only at the bound above, and for a bounded time.
//! - When a source fails, the thread logs the error and ends, and the next draw stops the process:
//!   there is no output after a failure.

mod generator;
mod keeper;

pub use generator::{EntropyError, SEED_BYTES};
pub use keeper::NsmEntropy;

#[cfg(test)]
mod tests;
