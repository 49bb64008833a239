//! Commands as they arrive: parsed and bounded, not yet authenticated.
//!
//! The strict types at the edge. A session parses each JSON or binary request into one of these;
//! the code behind it sees no other form. `mortise_core::admit` then checks signatures and hashes
//! once and returns an `Admitted` command, the only type that `decide` accepts.

use crate::claim::Claim;
use crate::fact::BalanceFact;
use crate::ids::{LockId, Signature};
use crate::images::ImageApproval;
use crate::lock::LockTerms;
use crate::reading::ReadingGrant;
use crate::request::Request;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// One lock with its owner's signature over `LockIntent`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedIntent {
    /// What the owner agrees to.
    pub terms: LockTerms,
    /// The request ID and its validity, both in the signed bytes.
    pub request: Request,
    /// Over the intent.
    pub signature: Signature,
}

/// What a consent to cancel was signed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum CancelForm {
    /// EIP-712 `CancelConsent` with a request.
    Consent(Request),
    /// EIP-191 text `Cancel lock: <id>`.
    Text,
    /// `keccak(abi.encode(lockId, "CANCEL"))`.
    ServerHash,
    /// One of the two above; the caller does not say which. Never occurs in an event.
    TextOrServerHash,
}

/// A signed consent to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SignedCancel {
    /// What was signed.
    pub form: CancelForm,
    /// The signature.
    pub signature: Signature,
}

/// A request that changes state.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// Locks of one or many owners, all or none.
    Commit {
        /// 1 to `BATCH_LOCKS_MAX` intents; more than one are tied by their batch hash.
        intents: Vec<SignedIntent>,
    },
    /// A draft, approved with the existing client's `LockApproval`.
    Approve {
        /// The draft's terms, whole.
        terms: LockTerms,
        /// Over the approval.
        signature: Signature,
    },
    /// The arbiter claims.
    Claim {
        /// What the arbiter signed.
        claim: Claim,
        /// Over the claim.
        signature: Signature,
    },
    /// The beneficiary releases a lock.
    Release {
        /// The lock.
        lock_id: LockId,
        /// The request.
        request: Request,
        /// Over the consent.
        signature: Signature,
    },
    /// Owner and beneficiary cancel a lock.
    Cancel {
        /// The lock.
        lock_id: LockId,
        /// Consents in any order. The owner's is required.
        consents: Vec<SignedCancel>,
    },
    /// The owner cancels a draft, which burns its nonce.
    CancelDraft {
        /// The draft's terms, whole.
        terms: LockTerms,
        /// The owner's consent.
        consent: SignedCancel,
    },
    /// The owner extends a lock.
    Extend {
        /// The lock.
        lock_id: LockId,
        /// Whole seconds since the Unix epoch.
        new_expires: u64,
        /// The request.
        request: Request,
        /// Over the consent.
        signature: Signature,
    },
    /// Observers report a balance.
    RecordFact {
        /// The balance and withdrawal status that they attest.
        fact: BalanceFact,
        /// One per observer.
        signatures: Vec<Signature>,
    },
    /// Operators grant a right to read the log.
    GrantReading {
        /// Who may read what.
        grant: ReadingGrant,
        /// One per operator.
        signatures: Vec<Signature>,
    },
    /// Operators name the images that may boot on the log.
    ApproveImages {
        /// The images, and the lowest version that may boot.
        approval: ImageApproval,
        /// One per operator.
        signatures: Vec<Signature>,
    },
}

impl Command {
    /// Every signature of the command, in their order.
    pub fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        match self {
            Self::Commit { intents } => intents.iter_mut().map(|i| &mut i.signature).collect(),
            Self::Cancel { consents, .. } => {
                consents.iter_mut().map(|c| &mut c.signature).collect()
            }
            Self::CancelDraft { consent, .. } => alloc::vec![&mut consent.signature],
            Self::Approve { signature, .. }
            | Self::Claim { signature, .. }
            | Self::Release { signature, .. }
            | Self::Extend { signature, .. } => alloc::vec![signature],
            Self::RecordFact { signatures, .. }
            | Self::GrantReading { signatures, .. }
            | Self::ApproveImages { signatures, .. } => signatures.iter_mut().collect(),
        }
    }
}
