//! Why an event does not fit a state.

/// An event that does not fit the state: the log or the process is corrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// The event names a lock that is not in the state.
    #[error("the event names a lock that is not in the state")]
    UnknownLock,
    /// The event grants a lock that is already in the state.
    #[error("the event grants a lock that is in the state already")]
    KnownLock,
    /// The event uses a nonce again (INV-06).
    #[error("the event uses a nonce again")]
    NonceUsed,
    /// The lock's status does not allow the event (INV-11).
    #[error("the event does not fit the lock's status")]
    Status,
    /// An amount would leave its range (INV-01, 11).
    #[error("an amount would leave its range")]
    Amount,
    /// Engine time would go back (INV-10).
    #[error("engine time would go back")]
    TimeBack,
    /// The fact is not newer than the one before.
    #[error("the fact is not newer than the last one")]
    FactOrder,
    /// More would be promised of an account than there is (INV-01).
    #[error("more would be promised of an account than there is")]
    Insolvent,
    /// The grant lies beyond the bounds of a frame or of a batch.
    #[error("the grant lies beyond the bounds of a frame or of a batch")]
    Place,
    /// A limit, a custody class or a chain is not that of the policy (INV-13).
    #[error("the event does not fit the policy")]
    Policy,
    /// The rules would fall, or this code does not know them (INV-19).
    #[error("the rules of the epoch would fall, or this code does not know them")]
    Rules,
    /// The event answers a request that has an answer (INV-07).
    #[error("the event answers a request again")]
    RequestKnown,
    /// An event follows the one that ended its epoch.
    #[error("the event follows the end of its epoch")]
    EpochEnded,
}
