//! Goal: only images and versions that the newest approval of the operators allows can boot on a
//! log, and every reader of the log sees both (INV-18).
//!
//! Method: engines of different versions and images boot on one disk, one after the other; then the
//! whole system over its sockets. `commands::approvals` tests the command itself.

mod audited;
mod boots;
mod proven;
mod served;

use mortise_format::ids::Measurement;
use mortise_format::images::{ImageApproval, Version};
use mortise_format::rules::RuleSet;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::START_S;

/// The measurement of an image of the suite's security module.
fn image(number: u8) -> Measurement {
    let mut image = Measurement(crate::attestation::issuer::pcr(0).0);
    image.0[47] ^= number;
    image
}

fn version(text: &str) -> Version {
    Version::parse(text).expect("tests name versions")
}

/// An approval of these images from version zero on.
pub(crate) fn approval(serial: u64, images: &[u8]) -> ImageApproval {
    let mut images: Vec<_> = images.iter().copied().map(image).collect();
    images.sort_unstable();
    let (minimum_version, valid_until) = (Version::default(), START_S + 600);
    let rules = RuleSet::NEWEST;
    ImageApproval { serial, images, minimum_version, rules, valid_until }
}

/// Sends the approval, signed by the scenario's one operator.
#[track_caller]
pub(crate) fn approve(driver: &mut Driver, approval: &ImageApproval) {
    let asked = driver.signer().approve_images(&[Party::Operator], approval);
    let answer = driver.answer(&asked);
    let is_logged = matches!(answer, Ok(mortise_engine::api::Reply::Logged(..)));
    assert!(is_logged, "{answer:?}");
}
