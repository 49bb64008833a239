//! mortise-engine.
pub mod store;
