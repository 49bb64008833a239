//! `measurements.json`: the measurements of an image, and its inputs.
//!
//! The first field has the name that nitro-cli uses, so that scripts find `.Measurements.PCR0`. No
//! field depends on the time or the folder of the build: two builds of one source write the same
//! file.

use super::file::{read_text, wrong};
use crate::failure::Failure;
use mortise_image::measure::digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The file; an entry of `enclave-image/releases` is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// `HashAlgorithm`, `PCR0`, `PCR1`, `PCR2`, and `PCR8` of a signed image.
    #[serde(rename = "Measurements")]
    pub measurements: BTreeMap<String, String>,
    /// Name of the image.
    pub name: String,
    /// Version of the image.
    pub version: String,
    /// SHA-256 of the file.
    pub digest: String,
    /// SHA-256 of the file before it was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsigned_digest: Option<String>,
    /// Bytes of the file.
    pub bytes: usize,
    /// Whether it is for development: its answers prove nothing.
    pub is_development: bool,
    /// The inputs.
    pub inputs: InputsRecord,
    /// The sources of the binary; absent if the binary was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRecord>,
}

/// The inputs of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputsRecord {
    /// The measured binary.
    pub binary: FileRecord,
    /// `enclave.toml`.
    pub config: FileRecord,
    /// `genesis.json`.
    pub genesis: FileRecord,
    /// The kernel.
    pub kernel: KernelRecord,
    /// Command line of the kernel.
    pub cmdline: String,
    /// Kernel modules, in load order.
    pub modules: Vec<FileRecord>,
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KernelRecord {
    /// Version, as the kernel reports it.
    pub version: String,
    /// Whether it is the kernel of `enclave-image/local/pins.env`.
    pub is_debian: bool,
    /// SHA-256.
    pub digest: String,
    /// Size of the file.
    pub bytes: usize,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// File name without the folder.
    pub name: String,
    /// SHA-256.
    pub digest: String,
    /// Size of the file.
    pub bytes: usize,
}

impl FileRecord {
    /// The record of a file.
    pub fn of(name: &str, content: &[u8]) -> Self {
        Self { name: name.to_owned(), digest: digest(content), bytes: content.len() }
    }
}

/// Sources and tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceRecord {
    /// Git commit; `unknown` outside a repository.
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
        serde_json::from_str(&text).map_err(|error| {
            wrong(path, format!("this is not a measurements.json of `mortise image`: {error}"))
        })
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let value = serde_json::to_value(self).expect("texts, numbers and maps of texts");
        format!("{value:#}\n")
    }

    /// The registers: number and value.
    pub fn registers(&self) -> Vec<(u8, &str)> {
        let number = |name: &str| name.strip_prefix("PCR")?.parse().ok();
        let all = self.measurements.iter();
        all.filter_map(|(name, value)| Some((number(name)?, value.as_str()))).collect()
    }
}
