//! The measured binary of the enclave: the engine on the ports of the Nitro platform.
//!
//! What it is for: one composition, which one file inside the image decides.
//!
//! ```text
//! init, when it is the first process: mounts, modules, checks of the machine
//! /etc/mortise/enclave.toml --> config --> platform: NsmDevice -> NsmClock, NsmEntropy
//! /etc/mortise/genesis.json ----'                    parent: credentials 5003, relay 8000
//!                                                    KmsClient -> KmsVault, KmsAppKeys
//!                                          server: listen 5000, store at the parent 5001
//! ```
//! What is measured: the binary and both files, because they are in the ramdisk that PCR0 and PCR2
//! cover. Changing a key, a root, a port, the plaintext switch or the genesis makes another image,
//! which no key policy names. For that reason the binary reads no setting from the environment, the
//! command line or the parent: the parent writes those and would choose them.
//! At run time the parent supplies frames, credentials and the bytes of the key service. Each is
//! authenticated or is no secret from the parent, so the parent can only withhold it
//! (`specs/configuration.md`).
//!
//! What it does not do: offer a command line, an HTTP server, a store or a software module; build
//! images; run without the security module (it exits).
//!
//! Log lines go to the console and, over vsock, to the parent ([`diagnostics`]).
//!
//! Invariants: no exit text and no log line holds a secret; a panic ends the process.

pub mod diagnostics;
pub mod init;
pub mod log;
pub mod platform;
pub mod stop;
