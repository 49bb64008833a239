//! A first process that ends as none should: by a panic, by a return, by a fault, without memory.
//!
//! What it is for: the measured binary has no switch that would make it end badly, so this one
//! stands in its place in images of a test. Its panic hook, its lines and its end of the machine
//! are those of the measured binary (`mortise_enclave`).
//!
//! What it does not do: serve anything. How it ends stands in a file of its image, `/how`.

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
    // Whoever is still here says nothing more.
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

fn fail() {
    panic!("the message of a panic stays in the enclave");
}

/// Takes memory until there is none.
fn fill() {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; 16 * 1024 * 1024]);
    }
}
