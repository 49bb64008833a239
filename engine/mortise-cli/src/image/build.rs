//! `mortise image build`: a folder with `mortise.eif` and `measurements.json`.

use super::file::{read, read_text, write, wrong};
use super::inputs::{InputArgs, Inputs};
use super::measured::Measured;
use super::record::Record;
use super::source::Source;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use mortise_image::eif::{Arch, Image, Parts};
use mortise_image::measure::{Measurements, digest};
use mortise_image::metadata::Metadata;
use mortise_image::sign::SignatureSection;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// File name of an image.
pub const IMAGE_FILE: &str = "mortise.eif";
/// File name of its record.
pub const RECORD_FILE: &str = "measurements.json";

/// Flags of `mortise image build`.
///
/// The same sources, configuration, genesis, kernel and tools give the same bytes in any folder and
/// at any time.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Folder for mortise.eif and measurements.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// The measured configuration, enclave.toml; without it, the reference image is built, which is
    /// for comparison only
    #[arg(long, value_name = "FILE", requires = "genesis")]
    config: Option<PathBuf>,

    /// The genesis from which the first start creates the engine
    #[arg(long, value_name = "FILE", requires = "config")]
    genesis: Option<PathBuf>,

    #[command(flatten)]
    inputs: InputArgs,

    /// Name in the metadata of the image
    #[arg(long, default_value = "mortise")]
    name: String,

    /// Version in the metadata of the image
    #[arg(long = "version", value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    image_version: String,

    #[command(flatten)]
    signer: SignerArgs,
}

/// The signer of an image.
#[derive(Debug, Clone, Default, Args)]
pub struct SignerArgs {
    /// Signing key (P-384), in PEM
    #[arg(long, value_name = "FILE", requires = "sign_cert")]
    sign_key: Option<PathBuf>,

    /// Certificate of the key, in PEM; PCR8 measures it
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    sign_cert: Option<PathBuf>,
}

impl BuildArgs {
    /// The image of a local boot: from the checkout of the working folder, with the Debian kernel.
    pub fn of_local_boot(out: &Path, config: PathBuf, genesis: PathBuf, cache: &Path) -> Self {
        let inputs = InputArgs {
            binary: None,
            source: None,
            kernel: None,
            cmdline: None,
            module: Vec::new(),
            debian_kernel: true,
            cache: Some(cache.to_owned()),
        };
        let (name, image_version) = ("mortise".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        let signer = SignerArgs::default();
        let (config, genesis) = (Some(config), Some(genesis));
        Self { out: out.to_owned(), config, genesis, inputs, name, image_version, signer }
    }
}

/// A built image, with the seconds that its inputs and the image itself took.
pub struct Built {
    path: PathBuf,
    record: Record,
    seconds: [f64; 2],
}

/// Runs `mortise image build`.
pub fn run(args: &BuildArgs, output: &Output) -> Result<(), Failure> {
    let Built { path, record, seconds } = build(args, output)?;
    show(&path, &record, seconds, output);
    Ok(())
}

/// Builds an image and writes it with its record. Prints progress on stderr.
pub fn build(args: &BuildArgs, output: &Output) -> Result<Built, Failure> {
    let start = Instant::now();
    let note = |text: &str| output.note(text);
    let measured = match (&args.config, &args.genesis) {
        (Some(config), Some(genesis)) => Measured::read(config, genesis)?,
        _ => Measured::reference().map_err(Failure::check)?,
    };
    let (inputs, source) = Inputs::gather(&args.inputs, measured, &note)?;
    for warning in inputs.warnings() {
        output.note(&format!("warning: {warning}"));
    }
    let gathered = start.elapsed();
    let (image, record) = assemble(&inputs, source.as_ref(), &args.name, &args.image_version)?;
    let (image, record) = match args.signer.read()? {
        Some(signer) => signer.sign(image, record)?,
        None => (image, record),
    };
    let (path, record_path) = (args.out.join(IMAGE_FILE), args.out.join(RECORD_FILE));
    write(&path, &image.to_bytes())?;
    write(&record_path, record.to_text().as_bytes())?;
    let seconds = [gathered, start.elapsed() - gathered].map(|time| time.as_secs_f64());
    Ok(Built { path, record, seconds })
}

/// Assembles the unsigned image and its record.
pub fn assemble(
    inputs: &Inputs,
    source: Option<&Source>,
    name: &str,
    version: &str,
) -> Result<(Image, Record), Failure> {
    let image = Image::new(Parts {
        kernel: inputs.kernel().to_vec(),
        cmdline: inputs.cmdline().to_owned(),
        ramdisks: inputs.ramdisks().map_err(Failure::check)?,
        metadata: Metadata::new(name, version, inputs.kernel_version()).to_bytes(),
        ..Parts::empty(Arch::X86_64)
    });
    let image = image.map_err(Failure::check)?;
    let bytes = image.to_bytes();
    let record = Record {
        measurements: measurements(&image),
        name: name.to_owned(),
        version: version.to_owned(),
        digest: digest(&bytes),
        unsigned_digest: None,
        bytes: bytes.len(),
        is_development: inputs.is_development(),
        inputs: inputs.record(),
        source: source.map(Source::record),
    };
    Ok((image, record))
}

fn measurements(image: &Image) -> std::collections::BTreeMap<String, String> {
    let registers = Measurements::of(image).registers().into_iter();
    let named = registers.map(|(number, value)| (format!("PCR{number}"), value.to_string()));
    named.chain([("HashAlgorithm".to_owned(), "Sha384 { ... }".to_owned())]).collect()
}

/// A key with its certificate.
pub struct Signer {
    key: String,
    certificate: Vec<u8>,
    path: PathBuf,
}

impl SignerArgs {
    /// Reads the key and the certificate, if the flags name them.
    pub fn read(&self) -> Result<Option<Signer>, Failure> {
        let (Some(key), Some(path)) = (&self.sign_key, &self.sign_cert) else { return Ok(None) };
        let (key, certificate) = (read_text(key)?, read(path)?);
        Ok(Some(Signer { key, certificate, path: path.clone() }))
    }
}

impl Signer {
    /// Signs the image; replaces an earlier signature.
    pub fn sign_image(&self, image: Image) -> Result<Image, Failure> {
        let section = SignatureSection::sign(&image, &self.key, &self.certificate);
        let section = section.map_err(|error| wrong(&self.path, error))?;
        image.with_signature(Some(section)).map_err(Failure::check)
    }

    /// Signs the image and updates its record.
    pub fn sign(&self, image: Image, record: Record) -> Result<(Image, Record), Failure> {
        let image = self.sign_image(image)?;
        let bytes = image.to_bytes();
        let record = Record {
            measurements: measurements(&image),
            unsigned_digest: record.unsigned_digest.or(Some(record.digest)),
            digest: digest(&bytes),
            bytes: bytes.len(),
            ..record
        };
        Ok((image, record))
    }
}

fn show(path: &Path, record: &Record, [inputs_s, image_s]: [f64; 2], output: &Output) {
    let mut value = json!(record);
    value["image"] = json!(path);
    value["seconds"] = json!({"inputs": inputs_s, "image": image_s});
    let (binary, kernel) = (record.inputs.binary.bytes, record.inputs.kernel.bytes);
    let mut lines = vec![
        ("image", path.display().to_string()),
        ("digest", record.digest.clone()),
        ("bytes", format!("{} (kernel {kernel}, binary {binary})", record.bytes)),
        ("kernel", record.inputs.kernel.version.clone()),
    ];
    let registers = record.registers();
    let names: Vec<String> = registers.iter().map(|(number, _)| format!("pcr{number}")).collect();
    for (name, (_, value)) in names.iter().zip(&registers) {
        lines.push((name, (*value).to_owned()));
    }
    lines.push(("seconds", format!("{inputs_s:.1} for the inputs, {image_s:.1} for the image")));
    output.thing(&value, &lines);
    output.note("next: mortise key-policy aws --measurements FILE, then nitro-cli run-enclave");
}
