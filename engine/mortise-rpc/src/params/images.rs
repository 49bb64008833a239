//! Approving images: approveImages.

use super::super::fields::{Fields, Item, ParamError};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mortise_format::command::Command;
use mortise_format::ids::{Measurement, Signature};
use mortise_format::images::ImageApproval;
use mortise_format::limits::{APPROVED_IMAGES_MAX, OBSERVERS_MAX};
use serde::{Serialize, Serializer};
use serde_json::Value;

type Result<T> = core::result::Result<T, ParamError>;

/// `approveImages`: operators name the images that may boot on the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApproveImages {
    /// Which, and from which version on.
    pub approval: ImageApproval,
    /// One per operator, at most `OBSERVERS_MAX`.
    pub signatures: Vec<Signature>,
}

impl ApproveImages {
    /// Parses the parameters. All of them are signed, so that none has a default.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let known = &["serial", "images", "minimumVersion", "validUntil", "signatures"];
        let fields = Fields::of_params(params, known)?;
        let images = fields.required("images")?.list_or_empty(APPROVED_IMAGES_MAX)?;
        let approval = ImageApproval {
            serial: fields.required("serial")?.number()?,
            images: images.iter().map(Item::measurement).collect::<Result<_>>()?,
            minimum_version: fields.required("minimumVersion")?.version()?,
            valid_until: fields.required("validUntil")?.number()?,
        };
        let list = fields.required("signatures")?.list(OBSERVERS_MAX)?;
        let signatures = list.iter().map(Item::signature).collect::<Result<_>>()?;
        Ok(Self { approval, signatures })
    }

    /// The command.
    pub fn into_command(self) -> Command {
        Command::ApproveImages { approval: self.approval, signatures: self.signatures }
    }
}

/// Prints an [`ApproveImages`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApproveImagesJson<'a> {
    serial: u64,
    images: &'a [Measurement],
    minimum_version: String,
    valid_until: u64,
    signatures: &'a [Signature],
}

impl Serialize for ApproveImages {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        let ImageApproval { serial, images, minimum_version, valid_until } = &self.approval;
        let json = ApproveImagesJson {
            serial: *serial,
            images,
            minimum_version: minimum_version.to_string(),
            valid_until: *valid_until,
            signatures: &self.signatures,
        };
        json.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::images::Version;
    use serde_json::json;

    #[test]
    fn parameters_read_back_as_they_are_printed() {
        for images in [Vec::new(), alloc::vec![Measurement([1; 48]), Measurement([2; 48])]] {
            let minimum_version = Version { major: 1, minor: 20, patch: 3 };
            let approval = ImageApproval { serial: 4, images, minimum_version, valid_until: 9 };
            let asked = ApproveImages { approval, signatures: alloc::vec![Signature([5; 65])] };
            let printed = serde_json::to_value(&asked).unwrap();
            assert_eq!(printed["minimumVersion"], "1.20.3");
            assert_eq!(ApproveImages::parse(&printed), Ok(asked));
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_field() {
        let whole = json!({
            "serial": 1, "images": [], "minimumVersion": "0.1.0", "validUntil": 1,
            "signatures": [Signature([5; 65])],
        });
        assert!(ApproveImages::parse(&whole).is_ok());
        let field = |name: &str, value: Value| {
            let mut params = whole.clone();
            params[name] = value;
            String::from(ApproveImages::parse(&params).unwrap_err().field())
        };
        for name in ["serial", "images", "minimumVersion", "validUntil", "signatures"] {
            assert_eq!(field(name, Value::Null), name);
        }
        assert_eq!(field("images", json!(["0x00"])), "images[0]");
        assert_eq!(field("images", json!(alloc::vec![Measurement([1; 48]); 9])), "images");
        assert_eq!(field("minimumVersion", json!("1.0")), "minimumVersion");
        assert_eq!(field("minimumVersion", json!(1)), "minimumVersion");
        assert_eq!(field("signatures", json!([])), "signatures");
    }
}
