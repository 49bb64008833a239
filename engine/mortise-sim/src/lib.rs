//! mortise-sim.
