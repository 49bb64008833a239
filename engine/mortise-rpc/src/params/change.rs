//! Parameters that change locks: claimLock, releaseLock, cancelLock, extendLock.

use super::super::fields::{Fields, Item, ParamError};
use super::{RequestJson, request};
use mortise_format::amount::U256;
use mortise_format::command::{CancelForm, Command};
use mortise_format::eip712::{Claim, Request};
use mortise_format::ids::{Address, Bytes32, LockId, Signature};
use mortise_format::limits::LOCK_LEGS_MAX;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// `claimLock`: the arbiter claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimLock {
    /// What the arbiter signed.
    pub claim: Claim,
    /// The arbiter's.
    pub signature: Signature,
}

impl ClaimLock {
    const FIELDS: &'static [&'static str] = &[
        "lockId",
        "claimIndex",
        "claimant",
        "amounts",
        "evidence",
        "requestId",
        "validUntil",
        "signature",
    ];

    /// Parses the parameters; absent evidence is zero.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of_params(params, Self::FIELDS)?;
        let amounts = fields.required("amounts")?.list(LOCK_LEGS_MAX)?;
        let evidence = fields.optional("evidence").map(|i| i.bytes32()).transpose()?;
        let claim = Claim {
            lock_id: fields.required("lockId")?.lock_id()?,
            claim_index: fields.required("claimIndex")?.small_number()?,
            claimant: fields.required("claimant")?.address()?,
            amounts: amounts.iter().map(Item::amount).collect::<Result<_, _>>()?,
            evidence: evidence.unwrap_or(Bytes32::ZERO),
            request: request(&fields)?,
        };
        Ok(Self { claim, signature: fields.required("signature")?.signature()? })
    }

    /// The command.
    pub fn into_command(self) -> Command {
        Command::Claim { claim: self.claim, signature: self.signature }
    }
}

/// Prints a [`ClaimLock`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClaimJson<'a> {
    lock_id: LockId,
    claim_index: u32,
    claimant: Address,
    amounts: &'a [U256],
    evidence: Bytes32,
    #[serde(flatten)]
    request: RequestJson,
    signature: Signature,
}

impl Serialize for ClaimLock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = ClaimJson {
            lock_id: self.claim.lock_id,
            claim_index: self.claim.claim_index,
            claimant: self.claim.claimant,
            amounts: &self.claim.amounts,
            evidence: self.claim.evidence,
            request: RequestJson::from(&self.claim.request),
            signature: self.signature,
        };
        json.serialize(serializer)
    }
}

/// `releaseLock`: the beneficiary, or the arbiter of an open-taker lock, gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseLock {
    /// The lock.
    pub lock_id: LockId,
    /// The request.
    pub request: Request,
    /// Of whoever gives back.
    pub signature: Signature,
}

impl ReleaseLock {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self, ParamError> {
        let known = &["lockId", "requestId", "validUntil", "signature"];
        let fields = Fields::of_params(params, known)?;
        Ok(Self {
            lock_id: fields.required("lockId")?.lock_id()?,
            request: request(&fields)?,
            signature: fields.required("signature")?.signature()?,
        })
    }

    /// The command.
    pub fn into_command(self) -> Command {
        Command::Release { lock_id: self.lock_id, request: self.request, signature: self.signature }
    }
}

/// Prints a [`ReleaseLock`], and the common part of an [`ExtendLock`] and a [`CancelLock`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConsentJson {
    lock_id: LockId,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_expires: Option<u64>,
    #[serde(flatten)]
    request: Option<RequestJson>,
    signature: Signature,
    #[serde(skip_serializing_if = "Option::is_none")]
    beneficiary_signature: Option<Signature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'static str>,
}

impl ConsentJson {
    fn new(lock_id: LockId, request: Option<&Request>, signature: Signature) -> Self {
        Self {
            lock_id,
            new_expires: None,
            request: request.map(RequestJson::from),
            signature,
            beneficiary_signature: None,
            form: None,
        }
    }
}

impl Serialize for ReleaseLock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ConsentJson::new(self.lock_id, Some(&self.request), self.signature).serialize(serializer)
    }
}

/// `extendLock`: the owner prolongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendLock {
    /// The lock.
    pub lock_id: LockId,
    /// Whole seconds since the Unix epoch.
    pub new_expires: u64,
    /// The request.
    pub request: Request,
    /// The owner's.
    pub signature: Signature,
}

impl ExtendLock {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self, ParamError> {
        let known = &["lockId", "newExpires", "requestId", "validUntil", "signature"];
        let fields = Fields::of_params(params, known)?;
        Ok(Self {
            lock_id: fields.required("lockId")?.lock_id()?,
            new_expires: fields.required("newExpires")?.number()?,
            request: request(&fields)?,
            signature: fields.required("signature")?.signature()?,
        })
    }

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

impl Serialize for ExtendLock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = ConsentJson::new(self.lock_id, Some(&self.request), self.signature);
        json.new_expires = Some(self.new_expires);
        json.serialize(serializer)
    }
}

/// What the signatures of a `cancelLock` are over, as far as the caller said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelSignedAs {
    /// `CancelConsent` with this request: the caller named one.
    Consent(Request),
    /// The EIP-191 text, said so.
    Text,
    /// The hash that the existing server names, said so.
    ServerHash,
    /// Not said, and no request named: the text or the server's hash, whichever recovers.
    TextOrServerHash,
}

/// `cancelLock`: owner, and beneficiary if there is one, give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelLock {
    /// The lock or draft.
    pub lock_id: LockId,
    /// The owner's.
    pub signature: Signature,
    /// The beneficiary's, over the same form.
    pub beneficiary_signature: Option<Signature>,
    /// What both are over.
    pub signed_as: CancelSignedAs,
}

impl CancelLock {
    const FIELDS: &'static [&'static str] =
        &["lockId", "signature", "beneficiarySignature", "requestId", "validUntil", "form"];

    /// Parses the parameters. `requestId` and `validUntil` go together and make it a consent.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of_params(params, Self::FIELDS)?;
        let beneficiary = fields.optional("beneficiarySignature");
        Ok(Self {
            lock_id: fields.required("lockId")?.lock_id()?,
            signature: fields.required("signature")?.signature()?,
            beneficiary_signature: beneficiary.map(|i| i.signature()).transpose()?,
            signed_as: cancel_signed_as(&fields)?,
        })
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

fn cancel_signed_as(fields: &Fields<'_>) -> Result<CancelSignedAs, ParamError> {
    let named = fields.optional("requestId").is_some() || fields.optional("validUntil").is_some();
    let Some(form) = fields.optional("form") else {
        return match named {
            true => request(fields).map(CancelSignedAs::Consent),
            false => Ok(CancelSignedAs::TextOrServerHash),
        };
    };
    let unsigned = || fields.wrong("requestId", "absent: this form does not sign it");
    match form.text()? {
        "consent" => request(fields).map(CancelSignedAs::Consent),
        "text" | "serverHash" if named => Err(unsigned()),
        "text" => Ok(CancelSignedAs::Text),
        "serverHash" => Ok(CancelSignedAs::ServerHash),
        _ => Err(form.wrong("consent, text or serverHash")),
    }
}

impl Serialize for CancelLock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (request, form) = match &self.signed_as {
            CancelSignedAs::Consent(request) => (Some(request), Some("consent")),
            CancelSignedAs::Text => (None, Some("text")),
            CancelSignedAs::ServerHash => (None, Some("serverHash")),
            CancelSignedAs::TextOrServerHash => (None, None),
        };
        let mut json = ConsentJson::new(self.lock_id, request, self.signature);
        json.beneficiary_signature = self.beneficiary_signature;
        json.form = form;
        json.serialize(serializer)
    }
}
