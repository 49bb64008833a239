//! The registers, by the rules of the Nitro Secure Module.
//!
//! Registers 0 to 15 are locked when an enclave starts. Registers 16 to 31 start at zero and belong
//! to the enclave. A locked register stays locked until the enclave ends.

use super::measurements::Measurements;
use mortise_engine::ports::{NsmError, PcrState};
use mortise_format::pcr::Pcr;

/// How many registers a module has.
pub(super) const PCR_COUNT: u16 = 32;
/// How many of them, from the first, are locked when an enclave starts.
const LOCKED_AT_START: usize = 16;
/// Upper bound of the bytes of an extend request besides its data.
const EXTEND_BYTES_MAX: usize = 4000;

#[derive(Debug, Clone, Copy)]
struct Register {
    value: Pcr,
    locked: bool,
}

/// The registers of one boot.
#[derive(Debug)]
pub(super) struct Bank([Register; PCR_COUNT as usize]);

impl Bank {
    pub(super) fn boot(measurements: &Measurements) -> Self {
        let open = Register { value: Pcr::ZERO, locked: false };
        let mut registers = [open; PCR_COUNT as usize];
        for register in &mut registers[..LOCKED_AT_START] {
            register.locked = true;
        }
        for (index, value) in measurements.by_index() {
            registers[index].value = value;
        }
        Self(registers)
    }

    pub(super) fn state(&self, index: u16) -> Result<PcrState, NsmError> {
        let register = self.0.get(usize::from(index)).ok_or(NsmError::InvalidIndex)?;
        Ok(PcrState { locked: register.locked, value: register.value.0.to_vec() })
    }

    pub(super) fn extend(&mut self, index: u16, data: &[u8]) -> Result<Pcr, NsmError> {
        if data.len() > EXTEND_BYTES_MAX {
            return Err(NsmError::InputTooLarge);
        }
        let register = self.open(index)?;
        register.value = register.value.extended(data);
        Ok(register.value)
    }

    pub(super) fn lock(&mut self, index: u16) -> Result<(), NsmError> {
        self.open(index)?.locked = true;
        Ok(())
    }

    /// The registers that documents list: the locked ones, in order.
    pub(super) fn locked(&self) -> impl Iterator<Item = (u16, &Pcr)> {
        let locked = (0..PCR_COUNT).zip(&self.0).filter(|(_, register)| register.locked);
        locked.map(|(index, register)| (index, &register.value))
    }

    fn open(&mut self, index: u16) -> Result<&mut Register, NsmError> {
        let register = self.0.get_mut(usize::from(index)).ok_or(NsmError::InvalidIndex)?;
        match register.locked {
            true => Err(NsmError::ReadOnlyIndex),
            false => Ok(register),
        }
    }
}
