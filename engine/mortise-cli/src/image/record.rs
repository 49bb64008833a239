//! `measurements.json`: what an image measures, and what it was made from.
//!
//! The first name is that of the official tool, so that scripts find `.Measurements.PCR0`. Nothing
//! in it depends on the time or the folder of the build: two builds of one source write one file.

use super::file::{read_text, wrong};
use crate::failure::Failure;
use mortise_image::measure::digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The whole; an entry of `enclave-image/releases` is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// `HashAlgorithm`, `PCR0`, `PCR1`, `PCR2`, and `PCR8` of a signed image.
    #[serde(rename = "Measurements")]
    pub measurements: BTreeMap<String, String>,
    /// Name of the image.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the file.
    pub digest: String,
    /// Of the same file before it was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsigned_digest: Option<String>,
    /// Bytes of the file.
    pub bytes: usize,
    /// Whether it is for development: what it answers proves nothing to anybody.
    pub is_development: bool,
    /// What it was made from.
    pub inputs: InputsRecord,
    /// What the binary was built from; absent when it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRecord>,
}

/// What an image was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputsRecord {
    /// The measured binary.
    pub binary: FileRecord,
    /// `enclave.toml`.
    pub config: FileRecord,
    /// `genesis.json`.
    pub genesis: FileRecord,
    /// What is booted.
    pub kernel: KernelRecord,
    /// What it is told.
    pub cmdline: String,
    /// In the order of loading.
    pub modules: Vec<FileRecord>,
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KernelRecord {
    /// As it says of itself.
    pub version: String,
    /// Whether it is the one of `enclave-image/local/pins.env`.
    pub is_debian: bool,
    /// SHA-256.
    pub digest: String,
    /// How long it is.
    pub bytes: usize,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Without its folder.
    pub name: String,
    /// SHA-256.
    pub digest: String,
    /// How long it is.
    pub bytes: usize,
}

impl FileRecord {
    /// Of a file.
    pub fn of(name: &str, content: &[u8]) -> Self {
        Self { name: name.to_owned(), digest: digest(content), bytes: content.len() }
    }
}

/// Sources and tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceRecord {
    /// Of git; `unknown` outside of a repository.
    pub commit: String,
    /// Whether files differ from that commit.
    pub is_changed: bool,
    /// First line of each tool's version: rustc, cargo, cc, ld, libc.
    pub tools: BTreeMap<String, String>,
}

impl Record {
    /// Reads a record.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path)?;
        serde_json::from_str(&text)
            .map_err(|error| wrong(path, format!("no measurements of `mortise image`: {error}")))
    }

    /// The file.
    pub fn to_text(&self) -> String {
        let value = serde_json::to_value(self).expect("texts, numbers and maps of texts");
        format!("{value:#}\n")
    }

    /// Numbers and values of the registers.
    pub fn registers(&self) -> Vec<(u8, &str)> {
        let number = |name: &str| name.strip_prefix("PCR")?.parse().ok();
        let all = self.measurements.iter();
        all.filter_map(|(name, value)| Some((number(name)?, value.as_str()))).collect()
    }
}
