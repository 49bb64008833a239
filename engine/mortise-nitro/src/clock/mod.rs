//! The trusted wall clock: the time in the module's documents, and nothing else.
//!
//! What it is for: an enclave has no clock that its parent cannot set, but every attestation
//! document carries the hypervisor's time. The clock makes one document at start and one every few
//! seconds (an *anchor*), and counts on from the last with the machine's monotonic clock.
//!
//! What it does not do: verify the documents' signatures - the module is this enclave's own, and
//! who could change its answers runs the enclave anyway; ask the parent; use `CLOCK_REALTIME`.
//!
//! ```text
//!   sent          received              now
//!    |--- document ---|-------------------|      wall = document's time + (now - received)
//!          time is in here                       so it lags by at most the round trip, never leads
//! ```
//! Invariants:
//! - The clock never goes backwards, and never leads the module's by more than an anchor that was
//!   made late: a hold is not ended early.
//! - An anchor that took too long, or that lies too far behind what was counted, is refused and
//!   counted; the last good one stays.
//! - When the last good anchor is too old there is no time: [`Clock::now_ms`] is an error and the
//!   engine stops (a fault; a new start anchors again or fails).
//!
//! On an emulated module ([`NsmClock::start_emulated`]) the time is as good as whoever runs the
//! emulator: it is for trying an image, and the engine says so.
//!
//! A parent that pauses the enclave stops the monotonic clock too: the time lags by the pause until
//! the next anchor, at most the interval later. It is late then, never early.
//!
//! [`Clock::now_ms`]: mortise_engine::ports::Clock::now_ms

mod emulated;
mod keeper;
mod state;

pub use emulated::NotEmulated;
pub use keeper::{ClockStartError, NsmClock};
pub use state::{AnchorRefused, ClockHealth, ClockRules, ClockState, Reading};
