//! Room for one answer, reserved before the answer is made.
//!
//! What it is for: a call has an upper bound for its answer ([`crate::rpc`] knows it). The bound is
//! reserved before the work of the call, corrected when the answer is made, and given back when it
//! is written. A call without room is OVERLOADED and nothing happened.
//!
//! What it does not do: reserve for a read of the log while that waits for a frame or for its turn.
//! Such a read holds little then, and reserves when its turn has come.

use crate::handle::SubmitError;
use mortise_transport::{FairBytes, ReservedBytes, ShareKey};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The room of one call. See the module.
#[derive(Debug)]
pub struct AnswerRoom {
    pool: FairBytes,
    caller: ShareKey,
    bytes_max: usize,
    reserved: Mutex<Option<ReservedBytes>>,
}

/// An answer, with what is reserved for it until it is written.
#[derive(Debug, Default)]
pub struct MadeAnswer {
    pub bytes: Vec<u8>,
    pub reserved: Vec<ReservedBytes>,
}

impl AnswerRoom {
    /// Room for `bytes_max` bytes. Nothing is reserved yet.
    pub fn new(pool: FairBytes, caller: ShareKey, bytes_max: usize) -> Self {
        Self { pool, caller, bytes_max, reserved: Mutex::default() }
    }

    /// Reserves the room, unless it is reserved.
    ///
    /// # Errors
    /// `Overloaded`: the caller may not have it now.
    pub fn reserve(&self) -> Result<(), SubmitError> {
        let mut reserved = self.lock();
        if reserved.is_none() {
            *reserved = self.pool.reserve(self.caller, self.bytes_max);
        }
        reserved.as_ref().map(drop).ok_or(SubmitError::Overloaded)
    }

    /// The answer is made: what was reserved becomes its size. An error that needed no room counts
    /// from now on.
    pub fn made(&self, bytes: Vec<u8>) -> MadeAnswer {
        let reserved = self.lock().take();
        let is_bounded = reserved.is_none() || bytes.len() <= self.bytes_max;
        debug_assert!(is_bounded, "{} bytes, reserved {}", bytes.len(), self.bytes_max);
        let reserved = reserved.or_else(|| self.pool.reserve(self.caller, 0));
        let reserved = reserved.map(|mut reserved| {
            reserved.correct(bytes.len());
            reserved
        });
        MadeAnswer { bytes, reserved: reserved.into_iter().collect() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<ReservedBytes>> {
        // The value is whole at every moment.
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_reserved_once_corrected_and_given_back() {
        let pool = FairBytes::new(1024 * 1024);
        let room = AnswerRoom::new(pool.clone(), ShareKey::default(), 400 * 1024);
        assert_eq!(pool.free_bytes(), 1024 * 1024, "nothing before it is asked for");
        assert_eq!((room.reserve(), room.reserve()), (Ok(()), Ok(())));
        assert_eq!(pool.free_bytes(), 624 * 1024);
        let other = AnswerRoom::new(pool.clone(), ShareKey::default(), 400 * 1024);
        assert_eq!(other.reserve(), Err(SubmitError::Overloaded));
        let made = room.made(vec![0; 100 * 1024]);
        assert_eq!(pool.free_bytes(), 924 * 1024);
        let refused = other.made(vec![0; 300]);
        assert_eq!(pool.free_bytes(), 923 * 1024, "a refusal counts too");
        drop((made, refused));
        assert_eq!(pool.free_bytes(), 1024 * 1024);
        assert!(room.reserve().is_ok());
        drop(room);
        assert_eq!(pool.free_bytes(), 1024 * 1024, "what is not made is given back");
    }
}
