//! The command `mortise-dev`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mortise_dev::run()
}
