//! Randomness of the enclave: the module's, mixed with the kernel's.
//!
//! What it is for: keys that are good as long as *one* of the two sources is. The module's bytes
//! come from the hypervisor; the kernel's from a machine that has just started and may have
//! gathered little.
//!
//! What it does not do: reach code that draws on the kernel alone, such as the TLS library; call
//! the module on a thread that draws.
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
//! ```text
//! bytes given under one seed
//! 0 ........ ENTROPY_RESEED_BYTES ................. ENTROPY_SEED_GIVES_BYTES_MAX
//!            the thread is asked for the next seed;  draws wait for it, at most
//!            draws go on under this one              ENTROPY_WAIT_MS_MAX, then stop
//! ```
//! The next seed is asked for long before it is needed, and mixed in by the thread as soon as it
//! is there. It never lies in memory unmixed: who reads the memory before a seed is asked for does
//! not know what is given after it, and a seed that was fetched in advance would be read with it.
//! A seed that is late costs that healing only, for a while: under one good seed the generator
//! could give far more than the bound.
//!
//! Invariants:
//! - Nothing is given before the module gave at least [`SEED_BYTES`] bytes and the kernel as many.
//! - After construction the module is called on the entropy's own thread alone, one call at a time;
//!   a draw is delayed by it only at the bound above, and for a bounded time.
//! - When a source fails, the thread says so by name and ends, and the next draw stops the process:
//!   nothing is given after a failure.

mod generator;
mod keeper;

pub use generator::{EntropyError, SEED_BYTES};
pub use keeper::NsmEntropy;

#[cfg(test)]
mod tests;
