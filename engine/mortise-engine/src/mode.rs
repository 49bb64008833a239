//! One log, one mode.
//!
//! What it is for: answers to repeated requests are rebuilt from the log and signed again
//! ([`crate::recall`]), with the mark of the boot that rebuilds them. A log that was written in
//! debug mode or on an emulator's module must therefore never be served as one that binds, nor the
//! other way about: a boot whose newest predecessor on the log was of another mode stops, before
//! anything is written, signed or said about the log. As every boot keeps to this, the newest
//! predecessor speaks for all.
//!
//! What it does not do: verify documents. What stands in the log the engine itself wrote there,
//! from its own module.

use crate::attest::AttestError;
use crate::boot::{BootError, Replayed};
use crate::store::LogStore;
use mortise_core::machine::{FollowError, read_clear};
use mortise_format::insecure_mode::InsecureMode;
use mortise_verify::attestation::admitted_insecure_mode;

/// Checks that the boots on the log so far were of this mode. Boots without a security module, and
/// those with one that is to be believed, are of the same: no mark.
///
/// # Errors
/// `OtherMode`; `Store`; `Frame` when the store gives another boot frame than was replayed.
pub async fn check(
    store: &dyn LogStore,
    replayed: &Replayed,
    running: Option<InsecureMode>,
) -> Result<(), BootError> {
    let Some(newest) = replayed.machine.epochs().last() else { return Ok(()) };
    let seq = newest.first_seq;
    let wrong = |error| BootError::Frame { seq, error };
    let frames = store.read(seq, 1).await?;
    let frame = frames.first().filter(|frame| frame.header().seq == seq);
    let clear = read_clear(frame.ok_or_else(|| wrong(FollowError::BootRecord))?).map_err(wrong)?;
    // The record that was replayed names the document by its digest.
    let boot = clear.boot.filter(|boot| boot.record == newest.boot);
    let boot = boot.ok_or_else(|| wrong(FollowError::BootRecord))?;
    let log = admitted_insecure_mode(&boot.document);
    if log != running {
        return Err(BootError::OtherMode { log, running });
    }
    Ok(())
}

/// Checks that the document of this boot, which the next boots will read, shows the mode that the
/// platform found.
///
/// # Errors
/// `Mode`.
pub fn check_own(document: &[u8], found: Option<InsecureMode>) -> Result<(), AttestError> {
    let shown = admitted_insecure_mode(document);
    if shown == found { Ok(()) } else { Err(AttestError::Mode { shown, found }) }
}
