//! Modules of the suite: see `specs/testing.md`.

mod no_std;
mod tidy;
mod vectors_rfc6962;
