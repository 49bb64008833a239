//! mortise-engine.
