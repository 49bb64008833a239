//! The measured files of an image: configuration and genesis, checked with the enclave's own code.
//!
//! What it is for: files that the enclave would refuse are refused before anything is built; and
//! the *reference image*, whose files are in the checkout (`enclave-image/reference`), for whoever
//! builds without naming any: the same commit and tools give everybody the same one.
//!
//! What it does not do: make configurations (`mortise-dev image local-config` does, for this
//! machine).

use super::file::{read_text, wrong};
use crate::failure::Failure;
use mortise_config::{ConfigError, EnclaveConfig, GENESIS_FILE, Module};
use mortise_rpc::genesis;
use std::path::Path;

const REFERENCE_CONFIG: &str = include_str!("../../../../enclave-image/reference/enclave.toml");
const REFERENCE_GENESIS: &str = include_str!("../../../../enclave-image/reference/genesis.json");
/// What whoever builds the reference image has to hear.
const REFERENCE: &str = "REFERENCE IMAGE, to build and compare: its keys are of a documentation \
                         account; yours take --config and --genesis";

/// Configuration and genesis.
pub struct Measured {
    /// `enclave.toml`.
    pub config: String,
    /// `genesis.json`.
    pub genesis: String,
    /// What whoever builds has to hear.
    pub warnings: Vec<String>,
    /// Whether nobody named files.
    pub is_reference: bool,
}

impl Measured {
    /// From files.
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

    /// Whether what the image answers proves nothing to anybody.
    pub fn is_development(&self) -> bool {
        self.warnings.iter().any(|text| text.starts_with(DEVELOPMENT))
    }
}

/// How warnings of development images start.
const DEVELOPMENT: &str = "DEVELOPMENT IMAGE";

fn warnings(config: &EnclaveConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.module() == Module::Emulated {
        let why = "it takes an emulated module, whose documents prove nothing";
        warnings.push(format!("{DEVELOPMENT}: {why}"));
    }
    if config.has_own_roots() {
        let why = "it believes a key service under roots of its own";
        warnings.push(format!("{DEVELOPMENT}: {why}"));
    }
    if config.releases_plaintext() {
        warnings.push("release_plaintext is on: it gives data keys in clear".to_owned());
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
