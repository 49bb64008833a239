//! One log, one mode.
//!
//! What it is for: the engine rebuilds answers to repeated requests from the log and signs them
//! again ([`crate::reader`]), in the mode of the current boot. So a log from debug mode or an
//! emulated module must never be served by an engine whose promises bind, and the reverse. A boot
//! stops if the previous boot on the log was in another mode, before it writes or signs anything.
//! Every boot checks this, so the previous boot represents all of them.
//!
//! What it does not do: verify documents. The engine itself wrote the documents in the log, from
//! its own module.

use crate::attest::AttestError;
use crate::boot::{BootError, Replayed};
use crate::store::LogStore;
use mortise_core::machine::{FollowError, read_clear};
use mortise_format::insecure_mode::InsecureMode;
use mortise_verify::attestation::admitted_insecure_mode;

/// Checks that the boots on the log so far were in this mode. Boots without a security module and
/// attested boots count as the same: no insecure mode.
///
/// # Errors
/// `OtherMode`; `Store`; `Frame` when the store returns another boot frame than the replayed one.
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
    // The replayed record names the document by its digest.
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
