use super::*;
use crate::ports::PcrState;
use mortise_format::binding::BoundKeys;
use mortise_format::ids::{EngineId, PolicyHash, Root};
use std::sync::Mutex;

/// The fault of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    Digest,
    Few,
    Extends,
    NeverLocks,
    Empty,
    Large,
    Fails,
}

/// A module with one register and at most one fault.
struct OnePcr {
    wrong: Wrong,
    pcr: Mutex<PcrState>,
    attested: Mutex<Vec<AttestRequest>>,
}

impl OnePcr {
    fn new(wrong: Wrong) -> Self {
        let pcr = Mutex::new(PcrState { locked: false, value: Pcr::ZERO.0.to_vec() });
        Self { wrong, pcr, attested: Mutex::default() }
    }
}

impl Nsm for OnePcr {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        let locked_pcrs = if self.pcr.lock().unwrap().locked { vec![16] } else { vec![] };
        let digest = if self.wrong == Wrong::Digest { "SHA256" } else { "SHA384" };
        let max_pcrs = if self.wrong == Wrong::Few { 16 } else { 17 };
        let (module_id, digest) = (String::from("i-0-enc0"), String::from(digest));
        Ok(ModuleDescription { version: [1, 0, 0], module_id, max_pcrs, locked_pcrs, digest })
    }

    fn describe_pcr(&self, index: u16) -> Result<PcrState, NsmError> {
        assert_eq!(index, 16);
        Ok(self.pcr.lock().unwrap().clone())
    }

    fn extend_pcr(&self, index: u16, data: &[u8]) -> Result<Vec<u8>, NsmError> {
        assert_eq!(index, 16);
        let mut pcr = self.pcr.lock().unwrap();
        let value = Pcr(pcr.value.as_slice().try_into().unwrap()).extended(data);
        pcr.value = value.0.to_vec();
        if self.wrong == Wrong::Extends {
            pcr.value[0] ^= 1;
        }
        Ok(pcr.value.clone())
    }

    fn lock_pcr(&self, index: u16) -> Result<(), NsmError> {
        assert_eq!(index, 16);
        self.pcr.lock().unwrap().locked = self.wrong != Wrong::NeverLocks;
        Ok(())
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn attest(&self, request: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        self.attested.lock().unwrap().push(request.clone());
        match self.wrong {
            Wrong::Empty => Ok(Vec::new()),
            Wrong::Large => Ok(vec![1; ATTESTATION_BYTES_MAX + 1]),
            Wrong::Fails => Err(NsmError::InternalError),
            _ => Ok(vec![1; ATTESTATION_BYTES_MAX]),
        }
    }
}

fn binding() -> KeyBinding {
    KeyBinding {
        engine_id: EngineId([1; 32]),
        epoch: 2,
        keys: BoundKeys { signing: [3; 33], checkpoint: Some([4; 32]), channel: Some([5; 32]) },
        history_size: 6,
        history_root: Root([7; 32]),
        policy_hash: PolicyHash([8; 32]),
    }
}

#[test]
fn register_is_extended_and_locked_and_the_document_holds_only_the_binding() {
    let module = OnePcr::new(Wrong::Nothing);
    let bound = bind(&module, &binding()).unwrap();
    let pcr = module.pcr.lock().unwrap().clone();
    assert!(pcr.locked);
    assert_eq!(pcr.value, binding().pcr16().0);
    assert_eq!(bound.pcrs, BTreeMap::from([(16, pcr.value)]));
    let user_data = Some(binding().digest().0.to_vec());
    let expected = AttestRequest { user_data, nonce: None, public_key: None };
    assert_eq!(*module.attested.lock().unwrap(), [expected]);
}

#[test]
fn enclave_binds_one_boot_only() {
    let module = OnePcr::new(Wrong::Nothing);
    bind(&module, &binding()).unwrap();
    assert_eq!(bind(&module, &binding()), Err(AttestError::RegisterUsed));
    let module = OnePcr::new(Wrong::Nothing);
    module.extend_pcr(16, b"another program").unwrap();
    let before = module.pcr.lock().unwrap().clone();
    assert_eq!(bind(&module, &binding()), Err(AttestError::RegisterUsed));
    assert_eq!(*module.pcr.lock().unwrap(), before);
    assert!(module.attested.lock().unwrap().is_empty());
}

#[test]
fn module_with_another_digest_or_without_the_register_is_refused_unchanged() {
    for (wrong, digest, pcrs) in [(Wrong::Digest, "SHA256", 17), (Wrong::Few, "SHA384", 16)] {
        let module = OnePcr::new(wrong);
        let before = module.pcr.lock().unwrap().clone();
        let refused = AttestError::NotTheModule { digest: digest.to_owned(), pcrs };
        assert_eq!(bind(&module, &binding()), Err(refused), "{wrong:?}");
        assert_eq!(*module.pcr.lock().unwrap(), before);
        assert!(module.attested.lock().unwrap().is_empty());
    }
}

#[test]
fn faulty_module_fails_the_binding_with_its_own_error() {
    let (bytes_max, size) = (ATTESTATION_BYTES_MAX, ATTESTATION_BYTES_MAX + 1);
    for (wrong, expected) in [
        (Wrong::Extends, AttestError::RegisterMismatch),
        (Wrong::NeverLocks, AttestError::RegisterMismatch),
        (Wrong::Empty, AttestError::DocumentSize { bytes_max, found: 0 }),
        (Wrong::Large, AttestError::DocumentSize { bytes_max, found: size }),
        (Wrong::Fails, AttestError::Module(NsmError::InternalError)),
    ] {
        assert_eq!(bind(&OnePcr::new(wrong), &binding()), Err(expected), "{wrong:?}");
    }
}
