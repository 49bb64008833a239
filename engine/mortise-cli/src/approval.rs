//! `mortise approval`: which images may boot on the log (`specs/upgrades.md`).
//!
//! What it is for: operators approve the images of an upgrade, each with its own signature, and
//! remove the old ones afterwards.
//!
//! What it does not do: give an image the keys. The policy of `mortise key-policy aws` does.

use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::image::record::Record;
use crate::key;
use crate::output::Output;
use crate::session::Session;
use crate::time::seconds_and_utc;
use clap::{Args, Subcommand};
use mortise_client::Signer;
use mortise_format::ids::{Measurement, Signature, to_checksum, to_hex};
use mortise_format::images::{ImageApproval, Version};
use mortise_format::limits::APPROVED_IMAGES_MAX;
use mortise_format::rules::RuleSet;
use mortise_rpc::params::ApproveImages;
use mortise_rpc::results::EngineInfo;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const EXAMPLES: &str = "\
Examples:
  mortise approval show                         shows what may boot, and what runs
  mortise approval submit --image OLD --image NEW --minimum-version 0.1.0 \\
      --operator a.key --operator b.key
  mortise approval submit --measurements old.json --measurements image/measurements.json ...
  mortise approval sign --image OLD --image NEW --minimum-version 0.1.0 \\
      --rules 1 --engine-id 0x... --serial 3 --valid-until TIME --key a.key
      signs on a machine without a connection; pass its output to submit:
  mortise approval submit --image OLD --image NEW --minimum-version 0.1.0 \\
      --rules 1 --serial 3 --valid-until TIME --signature 0x... --signature 0x...

A new set replaces the previous one completely. Both the set and the key policy must name an image
before it boots. Rules change only here, from the next boot on. A set without the running image is
refused unless you pass --without-running-image, because the engine would not start again.";

/// Flags of `mortise approval`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ApprovalArgs {
    #[command(subcommand)]
    command: ApprovalCommand,
}

#[derive(Debug, Subcommand)]
enum ApprovalCommand {
    /// Show the approval in force, and the running image and version.
    Show(ShowArgs),
    /// Sign an approval as an operator, and send nothing.
    ///
    /// With --engine-id and --serial it does not connect, and cannot check the running image.
    Sign(SignArgs),
    /// Send an approval with the signatures of enough operators.
    Submit(SubmitArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The approved set.
#[derive(Debug, Args)]
struct SetArgs {
    /// PCR0 of an image that may boot, 96 hex digits; repeatable. Not with --any-image.
    #[arg(long = "image", value_name = "PCR0", value_parser = measurement,
          required_unless_present_any = ["any_image", "measurements"])]
    images: Vec<Measurement>,

    /// An image that may boot, by measurements.json of `mortise image build`; repeatable.
    #[arg(long, value_name = "FILE")]
    measurements: Vec<PathBuf>,

    /// Approve every image that the key policy admits; only the version is checked.
    #[arg(long, conflicts_with_all = ["images", "measurements"])]
    any_image: bool,

    /// Lowest version that may boot. It never decreases and never exceeds the running version.
    #[arg(long, value_name = "X.Y.Z")]
    minimum_version: Version,

    /// Rule set from the next boot on; the one in force by default. It never decreases.
    #[arg(long, value_name = "N")]
    rules: Option<u16>,

    /// Number of the approval, one above the one in force; fetched from the engine by default.
    #[arg(long, requires = "valid_until")]
    serial: Option<u64>,

    /// Deadline for sending it, in seconds since the Unix epoch; 23 hours from now by default.
    #[arg(long, value_name = "TIME", requires = "serial")]
    valid_until: Option<u64>,

    /// Approve a set without the running image, which will not start again.
    #[arg(long)]
    without_running_image: bool,
}

#[derive(Debug, Args)]
struct SignArgs {
    #[command(flatten)]
    set: SetArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Args)]
struct SubmitArgs {
    #[command(flatten)]
    set: SetArgs,

    /// File with the key of an operator; repeatable. The key of --key if no one else signs.
    #[arg(long = "operator", value_name = "FILE")]
    operators: Vec<PathBuf>,

    /// Signature of an operator, as `mortise approval sign` prints it; repeatable.
    #[arg(long = "signature", value_name = "HEX", requires = "serial")]
    signatures: Vec<Signature>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

fn measurement(text: &str) -> Result<Measurement, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let image = Measurement::parse(&format!("0x{digits}"));
    let image = image.map_err(|_| String::from("PCR0 is 96 hex digits"))?;
    match image.is_zero() {
        true => Err(String::from("PCR0 is zero: that approves every enclave in debug mode")),
        false => Ok(image),
    }
}

/// PCR0 of a built image.
fn image_of(path: &Path) -> Result<Measurement, Failure> {
    let record = Record::read(path)?;
    let registers = record.registers();
    let pcr0 = registers.iter().find(|(register, _)| *register == 0).map(|(_, value)| *value);
    let named = |text: &str| Failure::check(format!("{}: {text}", path.display()));
    measurement(pcr0.ok_or_else(|| named("the file has no PCR0"))?).map_err(|text| named(&text))
}

/// Runs `mortise approval`.
pub async fn run(args: &ApprovalArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        ApprovalCommand::Show(args) => show(&args.connection, output).await,
        ApprovalCommand::Sign(args) => sign(args, output).await,
        ApprovalCommand::Submit(args) => submit(args, output).await,
    }
}

async fn show(connection: &ConnectionArgs, output: &Output) -> Result<(), Failure> {
    let session = Session::connect(connection, output).await?;
    let output = &session.output;
    let info = session.client.engine_info().await?;
    let mut lines = vec![
        ("engineId", info.engine_id.to_string()),
        ("running", format!("version {}, image {}", info.version, image_text(info.image))),
        ("rules", format!("{} (this code knows up to {})", info.rules, info.newest_rules)),
    ];
    match &info.approved_images {
        None => lines.push(("approved", String::from("nothing yet: any image may boot"))),
        Some(approved) => {
            lines.push(("serial", approved.serial.to_string()));
            lines.push(("minimumVersion", approved.minimum_version.clone()));
            lines.push(("rulesFromNextBoot", approved.rules.to_string()));
            if approved.images.is_empty() {
                lines.push(("images", String::from("any")));
            }
            lines.extend(approved.images.iter().map(|image| ("image", bare(image))));
            lines.push(("seq", format!("{} (event {})", approved.seq, approved.index)));
        }
    }
    let value = json!({
        "engineId": info.engine_id, "version": info.version, "image": info.image,
        "rules": info.rules, "newestRules": info.newest_rules,
        "approvedImages": info.approved_images,
    });
    output.thing(&value, &lines);
    session.close().await
}

impl SetArgs {
    /// The approval to sign: the next one of the engine, or the one that the flags define.
    fn approval(&self, info: Option<&EngineInfo>, now_s: u64) -> Result<ImageApproval, Failure> {
        let mut images = self.images.clone();
        for path in &self.measurements {
            images.push(image_of(path)?);
        }
        images.sort_unstable();
        images.dedup();
        if images.len() > APPROVED_IMAGES_MAX {
            let most = format!("at most {APPROVED_IMAGES_MAX} images can be approved at a time");
            return Err(Failure::usage(most));
        }
        if let Some(info) = info {
            self.check_running(info, &images)?;
        }
        let in_force = info.and_then(|info| info.approved_images.as_ref());
        let next = || in_force.map_or(1, |approved| approved.serial.saturating_add(1));
        Ok(ImageApproval {
            serial: self.serial.unwrap_or_else(next),
            images,
            minimum_version: self.minimum_version,
            rules: self.rules(info)?,
            valid_until: self.valid_until.unwrap_or(now_s + VALID_S),
        })
    }

    /// The rules to approve. Refuses those that the running code does not know: nothing that has
    /// run on this log could start under them.
    fn rules(&self, info: Option<&EngineInfo>) -> Result<RuleSet, Failure> {
        let in_force = info.map(|info| info.rules);
        let rules = self.rules.or(in_force).ok_or_else(|| {
            Failure::usage("pass the rules from the next boot on: --rules N, as the engine shows")
        })?;
        match info.filter(|info| !(info.rules..=info.newest_rules).contains(&rules)) {
            Some(info) => Err(Failure::usage(format!(
                "the engine accepts rules {} to {}: it runs under the first, and its code knows \
                 none above the last. Boot an image that knows rules {rules}, then approve them",
                info.rules, info.newest_rules
            ))),
            None => Ok(RuleSet(rules)),
        }
    }

    /// Refuses a set without the running image: the engine would end at its next start.
    fn check_running(&self, info: &EngineInfo, images: &[Measurement]) -> Result<(), Failure> {
        let running = info.image.filter(|image| !images.is_empty() && !images.contains(image));
        match running {
            Some(image) if !self.without_running_image => Err(Failure::usage(format!(
                "the running image, {}, is not in the set: the engine would not start again. Add \
                 it with --image, or pass --without-running-image once another image is ready",
                bare(&image)
            ))),
            _ => Ok(()),
        }
    }
}

async fn sign(args: &SignArgs, output: &Output) -> Result<(), Failure> {
    let connection = &args.connection;
    let signer = key::load(connection.key.as_deref())?;
    let offline = connection.engine_id.filter(|_| args.set.serial.is_some());
    let info = match offline {
        Some(_) => None,
        None => Some(Session::connect(connection, output).await?.client.engine_info().await?),
    };
    let known = offline.or(info.as_ref().map(|info| info.engine_id));
    let engine_id = known.ok_or_else(|| Failure::usage("pass the engine: --engine-id"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Failure::system)?;
    let approval = args.set.approval(info.as_ref(), now.as_secs())?;
    let signature = signer.approve_images(&engine_id, &approval);
    let mut lines =
        vec![("engineId", engine_id.to_string()), ("operator", to_checksum(&signer.address()))];
    lines.extend(lines_of(&approval));
    lines.push(("signature", signature.to_string()));
    let mut value = value_of(&approval);
    value["engineId"] = json!(engine_id);
    value["operator"] = json!(signer.address());
    value["signature"] = json!(signature);
    output.thing(&value, &lines);
    Ok(())
}

async fn submit(args: &SubmitArgs, output: &Output) -> Result<(), Failure> {
    let session = Session::connect(&args.connection, output).await?;
    let output = &session.output;
    let info = session.client.engine_info().await?;
    let engine_id = session.identity().await?.engine_id;
    let mut signers: Vec<Signer> =
        args.operators.iter().map(|path| key::read(path)).collect::<Result<_, _>>()?;
    if signers.is_empty() && args.signatures.is_empty() {
        signers.push(session.signer()?);
    }
    let approval = args.set.approval(Some(&info), session.client.now().await?)?;
    let mut signatures = args.signatures.clone();
    signatures.extend(signers.iter().map(|signer| signer.approve_images(&engine_id, &approval)));
    let mut lines = lines_of(&approval);
    let result = session.client.approve_images(ApproveImages { approval, signatures }).await?;
    lines.push(("seq", format!("{} (event {})", result.seq, result.receipt.index)));
    lines.push(("stateRoot", result.state_root.to_string()));
    output.thing(&result, &lines);
    session.close_after_change().await;
    Ok(())
}

fn lines_of(approval: &ImageApproval) -> Vec<(&'static str, String)> {
    let mut lines = vec![("serial", approval.serial.to_string())];
    if approval.images.is_empty() {
        lines.push(("images", String::from("any")));
    }
    lines.extend(approval.images.iter().map(|image| ("image", bare(image))));
    lines.push(("minimumVersion", approval.minimum_version.to_string()));
    lines.push(("rules", approval.rules.to_string()));
    lines.push(("validUntil", seconds_and_utc(approval.valid_until)));
    lines
}

fn value_of(approval: &ImageApproval) -> Value {
    json!({
        "serial": approval.serial, "images": approval.images,
        "minimumVersion": approval.minimum_version.to_string(), "rules": approval.rules.0,
        "validUntil": approval.valid_until,
    })
}

fn image_text(image: Option<Measurement>) -> String {
    image.map_or_else(|| String::from("unattested"), |image| bare(&image))
}

/// Without 0x, as the tools and key policies of AWS write it.
fn bare(image: &Measurement) -> String {
    to_hex(&image.0).split_off(2)
}

/// How long a new approval is valid: an hour less than the engine accepts one.
const VALID_S: u64 = 23 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_with_and_without_prefix_and_never_zero() {
        let text = "ab".repeat(48);
        assert_eq!(measurement(&text), Ok(Measurement([0xab; 48])));
        assert_eq!(measurement(&format!("0x{text}")), Ok(Measurement([0xab; 48])));
        assert_eq!(bare(&Measurement([0xab; 48])), text);
        assert!(measurement(&text[2..]).is_err());
        assert!(measurement(&"00".repeat(48)).is_err());
    }

    #[test]
    fn a_set_is_sorted_and_holds_each_image_once() {
        let image = |byte| Measurement([byte; 48]);
        let set = SetArgs {
            images: vec![image(9), image(2), image(9)],
            measurements: Vec::new(),
            any_image: false,
            minimum_version: Version::default(),
            rules: Some(1),
            serial: Some(7),
            valid_until: Some(5),
            without_running_image: false,
        };
        let approval = set.approval(None, 0).unwrap();
        assert_eq!(approval.images, [image(2), image(9)]);
        assert_eq!((approval.serial, approval.valid_until), (7, 5));
        assert_eq!(approval.rules, RuleSet(1));
        let without = SetArgs { rules: None, ..set };
        assert!(without.approval(None, 0).is_err(), "offline there is no default");
    }
}
