//! Goal: the clock and the entropy of an enclave, over a module that makes real documents.
//! Method: the software module, with a time that the tests move; the module itself is tested in
//! `mortise-sim`, the rules of the clock in `mortise-nitro`.

mod clock;
mod entropy;
