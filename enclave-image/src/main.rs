//! The measured binary of the enclave.
//!
//! What it is for: composing the engine with the ports of the Nitro platform. It carries no
//! command line, no HTTP server, no web page, and it can never reach the software stand-ins.
//!
//! What it does not do yet: without the adapter to the Nitro Secure Module there is no trusted
//! time, no entropy and no sealed key, so it starts nothing and says which of these is missing.

use std::process::ExitCode;

/// The device of the Nitro Secure Module inside an enclave.
const NSM_DEVICE: &str = "/dev/nsm";
/// Exit status when there is no Nitro Secure Module.
const EXIT_NO_NSM: u8 = 10;
/// Exit status when this build has no adapter to the module.
const EXIT_NO_ADAPTER: u8 = 11;

fn main() -> ExitCode {
    if !std::path::Path::new(NSM_DEVICE).exists() {
        eprintln!(
            "mortise-enclave {}: no {NSM_DEVICE}: this is not a Nitro enclave, and there is no \
             trusted clock, entropy or key without one. For development run `mortise dev`.",
            mortise_engine::server::VERSION
        );
        return ExitCode::from(EXIT_NO_NSM);
    }
    eprintln!(
        "mortise-enclave {}: {NSM_DEVICE} is here, but this build has no adapter to it and to \
         KMS: it cannot unseal keys and serves nothing.",
        mortise_engine::server::VERSION
    );
    ExitCode::from(EXIT_NO_ADAPTER)
}
