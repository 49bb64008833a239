//! Goal: which code may boot on a log is what k of the operators said last, no older code boots
//! than they asked for, and whoever reads the log sees both (INV-18). Method: one engine after the
//! other on one disk, of other versions and images; then the whole system over its sockets. The
//! command itself: `commands::approvals`.

mod audited;
mod boots;
mod proven;
mod served;

use mortise_format::ids::Measurement;
use mortise_format::images::{ImageApproval, Version};
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
fn approval(serial: u64, images: &[u8]) -> ImageApproval {
    let mut images: Vec<_> = images.iter().copied().map(image).collect();
    images.sort_unstable();
    let (minimum_version, valid_until) = (Version::default(), START_S + 600);
    ImageApproval { serial, images, minimum_version, valid_until }
}

/// Approves over the one operator of the scenario.
#[track_caller]
fn approve(driver: &mut Driver, approval: &ImageApproval) {
    let asked = driver.signer().approve_images(&[Party::Operator], approval);
    let answer = driver.answer(&asked);
    let is_logged = matches!(answer, mortise_engine::api::Reply::Logged(..));
    assert!(is_logged, "{answer:?}");
}
