//! The approval in force is an entry of the state tree, provable under newest and recent roots.

use super::{approval, approve};
use mortise_core::state::LeafKey;
use mortise_engine::query::{ProveEntry, ProveEntryAt, Rooted};
use mortise_format::entry::LeafValue;
use mortise_testkit::driver::Driver;

fn proven(driver: &mut Driver) -> (Option<LeafValue>, u64) {
    let Rooted { answer: proof, signed } = driver.read(ProveEntry(LeafKey::Images));
    let position = LeafKey::Images.position(&driver.identity().engine_id);
    let statement = &signed.statement;
    let checked = match &proof.value {
        Some((value, salt)) => {
            proof.proof.verify_present(&statement.state_root, &position, &value.hash(salt))
        }
        None => proof.proof.verify_absent(&statement.state_root, &position),
    };
    assert_eq!(checked, Ok(()));
    (proof.value.map(|(value, _)| value), statement.seq)
}

fn at(driver: &mut Driver, seq: u64) -> Option<LeafValue> {
    let proof = driver.read(ProveEntryAt { key: LeafKey::Images, seq }).answer;
    proof.expect("its root is kept").value.map(|(value, _)| value)
}

fn serial(value: Option<LeafValue>) -> Option<u64> {
    value.map(|value| match value {
        LeafValue::Images { serial, .. } => serial,
        other => panic!("{other:?}"),
    })
}

#[test]
fn approval_is_proven_under_the_newest_root_and_under_recent_ones() {
    let mut driver = Driver::booted(85);
    let (before, none_at) = proven(&mut driver);
    assert_eq!(serial(before), None);
    approve(&mut driver, &approval(1, &[0]));
    let (first, first_at) = proven(&mut driver);
    assert_eq!(serial(first), Some(1));
    approve(&mut driver, &approval(2, &[0, 1]));
    let (second, _) = proven(&mut driver);
    let Some(LeafValue::Images { images, serial: 2, .. }) = second else { panic!("{second:?}") };
    assert_eq!(images.len(), 2);
    assert_eq!(serial(at(&mut driver, first_at)), Some(1));
    assert_eq!(serial(at(&mut driver, none_at)), None);
}
