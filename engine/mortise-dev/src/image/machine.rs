//! The machine: QEMU and its vsock device.

use super::console::Console;
use super::folder::BootFolder;
use super::process::Process;
use super::tools::Tools;
use mortise_cli::failure::Failure;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// Resources of the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub memory_mib: u32,
    pub cpus: u32,
    /// TSC frequency of the host, kHz.
    pub tsc_khz: u32,
}

/// A running machine.
#[derive(Debug)]
pub(super) struct Machine {
    qemu: Process,
    vsock: Process,
    console: Console,
}

/// Context ID of the machine; any except that of the parent.
const GUEST_CID: &str = "4";
/// Timeout until the vsock device listens.
const DEVICE_MAX: Duration = Duration::from_secs(10);

impl Machine {
    /// Starts the device, then the machine with this image. The parent must already listen.
    pub async fn start(
        tools: &Tools,
        folder: &BootFolder,
        image: &Path,
        shape: Shape,
    ) -> Result<Self, Failure> {
        let run = folder.root().join("run");
        let args = device_args(folder);
        let mut vsock = Process::start(&tools.vsock_device, &args, &run.join("vsock.log"))?;
        device_listens(&mut vsock, folder).await?;
        let console = Console::new(&folder.console());
        std::fs::write(console.path(), []).map_err(Failure::system)?;
        let args = qemu_args(tools, folder, image, shape);
        let qemu = Process::start(&tools.qemu, &args, &run.join("qemu.log"))?;
        Ok(Self { qemu, vsock, console })
    }

    /// Console of the machine.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Process ID of QEMU.
    pub fn id(&self) -> Option<u32> {
        self.qemu.id()
    }

    /// Peak memory of QEMU, KiB: memory that the guest touched, and that of QEMU itself.
    pub fn memory_kib_max(&self) -> Option<u64> {
        self.qemu.memory_kib_max()
    }

    /// Waits until the machine or its device exits; returns the reason. Cancel-safe.
    pub async fn ended(&mut self) -> Failure {
        tokio::select! {
            status = self.qemu.ended() => self.why_ended(status.ok()),
            _ = self.vsock.ended() => {
                Failure::system(format!("the vsock device exited: {}", self.vsock.printed()))
            }
        }
    }

    /// The stop line of the console; without one, other output.
    fn why_ended(&self, status: Option<ExitStatus>) -> Failure {
        let console = self.console.path().display().to_string();
        if let Some(stop) = self.console.stop() {
            let text = format!("the enclave stopped: {}: {}", stop.name, stop.why);
            let evidence = serde_json::json!({"stop": stop, "console": console});
            let next = format!("next: mortise explain {}", stop.name);
            let text = format!("{text}\n  console: {console}\n  {next}");
            return Failure::check(text).with_evidence(evidence);
        }
        if let Some(why) = self.console.kernel_panic() {
            let stop = serde_json::json!({"name": KERNEL_PANIC, "exit": null, "why": why});
            let text = format!(
                "the enclave stopped: {KERNEL_PANIC}: Kernel panic: {why}; the last of its \
                 console:\n{}  console: {console}\n  next: mortise explain {KERNEL_PANIC}",
                self.console.last_lines(LINES_SHOWN)
            );
            let evidence = serde_json::json!({"stop": stop, "console": console});
            return Failure::check(text).with_evidence(evidence);
        }
        let status = status.map_or_else(String::new, |status| format!(" ({status})"));
        let printed = self.qemu.printed();
        let (source, lines) = match printed.is_empty() {
            true => ("the last lines of its console", self.console.last_lines(LINES_SHOWN)),
            false => ("QEMU reports", format!("  | {printed}\n")),
        };
        let text = format!(
            "the machine exited{status} without a stop line; {source}:\n{lines}  \
             console: {console}"
        );
        let evidence = serde_json::json!({"stop": null, "console": console, "qemu": printed});
        Failure::check(text).with_evidence(evidence)
    }

    /// Kills both. Like `nitro-cli terminate-enclave`, this loses nothing that was acknowledged.
    pub async fn stop(&mut self) {
        self.qemu.kill().await;
        self.vsock.kill().await;
    }
}

/// Name of a stop that only the kernel reports.
const KERNEL_PANIC: &str = "KERNEL_PANIC";
/// Lines of the console to show when there is no stop line.
const LINES_SHOWN: usize = 12;

fn device_args(folder: &BootFolder) -> Vec<OsString> {
    vec![
        "--guest-cid".into(),
        GUEST_CID.into(),
        "--socket".into(),
        folder.vhost().into(),
        "--uds-path".into(),
        folder.vsock().into(),
    ]
}

async fn device_listens(device: &mut Process, folder: &BootFolder) -> Result<(), Failure> {
    let end = Instant::now() + DEVICE_MAX;
    while !folder.vhost().exists() {
        let step = tokio::time::timeout(Duration::from_millis(20), device.ended());
        if step.await.is_ok() {
            let text = format!("the vsock device does not start: {}", device.printed());
            return Err(Failure::system(text));
        }
        if Instant::now() > end {
            return Err(Failure::system("the vsock device does not listen"));
        }
    }
    Ok(())
}

fn qemu_args(tools: &Tools, folder: &BootFolder, image: &Path, shape: Shape) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut say = |flag: &str, value: OsString| args.extend([flag.into(), value]);
    // documents name this ID as the module; a Nitro enclave has an ID of this form
    say("-M", "nitro-enclave,vsock=c,id=i-0123456789abcdef0-enc0123456789abcde,acpi=on".into());
    say("-accel", "tcg".into());
    say("-cpu", "max".into());
    say("-m", format!("{}M", shape.memory_mib).into());
    // The vsock device is another process. With maxcpus=1, QEMU's TCG drops the lock prefix of
    // instructions, also of the memory barriers of the guest. Notifications of the device are then
    // lost, and the machine cannot reach its parent.
    say("-smp", format!("{},maxcpus={}", shape.cpus, shape.cpus.max(2)).into());
    say("-L", tools.firmware.clone().into());
    say("-kernel", image.into());
    // not measured; the command line of the image is
    say("-append", format!("tsc_early_khz={}", shape.tsc_khz).into());
    say("-serial", "chardev:s".into());
    say("-chardev", with("file,id=s,path=", &folder.console()));
    say("-chardev", with("socket,id=c,path=", &folder.vhost()));
    args.extend(["-nographic", "-no-reboot", "-nodefaults"].map(OsString::from));
    args
}

/// `text` and a path. Doubles commas, because a comma ends an option.
fn with(text: &str, path: &Path) -> OsString {
    OsString::from(format!("{text}{}", path.display().to_string().replace(',', ",,")))
}
