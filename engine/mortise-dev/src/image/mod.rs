//! `mortise-dev image boot`: boots an enclave image in QEMU's nitro-enclave machine.
//!
//! What it is for: the measured image on this machine, without AWS: the kernel, the ramdisks and
//! the binary that a parent instance would start, over a real vsock. One command starts key
//! service, host, vsock device and machine, waits until the engine serves, prints its address, and
//! stops all of it.
//!
//! What it does not do: prove anything. The documents of the emulated module are unsigned; every
//! verifier refuses them, and the key service accepts them only behind its switch. It does not
//! restart a machine that ends, so that you can inspect its end.
//!
//! ```text
//! mortise-dev image boot --+--> dev-kms             key service; accepts unsigned documents
//!                          +--> dev-host            store, gateway, relay, credentials
//!                          +--> vhost-device-vsock  run/vsock (calls in), run/vsock_PORT (out)
//!                          '--> qemu-system-x86_64  the image; console.log
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

use clap::{Args, Subcommand};
use local_config::LocalConfigArgs;
use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  enclave-image/local/qemu.sh                  once: QEMU with the machine, into a cache
  mortise-dev image boot --demo-lock               builds the image if there is none, boots it,
                                                   commits a lock, prints time and memory
  mortise-dev image boot                           serves until Ctrl-C
  mortise-dev image boot --image other.eif --replace-policy";

/// Flags of `mortise-dev image`
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Boot an image on this machine, in QEMU's nitro-enclave machine
    Boot(BootArgs),
    /// Write the measured files of an image for this machine, and its key service
    LocalConfig(LocalConfigArgs),
}

/// Default folder of a local boot.
pub(crate) const FOLDER: &str = ".mortise/boot";

/// Boot an image on this machine, in QEMU's nitro-enclave machine
///
/// The local key service accepts the unsigned documents of the emulated module: never trust a
/// commitment of this engine. No verifier does.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct BootArgs {
    /// The image; mortise.eif of the folder by default, which a checkout builds if it is missing
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Folder of key service, log, sockets and console; made by `mortise-dev image local-config`
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
    /// Timeout until the engine serves, in seconds
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Commit a lock through the machine, print time and memory, and stop
    #[arg(long)]
    demo_lock: bool,
    /// Name this image in the key policies, replacing the image that they name now
    #[arg(long)]
    replace_policy: bool,
    /// Let the key service refuse unsigned documents, as a real one does: no engine under QEMU gets
    /// a key
    #[arg(long)]
    refuse_unsigned: bool,
    /// Start the machine without key service and host, and report how the image ends: waits until
    /// the machine ends by itself (5 minutes) or for --timeout
    #[arg(long, conflicts_with_all = ["demo_lock", "config_out"])]
    no_host: bool,
    /// Write endpoint, identity, measurements and process ids as JSON to this file when ready
    #[arg(long, value_name = "FILE")]
    config_out: Option<PathBuf>,
    /// Folder of QEMU; ~/.cache/mortise by default
    #[arg(long, env = "MORTISE_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// TSC frequency of this machine in kHz; measured by default
    #[arg(long, value_name = "KHZ")]
    tsc_khz: Option<u32>,
    /// Log level of host and key service on stderr: error, warn, info, debug
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

/// Runs `mortise-dev image`; a boot runs until it is stopped, or until the lock is committed.
///
/// # Errors
/// What is missing and how to get it; a part that does not start; an enclave that ends, by the
/// name of its stop; a folder that cannot be written.
pub async fn run(args: &ImageArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        ImageCommand::Boot(args) => system::run(args, output).await,
        ImageCommand::LocalConfig(args) => local_config::run(args, output),
    }
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
