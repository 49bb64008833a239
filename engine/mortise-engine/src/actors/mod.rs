//! The actors: they execute the outputs of the pipeline.
//!
//! ```text
//! sessions --Submit--> Ledger (own thread, single writer) --append--> log store
//!                        |  ^                                            |
//!                        |  '------------------- ack, in order ----------'
//!                        '--SignFrame--> Crypto pool (SyncArbiter): admits, opens messages
//! sessions --Attest--> Attestor (SyncArbiter, one thread): calls the security module
//! ```
//! Messages carry batches. `do_send` is banned because it ignores the bound of a mailbox. Permits,
//! taken before a message is sent, bound the requests in flight: actix mailboxes alone do not.

mod appends;
mod attestor;
mod crypto;
mod ledger;
mod sealer;

pub use attestor::{Attest, AttestGenesis, Attestor, Bind, OwnImage};
pub use crypto::{Admit, Crypto, OpenMessage, Recover};
pub use ledger::{Ledger, LedgerParts, Stop, Submit, Submitted};
pub use sealer::Sealer;
