//! The results of every method, built from the crate's types and read back by the client.
//!
//! The fields of the existing client's types keep their names and meaning; Mortise adds fields.
//! Parsing is lenient: an answer may have fields that an older client does not know.

mod app;
mod commitment;
mod evidence;
mod freshness;
mod history;
mod images;
mod lock;
mod lock_history;
mod outcome;
mod reading;
mod receipt;
mod service;
mod state;

pub use app::{KmsDataKey, KmsDecrypted, KmsEncrypted, KmsRandom};
pub use commitment::{BatchResult, CcmAttestation, CommitResult, CommitmentView};
pub use evidence::{
    ForkEvidenceView, ForkFormat, ForkLeavesView, LeafProofView, SignedStatementView,
};
pub use freshness::{AttestedLease, FreshnessView, LeaseView};
pub use history::{CheckpointResult, ConsistencyResult, HeadView, InclusionView, ReceiptResult};
pub use images::ApprovedImagesView;
pub use lock::{CreateLockResult, LegView, LockById, LockList, LockStatus, LockView, PositionView};
pub use lock_history::{LockEventKind, LockEventView, LockHistory};
pub use outcome::{FactResult, OutcomeResult, OutcomeView};
pub use reading::{
    EndReason, EventsResult, FrameKeysView, FrameView, ReadingGrantView, ReadingKeysResult,
    SealedReceipt, SubscribeResult, SubscriptionEnded,
};
pub use receipt::{ReceiptView, StatementView};
pub use service::{
    Attestation, BindingView, BootAttestation, ChainInfo, CleanupResult, Degraded, EngineInfo,
    Health, NonceResult, PolicyResult, PredecessorView, SimulationResult, StateRootResult,
};
pub use state::{BalanceResult, LockedBalanceResult, OtherLeaf, ProofResult};

#[cfg(test)]
mod tests;
