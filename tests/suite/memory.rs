//! Goal: host and engine stay within their memory, whatever callers ask for (FAULTS A7, B1 to B3,
//! B7 to B9, B11).
//!
//! Method: `mortise-dev demo memory` as a process, with short rows. It puts host and engine into
//! memory cgroups where it may, and compares their peaks everywhere.

use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mortise-dev-under-test");

#[test]
fn host_and_engine_stay_within_their_memory_whatever_callers_ask_for() {
    let output = Command::new(PROGRAM).args(["demo", "memory", "--seconds", "1"]).output();
    let output = output.expect("our own program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("(B11)"), "{text}");
}
