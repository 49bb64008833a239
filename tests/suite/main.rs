//! Modules of the suite: see `specs/testing.md`.

mod tidy;
