//! The parent's side of Mortise: keeps the engine's sealed log, relays its requests.
//!
//! What it is for: a durable, compare-and-swap log of frames that this machine cannot read
//! ([`store`], `specs/store-protocol.md`), and an HTTP gateway to an engine that speaks vsock.
//!
//! What it does not do: decide, open, sign or check what it relays. It links the formats and the
//! transport, never the crates that decide. The owner of this machine can stop the engine and lose
//! its log, but can neither read nor forge it.
//!
//! Invariants: a frame is acknowledged only when it and every frame before it are on the disk;
//! after a failed sync nothing is acknowledged until a restart; every buffer is bounded.
//!
//! ```text
//! engine --store protocol--> server -> writer (group commit) -> store (segments, sled)
//! HTTP   --POST-----------> gateway --request protocol--> engine
//! engine --TLS------------> relay --same bytes----> key service;  credentials --> engine
//! engine --call-----------> witness --POST----------> witness
//! engine --lines----------> diagnostics --clean-----> log, DATA/diagnostics
//! store  --frames---------> export --DATA/export.sock--> mortise-host export
//! ```

mod credentials;
mod diagnostics;
pub mod export;
mod gateway;
mod heartbeat;
mod metrics;
mod port;
pub mod process;
pub mod prune;
mod relay;
pub mod repair;
mod run;
mod server;
pub mod store;
mod upkeep;
pub mod verify;
mod witness;

pub use credentials::{CredentialsSource, SourceError, SourceNameError};
pub use gateway::{AccessConfig, GatewayLimits, Network, NetworkError};
pub use heartbeat::Heartbeat;
pub use metrics::{Metrics, Outcome, Relayed};
pub use relay::{AllowList, Destination, DestinationError, NotAllowed};
pub use run::{Config, Host, HostError, KeyServiceConfig, run};
pub use witness::{WitnessConfig, WitnessPlace, WitnessPlaceError};

#[cfg(test)]
mod tests;
