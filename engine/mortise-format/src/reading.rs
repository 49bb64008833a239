//! Reading rights: who may read the log, from which epoch to which.
//!
//! What it is for: the command in which k operators grant the holder of an X25519 key the content
//! roots of some epochs (`specs/reading.md`), and the HPKE contexts that name the grant.
//!
//! What it does not do: revoke. A reader cannot forget a key that it received. A right that should
//! end names its last epoch.

use crate::ids::{Bytes32, EngineId};
use crate::log_position::LogPosition;
use crate::request::Request;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// What operators sign as `GrantReading`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ReadingGrant {
    /// X25519 public key of the reader.
    pub reader: Bytes32,
    /// First epoch, from 1.
    pub from_epoch: u64,
    /// Last epoch; 0 for no end: every later epoch, future ones included.
    pub to_epoch: u64,
    /// The request. Its id is unique among all grants of the engine, for ever.
    pub request: Request,
}

impl ReadingGrant {
    /// True when the right covers an epoch.
    pub fn covers(&self, epoch: u64) -> bool {
        epoch >= self.from_epoch && (self.to_epoch == 0 || epoch <= self.to_epoch)
    }
}

/// HPKE context of a message with keys of epochs: the engine, and the event that granted the
/// right.
pub fn keys_context(engine_id: &EngineId, granted_at: LogPosition) -> Vec<u8> {
    let index = granted_at.index.to_le_bytes();
    [&engine_id.0[..], &granted_at.seq.to_le_bytes(), &index].concat()
}

/// HPKE context of a message with keys of frames: the engine, the first frame of the answer and
/// the one after its last.
pub fn frames_context(engine_id: &EngineId, from: u64, next: u64) -> Vec<u8> {
    [&engine_id.0[..], &from.to_le_bytes(), &next.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RequestId;

    #[test]
    fn right_covers_its_epochs_and_no_others() {
        let request = Request { id: RequestId([1; 32]), valid_until: 0 };
        let grant = |from_epoch, to_epoch| ReadingGrant {
            reader: Bytes32([9; 32]),
            from_epoch,
            to_epoch,
            request,
        };
        let covered = |grant: ReadingGrant| (0..6).map(move |e| grant.covers(e));
        assert!(covered(grant(2, 4)).eq([false, false, true, true, true, false]));
        assert!(covered(grant(2, 0)).eq([false, false, true, true, true, true]));
        assert!(grant(2, 0).covers(u64::MAX));
        assert!(covered(grant(3, 3)).eq([false, false, false, true, false, false]));
    }
}
