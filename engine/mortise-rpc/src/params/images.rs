//! Parameters of approveImages.

use super::super::fields::Item;
use super::signatures;
use alloc::string::ToString;
use alloc::vec::Vec;
use mortise_format::command::Command;
use mortise_format::ids::{Measurement, Signature};
use mortise_format::images::{ImageApproval, Version};
use mortise_format::limits::APPROVED_IMAGES_MAX;
use mortise_format::rules::RuleSet;

fields! {
    impl ImageApproval {
        serial: u64 = required("serial", Item::number);
        images: Vec<Measurement> = required("images", |item| {
            item.list_or_empty(APPROVED_IMAGES_MAX, Item::measurement)
        });
        minimum_version: Version = required("minimumVersion", Item::version, ToString::to_string);
        rules: RuleSet = required("rules", Item::rules, |rules: &RuleSet| rules.0);
        valid_until: u64 = required("validUntil", Item::number);
    }
}

params! {
    /// `approveImages`: operators name the images that may boot on the log.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ApproveImages {
        /// The images, and the lowest version that may boot. All of it is signed, so that nothing
        /// has a default.
        approval: ImageApproval = flatten();
        /// One per operator, at most `OBSERVERS_MAX`.
        signatures: Vec<Signature> = required("signatures", signatures);
    }
}

impl ApproveImages {
    /// The command.
    pub fn into_command(self) -> Command {
        Command::ApproveImages { approval: self.approval, signatures: self.signatures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use serde_json::{Value, json};

    #[test]
    fn parameters_read_back_as_they_are_printed() {
        for images in [Vec::new(), alloc::vec![Measurement([1; 48]), Measurement([2; 48])]] {
            let minimum_version = Version { major: 1, minor: 20, patch: 3 };
            let (rules, valid_until) = (RuleSet(2), 9);
            let approval = ImageApproval { serial: 4, images, minimum_version, rules, valid_until };
            let asked = ApproveImages { approval, signatures: alloc::vec![Signature([5; 65])] };
            let printed = serde_json::to_value(&asked).unwrap();
            assert_eq!(printed["minimumVersion"], "1.20.3");
            assert_eq!(printed["rules"], 2);
            assert_eq!(ApproveImages::parse(&printed), Ok(asked));
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_field() {
        let whole = json!({
            "serial": 1, "images": [], "minimumVersion": "0.1.0", "rules": 1, "validUntil": 1,
            "signatures": [Signature([5; 65])],
        });
        assert!(ApproveImages::parse(&whole).is_ok());
        let field = |name: &str, value: Value| {
            let mut params = whole.clone();
            params[name] = value;
            String::from(ApproveImages::parse(&params).unwrap_err().field())
        };
        for name in ["serial", "images", "minimumVersion", "rules", "validUntil", "signatures"] {
            assert_eq!(field(name, Value::Null), name);
        }
        assert_eq!(field("images", json!(["0x00"])), "images[0]");
        let images = |n: usize| json!(alloc::vec![Measurement([1; 48]); n]);
        let mut most = whole.clone();
        most["images"] = images(APPROVED_IMAGES_MAX);
        assert!(ApproveImages::parse(&most).is_ok());
        assert_eq!(field("images", images(APPROVED_IMAGES_MAX + 1)), "images");
        assert_eq!(field("minimumVersion", json!("1.0")), "minimumVersion");
        assert_eq!(field("minimumVersion", json!(1)), "minimumVersion");
        assert_eq!(field("rules", json!(65_536)), "rules");
        assert_eq!(field("rules", json!(-1)), "rules");
        assert_eq!(field("signatures", json!([])), "signatures");
    }
}
