//! mortise-client.
