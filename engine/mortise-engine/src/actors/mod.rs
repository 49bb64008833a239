//! The actors: thin carriers of the pipeline's outputs.
//!
//! ```text
//! sessions --Submit--> Ledger (own thread, single writer) --Ship--> Shipper (acks in order)
//!                        |  ^                                          |
//!                        |  '-------------- Acked / StoreFailed -------'
//!                        '--SignFrame--> Crypto pool (SyncArbiter): admits, opens messages
//! sessions --Attest--> Attestor (SyncArbiter, one thread): asks the security module
//! ```
//! Messages carry batches. `do_send` is banned: it ignores a mailbox's bound. Bounds on what is
//! under way are permits, taken before a message is sent (actix mailboxes do not bound).

mod attestor;
mod crypto;
mod ledger;
mod shipper;

pub use attestor::{Attest, Attestor, Bind, OwnImage};
pub use crypto::{Admit, Crypto, OpenMessage};
pub use ledger::{Ledger, LedgerParts, Stop, Submit};
