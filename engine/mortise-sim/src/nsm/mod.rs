//! A software Nitro Secure Module with its own root of trust.
//!
//! What it is for: documents of the real shape - COSE_Sign1 with ES384, five P-384 certificates
//! from a root down to a leaf of three hours, registers that can be extended and locked. The
//! engine, the key service and every verifier run on a laptop exactly as with the real module. Its
//! documents fail wherever the development root is not pinned.
//!
//! What it does not do: measure anything. The caller sets its registers, and any party that can
//! read its folder can sign any document. Every certificate's name contains `DEV ROOT - never
//! trust`.
//!
//! ```text
//! folder/  root.pem  region.pem  zone.pem  instance.pem     keys and certificates, mode 0600
//!          10 years  20 days     5 days    1 day            renewed in time, except the root
//! memory:  leaf, 3 hours; 32 registers; module id           of one boot
//! ```
//!
//! ```
//! use mortise_engine::ports::{AttestRequest, Nsm as _};
//! use mortise_sim::nsm::{Measurements, SoftwareNsm};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path();
//! let nsm = SoftwareNsm::boot(folder, &Measurements::dev("engine"))?;
//! let document = nsm.attest(&AttestRequest::default()).unwrap();
//! assert!(document.len() > 3000);
//! # Ok::<(), mortise_sim::nsm::NsmFolderError>(())
//! ```

mod bank;
mod cbor;
mod certificate;
mod document;
mod error;
mod files;
mod identity;
mod measurements;
mod module;
mod pki;

pub use error::NsmFolderError;
pub use measurements::Measurements;
pub use module::SoftwareNsm;

#[cfg(test)]
mod tests;
