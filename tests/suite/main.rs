//! Modules of the suite: see `specs/testing.md`.

mod no_std;
mod tidy;
