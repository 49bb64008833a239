//! A first process that fails on purpose: by a panic, a return, an abort, or out of memory.
//!
//! What it is for: the measured binary has no switch that makes it fail, so test images run this
//! program instead. Its panic hook, its log and its shutdown of the machine are those of the
//! measured binary (`mortise_enclave`).
//!
//! What it does not do: serve anything. The file `/how` of its image selects the failure.

use mortise_config::diagnostics_unconfigured;
use mortise_enclave::diagnostics::Diagnostics;
use mortise_enclave::log;
use std::thread;
use std::time::Duration;
use tracing::level_filters::LevelFilter;

fn main() {
    let how = std::fs::read_to_string("/how").unwrap_or_default();
    log::start(LevelFilter::INFO, Diagnostics::start(diagnostics_unconfigured()));
    tracing::info!(how, "starting");
    match how.as_str() {
        "panic" => fail(),
        "thread" => drop(thread::spawn(fail).join()),
        "abort" => std::process::abort(),
        "memory" => fill(),
        "silence" => {}
        _ => return,
    }
    // Silent from here on.
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

fn fail() {
    panic!("the message of a panic stays in the enclave");
}

/// Allocates memory until none is left.
fn fill() {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; 16 * 1024 * 1024]);
    }
}
