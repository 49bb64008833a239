//! The command `mortise`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mortise_cli::run()
}
