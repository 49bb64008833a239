//! Modules of the suite: see `specs/testing.md`.

mod commands;
mod conformance;
mod no_std;
mod properties;
mod simulation;
mod tidy;
mod vectors_rfc6962;
mod wire;
