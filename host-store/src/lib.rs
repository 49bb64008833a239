//! mortise-host.
