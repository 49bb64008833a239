//! Parameters that change locks: claimLock, releaseLock, cancelLock, extendLock.

use super::super::fields::{Item, ParamError};
use super::super::rows::Object;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::command::{CancelForm, Command};
use mortise_format::eip712::{Claim, Request};
use mortise_format::ids::{Address, Bytes32, LockId, RequestId, Signature};
use mortise_format::limits::LOCK_LEGS_MAX;
use mortise_format::lock::LockTerms;
use serde::{Serialize, Serializer};
use serde_json::Value;

type Result<T> = core::result::Result<T, ParamError>;

fields! {
    impl Claim {
        lock_id: LockId = required("lockId", Item::lock_id);
        claim_index: u32 = required("claimIndex", Item::small_number);
        claimant: Address = required("claimant", Item::address);
        amounts: Vec<U256> = required("amounts", |item| item.list(LOCK_LEGS_MAX, Item::amount));
        evidence: Bytes32 = defaulted("evidence", Item::bytes32, Bytes32::ZERO);
        request: Request = flatten();
    }
}

params! {
    /// `claimLock`: the arbiter claims.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ClaimLock {
        /// What the arbiter signed.
        claim: Claim = flatten();
        /// The arbiter's signature.
        signature: Signature = required("signature", Item::signature);
    }
}

impl ClaimLock {
    /// The command.
    pub fn into_command(self) -> Command {
        Command::Claim { claim: self.claim, signature: self.signature }
    }
}

params! {
    /// `releaseLock`: the beneficiary, or the arbiter of an open-taker lock, gives the remaining
    /// amount back.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ReleaseLock {
        /// The lock.
        lock_id: LockId = required("lockId", Item::lock_id);
        /// The request.
        request: Request = flatten();
        /// The signature of the beneficiary or arbiter.
        signature: Signature = required("signature", Item::signature);
    }
}

impl ReleaseLock {
    /// The command.
    pub fn into_command(self) -> Command {
        Command::Release { lock_id: self.lock_id, request: self.request, signature: self.signature }
    }
}

params! {
    /// `extendLock`: the owner sets a later expiry.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ExtendLock {
        /// The lock.
        lock_id: LockId = required("lockId", Item::lock_id);
        /// Whole seconds since the Unix epoch.
        new_expires: u64 = required("newExpires", Item::number);
        /// The request.
        request: Request = flatten();
        /// The owner's signature.
        signature: Signature = required("signature", Item::signature);
    }
}

impl ExtendLock {
    /// The command.
    pub fn into_command(self) -> Command {
        Command::Extend {
            lock_id: self.lock_id,
            new_expires: self.new_expires,
            request: self.request,
            signature: self.signature,
        }
    }
}

/// What the signatures of a `cancelLock` are over, as far as the caller states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelSignedAs {
    /// `CancelConsent` with this request: the caller named one.
    Consent(Request),
    /// The EIP-191 text: the caller named the form.
    Text,
    /// The hash that the existing server names: the caller named the form.
    ServerHash,
    /// No form and no request named: the text or the server's hash, whichever recovers.
    TextOrServerHash,
}

/// `cancelLock`: the owner, and the beneficiary if there is one, give the remaining amount back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelLock {
    /// The lock or draft.
    pub lock_id: LockId,
    /// The terms of a lock that was never granted, when no draft of it is kept: the owner burns its
    /// nonce for good.
    pub terms: Option<LockTerms>,
    /// The owner's signature.
    pub signature: Signature,
    /// The beneficiary's signature, over the same form.
    pub beneficiary_signature: Option<Signature>,
    /// What both signatures are over.
    pub signed_as: CancelSignedAs,
}

/// Name of a form on the wire.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
enum FormName {
    Consent,
    Text,
    ServerHash,
}

params! {
    /// The fields of a [`CancelLock`].
    struct CancelFields {
        lock_id: LockId = required("lockId", Item::lock_id);
        terms: Option<LockTerms> = optional("terms", Item::object, Object);
        request_id: Option<RequestId> = optional("requestId", Item::request_id);
        valid_until: Option<u64> = optional("validUntil", Item::number);
        signature: Signature = required("signature", Item::signature);
        beneficiary_signature: Option<Signature> =
            optional("beneficiarySignature", Item::signature);
        form: Option<FormName> = optional("form", form_name);
    }
}

fn form_name(item: &Item<'_>) -> Result<FormName> {
    match item.text()? {
        "consent" => Ok(FormName::Consent),
        "text" => Ok(FormName::Text),
        "serverHash" => Ok(FormName::ServerHash),
        _ => Err(item.wrong("consent, text or serverHash")),
    }
}

impl CancelFields {
    fn signed_as(&self) -> Result<CancelSignedAs> {
        let signed_as = match (self.form, self.request_id, self.valid_until) {
            (None | Some(FormName::Consent), Some(id), Some(valid_until)) => {
                CancelSignedAs::Consent(Request { id, valid_until })
            }
            (None, None, None) => CancelSignedAs::TextOrServerHash,
            (Some(FormName::Text), None, None) => CancelSignedAs::Text,
            (Some(FormName::ServerHash), None, None) => CancelSignedAs::ServerHash,
            (None | Some(FormName::Consent), None, _) => {
                return Err(ParamError::missing("requestId"));
            }
            (None | Some(FormName::Consent), Some(_), None) => {
                return Err(ParamError::missing("validUntil"));
            }
            (Some(FormName::Text | FormName::ServerHash), ..) => {
                return Err(ParamError::wrong("requestId", "absent: this form does not sign it"));
            }
        };
        Ok(signed_as)
    }
}

impl CancelLock {
    /// Parses the parameters. `requestId` and `validUntil` go together and make it a consent.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = CancelFields::parse(params)?;
        let signed_as = fields.signed_as()?;
        let CancelFields { lock_id, terms, signature, beneficiary_signature, .. } = fields;
        Ok(Self { lock_id, terms, signature, beneficiary_signature, signed_as })
    }

    /// The form that the core checks.
    pub fn form(&self) -> CancelForm {
        match self.signed_as {
            CancelSignedAs::Consent(request) => CancelForm::Consent(request),
            CancelSignedAs::Text => CancelForm::Text,
            CancelSignedAs::ServerHash => CancelForm::ServerHash,
            CancelSignedAs::TextOrServerHash => CancelForm::TextOrServerHash,
        }
    }
}

impl Serialize for CancelLock {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        let (request, form) = match self.signed_as {
            CancelSignedAs::Consent(request) => (Some(request), Some(FormName::Consent)),
            CancelSignedAs::Text => (None, Some(FormName::Text)),
            CancelSignedAs::ServerHash => (None, Some(FormName::ServerHash)),
            CancelSignedAs::TextOrServerHash => (None, None),
        };
        let fields = CancelFields {
            lock_id: self.lock_id,
            terms: self.terms.clone(),
            request_id: request.map(|request| request.id),
            valid_until: request.map(|request| request.valid_until),
            signature: self.signature,
            beneficiary_signature: self.beneficiary_signature,
            form,
        };
        fields.serialize(serializer)
    }
}
