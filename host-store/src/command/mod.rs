//! The commands: what each takes, prints and ends with. What they do is the library's.

mod enclave_addresses;
pub mod export;
pub mod prune;
pub mod repair;
pub mod run;
pub mod verify;

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// Nothing was judged: the folder is wrong or cannot be read.
pub const UNREADABLE: u8 = 2;

/// Prints why the command failed.
pub fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("mortise-host: {error}");
    ExitCode::FAILURE
}

/// Prints a line of the result. A reader that has gone (`| head`) is no failure.
pub fn say(line: impl fmt::Display) {
    writeln!(std::io::stdout(), "{line}").ok();
}
