//! Client of the key service: keys that it unwraps for measured code only.
//!
//! ```text
//! Vault, AppKeys --> client --> credentials, recipient (attestation), sigv4
//!                       |
//!                       +--> transport: HTTP in TLS in a stream of the dialer --> parent's proxy
//!                       +--> envelope: CMS of the answer
//! ```
//! What it is for: the ports [`Vault`](mortise_engine::ports::Vault) and
//! [`AppKeys`](mortise_engine::ports::AppKeys) over AWS KMS, with `Recipient` in every call: the
//! service encrypts its answer to a key that an attestation document binds, and its key policy
//! names the measurements of that document.
//!
//! What it does not do: keep keys, unwrap without a document, accept an answer with a key in clear.
//! It uses the security module through the port, so it also works over `mortise-sim`.
//!
//! Invariants: TLS ends here, under configured roots and the configured name. Each attempt has a
//! new RSA key and a new document. Only transient failures are retried. No error text contains a
//! secret or foreign text.
//!
//! Specified in `specs/kms-and-keys.md`.

mod app_keys;
mod backoff;
mod client;
mod credentials;
mod dialer;
mod envelope;
mod error;
mod operation;
mod recipient;
mod sigv4;
#[cfg(test)]
mod tests;
mod timestamp;
mod transport;
mod vault;

pub use app_keys::KmsAppKeys;
pub use client::{DataKey, KmsClient, KmsPlatform};
pub use credentials::CredentialStore;
pub use dialer::{ByteStream, Dialer};
pub use envelope::EnvelopeError;
pub use error::{Bound, CredentialsFault, Field, KmsError, Wait};
pub use recipient::RecipientKey;
pub use vault::KmsVault;
