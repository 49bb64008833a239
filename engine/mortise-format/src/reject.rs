//! Rejects of the core: plain values that compare with `==` and that the log can hold.

use crate::amount::U256;
use crate::errors::Code;
use crate::lock::Status;
use bincode::{Decode, Encode};

/// A field of a request, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[expect(missing_docs, reason = "the names are those of the wire")]
pub enum Field {
    Method,
    Owner,
    SessionKey,
    Beneficiary,
    Arbiter,
    Nonce,
    ExpiresIn,
    Expires,
    Amount,
    Amounts,
    Asset,
    Assets,
    TargetAsset,
    TargetAmount,
    ExecutionData,
    Condition,
    Locks,
    Batch,
    RequestId,
    ValidUntil,
    LockId,
    ClaimIndex,
    Claimant,
    Evidence,
    NewExpires,
    Signature,
    BeneficiarySignature,
    HeadNumber,
    HeadHash,
    HeadTime,
    Balance,
    Withdrawing,
    WithdrawalStatus,
    Account,
    Signatures,
    Reader,
    FromEpoch,
    ToEpoch,
    Serial,
    Images,
    MinimumVersion,
    Rules,
    Recipient,
}

impl Field {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Owner => "owner",
            Self::SessionKey => "sessionKey",
            Self::Beneficiary => "beneficiary",
            Self::Arbiter => "arbiter",
            Self::Nonce => "nonce",
            Self::ExpiresIn => "expiresIn",
            Self::Expires => "expires",
            Self::Amount => "amount",
            Self::Amounts => "amounts",
            Self::Asset => "asset",
            Self::Assets => "assets",
            Self::TargetAsset => "fulfillmentCondition.targetAsset",
            Self::TargetAmount => "fulfillmentCondition.targetAmount",
            Self::ExecutionData => "fulfillmentCondition.executionData",
            Self::Condition => "fulfillmentCondition",
            Self::Locks => "locks",
            Self::Batch => "batch",
            Self::RequestId => "requestId",
            Self::ValidUntil => "validUntil",
            Self::LockId => "lockId",
            Self::ClaimIndex => "claimIndex",
            Self::Claimant => "claimant",
            Self::Evidence => "evidence",
            Self::NewExpires => "newExpires",
            Self::Signature => "signature",
            Self::BeneficiarySignature => "beneficiarySignature",
            Self::HeadNumber => "headNumber",
            Self::HeadHash => "headHash",
            Self::HeadTime => "headTime",
            Self::Balance => "balance",
            Self::Withdrawing => "withdrawing",
            Self::WithdrawalStatus => "withdrawalStatus",
            Self::Account => "account",
            Self::Signatures => "signatures",
            Self::Reader => "reader",
            Self::FromEpoch => "fromEpoch",
            Self::ToEpoch => "toEpoch",
            Self::Serial => "serial",
            Self::Images => "images",
            Self::MinimumVersion => "minimumVersion",
            Self::Rules => "rules",
            Self::Recipient => "fulfillmentCondition.recipient",
        }
    }
}

/// Which limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Limit {
    /// Amount of one lock.
    Single,
    /// Held of one account and asset.
    Account,
    /// Held of one asset by all.
    Asset,
    /// Open locks of one owner.
    Concurrent,
    /// Logged commands per minute of one principal.
    Rate,
    /// Remembered request ids of one principal.
    Requests,
    /// Drafts of one owner.
    Drafts,
    /// Reading rights of the engine.
    ReadingGrants,
    /// Records of principals of a custody class.
    Principals,
    /// Owners without a record and without a fact in one minute.
    NewPrincipals,
    /// Accounts of a custody class.
    Accounts,
    /// Locks of a custody class.
    Locks,
}

impl Limit {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Account => "account",
            Self::Asset => "asset",
            Self::Concurrent => "concurrent",
            Self::Rate => "rate",
            Self::Requests => "requests",
            Self::Drafts => "drafts",
            Self::ReadingGrants => "readingGrants",
            Self::Principals => "principals",
            Self::NewPrincipals => "newPrincipals",
            Self::Accounts => "accounts",
            Self::Locks => "locks",
        }
    }

    /// True for the limit of what one command asks for: no other command changes it.
    fn is_final(self) -> bool {
        match self {
            Self::Single => true,
            Self::Account
            | Self::Asset
            | Self::Concurrent
            | Self::Rate
            | Self::Requests
            | Self::Drafts
            | Self::ReadingGrants
            | Self::Principals
            | Self::NewPrincipals
            | Self::Accounts
            | Self::Locks => false,
        }
    }
}

/// Party whose signature is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Party {
    /// The owner.
    Owner,
    /// The beneficiary.
    Beneficiary,
    /// No party can consent: an open-taker lock without arbiter ends by time alone.
    NoOne,
}

impl Party {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Beneficiary => "beneficiary",
            Self::NoOne => "nobody",
        }
    }
}

/// Why a nonce is not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum NonceFault {
    /// It was used, or lies below those that are kept apart.
    Used,
    /// Its hour is too long ago.
    TooOld,
    /// Its hour has not begun. It is not burned: it can be used when its hour comes.
    FromFuture,
}

impl NonceFault {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::TooOld => "tooOld",
            Self::FromFuture => "fromFuture",
        }
    }

    /// True when the nonce is never free again.
    fn is_final(self) -> bool {
        match self {
            Self::Used | Self::TooOld => true,
            Self::FromFuture => false,
        }
    }
}

/// Why a command was rejected: the first failing check in the order of `specs/locks.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Reject {
    /// No such lock in the state, and no such draft.
    LockNotFound,
    /// The signature is malformed, has a high s, or is by another key.
    InvalidSignature,
    /// The time for this has passed.
    LockExpired,
    /// A field breaks a rule that needs no state.
    Validation(Field),
    /// The signer may not do this.
    Unauthorized,
    /// Not enough is free.
    InsufficientAvailable {
        /// Final balance (`open`: the account limit).
        total: U256,
        /// Held, claimed and withdrawing.
        held: U256,
        /// What is free.
        available: U256,
        /// What was asked.
        requested: U256,
    },
    /// Under rule sets 1 and 2: the nonce was used, or lies below the owner's floor.
    NonceUsed,
    /// The expiry lies outside the window, seconds since the Unix epoch. From rule set 3: above it.
    ExpiryWindow {
        /// Earliest.
        min: u64,
        /// Latest.
        max: u64,
    },
    /// The owner could withdraw from the escrow before the lock is settled.
    ResetPeriodTooShort {
        /// Latest `settleBy` that the notice allows.
        latest: u64,
    },
    /// The owner is withdrawing from the escrow.
    ForcedWithdrawal,
    /// The chain is not served.
    UnsupportedChain(u64),
    /// A limit was met.
    Limit(Limit, U256),
    /// The lock has ended.
    AlreadyTerminal(Status),
    /// Another party must sign too.
    ConsentRequired(Party),
    /// More was claimed than remains.
    ClaimExceeds {
        /// Which leg.
        leg: u32,
        /// What remains of it.
        remaining: U256,
    },
    /// The id was used for other content.
    RequestIdReused(Field),
    /// The last fact is too old, seconds.
    StaleFacts {
        /// Age of its head.
        age: u64,
        /// Most that the policy allows.
        max: u64,
    },
    /// No verified evidence was given.
    ProofInvalid,
    /// The nonce is not free.
    NonceNotFree {
        /// Why.
        fault: NonceFault,
        /// A nonce of the owner that is free now, or from the next hour on.
        next: u64,
        /// The oldest hour whose nonces can be used now.
        oldest_hour: u32,
        /// The newest: the current one.
        newest_hour: u32,
    },
    /// From rule set 3: the expiry lies below the window, seconds since the Unix epoch. It never
    /// enters the window again.
    ExpiryTooEarly {
        /// Earliest.
        min: u64,
        /// Latest.
        max: u64,
    },
    /// From rule set 3: claims before this one are missing.
    ClaimAhead {
        /// The index of the next claim.
        next: u32,
    },
}

impl Reject {
    /// The entry of the error catalogue.
    pub fn code(&self) -> Code {
        match self {
            Self::LockNotFound => Code::LockNotFound,
            Self::InvalidSignature => Code::InvalidSignature,
            Self::LockExpired => Code::LockExpired,
            Self::Validation(_) => Code::Validation,
            Self::Unauthorized => Code::Unauthorized,
            Self::InsufficientAvailable { .. } => Code::InsufficientAvailable,
            Self::NonceUsed | Self::NonceNotFree { .. } => Code::NonceUsed,
            Self::ExpiryWindow { .. } => Code::ExpiryWindow,
            Self::ResetPeriodTooShort { .. } => Code::ResetPeriodTooShort,
            Self::ForcedWithdrawal => Code::ForcedWithdrawal,
            Self::UnsupportedChain(_) => Code::UnsupportedChain,
            Self::Limit(..) => Code::Limit,
            Self::AlreadyTerminal(_) => Code::AlreadyTerminal,
            Self::ConsentRequired(_) => Code::ConsentRequired,
            Self::ClaimExceeds { .. } => Code::ClaimExceeds,
            Self::RequestIdReused(_) => Code::RequestIdReused,
            Self::StaleFacts { .. } => Code::StaleFacts,
            Self::ProofInvalid => Code::ProofInvalid,
            Self::ExpiryTooEarly { .. } => Code::ExpiryWindow,
            Self::ClaimAhead { .. } => Code::Validation,
        }
    }

    /// True when the same command can never be granted, under the rules and the policy in force.
    ///
    /// The others can be, until their `validUntil`. A wallet may sign a replacement for them only
    /// with the same nonce: then at most one of the two is ever granted. A policy cannot change; if
    /// that changes, `UnsupportedChain` and the limit of one lock are no longer final.
    pub fn is_final(&self) -> bool {
        match self {
            Self::InvalidSignature
            | Self::LockExpired
            | Self::Validation(_)
            | Self::Unauthorized
            | Self::NonceUsed
            | Self::ExpiryTooEarly { .. }
            | Self::UnsupportedChain(_)
            | Self::AlreadyTerminal(_)
            | Self::ClaimExceeds { .. }
            | Self::ConsentRequired(_)
            | Self::ProofInvalid => true,
            Self::NonceNotFree { fault, .. } => fault.is_final(),
            Self::Limit(limit, _) => limit.is_final(),
            Self::LockNotFound
            | Self::InsufficientAvailable { .. }
            | Self::ExpiryWindow { .. }
            | Self::ClaimAhead { .. }
            | Self::ResetPeriodTooShort { .. }
            | Self::ForcedWithdrawal
            | Self::RequestIdReused(_)
            | Self::StaleFacts { .. } => false,
        }
    }

    /// True when the reject depends on the state, so that the engine must remember it under the
    /// caller's request id (INV-07). The others depend on the request alone.
    pub fn is_caused_by_state(&self) -> bool {
        !matches!(
            self,
            Self::InvalidSignature
                | Self::Validation(_)
                | Self::Unauthorized
                | Self::RequestIdReused(_)
                | Self::ProofInvalid
                | Self::ClaimAhead { .. }
                | Self::Limit(
                    Limit::Rate
                        | Limit::Requests
                        | Limit::Drafts
                        | Limit::Principals
                        | Limit::NewPrincipals
                        | Limit::Accounts
                        | Limit::Locks,
                    _
                )
        )
    }
}
