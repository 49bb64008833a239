//! The Rust client: typed calls, idempotent retries, offline checks of every answer.
//!
//! What it is for: solvers and tools talk to an engine through [`Client`], over the parent's HTTP
//! gateway, a unix socket or vsock. The client checks each answer against the request and against
//! the key that the caller pinned. [`check`] states what a success proves.
//!
//! [`Client::connect_attested`] attests the engine before it sends anything, and encrypts every
//! request to the attested key, so that a relay can neither read nor forge traffic.
//! [`Client::prove`] only attests. See [`attestation`].
//!
//! What it does not do: TLS; store keys (the caller holds the [`Signer`]).
//!
//! Invariants: a state-changing call is sent again only as the same text with the same request id
//! (INV-07), encrypted afresh each time in the channel; a statement that contradicts the kept one
//! is an error that carries both (INV-12).
//!
//! ```no_run
//! # async fn demo() -> Result<(), mortise_client::ClientError> {
//! use mortise_client::{Client, NewLock, Signer};
//! use mortise_format::asset::{Asset, Condition};
//! use mortise_format::U256;
//!
//! let client = Client::new("http://127.0.0.1:8080".parse()?);
//! let owner = Signer::random();
//! let condition = Condition {
//!     target_chain_id: 42161,
//!     target_asset: Asset::native(42161),
//!     target_amount: U256::from(500_000_000_000_000_000u64),
//!     recipient: owner.address(),
//!     execution_data: None,
//! };
//! let lock = NewLock::of_one(Asset::native(1), U256::from(1_000u64), 300, condition);
//! let committed = client.commit(&owner, &lock).await?;
//! println!("{}", committed.commitment.lock_id);
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

mod application;
pub mod attestation;
mod attested;
mod channel;
pub mod check;
mod client;
mod endpoint;
mod error;
mod freshness;
mod identity;
mod link;
mod lock;
mod methods;
mod read_as;
mod reader;
mod retry;
mod signer;
mod statements;
mod subscription;
pub mod verdict;
mod wait;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

pub use attestation::{KeyOrigin, ProofError, Proven, Trust};
pub use channel::{Channel, ChannelError};
pub use client::Client;
pub use endpoint::{Endpoint, EndpointError};
pub use error::{ClientError, Exit};
pub use freshness::{Freshness, FreshnessError, without_lease};
pub use identity::Identity;
pub use lock::NewLock;
pub use reader::{Reader, ReaderError};
pub use retry::RetryPolicy;
pub use signer::{Signer, SignerError, random_request_id};
pub use statements::{Contradiction, ContradictionKind, SignedStatementView};
pub use subscription::{Notification, Subscription};
