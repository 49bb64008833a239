//! Goal: the clock and the entropy of an enclave work over a module that makes real documents.
//!
//! Method: the software module, with a time that the tests set. `mortise-sim` tests the module
//! itself, `mortise-nitro` the rules of the clock.

mod clock;
mod entropy;
