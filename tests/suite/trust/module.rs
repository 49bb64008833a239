//! A security module whose documents the suite's test authority signs.

use crate::attestation::der::bstr;
use crate::attestation::issuer::{self, TIMESTAMP_MS};
use mortise_client::{KeyOrigin, Trust};
use mortise_engine::ports::{AttestRequest, ModuleDescription, Nsm, NsmError, PcrState};
use mortise_format::pcr::Pcr;
use mortise_verify::attestation::PcrPolicy;
use mortise_verify::lease::AgeLimit;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// The module of one enclave: registers 0 to 15 measured and locked, the others open.
#[derive(Debug)]
pub struct TestModule {
    pcrs: Mutex<BTreeMap<u16, PcrState>>,
}

impl TestModule {
    /// The module of an enclave that runs this image.
    pub fn of_image(image: u8) -> Self {
        let state = |index: u16| {
            let byte = u8::try_from(index).expect("32 registers");
            let Pcr(mut value) = issuer::pcr(byte);
            value[47] ^= image;
            match index {
                0..16 => PcrState { locked: true, value: value.to_vec() },
                _ => PcrState { locked: false, value: Pcr::ZERO.0.to_vec() },
            }
        };
        Self { pcrs: Mutex::new((0..32).map(|index| (index, state(index))).collect()) }
    }

    /// The time of all its documents.
    pub const TIME_MS: u64 = TIMESTAMP_MS;

    /// The attestation trust that accepts this module and image.
    pub fn trust() -> Trust {
        let pcr = |index| issuer::pcr(index);
        let pcrs = PcrPolicy::one_image(pcr(0), pcr(1), pcr(2)).expect("not of debug mode");
        Trust {
            roots: vec![issuer::plan().issue().root],
            pcrs,
            limit: AgeLimit::DEFAULT,
            origin: KeyOrigin::DrawnInside,
        }
    }

    fn pcrs(&self) -> MutexGuard<'_, BTreeMap<u16, PcrState>> {
        self.pcrs.lock().expect("no holder of the registers panics")
    }

    fn open_pcr<T>(
        &self,
        index: u16,
        change: impl FnOnce(&mut PcrState) -> T,
    ) -> Result<T, NsmError> {
        match self.pcrs().get_mut(&index) {
            None => Err(NsmError::InvalidIndex),
            Some(state) if state.locked => Err(NsmError::ReadOnlyIndex),
            Some(state) => Ok(change(state)),
        }
    }
}

impl Nsm for TestModule {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        let locked =
            self.pcrs().iter().filter(|(_, state)| state.locked).map(|(i, _)| *i).collect();
        Ok(ModuleDescription {
            version: [1, 0, 0],
            module_id: "i-0-enc0".into(),
            max_pcrs: 32,
            locked_pcrs: locked,
            digest: "SHA384".into(),
        })
    }

    fn describe_pcr(&self, index: u16) -> Result<PcrState, NsmError> {
        self.pcrs().get(&index).cloned().ok_or(NsmError::InvalidIndex)
    }

    fn extend_pcr(&self, index: u16, data: &[u8]) -> Result<Vec<u8>, NsmError> {
        self.open_pcr(index, |state| {
            let value = Pcr(state.value.as_slice().try_into().expect("48 bytes"));
            state.value = value.extended(data).0.to_vec();
            state.value.clone()
        })
    }

    fn lock_pcr(&self, index: u16) -> Result<(), NsmError> {
        self.open_pcr(index, |state| state.locked = true)
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn attest(&self, request: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        let field = |bytes: &Option<Vec<u8>>| match bytes {
            None => Ok(vec![0xf6]),
            Some(bytes) if bytes.len() > 1024 => Err(NsmError::InputTooLarge),
            Some(bytes) => Ok(bstr(bytes)),
        };
        let mut plan = issuer::plan();
        plan.set("user_data", field(&request.user_data)?);
        plan.set("nonce", field(&request.nonce)?);
        plan.set("public_key", field(&request.public_key)?);
        let pcrs = self.pcrs();
        let locked = pcrs.iter().filter(|(_, state)| state.locked).map(|(index, state)| {
            let index = u8::try_from(*index).expect("32 registers");
            (index, Pcr(state.value.as_slice().try_into().expect("48 bytes")))
        });
        plan.set("pcrs", issuer::registers(locked));
        Ok(plan.issue().document)
    }
}
