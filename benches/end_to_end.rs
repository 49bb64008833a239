//! Durable signed locks over the request socket, host and engine as two processes.
//!
//! Expected cost of a single lock on an idle system: one signature recovered and two made (the
//! lock's commitment, the frame's statement; 75 + 2 x 35 us), one frame of about 1.3 KiB, one
//! fdatasync (0.1 to 0.2 ms), ten thread switches. Under load, per lock: one recovered, one made,
//! and a share of a frame. Two cores can do that for 18,000 locks per second if they do nothing
//! else.
//!
//! `mortise-dev demo load` measures. This bench builds it in the profile `dist` and prints its
//! figures.

use std::process::{Command, ExitCode};

const RUN: [&str; 9] =
    ["run", "--quiet", "--profile", "dist", "--package", "mortise-dev", "--", "demo", "load"];

fn main() -> ExitCode {
    let status = Command::new(env!("CARGO")).args(RUN).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
