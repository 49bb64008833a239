//! The measured binary of the enclave: the engine on the ports of the Nitro platform.
//!
//! What it is for: one composition, decided by one file that is part of the image.
//!
//! ```text
//! init, when it is the first process: mounts, modules, checks of the machine
//! /etc/mortise/enclave.toml --> config --> platform: NsmDevice -> NsmClock, NsmEntropy
//! /etc/mortise/genesis.json ----'                    parent: credentials 5003, relay 8000
//!                                                    KmsClient -> KmsVault, KmsAppKeys
//!                                          server: listen 5000, store at the parent 5001
//! ```
//! What is measured: the binary, and both files, because they lie in the ramdisk that PCR0 and PCR2
//! cover. Whoever changes a key, a root, a port, the switch for plaintext or the genesis has
//! another image, which no key policy names. That is why nothing here is read from the
//! environment, the command line, or the parent: the parent writes those, and would choose.
//! What comes from the parent at run time - frames, credentials, bytes of the key service - is
//! authenticated, or no secret from it, and can only be withheld (`specs/configuration.md`).
//!
//! What it does not do: carry a command line, an HTTP server, a store or a software stand-in; build
//! images; answer a missing module with anything but an exit.
//!
//! Log lines go to the console and, over vsock, to the parent ([`diagnostics`]).
//!
//! Invariants: no text of an exit or a log line holds a secret; a panic ends the process.

pub mod config;
pub mod diagnostics;
pub mod init;
pub mod log;
pub mod platform;
pub mod stop;
