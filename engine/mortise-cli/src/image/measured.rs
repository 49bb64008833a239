//! The measured files of an image: configuration and genesis, checked with the enclave's own code.
//!
//! What it is for: refuse files that the enclave would refuse, before anything is built; and
//! provide the files of the *reference image* (`enclave-image/reference`), which anyone can build
//! without own files: the same commit and tools give the same image.
//!
//! What it does not do: write configurations (`mortise-dev image local-config` does, for this
//! machine).

use super::file::{read_text, wrong};
use crate::failure::Failure;
use mortise_config::{ConfigError, EnclaveConfig, GENESIS_FILE, Module};
use mortise_rpc::genesis;
use std::path::Path;

const REFERENCE_CONFIG: &str = include_str!("../../../../enclave-image/reference/enclave.toml");
const REFERENCE_GENESIS: &str = include_str!("../../../../enclave-image/reference/genesis.json");
/// Warning about the reference image.
const REFERENCE: &str = "REFERENCE IMAGE, for comparison only: its keys belong to a documentation \
                         account; build yours with --config and --genesis";

/// Configuration and genesis.
pub struct Measured {
    /// `enclave.toml`.
    pub config: String,
    /// `genesis.json`.
    pub genesis: String,
    /// Warnings for the builder.
    pub warnings: Vec<String>,
    /// Whether the files are those of the reference image.
    pub is_reference: bool,
}

impl Measured {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// A file that cannot be read, or that the enclave would refuse.
    pub fn read(config: &Path, genesis: &Path) -> Result<Self, Failure> {
        let text = read_text(config)?;
        let parsed = EnclaveConfig::parse(&text).map_err(|error| wrong(config, error))?;
        if parsed.genesis() != Path::new(GENESIS_FILE) {
            let place = parsed.genesis().display();
            let text = format!("genesis is {place}, the image has it at {GENESIS_FILE}");
            return Err(wrong(config, text));
        }
        let warnings = warnings(&parsed);
        Ok(Self { config: text, genesis: read_genesis(genesis)?, warnings, is_reference: false })
    }

    /// The files of the reference image, as this program was built with them.
    ///
    /// # Errors
    /// None while the tests pass.
    pub fn reference() -> Result<Self, ConfigError> {
        let mut warnings = warnings(&EnclaveConfig::parse(REFERENCE_CONFIG)?);
        warnings.push(REFERENCE.to_owned());
        let (config, genesis) = (REFERENCE_CONFIG.to_owned(), REFERENCE_GENESIS.to_owned());
        Ok(Self { config, genesis, warnings, is_reference: true })
    }

    /// Whether the answers of the image prove nothing.
    pub fn is_development(&self) -> bool {
        self.warnings.iter().any(|text| text.starts_with(DEVELOPMENT))
    }
}

/// How warnings of development images start.
const DEVELOPMENT: &str = "DEVELOPMENT IMAGE";

fn warnings(config: &EnclaveConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.module() == Module::Emulated {
        let why = "it accepts an emulated module, whose documents prove nothing";
        warnings.push(format!("{DEVELOPMENT}: {why}"));
    }
    if config.has_own_roots() {
        let why = "it trusts a key service under its own roots";
        warnings.push(format!("{DEVELOPMENT}: {why}"));
    }
    if config.releases_plaintext() {
        warnings.push("release_plaintext is on: the engine returns data keys in clear".to_owned());
    }
    warnings
}

fn read_genesis(path: &Path) -> Result<String, Failure> {
    let text = read_text(path)?;
    genesis::parse(&text).map_err(|error| wrong(path, format!("not a genesis: {error}")))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_files_are_what_an_enclave_takes_and_no_development_image() {
        let reference = Measured::reference().unwrap();
        genesis::parse(&reference.genesis).unwrap();
        assert!(!reference.is_development());
        assert!(reference.warnings.iter().any(|text| text.starts_with("REFERENCE IMAGE")));
    }
}
