//! What an image says about itself: JSON with the names of the official tool.
//!
//! Nothing of it is in a register, so nothing may be believed from it; it is in the digest of the
//! file. That is why the time of the build is a constant here: two builds of one source are one
//! file.

use crate::eif::METADATA_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The time that every image says it was built at.
pub const BUILD_TIME: &str = "1970-01-01T00:00:00+00:00";
/// What makes the images.
const BUILD_TOOL: &str = "mortise";

/// Why metadata is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// More than [`METADATA_BYTES_MAX`].
    #[error("it has {found} bytes, at most {METADATA_BYTES_MAX} are read")]
    TooLong {
        /// Its bytes.
        found: usize,
    },
    /// No JSON, or a name is missing, repeated or of another type.
    #[error("{0}")]
    Json(String),
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metadata {
    /// Name of the image.
    pub image_name: String,
    /// Its version.
    pub image_version: String,
    /// How it was built.
    pub build_metadata: BuildMetadata,
    /// Of images made with Docker; null here.
    pub docker_info: Value,
    /// Of the builder's choice; null here.
    pub custom_metadata: Value,
}

/// How an image was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BuildMetadata {
    /// [`BUILD_TIME`] of ours.
    pub build_time: String,
    /// Name of the tool.
    pub build_tool: String,
    /// Its version.
    pub build_tool_version: String,
    /// Of the kernel.
    pub operating_system: String,
    /// Of the kernel.
    pub kernel_version: String,
}

impl Metadata {
    /// Of an image of ours.
    pub fn new(name: &str, version: &str, kernel_version: &str) -> Self {
        Self {
            image_name: name.into(),
            image_version: version.into(),
            build_metadata: BuildMetadata {
                build_time: BUILD_TIME.into(),
                build_tool: BUILD_TOOL.into(),
                build_tool_version: env!("CARGO_PKG_VERSION").into(),
                operating_system: "Linux".into(),
                kernel_version: kernel_version.into(),
            },
            docker_info: Value::Null,
            custom_metadata: Value::Null,
        }
    }

    /// Reads the section of an image, of ours or of the official tool's. Names beside the known
    /// ones are let through: the section is kept as it is.
    ///
    /// # Errors
    /// `TooLong`, `Json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        match bytes.len() {
            found if found > METADATA_BYTES_MAX => Err(MetadataError::TooLong { found }),
            _ => serde_json::from_slice(bytes).map_err(|e| MetadataError::Json(e.to_string())),
        }
    }

    /// The section.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("names are texts and values are JSON")
    }
}
