//! Models, fakes and drivers for the test suite.
//!
//! What it is for: published keys and signing (`keys`), an engine's rules and commands to try
//! (`scenario`, `workload`), a slow and simple model that says what the answer must be (`model`,
//! `lockstep`), a disk that forgets what was not synced (`store`), and one thread that drives the
//! pipeline against it (`driver`), and the whole system behind its sockets (`system`).
//!
//! What it does not do: ship. No crate of the product may depend on it; a test holds that. No
//! stand-in here always says yes.

pub mod driver;
pub mod keys;
pub mod lockstep;
pub mod mirror;
pub mod model;
pub mod rng;
pub mod scenario;
pub mod store;
pub mod system;
pub mod vault;
pub mod witness;
pub mod workload;
