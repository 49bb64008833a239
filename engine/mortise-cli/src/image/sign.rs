//! `mortise image sign`: adds the signature of an image.

use super::build::{RECORD_FILE, SignerArgs};
use super::file::{read_image, write};
use super::record::Record;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use mortise_image::measure::{Measurements, digest};
use mortise_image::sign;
use serde_json::json;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Flags of `mortise image sign`.
///
/// PCR0, PCR1 and PCR2 do not change; PCR8 becomes the measurement of the certificate.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The image; measurements.json in the same folder is updated
    file: PathBuf,

    #[command(flatten)]
    signer: SignerArgs,

    /// Write the signed image to this file; in place by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `mortise image sign`.
pub fn run(args: &SignArgs, output: &Output) -> Result<(), Failure> {
    let signer = args.signer.read()?;
    let signer = signer.ok_or_else(|| Failure::usage("pass --sign-key and --sign-cert"))?;
    let image = read_image(&args.file)?;
    let before = digest(&image.to_bytes());
    let record_path = args.file.with_file_name(RECORD_FILE);
    let record = Record::read(&record_path).ok().filter(|record| record.digest == before);
    let signed = signer.sign_image(image.clone())?;
    let facts = sign::verify(&signed).map_err(Failure::check)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    if !(facts.not_before_s..=facts.not_after_s).contains(&now) {
        output
            .note("warning: the certificate is not valid now; nitro-cli will not start this image");
    }
    let out = args.out.as_ref().unwrap_or(&args.file);
    let bytes = signed.to_bytes();
    write(out, &bytes)?;
    if let Some(record) = record {
        let (_, record) = signer.sign(image, record)?;
        write(&out.with_file_name(RECORD_FILE), record.to_text().as_bytes())?;
    }
    let measured = Measurements::of(&signed);
    let pcr8 = measured.pcr8.map(|value| value.to_string()).unwrap_or_default();
    let value = json!({"image": out, "Measurements": measured, "digest": digest(&bytes),
        "subject": facts.subject, "notBefore": facts.not_before_s, "notAfter": facts.not_after_s});
    let lines = [
        ("image", out.display().to_string()),
        ("digest", digest(&bytes)),
        ("signer", facts.subject),
        ("pcr8", pcr8),
    ];
    output.thing(&value, &lines);
    Ok(())
}
