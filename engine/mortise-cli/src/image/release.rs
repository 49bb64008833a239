//! `mortise image verify-release`: builds a published image again and lists the differences.
//!
//! A release is the record that `mortise image build` wrote (`enclave-image/releases`), with its
//! configuration and genesis in the same folder. A success proves that the published commit, built
//! with the tools of this machine, gives the image with the published registers. It does not prove
//! that the sources are good, or that an enclave runs them: its attestation document proves that.

use super::build::assemble;
use super::file::wrong;
use super::inputs::{InputArgs, Inputs};
use super::measured::Measured;
use super::record::{FileRecord, InputsRecord, Record};
use super::source::Source;
use super::worktree;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Flags of `mortise image verify-release`.
#[derive(Debug, Args)]
pub struct VerifyReleaseArgs {
    /// The published record
    release: PathBuf,

    /// Its configuration; by default enclave.toml in the folder of the record
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Its genesis; by default genesis.json in the folder of the record
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,

    /// Its kernel, unless it is the Debian kernel
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,

    /// Modules of that kernel, in load order
    #[arg(long, value_name = "FILE")]
    module: Vec<PathBuf>,

    /// Its sources; by default a worktree of the checkout that contains the working folder
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,

    /// A binary that was built elsewhere; it is not built again
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    binary: Option<PathBuf>,
}

/// One difference between the release and the rebuild.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Unlike {
    what: String,
    published: String,
    found: String,
}

/// Runs `mortise image verify-release`.
pub fn run(args: &VerifyReleaseArgs, output: &Output) -> Result<(), Failure> {
    let release = Record::read(&args.release)?;
    let beside = |name: &str| args.release.with_file_name(name);
    let config = args.config.clone().unwrap_or_else(|| beside("enclave.toml"));
    let genesis = args.genesis.clone().unwrap_or_else(|| beside("genesis.json"));
    let note = |text: &str| output.note(text);
    let source = match args.binary {
        Some(_) => None,
        None => Some(sources(&release, args.source.as_deref(), &note)?),
    };
    let inputs = input_args(args, &release, source)?;
    let measured = Measured::read(&config, &genesis)?;
    let (inputs, source) = Inputs::gather(&inputs, measured, &note)?;
    let (_, built) = assemble(&inputs, source.as_ref(), &release.name, &release.version)?;
    let unlike = compare(&release, &built);
    let is_proven = same_image(&release, &built);
    show(&args.release, &release, &unlike, is_proven, output)
}

/// Finds the sources of the published commit, unchanged, before the build spends minutes.
fn sources(
    release: &Record,
    named: Option<&Path>,
    note: &dyn Fn(&str),
) -> Result<PathBuf, Failure> {
    let Some(wanted) = &release.source else {
        let text = "the release does not name the commit of its binary";
        return Err(Failure::check(format!("{text}\n  next: pass the binary with --binary")));
    };
    if wanted.is_changed {
        return Err(Failure::check("the release was built from uncommitted changes"));
    }
    let checkout = Source::find(named)?;
    let record = checkout.record();
    if record.commit == wanted.commit && !record.is_changed {
        return Ok(checkout.folder().to_owned());
    }
    let commit = &wanted.commit;
    if named.is_none() {
        return worktree::of_commit(&checkout, commit, note);
    }
    let changed = if record.is_changed { ", with changes" } else { "" };
    let next = "next: remove --source, to use the commit from the checkout of the working folder";
    Err(Failure::check(format!(
        "the release is of commit {commit}, this checkout is {}{changed}\n  {next}",
        record.commit
    )))
}

fn input_args(
    args: &VerifyReleaseArgs,
    release: &Record,
    source: Option<PathBuf>,
) -> Result<InputArgs, Failure> {
    let is_debian = release.inputs.kernel.is_debian && args.kernel.is_none();
    if !is_debian && args.kernel.is_none() {
        let kernel = &release.inputs.kernel;
        let text = format!("the release has the kernel {} ({})", kernel.version, kernel.digest);
        return Err(Failure::usage(format!("{text}\n  next: pass it with --kernel and --module")));
    }
    Ok(InputArgs {
        binary: args.binary.clone(),
        source,
        kernel: args.kernel.clone(),
        cmdline: Some(release.inputs.cmdline.clone()),
        module: args.module.clone(),
        debian_kernel: is_debian,
        cache: None,
    })
}

/// Compares registers and digest. PCR8 measures a certificate, which is not built.
fn same_image(release: &Record, built: &Record) -> bool {
    let registers = ["PCR0", "PCR1", "PCR2"];
    let same = |name: &&str| release.measurements.get(*name) == built.measurements.get(*name);
    registers.iter().all(same) && unsigned(release) == unsigned(built)
}

fn unsigned(record: &Record) -> &str {
    record.unsigned_digest.as_ref().unwrap_or(&record.digest)
}

/// All differences: results first, then inputs, then tools.
fn compare(release: &Record, built: &Record) -> Vec<Unlike> {
    let mut pairs = Vec::new();
    for name in ["PCR0", "PCR1", "PCR2"] {
        let value = |record: &Record| record.measurements.get(name).cloned().unwrap_or_default();
        pairs.push((name.to_owned(), value(release), value(built)));
    }
    pairs.push(("image".into(), unsigned(release).into(), unsigned(built).into()));
    pairs.extend(compare_inputs(&release.inputs, &built.inputs));
    if let (Some(a), Some(b)) = (&release.source, &built.source) {
        pairs.push(("commit".into(), a.commit.clone(), b.commit.clone()));
        for (tool, version) in &a.tools {
            let found = b.tools.get(tool).cloned().unwrap_or_default();
            pairs.push((format!("tool {tool}"), version.clone(), found));
        }
    }
    let unlike = pairs.into_iter().filter(|(_, published, found)| published != found);
    unlike.map(|(what, published, found)| Unlike { what, published, found }).collect()
}

fn compare_inputs(release: &InputsRecord, built: &InputsRecord) -> Vec<(String, String, String)> {
    let modules = |inputs: &InputsRecord| {
        let line = |module: &FileRecord| format!("{} {}", module.name, module.digest);
        inputs.modules.iter().map(line).collect::<Vec<_>>().join(", ")
    };
    let fields = |inputs: &InputsRecord| {
        [
            ("binary", inputs.binary.digest.clone()),
            ("enclave.toml", inputs.config.digest.clone()),
            ("genesis.json", inputs.genesis.digest.clone()),
            ("kernel", inputs.kernel.digest.clone()),
            ("command line", inputs.cmdline.clone()),
            ("modules", modules(inputs)),
        ]
    };
    let pairs = fields(release).into_iter().zip(fields(built));
    pairs.map(|((what, published), (_, found))| (what.to_owned(), published, found)).collect()
}

fn show(
    path: &Path,
    release: &Record,
    unlike: &[Unlike],
    is_proven: bool,
    output: &Output,
) -> Result<(), Failure> {
    let row = |unlike: &Unlike| {
        let Unlike { what, published, found } = unlike;
        vec![what.clone(), published.clone(), found.clone()]
    };
    let rows: Vec<_> = unlike.iter().map(row).collect();
    let value = json!({"isReproduced": is_proven, "digest": release.digest,
        "Measurements": release.measurements, "differences": unlike});
    if !rows.is_empty() {
        output.rows(&["what", "published", "built here"], rows);
    }
    if !is_proven {
        let text = wrong(path, "the rebuild gives a different image").text();
        return Err(Failure::check(text).with_evidence(value));
    }
    let lines = [
        ("reproduced", path.display().to_string()),
        ("digest", unsigned(release).to_owned()),
        ("pcr0", release.measurements.get("PCR0").cloned().unwrap_or_default()),
    ];
    output.thing(&value, &lines);
    if release.measurements.contains_key("PCR8") {
        output.note("PCR8 was not compared: it measures the certificate of the signer");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::record::{KernelRecord, SourceRecord};

    fn record() -> Record {
        let file = |name: &str| FileRecord::of(name, name.as_bytes());
        let pcr = |n: u8| (format!("PCR{n}"), format!("{n}").repeat(96));
        Record {
            measurements: [pcr(0), pcr(1), pcr(2)].into(),
            name: "mortise".into(),
            version: "1".into(),
            digest: "d".into(),
            unsigned_digest: None,
            bytes: 1,
            is_development: false,
            inputs: InputsRecord {
                binary: file("b"),
                config: file("c"),
                genesis: file("g"),
                kernel: KernelRecord {
                    version: "6".into(),
                    is_debian: true,
                    digest: "k".into(),
                    bytes: 1,
                },
                cmdline: "console".into(),
                modules: vec![file("m")],
            },
            source: Some(SourceRecord {
                commit: "c0".into(),
                is_changed: false,
                tools: [("cc".to_owned(), "gcc 12".to_owned())].into(),
            }),
        }
    }

    #[test]
    fn same_record_is_the_same_image_signed_or_not() {
        let (published, built) = (record(), record());
        assert!(same_image(&published, &built) && compare(&published, &built).is_empty());
        let signed =
            Record { digest: "signed".into(), unsigned_digest: Some("d".into()), ..record() };
        assert!(same_image(&signed, &built) && compare(&signed, &built).is_empty());
    }

    #[test]
    fn input_that_is_not_alike_is_named_beside_the_registers() {
        let mut built = record();
        built.measurements.insert("PCR0".into(), "f".repeat(96));
        built.inputs.genesis.digest = "other".into();
        built.source.as_mut().unwrap().tools.insert("cc".into(), "gcc 13".into());
        assert!(!same_image(&record(), &built));
        let found: Vec<_> = compare(&record(), &built).into_iter().map(|u| u.what).collect();
        assert_eq!(found, ["PCR0", "genesis.json", "tool cc"]);
    }

    #[test]
    fn other_tools_with_the_same_bytes_are_told_and_do_no_harm() {
        let mut built = record();
        built.source.as_mut().unwrap().tools.insert("cc".into(), "gcc 13".into());
        assert!(same_image(&record(), &built));
        assert_eq!(compare(&record(), &built).len(), 1);
    }

    #[test]
    fn record_is_read_back_and_unknown_names_are_refused() {
        let text = record().to_text();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record());
        assert!(serde_json::from_str::<Record>(&text.replace("cmdline", "cmdlime")).is_err());
        assert_eq!(record().registers().len(), 3);
    }
}
