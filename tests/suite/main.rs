//! Modules of the suite: see `specs/testing.md`.

mod attestation;
mod audit;
mod authority;
mod bad_input;
mod channel;
mod client;
mod commands;
mod conformance;
mod dev;
mod durability;
mod history;
mod kms;
mod no_std;
mod nsm;
mod properties;
mod reading;
mod replay;
mod restart;
mod simulation;
mod tamper;
mod tidy;
mod trust;
mod vectors_rfc6962;
mod verify;
mod wire;
mod wycheproof;
