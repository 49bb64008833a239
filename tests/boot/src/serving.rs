//! The life of an engine in the machine.

use crate::booted::{Boot, Booted, mortise, text};
use crate::locks::{self, Committed};
use crate::settings::Settings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_client::{Client, Endpoint, Signer};
use mortise_format::limits::APP_TEXT_BYTES_MAX;
use mortise_rpc::params::PlainText;
use serde_json::Value;
use std::future::Future;
use std::time::{Instant, SystemTime};

/// Number of locks that are read one by one after the replay.
const SAMPLE: usize = 32;

/// A key service that does not allow unsigned documents gives no key for them.
pub fn strict_kms(settings: &Settings) -> Result<String, String> {
    let boot = Boot::of(settings, &settings.dir(), &settings.image());
    boot.with(&["--refuse-unsigned"]).ends()?.by_name("KEY_REFUSED")
}

/// Boot, checks, locks, kill, boot, checks.
pub fn life(settings: &Settings) -> Result<String, String> {
    let boot = || Boot::of(settings, &settings.dir(), &settings.image()).serving();
    let first = boot()?;
    let boot_ms = first.report["bootMs"].as_u64().unwrap_or_default();
    healthy(&first)?;
    measured(&first)?;
    refused(settings, &first)?;
    run(locks::insecure_commitment_is_refused(&gateway(&first)?))?;
    run(long_text(&first))?;
    let begun = Instant::now();
    let committed = run(locks::commit(&gateway(&first)?, settings.locks))?;
    let per_s = f64::from(settings.locks) / begun.elapsed().as_secs_f64();
    let kib = first.report["machineKibMax"].as_u64().unwrap_or_default();
    let engine = first.text("engineId")?.to_owned();
    let epoch = first.report["epoch"].as_u64();
    first.kill_machine()?;
    let second = boot()?;
    let again_ms = second.report["bootMs"].as_u64().unwrap_or_default();
    same(&second, &engine, epoch, &committed)?;
    second.stop()?;
    Ok(format!(
        "boot {boot_ms} ms, machine {} MiB, {} locks at {per_s:.0}/s, second boot {again_ms} ms",
        kib / 1024,
        settings.locks
    ))
}

/// The engine answers over its vsock without the gateway, and reports its mode.
fn healthy(booted: &Booted) -> Result<(), String> {
    let client = Client::new(vsock(booted)?);
    let health = run(async { client.health().await.map_err(text) })?;
    match (health.phase.as_str(), health.mode.as_str()) {
        ("ready", "emulated") => Ok(()),
        (phase, mode) => Err(format!("ready and emulated expected, not {phase} and {mode}")),
    }
}

/// The registers in the documents at the key service equal those of the image file.
fn measured(booted: &Booted) -> Result<(), String> {
    let trail = std::fs::read_to_string(booted.text("kmsTrail")?).map_err(text)?;
    let granted = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        let recipient = line["additionalEventData"]["recipient"].clone();
        (line.get("errorCode").is_none() && recipient.is_object()).then_some(recipient)
    };
    let seen =
        trail.lines().rev().find_map(granted).ok_or("no call with a document was granted")?;
    for (register, field) in [
        ("pcr0", "attestationDocumentEnclaveImageDigest"),
        ("pcr1", "attestationDocumentEnclavePCR1"),
        ("pcr2", "attestationDocumentEnclavePCR2"),
    ] {
        let bytes = STANDARD.decode(seen[field].as_str().unwrap_or_default()).map_err(text)?;
        let (found, wanted) = (mortise_image::hex(&bytes), booted.text(register)?);
        if found != wanted {
            return Err(format!("{register} of the machine is {found}, of the file {wanted}"));
        }
    }
    Ok(())
}

/// A verifier refuses its documents, even one that pins the image.
fn refused(settings: &Settings, booted: &Booted) -> Result<(), String> {
    let (url, pcr0) = (booted.text("url")?, booted.text("pcr0")?);
    let args = ["verify", "attestation", "--url", url, "--pcr0", pcr0];
    let (code, json, stderr) = mortise(settings, &args)?;
    match code {
        Some(1) => Ok(()),
        code => {
            Err(format!("its document is not refused: exit status {code:?}, {json:#} {stderr}"))
        }
    }
}

/// The longest text, which is much longer than a packet, round-trips intact.
async fn long_text(booted: &Booted) -> Result<(), String> {
    let owner = Signer::random();
    let client = Client::new(vsock(booted)?);
    let words = "a".repeat(APP_TEXT_BYTES_MAX);
    let plain = PlainText::new(words.clone()).ok_or("the text is too long")?;
    let sealed = client.kms_encrypt(plain, owner.address()).await.map_err(text)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(text)?;
    let opened = client.kms_decrypt(&owner, sealed, now.as_secs() + 60).await.map_err(text)?;
    match opened.text.as_ref() == Some(&words) {
        true => Ok(()),
        false => Err("the longest text came back changed".into()),
    }
}

/// The second boot is the same engine, one epoch later, with the same commitments.
fn same(
    booted: &Booted,
    engine: &str,
    epoch: Option<u64>,
    committed: &Committed,
) -> Result<(), String> {
    let found = booted.text("engineId")?;
    if found != engine {
        return Err(format!("it was {engine}, and is now {found}"));
    }
    let now = booted.report["epoch"].as_u64();
    if now != epoch.map(|epoch| epoch + 1) {
        return Err(format!("epoch {epoch:?} is followed by {now:?}"));
    }
    run(locks::kept(&gateway(booted)?, committed, SAMPLE))
}

fn gateway(booted: &Booted) -> Result<Endpoint, String> {
    booted.text("url")?.parse().map_err(text)
}

pub fn vsock(booted: &Booted) -> Result<Endpoint, String> {
    booted.text("vsock")?.parse().map_err(text)
}

pub fn run<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(text)?.block_on(work)
}
