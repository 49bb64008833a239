//! A clock that jumps: the module's, the guest's, and a machine that is paused.
//!
//! QEMU's module takes the time of its documents from `time(3)`. Here a function of that name
//! overrides it and adds an offset from a file; QEMU's monitor pauses the machine, which stops the
//! guest's counter and not the module's time; SIGSTOP stops the whole machine. The machine's own
//! wall clock is always in the wrong century, because nothing may read it.

use crate::booted::{Boot, Booted, signal, text};
use crate::damage::copy_of;
use crate::locks;
use crate::serving::{run, vsock};
use crate::settings::Settings;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// Time between two documents of the module, with slack for a busy machine.
const ANCHOR: Duration = Duration::from_secs(14);
/// Milliseconds that the engine's time may differ from the module's, which counts whole seconds.
const APART_MS: u64 = 3500;
/// How long a machine is paused.
const PAUSE: Duration = Duration::from_secs(8);
/// Longer than the longest time without a document: `CLOCK_ANCHOR_AGE_MS_MAX` and a tenth.
const LONG_PAUSE: Duration = Duration::from_secs(66);
/// A jump of the module's time that the engine follows when three readings agree, seconds.
const JUMP_S: u64 = 600;
/// A jump that a running engine does not follow, seconds.
const LEAP_S: u64 = 3600;
/// Seconds until an anchor is too old, with slack for the engine to end.
const STALE_S: u64 = 60 + 45;

/// After a pause by the monitor and after SIGSTOP, the engine continues with the module's time and
/// is never behind it.
pub fn paused_machine(settings: &Settings) -> Result<String, String> {
    let jumps = Jumps::of(settings, "paused")?;
    let booted = jumps.boot(settings)?;
    jumps.agree(&booted, 0)?;
    jumps.monitor(&["stop"])?;
    sleep(PAUSE);
    jumps.monitor(&["cont"])?;
    jumps.never_early(&booted, 0)?;
    jumps.agree(&booted, 0)?;
    jumps.console_has("the trusted clock jumped")?;
    let machine = booted.report["machinePid"].as_u64().ok_or("no machinePid")?;
    signal(machine, "STOP")?;
    sleep(PAUSE);
    signal(machine, "CONT")?;
    jumps.never_early(&booted, 0)?;
    let apart = jumps.agree(&booted, 0)?;
    booted.stop()?;
    Ok(format!("paused and stopped for {} s each, then {apart} ms apart", PAUSE.as_secs()))
}

/// Stopped for longer than an anchor is valid, the engine continues with the right time or ends
/// without a time.
pub fn long_stopped_machine(settings: &Settings) -> Result<String, String> {
    let jumps = Jumps::of(settings, "stopped")?;
    let booted = jumps.boot(settings)?;
    jumps.agree(&booted, 0)?;
    let machine = booted.report["machinePid"].as_u64().ok_or("no machinePid")?;
    signal(machine, "STOP")?;
    sleep(LONG_PAUSE);
    signal(machine, "CONT")?;
    match jumps.agree(&booted, 0) {
        Ok(apart) => {
            booted.stop()?;
            Ok(format!("goes on, {apart} ms apart"))
        }
        Err(_) => booted.ends_by("CLOCK", Duration::from_secs(STALE_S)),
    }
}

/// The module's time leaps ahead by an hour. The engine does not follow and ends. Nothing was
/// early, so the next boot, with the right time, goes on.
pub fn leaping_module(settings: &Settings) -> Result<String, String> {
    let jumps = Jumps::of(settings, "leaping")?;
    let booted = jumps.boot(settings)?;
    jumps.agree(&booted, 0)?;
    jumps.jump(LEAP_S)?;
    let last = jumps.last_ms(&booted)?;
    if last > module_ms(0)?.saturating_add(APART_MS) {
        return Err(format!("the engine followed the leap, to {last}"));
    }
    let ended = booted.ends_by("CLOCK_LEAP", Duration::from_secs(STALE_S))?;
    jumps.jump(0)?;
    let again = jumps.boot(settings)?;
    jumps.agree(&again, 0)?;
    again.stop()?;
    Ok(ended)
}

/// The module's time jumps ahead by ten minutes, and the engine follows when three readings agree.
/// It jumps back: the engine refuses it and ends without a time. The next boot continues at the
/// log's time and reports it.
pub fn jumping_module(settings: &Settings) -> Result<String, String> {
    let jumps = Jumps::of(settings, "jumping")?;
    let booted = jumps.boot(settings)?;
    jumps.agree(&booted, 0)?;
    jumps.jump(JUMP_S)?;
    jumps.never_early(&booted, JUMP_S)?;
    jumps.agree(&booted, JUMP_S)?;
    jumps.jump(0)?;
    let last = jumps.last_ms(&booted)?;
    let ended = booted.ends_by("CLOCK", Duration::from_secs(STALE_S))?;
    let again = jumps.boot(settings)?;
    let now = jumps.now_ms(&again)?;
    if now < last {
        return Err(format!("the log's time went back, from {last} to {now}"));
    }
    jumps.console_has("the log is ahead of the clock")?;
    again.stop()?;
    Ok(ended)
}

/// A folder for a machine whose module has a settable time.
struct Jumps {
    dir: PathBuf,
    cache: PathBuf,
}

impl Jumps {
    fn of(settings: &Settings, name: &str) -> Result<Self, String> {
        let dir = copy_of(settings, name)?;
        let cache = dir.join("cache");
        std::fs::create_dir_all(cache.join("bin")).map_err(text)?;
        for place in ["firmware", "bin/vhost-device-vsock"] {
            symlink(settings.cache.join(place), cache.join(place)).map_err(text)?;
        }
        let before = dir.join("time.so");
        compile(&before)?;
        let jumps = Self { dir, cache };
        let script = format!(
            "#!/bin/sh\nexport LD_PRELOAD={} MORTISE_BOOT_JUMP={}\nexec {} \"$@\" \
             -rtc base=1999-12-31T23:59:59 -qmp unix:{},server=on,wait=off\n",
            before.display(),
            jumps.file().display(),
            settings.cache.join("bin/qemu-system-x86_64").display(),
            jumps.qmp().display()
        );
        let program = jumps.cache.join("bin/qemu-system-x86_64");
        std::fs::write(&program, script).map_err(text)?;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, mode).map_err(text)?;
        jumps.jump(0)?;
        Ok(jumps)
    }

    fn file(&self) -> PathBuf {
        self.dir.join("jump")
    }

    fn qmp(&self) -> PathBuf {
        self.dir.join("qmp")
    }

    fn boot(&self, settings: &Settings) -> Result<Booted, String> {
        let settings = Settings { cache: self.cache.clone(), ..settings.clone() };
        Boot::of(&settings, &self.dir, &settings.image()).serving()
    }

    /// Sets how many seconds the module's time is ahead of this machine's.
    fn jump(&self, seconds: u64) -> Result<(), String> {
        let part = self.dir.join("jump.part");
        std::fs::write(&part, seconds.to_string()).map_err(text)?;
        std::fs::rename(part, self.file()).map_err(text)
    }

    /// Sends commands to QEMU's monitor.
    fn monitor(&self, commands: &[&str]) -> Result<(), String> {
        let stream = UnixStream::connect(self.qmp()).map_err(text)?;
        let mut heard = BufReader::new(stream.try_clone().map_err(text)?).lines();
        let mut next = || heard.next().ok_or("the monitor hung up")?.map_err(text);
        next()?;
        for command in ["qmp_capabilities"].iter().chain(commands) {
            writeln!(&stream, "{{\"execute\":\"{command}\"}}").map_err(text)?;
            while !next()?.contains("\"return\"") {}
        }
        Ok(())
    }

    /// The engine's time in seconds, from the statement of a frame with a new lock.
    fn now_ms(&self, booted: &Booted) -> Result<u64, String> {
        let committed = run(locks::commit(&vsock(booted)?, 1))?;
        Ok(committed.newest.statement.time.saturating_mul(1000))
    }

    /// Commits locks until the engine has no time; returns the time of the last one. Requires that
    /// the time never goes back.
    fn last_ms(&self, booted: &Booted) -> Result<u64, String> {
        let end = Instant::now() + Duration::from_secs(STALE_S);
        let mut last = self.now_ms(booted)?;
        while Instant::now() < end {
            sleep(Duration::from_secs(3));
            match self.now_ms(booted) {
                Ok(now) if now < last => {
                    return Err(format!("the engine's time went back, from {last} to {now}"));
                }
                Ok(now) => last = now,
                Err(_) => return Ok(last),
            }
        }
        Err("locks are granted for longer than a time lasts without the module".into())
    }

    /// Requires that the engine's time reaches the module's in the time of three documents: a step
    /// forward needs three readings, and a busy machine can be too late for one. Returns the
    /// difference.
    fn agree(&self, booted: &Booted, ahead_s: u64) -> Result<u64, String> {
        let end = Instant::now() + 3 * ANCHOR;
        loop {
            let (found, wanted) = (self.now_ms(booted)?, module_ms(ahead_s)?);
            match found.abs_diff(wanted) {
                apart if apart <= APART_MS => return Ok(apart),
                apart if Instant::now() > end => {
                    let text = format!("the module has {wanted}, the engine {found}");
                    return Err(format!("{text}: {apart} ms apart"));
                }
                _ => sleep(Duration::from_secs(2)),
            }
        }
    }

    /// Requires that the engine's time is not ahead of the module's: nothing is due early.
    fn never_early(&self, booted: &Booted, ahead_s: u64) -> Result<(), String> {
        let (found, wanted) = (self.now_ms(booted)?, module_ms(ahead_s)?);
        match found <= wanted.saturating_add(APART_MS) {
            true => Ok(()),
            false => Err(format!("the engine has {found}, the module is at {wanted} only")),
        }
    }

    fn console_has(&self, words: &str) -> Result<(), String> {
        let console = std::fs::read(self.dir.join("console.log")).map_err(text)?;
        match String::from_utf8_lossy(&console).contains(words) {
            true => Ok(()),
            false => Err(format!("the console does not say {words:?}")),
        }
    }
}

fn module_ms(ahead_s: u64) -> Result<u64, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(text)?;
    let now_ms = u64::try_from(now.as_millis()).map_err(text)?;
    Ok(now_ms.saturating_add(ahead_s * 1000))
}

/// Compiles `time.c` as a library for LD_PRELOAD.
fn compile(out: &Path) -> Result<(), String> {
    let mut cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-x", "c", "-o"])
        .arg(out)
        .arg("-")
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cc: {error}"))?;
    let mut input = cc.stdin.take().ok_or("cc takes no input")?;
    input.write_all(include_bytes!("time.c")).map_err(text)?;
    drop(input);
    match cc.wait().map_err(text)?.success() {
        true => Ok(()),
        false => Err("cc does not compile time.c".into()),
    }
}
