//! mortise-format.
#![no_std]
extern crate alloc;
