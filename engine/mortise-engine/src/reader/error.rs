//! Why a read failed.

use crate::keyring::IdentityError;
use crate::store::StoreError;
use mortise_core::machine::EpochRecord;

/// A read failed. Only its caller learns of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store did not answer.
    #[error("frame {seq} was not read: {error}")]
    Store { seq: u64, error: StoreError },
    /// The store has not the frame that this engine wrote.
    #[error("frame {seq} in the store is not the one that this engine wrote")]
    Damaged { seq: u64 },
    /// The operator pruned the frame: the store has its leaf alone.
    #[error("frame {seq} was pruned; the store begins with frame {first}")]
    Pruned { seq: u64, first: u64 },
    /// The key service did not unwrap the key of an earlier epoch.
    #[error("the key of epoch {epoch} was not unwrapped: {error}")]
    Keys { epoch: u64, error: IdentityError },
    /// The boot frame is not released yet.
    #[error("nothing is released yet")]
    NotOpen,
}

impl ReadError {
    /// A wrapped key that opens to another key is damage of the boot frame that carries it.
    pub(super) fn of_keys(record: &EpochRecord, error: IdentityError) -> Self {
        match error {
            IdentityError::Vault(_) => Self::Keys { epoch: record.epoch, error },
            _ => Self::Damaged { seq: record.first_seq },
        }
    }

    /// The frame that could not be read.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Store { seq, .. } | Self::Damaged { seq } | Self::Pruned { seq, .. } => {
                Some(*seq)
            }
            Self::Keys { .. } | Self::NotOpen => None,
        }
    }
}
