//! The trusted wall clock: the time in the module's documents, and nothing else.
//!
//! What it is for: an enclave has no clock that its parent cannot set, but every attestation
//! document carries the hypervisor's time. The clock requests a document at the start and every few
//! seconds (an *anchor*), and counts from the last anchor with the machine's monotonic clock.
//!
//! What it does not do: verify the documents' signatures (the module is the enclave's own, and
//! anyone who could change its answers controls the enclave anyway); ask the parent; use
//! `CLOCK_REALTIME`.
//!
//! ```text
//!   sent          received              now
//!    |--- document ---|-------------------|      wall = document's time + (now - received)
//!          time is in here                       so it lags by at most the round trip, never leads
//! ```
//! Invariants:
//! - The clock never goes backwards. It leads the module's clock at most by the round trip of the
//!   last anchor and what the monotonic clock gained since: no hold ends early by more.
//! - The clock refuses an anchor that took too long or is too far behind the counted time. It
//!   counts the failure and keeps the last good anchor.
//! - A step forward above two seconds needs three readings that agree, each five seconds after the
//!   one before. Above fifteen minutes there is no time any more: the next boot needs a second
//!   source, not a second reading.
//! - When the last good anchor is too old there is no time: [`Clock::now_ms`] is an error and the
//!   engine stops with a fault. A new start makes an anchor or fails.
//!
//! On an emulated module ([`NsmClock::start_emulated`]) the operator of the emulator sets the time.
//! It is for testing an image, and every answer about the engine states it.
//!
//! A parent that pauses the enclave also stops the monotonic clock: the time lags by the pause
//! until the next anchor, at most one interval later. It is late then, never early.
//!
//! [`Clock::now_ms`]: mortise_engine::ports::Clock::now_ms

mod emulated;
mod keeper;
mod state;

pub use emulated::NotEmulated;
pub use keeper::{ClockStartError, NsmClock};
pub use state::{AnchorRefused, ClockHealth, ClockRules, ClockState, LeapRules, Reading};
