//! `mortise image measure`, `describe`, `diff`: inspect images without running them.

use super::file::{read, read_image, wrong};
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use mortise_image::describe::{Description, SignatureFacts, describe};
use mortise_image::diff::{Difference, diff};
use mortise_image::eif;
use mortise_image::measure::{Measurements, digest};
use serde_json::json;
use std::path::PathBuf;

/// Flags of `mortise image measure` and `describe`.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// The image
    file: PathBuf,
}

/// Flags of `mortise image diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The first image
    first: PathBuf,
    /// The second image
    second: PathBuf,
}

/// Prints the registers as the hypervisor will measure them.
pub fn run_measure(args: &FileArgs, output: &Output) -> Result<(), Failure> {
    let bytes = read(&args.file)?;
    let image = eif::read(&bytes).map_err(|error| wrong(&args.file, error))?;
    let measured = Measurements::of(&image);
    let digest = digest(&bytes);
    let value = json!({"Measurements": measured, "digest": digest, "bytes": bytes.len()});
    let mut lines = vec![("digest".to_owned(), digest)];
    lines.extend(
        measured.registers().into_iter().map(|(n, value)| (format!("pcr{n}"), value.to_string())),
    );
    let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    output.thing(&value, &lines);
    Ok(())
}

/// Prints header, sections, files, metadata and signature.
pub fn run_describe(args: &FileArgs, output: &Output) -> Result<(), Failure> {
    let description = describe(&read_image(&args.file)?);
    output.text(&description, &text_of(&description));
    Ok(())
}

fn text_of(image: &Description) -> String {
    let build = &image.metadata.build_metadata;
    let mut lines = vec![
        format!("digest   {}", image.digest),
        format!("format   EIF {}, {}, {} bytes", image.version, image.arch, image.bytes),
        format!(
            "name     {} {}, by {} {}",
            image.metadata.image_name,
            image.metadata.image_version,
            build.build_tool,
            build.build_tool_version
        ),
        format!("kernel   {} {}", build.operating_system, build.kernel_version),
        format!("cmdline  {}", image.cmdline),
    ];
    for (number, value) in image.measurements.registers() {
        lines.push(format!("pcr{number}     {value}"));
    }
    lines.push(match &image.signature {
        None => "signer   none".to_owned(),
        Some(SignatureFacts::Valid { subject, not_before_s, not_after_s }) => {
            format!("signer   {subject}, valid from {not_before_s} to {not_after_s}")
        }
        Some(SignatureFacts::Wrong { reason }) => format!("signer   WRONG: {reason}"),
    });
    lines.push("\n  offset      bytes  section".to_owned());
    for section in &image.sections {
        let why = section.unreadable.as_ref().map(|why| format!("  ({why})")).unwrap_or_default();
        lines
            .push(format!("{:>8} {:>10}  {}{why}", section.offset, section.bytes, section.section));
    }
    lines.push("\n mode      bytes  ramdisk  file".to_owned());
    for file in &image.files {
        lines.push(format!(
            "{:>5} {:>10}  {:>7}  {}",
            file.mode, file.bytes, file.ramdisk, file.path
        ));
    }
    lines.join("\n") + "\n"
}

/// Prints every difference; exits 1 if there is one.
pub fn run_diff(args: &DiffArgs, output: &Output) -> Result<(), Failure> {
    let (first, second) = (read_image(&args.first)?, read_image(&args.second)?);
    let differences = diff(&first, &second);
    if differences.is_empty() {
        output.text(&json!({"differences": []}), "no differences\n");
        return Ok(());
    }
    let row = |difference: &Difference| {
        let Difference { section, file, fact } = difference;
        vec![section.clone(), file.clone().unwrap_or_default(), fact.to_string()]
    };
    output.rows(&["section", "file", "difference"], differences.iter().map(row).collect());
    let text = match Measurements::of(&first) == Measurements::of(&second) {
        true => "the images differ, but their measurements are equal",
        false => "the images differ",
    };
    Err(Failure::check(text).with_evidence(json!({"differences": differences})))
}
