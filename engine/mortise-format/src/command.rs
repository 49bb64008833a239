//! Commands as they arrive: parsed and bounded, not yet authenticated.
//!
//! The strict type at the edge: JSON and binary requests are parsed into these, and nothing past
//! the session sees anything else. `mortise-core::admit` checks signatures and hashes once and
//! turns a command into an `Admitted` one, which alone can be decided.

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
    /// Named inside the signed bytes.
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
    /// One of the two above, the caller does not say which; never stands in an event.
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
    /// The beneficiary gives back.
    Release {
        /// The lock.
        lock_id: LockId,
        /// The request.
        request: Request,
        /// Over the consent.
        signature: Signature,
    },
    /// Owner and beneficiary give back.
    Cancel {
        /// The lock.
        lock_id: LockId,
        /// Each in any order; the owner's is needed.
        consents: Vec<SignedCancel>,
    },
    /// The owner gives up a draft; burns its nonce.
    CancelDraft {
        /// The draft's terms, whole.
        terms: LockTerms,
        /// The owner's consent.
        consent: SignedCancel,
    },
    /// The owner prolongs.
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
        /// What they saw.
        fact: BalanceFact,
        /// One per observer.
        signatures: Vec<Signature>,
    },
    /// Operators let somebody read the log.
    GrantReading {
        /// Who may read what.
        grant: ReadingGrant,
        /// One per operator.
        signatures: Vec<Signature>,
    },
    /// Operators name the images that may boot on the log.
    ApproveImages {
        /// Which, and from which version on.
        approval: ImageApproval,
        /// One per operator.
        signatures: Vec<Signature>,
    },
}
