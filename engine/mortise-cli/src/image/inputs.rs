//! The inputs of an image. An input that the enclave would refuse is refused here.

use super::file::{read, read_text, wrong};
use super::measured::Measured;
use super::record::{FileRecord, InputsRecord, KernelRecord};
use super::source::Source;
use crate::failure::Failure;
use clap::Args;
use mortise_image::cmdline::panic_seconds;
use mortise_image::layout::{Application, LayoutError, Module, application, boot};
use mortise_image::measure::digest;
use mortise_image::{elf, kernel};
use std::path::{Path, PathBuf};

/// Default command line of a Debian kernel.
pub const DEBIAN_CMDLINE: &str = "console=ttyS0 reboot=k panic=1 random.trust_cpu=on";

/// Flags that name the inputs of an image.
#[derive(Debug, Clone, Args)]
pub struct InputArgs {
    /// The measured binary; built here by default
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,

    /// The checkout to build the binary from; by default the one that contains the working folder
    #[arg(long, value_name = "DIR", conflicts_with = "binary")]
    pub source: Option<PathBuf>,

    /// Kernel (bzImage)
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,

    /// Command line of the kernel: a text, or a file
    #[arg(long, value_name = "FILE|TEXT")]
    pub cmdline: Option<String>,

    /// Module of the kernel (NAME.ko or NAME.ko.xz); repeatable, in load order
    #[arg(long, value_name = "FILE")]
    pub module: Vec<PathBuf>,

    /// Fetch the Debian kernel of enclave-image/local/pins.env, with the modules of a local boot;
    /// the default for the reference image
    #[arg(long, conflicts_with_all = ["kernel", "module"])]
    pub debian_kernel: bool,

    /// Cache folder of that kernel; from the environment by default.
    #[arg(skip)]
    pub cache: Option<PathBuf>,
}

/// A file with its name.
struct Named {
    name: String,
    content: Vec<u8>,
}

impl Named {
    fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, content: read(path)? })
    }

    fn record(&self) -> FileRecord {
        FileRecord::of(&self.name, &self.content)
    }
}

/// Kernel, command line, modules.
struct Boot {
    kernel: Named,
    version: String,
    cmdline: String,
    modules: Vec<Named>,
    is_debian: bool,
}

/// All inputs of an image.
pub struct Inputs {
    boot: Boot,
    binary: Vec<u8>,
    measured: Measured,
}

impl Inputs {
    /// Reads the files first; builds the binary last, because that takes minutes.
    pub fn gather(
        args: &InputArgs,
        measured: Measured,
        note: &dyn Fn(&str),
    ) -> Result<(Self, Option<Source>), Failure> {
        let is_debian = args.debian_kernel || (measured.is_reference && args.kernel.is_none());
        if !is_debian && (args.kernel.is_none() || args.cmdline.is_none()) {
            return Err(Failure::usage("pass --kernel and --cmdline, or --debian-kernel"));
        }
        if args.kernel.is_none() && !args.module.is_empty() {
            return Err(Failure::usage(
                "--module needs --kernel: the Debian kernel has its own modules",
            ));
        }
        let needs_source = args.binary.is_none() || is_debian;
        let source = needs_source.then(|| Source::find(args.source.as_deref())).transpose()?;
        let boot = Boot::read(args, source.as_ref(), note)?;
        let (binary, built_from) = match (&args.binary, source) {
            (Some(path), _) => {
                let binary = read(path)?;
                elf::check(&binary).map_err(|error| wrong(path, error))?;
                (binary, None)
            }
            (None, Some(source)) => (source.build(note)?, Some(source)),
            (None, None) => return Err(Failure::usage("pass --binary or --source")),
        };
        Ok((Self { boot, binary, measured }, built_from))
    }

    /// Warnings for the builder.
    pub fn warnings(&self) -> &[String] {
        &self.measured.warnings
    }

    /// Whether it is an image for development.
    pub fn is_development(&self) -> bool {
        self.measured.is_development()
    }

    /// Version of the kernel.
    pub fn kernel_version(&self) -> &str {
        &self.boot.version
    }

    /// The kernel.
    pub fn kernel(&self) -> &[u8] {
        &self.boot.kernel.content
    }

    /// Command line of the kernel.
    pub fn cmdline(&self) -> &str {
        &self.boot.cmdline
    }

    /// Both ramdisks.
    pub fn ramdisks(&self) -> Result<Vec<Vec<u8>>, LayoutError> {
        let Self { boot: Boot { modules, .. }, binary, measured } = self;
        let Measured { config, genesis, .. } = measured;
        let module =
            |named: &'_ Named| -> (String, Vec<u8>) { (named.name.clone(), named.content.clone()) };
        let modules: Vec<_> = modules.iter().map(module).collect();
        let modules: Vec<_> =
            modules.iter().map(|(name, content)| Module { file_name: name, content }).collect();
        Ok(vec![boot(&modules)?, application(&Application { binary, config, genesis })?])
    }

    /// Names and digests, for a rebuild.
    pub fn record(&self) -> InputsRecord {
        let Self { boot, binary, measured } = self;
        let Measured { config, genesis, .. } = measured;
        InputsRecord {
            binary: FileRecord::of("mortise-enclave", binary),
            config: FileRecord::of("enclave.toml", config.as_bytes()),
            genesis: FileRecord::of("genesis.json", genesis.as_bytes()),
            kernel: KernelRecord {
                version: boot.version.clone(),
                is_debian: boot.is_debian,
                digest: digest(&boot.kernel.content),
                bytes: boot.kernel.content.len(),
            },
            cmdline: boot.cmdline.clone(),
            modules: boot.modules.iter().map(Named::record).collect(),
        }
    }
}

impl Boot {
    fn read(
        args: &InputArgs,
        source: Option<&Source>,
        note: &dyn Fn(&str),
    ) -> Result<Self, Failure> {
        let (path, modules) = match (&args.kernel, source) {
            (Some(kernel), _) => (kernel.clone(), args.module.clone()),
            (None, Some(source)) => source.debian_kernel(args.cache.as_deref(), note)?,
            (None, None) => return Err(Failure::usage("pass --kernel or --debian-kernel")),
        };
        let kernel = Named::read(&path)?;
        let version = kernel::version(&kernel.content).map_err(|error| wrong(&path, error))?;
        let modules: Result<Vec<_>, _> = modules.iter().map(|path| Named::read(path)).collect();
        let cmdline = match &args.cmdline {
            Some(text) => cmdline(text)?,
            None => DEBIAN_CMDLINE.to_owned(),
        };
        Ok(Self { kernel, version, cmdline, modules: modules?, is_debian: args.kernel.is_none() })
    }
}

/// A text, or the content of a file, without the line feed at the end of Amazon's files.
fn cmdline(text: &str) -> Result<String, Failure> {
    let path = Path::new(text);
    let text = if path.is_file() { read_text(path)? } else { text.to_owned() };
    let text = text.trim();
    match panic_seconds(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Failure::check(format!(
            "the command line: {error}\n  next: add panic=1, or use the command line of Amazon's \
             blobs (reboot=k panic=30 ...)"
        ))),
    }
}
