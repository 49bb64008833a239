//! Models, fakes and drivers for the test suite.
//!
//! What it is for: published keys and signing (`keys`), an engine's rules and commands for it
//! (`scenario`, `workload`), a slow and simple model that computes the expected answer (`model`,
//! `lockstep`), a disk that loses what was not synced (`store`), one thread that drives the
//! pipeline against it (`driver`), and the whole system behind its sockets (`system`).
//!
//! What it does not do: ship. No crate of the product may depend on it, and a test checks that. No
//! fake here accepts everything.

pub mod driver;
pub mod forever;
pub mod keys;
pub mod lockstep;
pub mod mirror;
pub mod model;
pub mod scenario;
pub mod store;
pub mod system;
pub mod vault;
pub mod witness;
pub mod workload;
