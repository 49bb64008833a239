//! Starts, watches and stops key service, host and machine.

use super::BootArgs;
use super::console::Console;
use super::folder::BootFolder;
use super::keys::{self, Approval};
use super::machine::{Machine, Shape};
use super::parent::Parent;
use super::prepare::prepare;
use super::report::Report;
use super::tools::Tools;
use super::{lock, silence, tsc};
use crate::dev::interrupted;
use mortise_cli::failure::Failure;
use mortise_cli::mode;
use mortise_cli::output::Output;
use mortise_client::{Client, ClientError, Endpoint, RetryPolicy};
use mortise_format::insecure_mode::InsecureMode;
use mortise_image::cmdline::{PanicError, panic_seconds};
use mortise_image::measure::Measurements;
use mortise_rpc::results::Health;
use mortise_transport::ports;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Runs one boot until it ends.
pub(super) async fn run(args: &BootArgs, output: &Output) -> Result<(), Failure> {
    let tools = Tools::find(args.cache.as_deref())?;
    prepare(args, &tools.cache, output)?;
    let folder = BootFolder::open(&args.dir)?;
    let image = Image::read(args.image.clone().unwrap_or_else(|| folder.image()))?;
    let _alone = alone(&folder)?;
    folder.clear_sockets()?;
    if let Some(error) = &image.halts {
        output.note(&format!("warning: the image's command line has {error}"));
    }
    if !args.no_host {
        approve(args, &folder, &image, output)?;
    }
    let mut system = System::start(args, &folder, &tools, &image, output).await?;
    let served = tokio::select! {
        served = system.serve(args, &image, output) => served,
        () = interrupted() => Ok(()),
    };
    system.stop().await;
    served
}

/// The image and its measurements.
#[derive(Debug)]
struct Image {
    path: PathBuf,
    measured: Measurements,
    /// Why a kernel panic would halt the machine instead of ending it.
    halts: Option<PanicError>,
}

impl Image {
    fn read(path: PathBuf) -> Result<Self, Failure> {
        let named = |error: &dyn std::fmt::Display| {
            Failure::check(format!("the image {}: {error}", path.display()))
        };
        let bytes = std::fs::read(&path).map_err(|error| named(&error))?;
        let image = mortise_image::eif::read(&bytes).map_err(|error| named(&error))?;
        let path = path.canonicalize().map_err(|error| named(&error))?;
        let halts = panic_seconds(&image.parts().cmdline).err();
        Ok(Self { path, measured: Measurements::of(&image), halts })
    }
}

/// Locks the folder: only one boot may use its sockets and its log.
fn alone(folder: &BootFolder) -> Result<File, Failure> {
    let lock = File::create(folder.root().join("boot.lock")).map_err(Failure::system)?;
    lock.try_lock().map_err(|_| {
        let root = folder.root().display();
        Failure::system(format!("{root} is in use by another boot: stop it, or choose --dir"))
    })?;
    Ok(lock)
}

fn approve(
    args: &BootArgs,
    folder: &BootFolder,
    image: &Image,
    output: &Output,
) -> Result<(), Failure> {
    if keys::approve(folder, &image.measured, args.replace_policy)? == Approval::Other {
        output.note(
            "warning: the key policies of this folder name another image, so this one gets no key \
             (KEY_DENIED). Pass --replace-policy to change that",
        );
    }
    match args.refuse_unsigned {
        true => output.note("the key service refuses unsigned documents: the engine gets no key"),
        false => output.note(
            "EMULATED MODULE: the key service accepts unsigned documents. Never trust a commitment \
             of this engine",
        ),
    }
    Ok(())
}

/// The running parts.
#[derive(Debug)]
struct System {
    parent: Parent,
    machine: Machine,
    folder: BootFolder,
    begun: Instant,
}

/// Pause between two health checks.
const POLL: Duration = Duration::from_millis(100);
/// Timeout of a health check.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Time between two progress lines of a slow start.
const NOTE_EVERY: Duration = Duration::from_secs(5);

impl System {
    async fn start(
        args: &BootArgs,
        folder: &BootFolder,
        tools: &Tools,
        image: &Image,
        output: &Output,
    ) -> Result<Self, Failure> {
        let parent = match args.no_host {
            true => Parent::none(),
            false => Parent::start(args, folder).await?,
        };
        let tsc_khz = args.tsc_khz.unwrap_or_else(tsc::khz);
        let shape = Shape { memory_mib: args.memory, cpus: args.cpus, tsc_khz };
        let begun = Instant::now();
        let machine = Machine::start(tools, folder, &image.path, shape).await?;
        let id = machine.id().unwrap_or_default();
        output.note(&format!("{}machine is process {id}", parent.processes()));
        Ok(Self { parent, machine, folder: folder.clone(), begun })
    }

    /// Waits until the engine is ready and reports it; then commits the lock, or waits for the end.
    async fn serve(
        &mut self,
        args: &BootArgs,
        image: &Image,
        output: &Output,
    ) -> Result<(), Failure> {
        let health = self.ready(args, output).await?;
        let mut report = self.report(args, image, &health);
        if args.demo_lock {
            let url = report.url.clone();
            report.lock = Some(tokio::select! {
                figures = lock::commit(&url) => figures?,
                failure = self.one_ended() => return Err(failure),
            });
            report.machine_kib_max = self.machine.memory_kib_max();
        }
        if let Some(path) = &args.config_out {
            write_report(path, &report)?;
        }
        output.text(&report, &report.text());
        mode::warn(InsecureMode::of_mode(&report.mode), output);
        match args.demo_lock {
            true => Ok(()),
            false => Err(self.one_ended().await),
        }
    }

    async fn ready(&mut self, args: &BootArgs, output: &Output) -> Result<Health, Failure> {
        let (console, timeouts) = (self.machine.console().clone(), args.timeouts());
        let client = Client::new(Endpoint::Stream(self.folder.at(ports::REQUESTS)))
            .with_retry(RetryPolicy { attempts_max: 1, ..RetryPolicy::default() });
        // without a parent, the machine must end by itself
        let watch = Watch { console: &console, begun: self.begun, is_end_awaited: args.no_host };
        let waiting = watch.served(&client, output);
        tokio::select! {
            failure = self.one_ended() => Err(failure),
            waited = timeout(timeouts, waiting) => {
                waited.unwrap_or_else(|_| Err(silence::too_slow(&console, timeouts)))
            }
        }
    }

    fn report(&self, args: &BootArgs, image: &Image, health: &Health) -> Report {
        let Measurements { pcr0, pcr1, pcr2, .. } = &image.measured;
        Report {
            url: self.parent.url().to_owned(),
            vsock: self.folder.at(ports::REQUESTS).to_string(),
            engine_id: health.enclave_id,
            engine_address: health.public_key,
            epoch: health.epoch,
            mode: health.mode.clone(),
            pcr0: pcr0.to_string(),
            pcr1: pcr1.to_string(),
            pcr2: pcr2.to_string(),
            boot_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            memory_mib: args.memory,
            cpus: args.cpus,
            machine_kib_max: self.machine.memory_kib_max(),
            machine_pid: self.machine.id(),
            host_pid: self.parent.host_id(),
            console: self.folder.console(),
            kms_trail: self.folder.kms().join("trail.jsonl"),
            lock: None,
        }
    }

    /// Waits for the first part that exits; returns the reason. Cancel-safe.
    async fn one_ended(&mut self) -> Failure {
        tokio::select! {
            failure = self.machine.ended() => failure,
            failure = self.parent.one_ended() => failure,
        }
    }

    /// Stops the machine first, while the store still accepts its frames.
    async fn stop(&mut self) {
        self.machine.stop().await;
        self.parent.stop().await;
    }
}

/// Lines of the console to show.
const LINES_SHOWN: usize = 12;

/// The answer to a health check.
enum Asked {
    Serves(Box<Health>),
    /// The engine is in phase fault, with this name.
    Fault(String),
    /// No answer, or not ready yet.
    NotYet,
}

/// Watches a start.
struct Watch<'a> {
    console: &'a Console,
    begun: Instant,
    /// Continue after a fault, until the machine ends by itself.
    is_end_awaited: bool,
}

impl Watch<'_> {
    /// Polls health until the engine is ready or in a fault; prints progress.
    async fn served(&self, client: &Client, output: &Output) -> Result<Health, Failure> {
        let mut last_note = self.begun;
        let mut fault = None;
        loop {
            match serving(client).await {
                Asked::Serves(health) => return Ok(*health),
                Asked::Fault(name) if !self.is_end_awaited => return Err(self.fault(&name)),
                Asked::Fault(name) => fault = Some(name),
                Asked::NotYet => {}
            }
            if last_note.elapsed() >= NOTE_EVERY {
                last_note = Instant::now();
                let last = match &fault {
                    Some(name) => format!("the engine does not serve: {name}"),
                    None => self.console.last().unwrap_or_else(|| "no output yet".into()),
                };
                output.note(&format!("{:3} s: {last}", self.begun.elapsed().as_secs()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn fault(&self, name: &str) -> Failure {
        let lines = self.console.last_lines(LINES_SHOWN);
        let text =
            format!("the engine does not serve: {name}\n{lines}  next: mortise explain {name}");
        let evidence = serde_json::json!({"fault": name, "console": self.console.path()});
        Failure::check(text).with_evidence(evidence)
    }
}

async fn serving(client: &Client) -> Asked {
    let answer: Result<Result<Health, ClientError>, _> = timeout(ANSWER_MAX, client.health()).await;
    match answer {
        Ok(Ok(health)) if health.phase == "ready" => Asked::Serves(Box::new(health)),
        Ok(Ok(health)) if health.phase == "fault" => Asked::Fault(health.fault.unwrap_or_default()),
        _ => Asked::NotYet,
    }
}

fn write_report(path: &Path, report: &Report) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(report).expect("a report has text keys only");
    std::fs::write(path, format!("{text}\n"))
        .map_err(|error| Failure::system(format!("cannot write {}: {error}", path.display())))
}
