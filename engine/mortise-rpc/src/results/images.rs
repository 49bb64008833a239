//! Results about approved images: a part of getEngineInfo.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mortise_format::ids::Measurement;
use mortise_format::images::ImageApproval;
use serde::{Deserialize, Serialize};

/// The approval in force: which images may boot on the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovedImagesView {
    /// Serial of the approval; the next one's is one more.
    pub serial: u64,
    /// PCR0 of each, ascending; an empty list allows every image that the key policy allows.
    pub images: Vec<Measurement>,
    /// The lowest version of code that may boot.
    pub minimum_version: String,
    /// The rules from the next boot on.
    pub rules: u16,
    /// The frame of its event.
    pub seq: u64,
    /// The event in the frame.
    pub index: u32,
}

impl ApprovedImagesView {
    /// The view of an approval whose event is at `seq`, `index`.
    pub fn new(approval: &ImageApproval, seq: u64, index: u32) -> Self {
        Self {
            serial: approval.serial,
            images: approval.images.clone(),
            minimum_version: approval.minimum_version.to_string(),
            rules: approval.rules.0,
            seq,
            index,
        }
    }
}
