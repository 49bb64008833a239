//! Images and machines that cannot serve: each ends with a named error.

use crate::booted::{Boot, Ended, text};
use crate::image;
use crate::settings::Settings;
use mortise_image::eif;
use mortise_image::measure::Measurements;
use std::path::Path;
use std::process::Command;

/// Seconds within which a machine that cannot serve must end. The timeout for the parent is the
/// longest of its bounds.
pub const END_S: u64 = 120;

/// One more byte in the measured configuration changes the registers, so the engine gets no key.
pub fn other_image(settings: &Settings) -> Result<String, String> {
    let config = std::fs::read_to_string(settings.dir().join("enclave.toml")).map_err(text)?;
    let changed = settings.file("changed.toml");
    std::fs::write(&changed, format!("{config}\n")).map_err(text)?;
    let out = image::build(settings, &changed, &settings.file("changed"))?;
    let measured = |path: &Path| {
        let bytes = std::fs::read(path).map_err(text)?;
        Ok::<_, String>(Measurements::of(&eif::read(&bytes).map_err(text)?))
    };
    let (before, after) = (measured(&settings.image())?, measured(&out)?);
    if before.pcr0 == after.pcr0 || before.pcr2 == after.pcr2 || before.pcr1 != after.pcr1 {
        return Err(format!("registers 0 and 2 change, and 1 does not: {before:?} {after:?}"));
    }
    Boot::of(settings, &settings.dir(), &out).ends()?.by_name("KEY_DENIED")
}

/// One flipped bit in the file: `mortise-dev` and QEMU refuse it before anything runs.
pub fn broken_byte(settings: &Settings) -> Result<String, String> {
    let mut bytes = std::fs::read(settings.image()).map_err(text)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let broken = settings.file("broken.eif");
    std::fs::write(&broken, bytes).map_err(text)?;
    let ended = Boot::of(settings, &settings.dir(), &broken).ends()?;
    let message = ended.message().to_owned();
    if ended.code != Some(1) || !message.contains("the image") {
        return Err(format!("mortise-dev accepts it: exit status {:?}, {message}", ended.code));
    }
    let (status, output) = qemu(settings, &broken)?;
    match status {
        Some(1) if output.contains("CRC") || output.contains("crc") => {
            Ok(format!("QEMU: {output}"))
        }
        status => Err(format!("QEMU accepts it: exit status {status:?}: {output}")),
    }
}

/// Runs QEMU alone on an image that it must refuse.
fn qemu(settings: &Settings, image: &Path) -> Result<(Option<i32>, String), String> {
    let socket = settings.file("s");
    let output = Command::new("timeout")
        .args(["--kill-after=5", "20"])
        .arg(settings.cache.join("bin/qemu-system-x86_64"))
        .args(["-M", "nitro-enclave,vsock=c,id=i-0abc-enc0123,acpi=on", "-accel", "tcg", "-L"])
        .arg(settings.cache.join("firmware"))
        .args(["-nographic", "-no-reboot", "-nodefaults", "-serial", "null", "-kernel"])
        .arg(image)
        .arg("-chardev")
        .arg(format!("socket,id=c,server=on,wait=off,path={}", socket.display()))
        .output()
        .map_err(text)?;
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((output.status.code(), stderr))
}

/// QEMU refuses bytes that are no kernel.
pub fn garbage_kernel(settings: &Settings) -> Result<String, String> {
    let mut parts = image::parts(settings)?;
    parts.kernel = noise(2_000_000);
    let ended = alone(settings, "kernel", parts, &[])?;
    within(&ended)?;
    match (ended.code, ended.evidence("qemu")) {
        (Some(1), output) if output.contains("kernel") => Ok(output.to_owned()),
        (code, output) => Err(format!("exit status {code:?}, QEMU says {output:?}")),
    }
}

/// A kernel with an intact start and a broken rest halts without a message. The timeout of the
/// command ends it.
pub fn halted_kernel(settings: &Settings) -> Result<String, String> {
    let mut parts = image::parts(settings)?;
    let half = parts.kernel.len() / 2;
    let noise = noise(64 * 1024);
    parts.kernel[half..half + noise.len()].copy_from_slice(&noise);
    let image = image::write(settings, "halted.eif", parts)?;
    let boot = Boot::of(settings, &settings.dir(), &image).within(HALTED_S);
    let ended = boot.with(&["--no-host"]).ends()?;
    within(&ended)?;
    let message = ended.message();
    let is_reported = message.contains("said") && message.contains("next: ");
    match ended.code {
        Some(NOT_READY) if is_reported => {
            let first = message.split("; the last").next().unwrap_or_default();
            Ok(format!("after {:.1} s: {first}", ended.took.as_secs_f64()))
        }
        code => Err(format!("exit status {code:?}: {}", ended.message())),
    }
}

/// Timeout of the command, seconds.
const HALTED_S: &str = "30";
/// The exit status of a command whose engine is not ready.
const NOT_READY: i32 = 4;

/// Bytes without a pattern.
pub fn noise(count: u32) -> Vec<u8> {
    let byte = |n: u32| n.wrapping_mul(2_654_435_761).rotate_left(7).to_le_bytes()[0];
    (0..count).map(byte).collect()
}

/// Without vsock there is no connection to the parent.
pub fn no_vsock(settings: &Settings) -> Result<String, String> {
    let mut parts = image::parts(settings)?;
    parts.ramdisks[0] = image::boot_without(settings, "vsock")?;
    named(&alone(settings, "vsock", parts, &[])?, "VSOCK")
}

/// An image without the driver of the security module.
pub fn no_nsm(settings: &Settings) -> Result<String, String> {
    let mut parts = image::parts(settings)?;
    parts.ramdisks[0] = image::boot_without(settings, "-nsm")?;
    named(&alone(settings, "nsm", parts, &[])?, "NO_NSM")
}

/// One of the kernel modules cannot be loaded.
pub fn broken_module(settings: &Settings) -> Result<String, String> {
    let mut parts = image::parts(settings)?;
    parts.ramdisks[0] = image::boot_with_cut_module(settings)?;
    named(&alone(settings, "module", parts, &[])?, "MODULE")
}

/// Enough memory for the kernel and too little for the engine.
pub fn little_memory(settings: &Settings) -> Result<String, String> {
    let parts = image::parts(settings)?;
    named(&alone(settings, "memory", parts, &["--memory", "112M"])?, "MEMORY")
}

/// No process listens on the parent.
pub fn no_parent(settings: &Settings) -> Result<String, String> {
    let parts = image::parts(settings)?;
    named(&alone(settings, "parent", parts, &[])?, "PARENT")
}

/// The binary without its files.
pub fn no_config(settings: &Settings) -> Result<String, String> {
    let mut parts = image::parts(settings)?;
    parts.ramdisks[1] = image::binary_alone(settings)?;
    named(&alone(settings, "config", parts, &[])?, "CONFIG")
}

/// Boots these parts without a host, on the folder of the run.
fn alone(
    settings: &Settings,
    name: &str,
    parts: eif::Parts,
    flags: &[&str],
) -> Result<Ended, String> {
    let image = image::write(settings, &format!("{name}.eif"), parts)?;
    Boot::of(settings, &settings.dir(), &image).with(&["--no-host"]).with(flags).ends()
}

fn named(ended: &Ended, name: &str) -> Result<String, String> {
    within(ended)?;
    ended.by_name(name)
}

fn within(ended: &Ended) -> Result<(), String> {
    match ended.took.as_secs() {
        0..END_S => Ok(()),
        took => Err(format!("the machine ran for {took} s: {}", ended.message())),
    }
}
