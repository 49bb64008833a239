//! An audit reports boots that the log did not allow.

use super::{approval, approve, version};
use crate::audit::{audit, keys_of, log_of, named, subject};
use crate::trust::module::TestModule;
use mortise_audit::{BootTrust, Images, Report, Subject};
use mortise_format::images::ImageApproval;
use mortise_testkit::driver::{Code, Driver};
use std::sync::Arc;

fn code(version: &'static str, image: u8) -> Code {
    let module = Some(Arc::new(TestModule::of_image(image)) as Arc<_>);
    Code { version, module, ignores_approvals: true, ..Code::default() }
}

/// An engine of image 0, which operators approve from version 1.4.7 on; then a boot of `code`,
/// which ignores the approval.
fn after(code: Code) -> (Driver, u64) {
    let mut driver = Driver::new(91, mortise_engine::pipeline::Settings::default());
    driver.code = self::code("1.4.7", 0);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    approve(&mut driver, &ImageApproval { minimum_version: version("1.4.7"), ..approval(1, &[0]) });
    driver.settle();
    driver.crash(0);
    driver.code = code;
    driver.boot().expect("it ignores the approval");
    driver.settle();
    let boot = driver.pipeline().machine().epochs().last().expect("it booted").first_seq;
    (driver, boot)
}

fn report(driver: &Driver, with_documents: bool) -> Report {
    let roots = TestModule::trust().roots;
    let trust = with_documents.then_some(BootTrust {
        roots,
        images: Images::Any,
        is_genesis_required: false,
    });
    let subject = Subject { trust, ..subject(driver) };
    audit(&log_of(driver), subject, Some(&keys_of(driver)))
}

#[test]
fn boot_of_an_unapproved_image_is_a_finding() {
    let (driver, boot) = after(code("1.4.7", 1));
    assert_eq!(named(&report(&driver, true)), [(boot, Some(0), "ImageNotApproved")]);
    // Without documents an audit knows no image; it reads the version from the log.
    assert_eq!(named(&report(&driver, false)), []);
}

#[test]
fn boot_of_code_below_the_lowest_version_is_a_finding() {
    for (with_documents, image) in [(true, 0), (false, 0), (true, 1)] {
        let (driver, boot) = after(code("1.4.6", image));
        assert_eq!(named(&report(&driver, with_documents)), [(boot, Some(0), "ImageTooOld")]);
    }
}

#[test]
fn boots_that_the_log_allows_are_no_finding() {
    let (driver, _) = after(code("1.4.7", 0));
    let report = report(&driver, true);
    assert_eq!(named(&report), []);
    assert_eq!(report.epochs.len(), 2);
}
