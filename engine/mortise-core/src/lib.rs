//! The pure lock engine: it decides commands, applies events and makes frames.
//!
//! What it is for: `admit` authenticates a command, `decide` answers it with an event or a reject,
//! `State::apply` changes the state, `State::take_leaves` feeds the state tree, `seal` makes and
//! opens frames, `machine` combines them. Live traffic, restart and audit run the same code.
//!
//! What it does not do: read a clock, draw entropy, open a socket, spawn, sleep, log. Time is a
//! parameter and is written into the event; secrets are in types that wipe themselves.
//!
//! Invariants: INV-01, 02, 04 to 08, 10, 11, 13, 17 of `specs/invariants.md` hold after every
//! event; `State::check` recomputes every aggregate.
#![warn(missing_docs)]
#![no_std]
#![deny(clippy::as_conversions, clippy::float_arithmetic)]

extern crate alloc;

pub mod admit;
mod apply;
pub mod body;
pub mod decide;
pub mod event_tree;
pub mod history;
pub mod keys;
pub mod machine;
pub mod promise;
pub mod seal;
pub mod sealed_value;
pub mod state;
pub mod tree;

pub use admit::{Admitted, Admitting, admit};
pub use decide::{Decision, decide};
pub use machine::Machine;
pub use state::State;
