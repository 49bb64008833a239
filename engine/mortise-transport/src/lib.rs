//! mortise-transport.
