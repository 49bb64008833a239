//! Parameters that make locks: createLock, signLock, commitLock, commitBatch, simulateLock.

use super::super::fields::{Fields, Item, ParamError};
use super::{RequestJson, nonzero, request};
use alloc::vec;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::command::{Command, SignedIntent};
use mortise_format::ids::{Address, LockId, RequestId, Signature};
use mortise_format::json::decimal;
use mortise_format::limits::{BATCH_LOCKS_MAX, LOCK_LEGS_MAX};
use mortise_format::lock::{LegTerms, LockTerms};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// `createLock`: a draft with typed data for the owner's wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateLock {
    /// Whose asset.
    pub owner: Address,
    /// The existing client sends the owner; another key is refused by the core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_key: Option<Address>,
    /// What is to be held.
    pub asset: Asset,
    /// How much.
    pub amount: U256,
    /// Seconds from now.
    pub expires_in: u64,
    /// What has to be done for it.
    #[serde(rename = "fulfillmentCondition")]
    pub condition: Condition,
    /// Names the call; a draft is not logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

impl CreateLock {
    const FIELDS: &'static [&'static str] = &[
        "owner",
        "sessionKey",
        "asset",
        "amount",
        "expiresIn",
        "fulfillmentCondition",
        "requestId",
    ];

    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of_params(params, Self::FIELDS)?;
        Ok(Self {
            owner: fields.required("owner")?.address()?,
            session_key: fields.optional("sessionKey").map(|i| i.address()).transpose()?,
            asset: fields.required("asset")?.asset()?,
            amount: fields.required("amount")?.amount()?,
            expires_in: fields.required("expiresIn")?.number()?,
            condition: fields.required("fulfillmentCondition")?.condition()?,
            request_id: fields.optional("requestId").map(|i| i.request_id()).transpose()?,
        })
    }

    /// The terms of the draft: nobody's in particular, claimed by checked evidence alone.
    pub fn terms(&self, nonce: u64, expires: u64) -> LockTerms {
        LockTerms {
            owner: self.owner,
            beneficiary: Address::ZERO,
            arbiter: Address::ZERO,
            nonce,
            expires,
            condition: self.condition.clone(),
            legs: vec![LegTerms { asset: self.asset, amount: self.amount }],
        }
    }
}

/// `signLock`: the owner's `LockApproval` of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignLock {
    /// The draft.
    pub lock_id: LockId,
    /// The owner's.
    pub signature: Signature,
}

impl SignLock {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of_params(params, &["lockId", "signature"])?;
        Ok(Self {
            lock_id: fields.required("lockId")?.lock_id()?,
            signature: fields.required("signature")?.signature()?,
        })
    }
}

const INTENT_FIELDS: &[&str] = &[
    "owner",
    "beneficiary",
    "arbiter",
    "assets",
    "nonce",
    "expires",
    "fulfillmentCondition",
    "requestId",
    "validUntil",
    "signature",
];

fn intent(fields: &Fields<'_>) -> Result<SignedIntent, ParamError> {
    Ok(SignedIntent {
        terms: LockTerms {
            owner: fields.required("owner")?.address()?,
            beneficiary: fields.address_or_zero("beneficiary")?,
            arbiter: fields.address_or_zero("arbiter")?,
            nonce: fields.required("nonce")?.number()?,
            expires: fields.required("expires")?.number()?,
            condition: fields.required("fulfillmentCondition")?.condition()?,
            legs: legs(fields)?,
        },
        request: request(fields)?,
        signature: fields.required("signature")?.signature()?,
    })
}

fn legs(fields: &Fields<'_>) -> Result<Vec<LegTerms>, ParamError> {
    fields.required("assets")?.list(LOCK_LEGS_MAX)?.iter().map(Item::leg).collect()
}

/// Prints a [`SignedIntent`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IntentJson<'a> {
    owner: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    beneficiary: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arbiter: Option<Address>,
    assets: &'a [LegTerms],
    #[serde(with = "decimal")]
    nonce: u64,
    expires: u64,
    fulfillment_condition: &'a Condition,
    #[serde(flatten)]
    request: RequestJson,
    signature: Signature,
}

impl<'a> From<&'a SignedIntent> for IntentJson<'a> {
    fn from(signed: &'a SignedIntent) -> Self {
        Self {
            owner: signed.terms.owner,
            beneficiary: nonzero(&signed.terms.beneficiary),
            arbiter: nonzero(&signed.terms.arbiter),
            assets: &signed.terms.legs,
            nonce: signed.terms.nonce,
            expires: signed.terms.expires,
            fulfillment_condition: &signed.terms.condition,
            request: RequestJson::from(&signed.request),
            signature: signed.signature,
        }
    }
}

fn write_intent<S: Serializer>(intent: &SignedIntent, serializer: S) -> Result<S::Ok, S::Error> {
    IntentJson::from(intent).serialize(serializer)
}

fn write_intents<S: Serializer>(
    intents: &[SignedIntent],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(intents.iter().map(IntentJson::from))
}

/// `commitLock`: a lock in one step, by the owner's `LockIntent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CommitLock {
    /// What the owner signed.
    #[serde(serialize_with = "write_intent")]
    pub intent: SignedIntent,
}

impl CommitLock {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of_params(params, INTENT_FIELDS)?;
        Ok(Self { intent: intent(&fields)? })
    }

    /// The command.
    pub fn into_command(self) -> Command {
        Command::Commit { intents: vec![self.intent] }
    }
}

/// `commitBatch`: locks of one or many owners, all or none; each intent signs the batch hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitBatch {
    /// 1 to `BATCH_LOCKS_MAX` intents.
    #[serde(rename = "locks", serialize_with = "write_intents")]
    pub intents: Vec<SignedIntent>,
}

impl CommitBatch {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of_params(params, &["locks"])?;
        let list = fields.required("locks")?.list(BATCH_LOCKS_MAX)?;
        let intents = list.iter().map(|item| intent(&item.object(INTENT_FIELDS)?));
        Ok(Self { intents: intents.collect::<Result<_, _>>()? })
    }

    /// The command.
    pub fn into_command(self) -> Command {
        Command::Commit { intents: self.intents }
    }
}

/// When a simulated lock expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Expiry {
    /// At this time, whole seconds since the Unix epoch.
    #[serde(rename = "expires")]
    At(u64),
    /// This many seconds from now.
    #[serde(rename = "expiresIn")]
    In(u64),
}

/// `simulateLock`: every check of a commit, without a signature and without effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulateLock {
    /// Whose assets.
    pub owner: Address,
    /// For whom, if anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beneficiary: Option<Address>,
    /// Whose signature claims, if anybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arbiter: Option<Address>,
    /// What is to be held.
    #[serde(rename = "assets")]
    pub legs: Vec<LegTerms>,
    /// The next free nonce when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<u64>,
    /// End of fills.
    #[serde(flatten)]
    pub expiry: Expiry,
    /// What has to be done for it.
    #[serde(rename = "fulfillmentCondition")]
    pub condition: Condition,
}

impl SimulateLock {
    const FIELDS: &'static [&'static str] = &[
        "owner",
        "beneficiary",
        "arbiter",
        "assets",
        "nonce",
        "expires",
        "expiresIn",
        "fulfillmentCondition",
    ];

    /// Parses the parameters: exactly one of `expires` and `expiresIn`.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of_params(params, Self::FIELDS)?;
        let expiry = match (fields.optional("expires"), fields.optional("expiresIn")) {
            (Some(at), None) => Expiry::At(at.number()?),
            (None, Some(from_now)) => Expiry::In(from_now.number()?),
            (None, None) => return Err(fields.missing("expires")),
            (Some(_), Some(_)) => return Err(fields.wrong("expiresIn", "absent beside expires")),
        };
        Ok(Self {
            owner: fields.required("owner")?.address()?,
            beneficiary: nonzero(&fields.address_or_zero("beneficiary")?),
            arbiter: nonzero(&fields.address_or_zero("arbiter")?),
            legs: legs(&fields)?,
            nonce: fields.optional("nonce").map(|i| i.number()).transpose()?,
            expiry,
            condition: fields.required("fulfillmentCondition")?.condition()?,
        })
    }

    /// The terms with this nonce, unless one was named, and the expiry relative to `now_s`.
    /// `None` when the expiry does not fit 64 bits.
    pub fn terms(&self, next_nonce: u64, now_s: u64) -> Option<LockTerms> {
        let expires = match self.expiry {
            Expiry::At(at) => at,
            Expiry::In(from_now) => now_s.checked_add(from_now)?,
        };
        Some(LockTerms {
            owner: self.owner,
            beneficiary: self.beneficiary.unwrap_or_default(),
            arbiter: self.arbiter.unwrap_or_default(),
            nonce: self.nonce.unwrap_or(next_nonce),
            expires,
            condition: self.condition.clone(),
            legs: self.legs.clone(),
        })
    }
}
