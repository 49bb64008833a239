//! Engines boot on one disk, one after the other.

use super::{approval, approve, image, version};
use crate::trust::module::TestModule;
use mortise_core::state::ImageRefusal;
use mortise_engine::boot::BootError;
use mortise_format::ids::Measurement;
use mortise_format::images::ImageApproval;
use mortise_testkit::driver::{Code, Driver};
use std::sync::Arc;

/// Code of this version and image.
fn code(version: &'static str, image: Option<u8>) -> Code {
    let module = image.map(|image| Arc::new(TestModule::of_image(image)) as Arc<_>);
    Code { version, module, ..Code::default() }
}

fn name(refused: &BootError) -> &'static str {
    refused.name()
}

/// Boots other code on the same disk.
fn boot(driver: &mut Driver, code: Code) -> Result<(), BootError> {
    driver.crash(0);
    driver.code = code;
    driver.boot()?;
    driver.settle();
    Ok(())
}

fn from(serial: u64, images: &[u8], text: &str) -> ImageApproval {
    ImageApproval { minimum_version: version(text), ..approval(serial, images) }
}

/// Goal: a refused boot has its error and leaves the disk unchanged.
#[test]
fn boot_of_too_old_or_unapproved_code_writes_nothing() {
    let mut driver = Driver::booted(81);
    approve(&mut driver, &from(1, &[0, 1], "1.4.6"));
    let refused = [
        (code("1.4.5", Some(0)), "IMAGE_TOO_OLD"),
        (code("1.3.99", None), "IMAGE_TOO_OLD"),
        (code("0.99.0", Some(7)), "IMAGE_TOO_OLD"),
        (code("1.4.6", Some(2)), "IMAGE_NOT_APPROVED"),
        (code("2.0.0", Some(7)), "IMAGE_NOT_APPROVED"),
    ];
    for (code, expected) in refused {
        driver.crash(0);
        let before = driver.disk.edit(|content| content.frames.clone());
        driver.code = code;
        let refused = driver.boot().expect_err("it may not boot");
        assert_eq!(name(&refused), expected, "{refused}");
        assert_eq!(driver.disk.edit(|content| content.frames.clone()), before);
    }
    for code in [code("1.4.6", Some(0)), code("1.4.6", Some(1)), code("1.10.0", None)] {
        boot(&mut driver, code).expect("it may boot");
    }
    let running = driver.pipeline().machine().state().running_version();
    assert_eq!(running, version("1.10.0"));
}

/// Goal: an upgrade works, and a downgrade does not.
#[test]
fn upgrade_allows_both_images_and_then_the_new_one_alone() {
    let mut driver = Driver::new(82, mortise_engine::pipeline::Settings::default());
    driver.code = code("1.4.7", Some(0));
    driver.boot().expect("an empty disk boots");
    driver.settle();
    approve(&mut driver, &from(1, &[0], "1.4.7"));
    let early = boot(&mut driver, code("1.5.0", Some(1))).expect_err("it is not approved");
    assert_eq!(name(&early), "IMAGE_NOT_APPROVED");
    boot(&mut driver, code("1.4.7", Some(0))).expect("the old one still boots");
    approve(&mut driver, &from(2, &[0, 1], "1.4.7"));
    boot(&mut driver, code("1.5.0", Some(1))).expect("the new one boots");
    approve(&mut driver, &from(3, &[1], "1.5.0"));
    let back =
        boot(&mut driver, code("1.4.7", Some(0))).expect_err("it is below the version floor");
    let too_old = ImageRefusal::TooOld { running: version("1.4.7"), minimum: version("1.5.0") };
    assert!(matches!(back, BootError::Image(found) if found == too_old), "{back}");
    let copy = boot(&mut driver, code("1.5.0", Some(0))).expect_err("the image is not approved");
    let refusal = ImageRefusal::NotApproved { found: image(0), approved: 1 };
    assert!(matches!(copy, BootError::Image(found) if found == refusal), "{copy}");
    boot(&mut driver, code("1.5.0", Some(1))).expect("the new one boots again");
}

/// Goal: a debug enclave, whose registers are zero, is never approved.
#[test]
fn zero_registers_are_never_approved() {
    let mut driver = Driver::booted(83);
    approve(&mut driver, &from(1, &[0], "0.0.0"));
    driver.settle();
    let state = driver.pipeline().machine().state();
    let refused = state.check_image(version("1.4.7"), Some(&Measurement::ZERO));
    let found = Measurement::ZERO;
    assert_eq!(refused, Err(ImageRefusal::NotApproved { found, approved: 1 }));
}
