//! The metadata of an image: JSON with the names of the official tool.
//!
//! No register covers it, so a verifier must not trust it. The digest of the file does cover it.
//! For that reason the build time is a constant: two builds of one source give the same file.

use crate::eif::METADATA_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The build time in every image.
pub const BUILD_TIME: &str = "1970-01-01T00:00:00+00:00";
/// Name of the build tool in every image.
const BUILD_TOOL: &str = "mortise";

/// Why metadata is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// More than [`METADATA_BYTES_MAX`].
    #[error("it has {found} bytes; the limit is {METADATA_BYTES_MAX}")]
    TooLong { found: usize },
    /// Not JSON, or a name is missing, repeated or of another type.
    #[error("{0}")]
    Json(String),
}

/// The metadata section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metadata {
    pub image_name: String,
    pub image_version: String,
    pub build_metadata: BuildMetadata,
    /// Set by builds from Docker images; null in ours.
    pub docker_info: Value,
    /// Free for the builder; null in ours.
    pub custom_metadata: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BuildMetadata {
    /// [`BUILD_TIME`] in our images.
    pub build_time: String,
    pub build_tool: String,
    pub build_tool_version: String,
    pub operating_system: String,
    pub kernel_version: String,
}

impl Metadata {
    /// The metadata of a Mortise image.
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

    /// Parses the section of an image, ours or the official tool's. Accepts unknown names, because
    /// the image keeps the section's bytes.
    ///
    /// # Errors
    /// `TooLong`, `Json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        match bytes.len() {
            found if found > METADATA_BYTES_MAX => Err(MetadataError::TooLong { found }),
            _ => serde_json::from_slice(bytes).map_err(|e| MetadataError::Json(e.to_string())),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("names are text and values are JSON")
    }
}
