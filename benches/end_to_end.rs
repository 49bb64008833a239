//! Durable signed locks over the request socket, host and engine as two processes.
//!
//! Expected of one lock, nothing else running: one signature recovered and two made (the lock's
//! commitment, the frame's statement; 75 + 2 x 35 us), one frame of about 1.3 KiB, one fdatasync
//! (0.1 to 0.2 ms), ten changes of threads. Of many: one recovered and one made, a share of a
//! frame; two cores do that for 18,000 locks a second and nothing else.
//!
//! The command measures by itself: `mortise demo load`. X//! users run it, and prints its figures.

use std::process::{Command, ExitCode};

const RUN: [&str; 9] =
    ["run", "--quiet", "--profile", "dist", "--package", "mortise-cli", "--", "demo", "load"];

fn main() -> ExitCode {
    let status = Command::new(env!("CARGO")).args(RUN).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
