//! `mortise image boot`: an enclave image in QEMU's nitro-enclave machine, with all that it needs.
//!
//! What it is for: the measured image on this machine, without AWS: the kernel, the ramdisks and
//! the binary that a parent instance would start, over a real vsock. One command starts key
//! service, host, vsock device and machine, waits until the engine serves, says where, and stops
//! all of it.
//!
//! What it does not do: prove anything. Nobody signs the documents of the emulated module, every
//! verifier refuses them, and the key service takes them behind its switch alone. Keep the machine
//! up: one that ends is not started again, so that its end can be looked at.
//!
//! ```text
//! mortise image boot --+--> mortise dev-kms       key service; takes unsigned documents
//!                      +--> mortise dev-host      store, gateway, relay, credentials
//!                      +--> vhost-device-vsock    run/vsock (calls in), run/vsock_PORT (calls out)
//!                      '--> qemu-system-x86_64    the image; console.log
//! ```

mod console;
mod folder;
mod keys;
mod local_config;
mod lock;
mod machine;
mod parent;
mod prepare;
mod process;
mod report;
mod silence;
mod system;
mod tools;
mod tsc;

use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
pub use local_config::{LocalConfigArgs, run as run_local_config};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  enclave-image/local/qemu.sh                  once: QEMU with the machine, into a cache
  mortise image boot --demo-lock               makes the image if there is none, boots it, commits
                                               a lock, prints time and memory
  mortise image boot                           serves until Ctrl-C
  mortise image boot --image other.eif --replace-policy";

/// Where the folder of a local boot is, unless said.
pub(crate) const FOLDER: &str = ".mortise/boot";

/// Boot an image on this machine, in QEMU's nitro-enclave machine
///
/// The key service is the local one, and believes the documents of the emulated module, which
/// nobody signs: never trust a commitment of such an engine. No verifier does.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct BootArgs {
    /// The image; mortise.eif of the folder when not given, which is made in a checkout when it is
    /// not there
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Folder of key service, log, sockets and console; made by `mortise image local-config`
    #[arg(long, default_value = FOLDER)]
    dir: PathBuf,
    /// Memory of the machine: MiB, or with M or G
    #[arg(long, default_value = "512M", value_parser = memory)]
    memory: u32,
    /// Processors of the machine
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    cpus: u32,
    /// Port of the HTTP gateway on 127.0.0.1; 0 for any free one
    #[arg(long, env = "PROXY_PORT", default_value_t = 8080)]
    http: u16,
    /// Longest time until the engine serves, seconds
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Commit a lock through the machine, print time and memory, and stop
    #[arg(long)]
    demo_lock: bool,
    /// Name this image in the key policies, in place of the one that they were written for
    #[arg(long)]
    replace_policy: bool,
    /// Leave the key service as it is by default: it refuses unsigned documents, and no engine
    /// under QEMU gets a key
    #[arg(long)]
    refuse_unsigned: bool,
    /// Start the machine alone, without key service and host: how does the image end? A fault is
    /// waited out, until the machine ends by itself (5 minutes) or --timeout
    #[arg(long, conflicts_with_all = ["demo_lock", "config_out"])]
    no_host: bool,
    /// Write endpoint, identity, measurements and process ids as JSON to this file when ready
    #[arg(long, value_name = "FILE")]
    config_out: Option<PathBuf>,
    /// Where QEMU is; ~/.cache/mortise when not given
    #[arg(long, env = "MORTISE_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The host's counter of time in kHz, instead of measuring it
    #[arg(long, value_name = "KHZ")]
    tsc_khz: Option<u32>,
    /// Log of host and key service on stderr: error, warn, info, debug
    #[arg(long, default_value = "warn")]
    log: String,
}

impl BootArgs {
    fn timeouts(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout))
    }
}

/// Least memory that is worth a try, MiB: the image alone takes most of it.
const MEMORY_MIB_MIN: u32 = 32;
/// Most memory of a machine, MiB.
const MEMORY_MIB_MAX: u32 = 64 * 1024;

/// MiB, as QEMU writes sizes.
fn memory(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1024),
        _ => (text, 1),
    };
    let mib = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    let bounds = MEMORY_MIB_MIN..=MEMORY_MIB_MAX;
    mib.filter(|mib| bounds.contains(mib))
        .ok_or_else(|| format!("a size like 512M or 2G, {MEMORY_MIB_MIN}M to {MEMORY_MIB_MAX}M"))
}

/// Runs `mortise image boot` until it is stopped, or until the lock is committed.
///
/// # Errors
/// What is missing and how to get it; a part that does not start; an enclave that ends, by the
/// name of its stop.
pub async fn run(args: &BootArgs, output: &Output) -> Result<(), Failure> {
    system::run(args, output).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_written_as_for_qemu_and_bounded() {
        for (text, mib) in [("512M", 512), ("512", 512), ("2G", 2048), ("64g", 65536)] {
            assert_eq!(memory(text), Ok(mib), "{text}");
        }
        for text in ["", "M", "31", "65G", "1.5G", "-1", "4194304G", "512K"] {
            assert!(memory(text).is_err(), "{text}");
        }
    }
}
