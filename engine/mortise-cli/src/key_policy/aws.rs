//! `mortise key-policy aws`: a least-privilege key policy on stdout.

use crate::failure::Failure;
use crate::image::record::Record;
use crate::output::Output;
use mortise_format::ids::Bytes32;
use mortise_key_policy::compose::{Plan, Service, compose, measurement};
use mortise_transport::aws::Partition;
use std::path::PathBuf;

/// Flags of `mortise key-policy aws`.
///
/// PCR0 covers the whole image; the other registers are optional. During an upgrade, name the old
/// and the new value: repeat a flag.
#[derive(Debug, clap::Args)]
pub struct AwsArgs {
    /// The account of the key: twelve digits
    #[arg(long, value_parser = account)]
    account: String,
    /// AWS partition of the account, such as aws-us-gov; by default that of the ARNs, or aws
    #[arg(long, value_parser = partition)]
    partition: Option<Partition>,
    /// Name or ARN of the role whose credentials the parent holds
    #[arg(long)]
    role: String,
    /// Name or ARN of a role that manages the key and cannot use it; the whole account by default
    #[arg(long)]
    admin: Vec<String>,
    /// Approved image, with all registers: measurements.json of `mortise image build`
    #[arg(long, value_name = "FILE")]
    measurements: Vec<PathBuf>,
    /// Approved image
    #[arg(long, required_unless_present = "measurements", value_parser = pcr)]
    pcr0: Vec<String>,
    /// Approved kernel and first ramdisk
    #[arg(long, value_parser = pcr)]
    pcr1: Vec<String>,
    /// Approved application
    #[arg(long, value_parser = pcr)]
    pcr2: Vec<String>,
    /// Approved signing certificate
    #[arg(long, value_parser = pcr)]
    pcr8: Vec<String>,
    /// Write the policy of the application's key, not of the engine's
    #[arg(long)]
    app: bool,
    /// Restrict the key to one engine, after its genesis
    #[arg(long, value_name = "0x...")]
    engine_id: Option<Bytes32>,
}

fn account(text: &str) -> Result<String, String> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err(String::from("an account ID has twelve digits")),
    }
}

fn partition(text: &str) -> Result<Partition, String> {
    let names = || Partition::names().collect::<Vec<_>>().join(", ");
    Partition::of_name(text).ok_or_else(|| format!("a partition is one of {}", names()))
}

/// The one partition of every ARN in the policy. A key and those who use it are in the same one.
fn only_partition(args: &AwsArgs) -> Result<Partition, Failure> {
    let arns = args.admin.iter().chain([&args.role]).filter_map(|name| name.strip_prefix("arn:"));
    let named = arns.map(|rest| partition(rest.split(':').next().unwrap_or_default()));
    let named = named.collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?;
    let mut all = args.partition.into_iter().chain(named);
    let first = all.next().unwrap_or_default();
    match all.find(|other| *other != first) {
        None => Ok(first),
        Some(other) => Err(Failure::usage(format!(
            "{} and {}: a key and its roles are in one AWS partition",
            first.name(),
            other.name()
        ))),
    }
}

fn pcr(text: &str) -> Result<String, String> {
    measurement(text).map_err(|error| error.to_string())
}

/// Values of the registers 0, 1, 2 and 8: from the flags, then from the files.
fn registers(args: &AwsArgs, output: &Output) -> Result<[Vec<String>; 4], Failure> {
    let AwsArgs { pcr0, pcr1, pcr2, pcr8, .. } = args;
    let mut registers = [pcr0.clone(), pcr1.clone(), pcr2.clone(), pcr8.clone()];
    for path in &args.measurements {
        let record = Record::read(path)?;
        if record.is_development {
            let path = path.display();
            output.note(&format!("warning: {path} belongs to a development image"));
        }
        for (values, number) in registers.iter_mut().zip([0, 1, 2, 8]) {
            let measured = record.registers();
            let value = measured.iter().find(|(register, _)| *register == number);
            let value = value.map(|(_, value)| measurement(value)).transpose();
            let value = value.map_err(|e| Failure::check(format!("{}: {e}", path.display())))?;
            values.extend(value.filter(|value| !values.contains(value)));
        }
        if registers[0].is_empty() {
            return Err(Failure::check(format!("{}: the file has no PCR0", path.display())));
        }
    }
    Ok(registers)
}

/// Runs `mortise key-policy aws`.
pub fn run(args: &AwsArgs, output: &Output) -> Result<(), Failure> {
    let partition = only_partition(args)?.name();
    let arn = |name: &String| match name.starts_with("arn:") {
        true => name.clone(),
        false => format!("arn:{partition}:iam::{}:role/{name}", args.account),
    };
    let admins: Vec<_> = match args.admin.is_empty() {
        true => vec![format!("arn:{partition}:iam::{}:root", args.account)],
        false => args.admin.iter().map(arn).collect(),
    };
    if admins.contains(&arn(&args.role)) {
        let text =
            "the parent holds the credentials of the role: the role must not also manage the key";
        return Err(Failure::usage(text));
    }
    let [images, pcr1, pcr2, pcr8] = registers(args, output)?;
    let registers = [(1, pcr1), (2, pcr2), (8, pcr8)];
    let named = registers.into_iter().filter(|(_, values)| !values.is_empty());
    let policy = compose(&Plan {
        service: if args.app { Service::App } else { Service::Engine },
        role: arn(&args.role),
        admins,
        images,
        registers: named.collect(),
        engine_id: args.engine_id.map(|id| id.to_string()),
    });
    output.data(&format!("{policy:#}\n"));
    output.note(
        "next: save it, run mortise key-policy lint FILE, then aws kms put-key-policy --key-id KEY \
         --policy-name default --policy file://FILE",
    );
    Ok(())
}
