//! The registers and the bounds of the requests.

use super::*;
use mortise_engine::ports::{NsmError, PcrState};
use mortise_format::pcr::Pcr;

#[test]
fn first_16_registers_are_locked_at_start_and_the_others_are_zero() {
    let nsm = Stage::new().boot();
    let described = nsm.describe().unwrap();
    assert_eq!(described.locked_pcrs, (0..16).collect::<Vec<_>>());
    assert_eq!((described.max_pcrs, described.digest.as_str()), (32, "SHA384"));
    let measured = Measurements::dev("engine");
    let expected = [(0, measured.pcr0), (4, measured.pcr4), (8, measured.pcr8), (5, Pcr::ZERO)];
    for (index, pcr) in expected {
        let locked = PcrState { locked: true, value: pcr.0.to_vec() };
        assert_eq!(nsm.describe_pcr(index), Ok(locked));
    }
    let open = PcrState { locked: false, value: vec![0; 48] };
    assert!((16..32).all(|index| nsm.describe_pcr(index).as_ref() == Ok(&open)));
    assert_eq!(nsm.describe_pcr(32), Err(NsmError::InvalidIndex));
}

#[test]
fn register_is_extended_until_it_is_locked_and_then_stays() {
    let nsm = Stage::new().boot();
    let once = Pcr::ZERO.extended(b"one");
    assert_eq!(nsm.extend_pcr(16, b"one"), Ok(once.0.to_vec()));
    let twice = once.extended(b"two").0.to_vec();
    assert_eq!(nsm.extend_pcr(16, b"two"), Ok(twice.clone()));
    assert_eq!(nsm.lock_pcr(16), Ok(()));
    assert_eq!(nsm.extend_pcr(16, b"three"), Err(NsmError::ReadOnlyIndex));
    assert_eq!(nsm.lock_pcr(16), Err(NsmError::ReadOnlyIndex));
    assert_eq!(nsm.describe_pcr(16), Ok(PcrState { locked: true, value: twice }));
    assert_eq!(nsm.extend_pcr(0, b"image"), Err(NsmError::ReadOnlyIndex));
    assert_eq!(nsm.extend_pcr(32, b""), Err(NsmError::InvalidIndex));
    assert_eq!(nsm.lock_pcr(32), Err(NsmError::InvalidIndex));
    assert_eq!(nsm.extend_pcr(31, &[0; 4001]), Err(NsmError::InputTooLarge));
}

#[test]
fn next_boot_has_fresh_registers_and_another_module_id() {
    let stage = Stage::new();
    let first = stage.boot();
    first.extend_pcr(16, b"one").unwrap();
    let second = stage.boot();
    assert_eq!(second.describe_pcr(16).unwrap().value, vec![0; 48]);
    let (first, second) = (first.describe().unwrap(), second.describe().unwrap());
    assert_ne!(first.module_id, second.module_id);
    let instance = |id: &str| id.split("-enc").next().unwrap().to_owned();
    assert_eq!(instance(&first.module_id), instance(&second.module_id));
    assert_eq!(first.module_id.len(), "i-06fb0bf4e70d5129f-enc019a5376999041b1".len());
}

#[test]
fn field_of_1024_bytes_is_taken_and_one_byte_more_is_not() {
    let nsm = Stage::new().boot();
    let bytes = |count: usize| Some(vec![7; count]);
    let whole =
        AttestRequest { user_data: bytes(1024), nonce: bytes(1024), public_key: bytes(1024) };
    let document = nsm.attest(&whole).unwrap();
    let verified = archived(&document, nsm.root(), Claims::unchecked()).unwrap();
    assert_eq!(verified.document().public_key(), Some(&[7; 1024][..]));
    for longer in [
        AttestRequest { user_data: bytes(1025), ..whole.clone() },
        AttestRequest { nonce: bytes(1025), ..whole.clone() },
        AttestRequest { public_key: bytes(1025), ..whole.clone() },
    ] {
        assert_eq!(nsm.attest(&longer), Err(NsmError::InputTooLarge));
    }
    let empty_key = AttestRequest { public_key: bytes(0), ..whole };
    assert_eq!(nsm.attest(&empty_key), Err(NsmError::InvalidArgument));
}

#[test]
fn random_answers_are_256_bytes_and_differ() {
    let nsm = Stage::new().boot();
    let (one, other) = (nsm.random().unwrap(), nsm.random().unwrap());
    assert_eq!((one.len(), other.len()), (256, 256));
    assert_ne!(one, other);
}

#[test]
fn dev_measurements_follow_from_the_label_differ_and_are_never_zero() {
    let (one, other) = (Measurements::dev("one"), Measurements::dev("other"));
    assert_eq!(one, Measurements::dev("one"));
    let mut values: Vec<_> = one.by_index().into_iter().chain(other.by_index()).collect();
    assert!(values.iter().all(|(_, pcr)| !pcr.is_zero()));
    values.sort_by_key(|(_, pcr)| *pcr);
    values.dedup_by_key(|(_, pcr)| *pcr);
    assert_eq!(values.len(), 12);
}
