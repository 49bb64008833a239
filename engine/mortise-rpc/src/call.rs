//! Every method: its name, its parameters.

use super::error::ErrorObject;
use super::params::{
    ApproveImages, CancelLock, ClaimLock, CommitBatch, CommitLock, CreateLock, ExtendLock,
    GetActiveLocks, GetAttestation, GetBalance, GetBootAttestation, GetConsistencyProof, GetEvents,
    GetLock, GetLockHistory, GetLockedBalance, GetProof, GetReadingKeys, GetReceipt, GetStateRoot,
    GrantReading, KmsDecrypt, KmsEncrypt, KmsGenerateDataKey, KmsGenerateRandom, ListLocks,
    NoParams, ReleaseLock, SignLock, SimulateLock, SubmitChainFact, Subscribe, SuggestNonce,
    VerifyFulfillment,
};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Declares [`Method`] and [`Call`] from one row a method.
macro_rules! methods {
    ($($variant:ident($params:ident) = $name:literal, $doc:literal;)*) => {
        /// A method of the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Method {
            $(#[doc = $doc] $variant,)*
        }

        impl Method {
            /// Every method, in the order of `specs/json-rpc.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        /// A call with its parsed parameters.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Call {
            $(#[doc = $doc] $variant($params),)*
        }

        impl Call {
            /// Parses the parameters of a method.
            ///
            /// # Errors
            /// UNKNOWN_FIELD or INVALID_PARAMS, naming the field.
            pub fn parse(method: Method, params: &Value) -> Result<Self, ErrorObject> {
                let parsed = match method {
                    $(Method::$variant => $params::parse(params).map(Self::$variant),)*
                };
                parsed.map_err(ErrorObject::from)
            }

            /// The method.
            pub const fn method(&self) -> Method {
                match self { $(Self::$variant(_) => Method::$variant,)* }
            }
        }

        impl Serialize for Call {
            /// The parameters alone.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$variant(params) => params.serialize(serializer),)* }
            }
        }
    };
}

methods! {
    Health(NoParams) = "health", "Phase, position in the log, identity.";
    GetBootAttestation(GetBootAttestation) = "getBootAttestation", "What runs, attested at boot.";
    GetAttestation(GetAttestation) = "getAttestation", "What runs now, attested for this caller.";
    CreateLock(CreateLock) = "createLock", "A draft and the typed data to sign.";
    SignLock(SignLock) = "signLock", "The owner approves a draft.";
    CommitLock(CommitLock) = "commitLock", "A lock in one step.";
    CommitBatch(CommitBatch) = "commitBatch", "Locks, all or none.";
    ClaimLock(ClaimLock) = "claimLock", "The arbiter claims.";
    ReleaseLock(ReleaseLock) = "releaseLock", "The beneficiary releases.";
    CancelLock(CancelLock) = "cancelLock", "Owner and beneficiary cancel.";
    ExtendLock(ExtendLock) = "extendLock", "The owner sets a later expiry.";
    VerifyFulfillment(VerifyFulfillment) = "verifyFulfillment", "A claim by evidence.";
    GetLock(GetLock) = "getLock", "A lock in the state, or null.";
    GetLockHistory(GetLockHistory) = "getLockHistory", "The events of a lock.";
    GetActiveLocks(GetActiveLocks) = "getActiveLocks", "The open locks of an owner.";
    ListLocks(ListLocks) = "listLocks", "A page of locks.";
    GetLockedBalance(GetLockedBalance) = "getLockedBalance", "A balance and its open locks.";
    GetBalance(GetBalance) = "getBalance", "A balance, part by part.";
    GetStateRoot(GetStateRoot) = "getStateRoot", "The state root or its statement.";
    SuggestNonce(SuggestNonce) = "suggestNonce", "A nonce that is free now.";
    SubmitChainFact(SubmitChainFact) = "submitChainFact", "Observers report a balance.";
    CleanupExpiredLocks(NoParams) = "cleanupExpiredLocks", "Expires what is due.";
    SimulateLock(SimulateLock) = "simulateLock", "Every check of a commit, no effect.";
    GetPolicy(NoParams) = "getPolicy", "The rules in force.";
    GetEngineInfo(NoParams) = "getEngineInfo", "Identity, version, limits.";
    GetEnclaveId(NoParams) = "getEnclaveId", "The engine id.";
    GetEnclavePublicKey(NoParams) = "getEnclavePublicKey", "The signing address.";
    GetProof(GetProof) = "getProof", "Presence or absence of an entry.";
    GetReceipt(GetReceipt) = "getReceipt", "The receipt of an event, in the newest checkpoint.";
    GetCheckpoint(NoParams) = "getCheckpoint", "The signed head of the log.";
    GetConsistencyProof(GetConsistencyProof) = "getConsistencyProof", "A history extends another.";
    GrantReading(GrantReading) = "grantReading", "Operators grant a right to read the log.";
    ApproveImages(ApproveImages) = "approveImages", "Operators name the images that may boot.";
    GetReadingKeys(GetReadingKeys) = "getReadingKeys", "The keys of a reading right, sealed.";
    GetEvents(GetEvents) = "getEvents", "Released frames, sealed or with their keys.";
    Subscribe(Subscribe) = "subscribe", "Frames as they are released.";
    KmsEncrypt(KmsEncrypt) = "kmsEncrypt", "The application encrypts a text for an owner.";
    KmsDecrypt(KmsDecrypt) = "kmsDecrypt", "The owner has a text decrypted.";
    KmsGenerateDataKey(KmsGenerateDataKey) = "kmsGenerateDataKey", "A wrapped data key.";
    KmsGenerateRandom(KmsGenerateRandom) = "kmsGenerateRandom", "Bytes of the key service.";
}

impl Method {
    /// The method of this name, exactly as written.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.name() == name)
    }
}

/// What the answer of a call speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// The state as it is now. Answered only under a lease, with what its caller needs to check its
    /// age ([`crate::results::FreshnessView`]). `health` alone is answered without one, as `stale`.
    Now,
    /// What is in the log, which no later frame changes.
    Past,
    /// A change, or what prepares one and holds nothing. A change is an event of the log, which
    /// witnesses saw before its answer left.
    Change,
    /// Nothing in the log: who the engine is, or a service beside it.
    Timeless,
}

impl Call {
    /// What the answer speaks of. No wildcard: a new method has to choose.
    pub const fn tense(&self) -> Tense {
        match self {
            Self::Health(_)
            | Self::GetAttestation(_)
            | Self::GetLock(_)
            | Self::GetLockHistory(_)
            | Self::GetActiveLocks(_)
            | Self::ListLocks(_)
            | Self::GetLockedBalance(_)
            | Self::GetBalance(_)
            | Self::SuggestNonce(_)
            | Self::SimulateLock(_)
            | Self::GetPolicy(_) => Tense::Now,
            Self::GetStateRoot(params) => now_unless_at(params.at_seq),
            Self::GetProof(params) => now_unless_at(params.seq),
            Self::GetReceipt(_)
            | Self::GetCheckpoint(_)
            | Self::GetConsistencyProof(_)
            | Self::GetReadingKeys(_)
            | Self::GetEvents(_)
            | Self::Subscribe(_) => Tense::Past,
            Self::CreateLock(_)
            | Self::SignLock(_)
            | Self::CommitLock(_)
            | Self::CommitBatch(_)
            | Self::ClaimLock(_)
            | Self::ReleaseLock(_)
            | Self::CancelLock(_)
            | Self::ExtendLock(_)
            | Self::VerifyFulfillment(_)
            | Self::SubmitChainFact(_)
            | Self::CleanupExpiredLocks(_)
            | Self::GrantReading(_)
            | Self::ApproveImages(_) => Tense::Change,
            Self::GetBootAttestation(_)
            | Self::GetEngineInfo(_)
            | Self::GetEnclaveId(_)
            | Self::GetEnclavePublicKey(_)
            | Self::KmsEncrypt(_)
            | Self::KmsDecrypt(_)
            | Self::KmsGenerateDataKey(_)
            | Self::KmsGenerateRandom(_) => Tense::Timeless,
        }
    }
}

/// A question about a named frame is about the past.
const fn now_unless_at(seq: Option<u64>) -> Tense {
    match seq {
        None => Tense::Now,
        Some(_) => Tense::Past,
    }
}

impl Call {
    /// Parses a call by the method's name.
    ///
    /// # Errors
    /// METHOD_NOT_FOUND, UNKNOWN_FIELD, INVALID_PARAMS.
    pub fn by_name(name: &str, params: &Value) -> Result<Self, ErrorObject> {
        let method = Method::from_name(name).ok_or_else(|| ErrorObject::method_not_found(name))?;
        Self::parse(method, params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn method_names_find_their_method_and_nothing_else_does() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(*method));
        }
        for name in ["", "Health", "health ", "eth_call"] {
            let error = Call::by_name(name, &json!({})).unwrap_err();
            assert_eq!(error.code, -32601, "{name}");
        }
    }

    #[test]
    fn every_method_refuses_a_field_that_it_does_not_know() {
        for method in Method::ALL {
            let error = Call::parse(*method, &json!({"surprise": 1})).unwrap_err();
            assert_eq!(error.code, -32031, "{method:?}");
            assert_eq!(error.text("field"), Some("surprise"));
        }
    }
}
