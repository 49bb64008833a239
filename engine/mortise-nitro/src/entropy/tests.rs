//! What must hold of the generator; that bytes *look* random proves nothing and is not tested.

use super::*;
use mortise_engine::ports::{AttestRequest, ModuleDescription, PcrState};
use std::collections::VecDeque;

/// Gives these answers in turn, and is then broken.
struct Answers(Mutex<VecDeque<Vec<u8>>>);

fn answers(given: impl IntoIterator<Item = Vec<u8>>) -> Arc<dyn Nsm> {
    Arc::new(Answers(Mutex::new(given.into_iter().collect())))
}

impl Nsm for Answers {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn describe_pcr(&self, _: u16) -> Result<PcrState, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn extend_pcr(&self, _: u16, _: &[u8]) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn lock_pcr(&self, _: u16) -> Result<(), NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        self.0.lock().unwrap().pop_front().ok_or(NsmError::InternalError)
    }

    fn attest(&self, _: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidOperation)
    }
}

#[test]
fn every_source_and_the_old_key_change_the_next_key() {
    let (key, module, kernel) = ([1; 32], vec![2; 64], vec![3; 64]);
    let whole = mix(&key, &module, &kernel);
    assert_ne!(mix(&[0; 32], &module, &kernel), whole);
    assert_ne!(mix(&key, &[4; 64], &kernel), whole);
    assert_ne!(mix(&key, &module, &[4; 64]), whole);
}

#[test]
fn two_generators_over_the_same_module_bytes_differ_by_the_kernel() {
    let make = || NsmEntropy::new(answers([vec![7; 64]])).unwrap();
    let (mut one, mut other) = ([0; 32], [0; 32]);
    make().fill(&mut one);
    make().fill(&mut other);
    assert_ne!(one, other);
}

#[test]
fn key_is_gone_once_it_gave() {
    let mut generator = Generator { key: Zeroizing::new([9; 32]), left: 100, last: [0; 32] };
    let (mut first, mut second) = ([0; 40], [0; 40]);
    generator.fill(&mut first);
    let between = *generator.key;
    assert_ne!(between, [9; 32]);
    assert!(!first.windows(32).any(|window| window == between), "the key was given away");
    generator.fill(&mut second);
    assert_ne!(first, second);
    assert_eq!(generator.left, 20);
}

/// The bytes follow from the key alone: BLAKE3 keyed, 32 bytes on.
#[test]
fn bytes_are_the_keyed_output_after_the_next_key() {
    let mut generator = Generator { key: Zeroizing::new([9; 32]), left: 100, last: [0; 32] };
    let mut given = [0; 8];
    generator.fill(&mut given);
    let mut stream = [0; 40];
    blake3::Hasher::new_keyed(&[9; 32]).finalize_xof().fill(&mut stream);
    assert_eq!((&stream[..32], &stream[32..]), (&generator.key[..], &given[..]));
}

#[test]
fn module_may_give_one_byte_at_a_time_but_not_nothing() {
    let dribble = (0..64u8).map(|byte| vec![byte]);
    assert!(NsmEntropy::new(answers(dribble)).is_ok());
    let refused = NsmEntropy::new(answers((0..63u8).map(|byte| vec![byte]))).unwrap_err();
    assert_eq!(refused, EntropyError::Module(NsmError::InternalError));
    let nothing = NsmEntropy::new(answers(vec![Vec::new(); 64])).unwrap_err();
    assert_eq!(nothing, EntropyError::TooLittle { given: 0, needed: SEED_BYTES });
}

#[test]
fn module_that_repeats_itself_is_refused() {
    let entropy = NsmEntropy::new(answers([vec![7; 64], vec![7; 64], vec![8; 64]])).unwrap();
    assert_eq!(entropy.reseed(), Err(EntropyError::Repeated));
    assert_eq!(entropy.reseed(), Ok(()));
}

#[test]
fn module_is_asked_again_after_so_many_bytes_and_its_failure_stops() {
    let entropy = NsmEntropy::new(answers([vec![1; 64], vec![2; 64]])).unwrap();
    let mut bytes = vec![0; 2 * RESEED_BYTES];
    entropy.fill(&mut bytes);
    let next = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| entropy.fill(&mut [0])));
    let why = *next.unwrap_err().downcast::<String>().unwrap();
    assert!(why.contains("InternalError"), "{why}");
}
