//! Parameters of queries, of evidence and of facts.

use super::super::fields::{Fields, Item, ParamError};
use crate::results::LockStatus;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::Asset;
use mortise_format::command::Command;
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::ids::{Address, Bytes32, LockId, Signature};
use mortise_format::json::HexBytes;
use mortise_format::limits::{
    ATTESTATION_NONCE_BYTES_MAX, OBSERVERS_MAX, PAGE_LOCKS_MAX, PROOF_HASHES_MAX,
};
use serde::{Serialize, Serializer};
use serde_json::Value;

type Result<T> = core::result::Result<T, ParamError>;

/// A method without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NoParams {}

impl NoParams {
    /// Parses the parameters: none.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        Fields::of_params(params, &[]).map(|_| Self {})
    }
}

/// `getBootAttestation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GetBootAttestation {
    /// Repeated in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<HexBytes>,
}

impl GetBootAttestation {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["nonce"])?;
        let nonce = fields.optional("nonce");
        let nonce = nonce.map(|i| i.bytes(ATTESTATION_NONCE_BYTES_MAX)).transpose()?;
        Ok(Self { nonce: nonce.map(HexBytes) })
    }
}

/// `getAttestation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GetAttestation {
    /// Drawn at random by the caller for this one document, which repeats it.
    pub nonce: Bytes32,
}

impl GetAttestation {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["nonce"])?;
        Ok(Self { nonce: fields.required("nonce")?.bytes32()? })
    }
}

/// `verifyFulfillment`. No kind of evidence is checked yet, so that every proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyFulfillment {
    /// The lock.
    pub lock_id: LockId,
    /// Where the fill is said to be.
    pub fulfillment_proof: FulfillmentProof,
}

/// Where a fill is said to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FulfillmentProof {
    /// The transaction.
    pub transaction_hash: Bytes32,
    /// Its block.
    pub block_number: u64,
    /// Its block.
    pub block_hash: Bytes32,
    /// The log in the transaction.
    pub log_index: u64,
    /// Hashes of a path, at most `PROOF_HASHES_MAX`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merkle_proof: Option<Vec<Bytes32>>,
}

impl VerifyFulfillment {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        const PROOF: &[&str] =
            &["transactionHash", "blockNumber", "blockHash", "logIndex", "merkleProof"];
        let fields = Fields::of_params(params, &["lockId", "fulfillmentProof"])?;
        let lock_id = fields.required("lockId")?.lock_id()?;
        let proof = fields.required("fulfillmentProof")?.object(PROOF)?;
        let path = proof.optional("merkleProof").map(|i| i.list_or_empty(PROOF_HASHES_MAX));
        let path = path.transpose()?;
        let hashes = path.map(|list| list.iter().map(Item::bytes32).collect::<Result<_>>());
        let fulfillment_proof = FulfillmentProof {
            transaction_hash: proof.required("transactionHash")?.bytes32()?,
            block_number: proof.required("blockNumber")?.number()?,
            block_hash: proof.required("blockHash")?.bytes32()?,
            log_index: proof.required("logIndex")?.number()?,
            merkle_proof: hashes.transpose()?,
        };
        Ok(Self { lock_id, fulfillment_proof })
    }
}

/// `getLock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetLock {
    /// The lock.
    pub lock_id: LockId,
}

impl GetLock {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["lockId"])?;
        Ok(Self { lock_id: fields.required("lockId")?.lock_id()? })
    }
}

/// `getActiveLocks`: the open locks of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GetActiveLocks {
    /// Whose.
    pub owner: Address,
}

impl GetActiveLocks {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["owner"])?;
        Ok(Self { owner: fields.required("owner")?.address()? })
    }
}

/// `suggestNonce`: a nonce of the owner that is free now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SuggestNonce {
    /// Whose.
    pub owner: Address,
}

impl SuggestNonce {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        GetActiveLocks::parse(params).map(|same| Self { owner: same.owner })
    }
}

/// `listLocks`: one page of the locks in the state, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ListLocks {
    /// Only of this owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Address>,
    /// Only with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<LockStatus>,
    /// Only behind this id: the last one of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<LockId>,
    /// Most locks of the page, 1 to `PAGE_LOCKS_MAX`.
    pub limit: u32,
}

impl ListLocks {
    /// Page size when none is named.
    pub const LIMIT_DEFAULT: u32 = 100;

    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["owner", "status", "cursor", "limit"])?;
        let status = fields.optional("status").map(|item| lock_status(&item)).transpose()?;
        let limit = fields.optional("limit").map(|item| page_limit(&item)).transpose()?;
        Ok(Self {
            owner: fields.optional("owner").map(|i| i.address()).transpose()?,
            status,
            cursor: fields.optional("cursor").map(|i| i.lock_id()).transpose()?,
            limit: limit.unwrap_or(Self::LIMIT_DEFAULT),
        })
    }
}

fn lock_status(item: &Item<'_>) -> Result<LockStatus> {
    LockStatus::from_name(item.text()?).ok_or_else(|| item.wrong("the name of a status"))
}

fn page_limit(item: &Item<'_>) -> Result<u32> {
    let limit = item.small_number()?;
    let fits = limit > 0 && usize::try_from(limit).is_ok_and(|limit| limit <= PAGE_LOCKS_MAX);
    if fits { Ok(limit) } else { Err(item.wrong("an integer from 1 to the page bound")) }
}

/// `getLockedBalance`: the balance of an asset and the open locks on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GetLockedBalance {
    /// Whose.
    pub owner: Address,
    /// Of what.
    pub asset: Asset,
}

impl GetLockedBalance {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["owner", "asset"])?;
        Ok(Self {
            owner: fields.required("owner")?.address()?,
            asset: fields.required("asset")?.asset()?,
        })
    }
}

/// `getBalance`: the balance of an asset, part by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GetBalance {
    /// Whose.
    pub owner: Address,
    /// Of what.
    pub asset: Asset,
}

impl GetBalance {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        GetLockedBalance::parse(params).map(|same| Self { owner: same.owner, asset: same.asset })
    }
}

/// `getStateRoot`: the root, or the signed statement that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetStateRoot {
    /// After this frame instead of the last released one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_seq: Option<u64>,
    /// With the whole statement.
    pub signed: bool,
}

impl GetStateRoot {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["atSeq", "signed"])?;
        let signed = fields.optional("signed").map(|i| i.boolean()).transpose()?;
        Ok(Self {
            at_seq: fields.optional("atSeq").map(|i| i.number()).transpose()?,
            signed: signed.unwrap_or(false),
        })
    }
}

/// Which entry of the state a proof is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofKey {
    /// A lock.
    Lock(LockId),
    /// Balance and holds of an account and asset.
    Account {
        /// Whose.
        owner: Address,
        /// Of what.
        asset: Asset,
    },
    /// Nonces and counts of an owner.
    Owner(Address),
    /// The approval of images in force.
    Images,
}

/// `getProof`: presence or absence of an entry. `{lockId}`, `{owner, asset}`, `{owner}` or
/// `{images: true}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetProof {
    /// Of what.
    pub key: ProofKey,
    /// After this frame, one of the last `RECENT_ROOTS_MAX`, instead of the last released one.
    pub seq: Option<u64>,
}

impl GetProof {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let known = &["lockId", "owner", "asset", "images", "seq"];
        let fields = Fields::of_params(params, known)?;
        let seq = fields.optional("seq").map(|i| i.number()).transpose()?;
        if let Some(images) = fields.optional("images") {
            let others = ["lockId", "owner", "asset"];
            if let Some(other) = others.into_iter().find(|name| fields.optional(name).is_some()) {
                return Err(fields.wrong(other, "absent beside images"));
            }
            let is_asked = images.boolean()?;
            return if is_asked {
                Ok(Self { key: ProofKey::Images, seq })
            } else {
                Err(images.wrong("true, or absent"))
            };
        }
        let asset = fields.optional("asset").map(|i| i.asset()).transpose()?;
        let owner = fields.optional("owner").map(|i| i.address()).transpose()?;
        let Some(lock_id) = fields.optional("lockId") else {
            let owner = owner.ok_or_else(|| fields.missing("lockId"))?;
            let account = |asset| ProofKey::Account { owner, asset };
            return Ok(Self { key: asset.map_or(ProofKey::Owner(owner), account), seq });
        };
        match (owner, asset) {
            (None, None) => Ok(Self { key: ProofKey::Lock(lock_id.lock_id()?), seq }),
            (Some(_), _) => Err(fields.wrong("owner", "absent beside lockId")),
            (None, Some(_)) => Err(fields.wrong("asset", "absent beside lockId")),
        }
    }
}

/// Prints a [`GetProof`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProofKeyJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_id: Option<LockId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asset: Option<Asset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

impl Serialize for GetProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        let (lock_id, owner, asset, images) = match self.key {
            ProofKey::Lock(lock_id) => (Some(lock_id), None, None, None),
            ProofKey::Account { owner, asset } => (None, Some(owner), Some(asset), None),
            ProofKey::Owner(owner) => (None, Some(owner), None, None),
            ProofKey::Images => (None, None, None, Some(true)),
        };
        ProofKeyJson { lock_id, owner, asset, images, seq: self.seq }.serialize(serializer)
    }
}

/// `submitChainFact`: observers report a balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubmitChainFact {
    /// What they saw.
    #[serde(serialize_with = "write_fact")]
    pub fact: BalanceFact,
    /// One per observer, at most `OBSERVERS_MAX`.
    pub signatures: Vec<Signature>,
}

const FACT_FIELDS: &[&str] = &[
    "kind",
    "chainId",
    "assetType",
    "contractAddress",
    "tokenId",
    "account",
    "headNumber",
    "headHash",
    "headTime",
    "balance",
    "withdrawing",
    "withdrawalStatus",
];

impl SubmitChainFact {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let fields = Fields::of_params(params, &["fact", "signatures"])?;
        let fact = balance_fact(&fields.required("fact")?.object(FACT_FIELDS)?)?;
        let list = fields.required("signatures")?.list(OBSERVERS_MAX)?;
        let signatures = list.iter().map(Item::signature).collect::<Result<_>>()?;
        Ok(Self { fact, signatures })
    }

    /// The command.
    pub fn into_command(self) -> Command {
        Command::RecordFact { fact: self.fact, signatures: self.signatures }
    }
}

fn balance_fact(fields: &Fields<'_>) -> Result<BalanceFact> {
    if fields.required("kind")?.text()? != "balance" {
        return Err(fields.wrong("kind", "balance"));
    }
    let status = fields.required("withdrawalStatus")?;
    let named = status.text()?;
    let withdrawal = WITHDRAWALS.into_iter().find(|w| withdrawal_name(*w) == named);
    Ok(BalanceFact {
        asset: fields.asset_here()?,
        account: fields.required("account")?.address()?,
        head_number: fields.required("headNumber")?.number()?,
        head_hash: fields.required("headHash")?.bytes32()?,
        head_time: fields.required("headTime")?.number()?,
        balance: fields.required("balance")?.amount()?,
        withdrawing: fields.required("withdrawing")?.amount()?,
        withdrawal: withdrawal.ok_or_else(|| status.wrong("none, requested or executable"))?,
    })
}

const WITHDRAWALS: [Withdrawal; 3] =
    [Withdrawal::None, Withdrawal::Requested, Withdrawal::Executable];

fn withdrawal_name(withdrawal: Withdrawal) -> &'static str {
    match withdrawal {
        Withdrawal::None => "none",
        Withdrawal::Requested => "requested",
        Withdrawal::Executable => "executable",
    }
}

/// The JSON of a [`BalanceFact`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BalanceFactView {
    kind: &'static str,
    #[serde(flatten)]
    asset: Asset,
    account: Address,
    head_number: u64,
    head_hash: Bytes32,
    head_time: u64,
    balance: U256,
    withdrawing: U256,
    withdrawal_status: &'static str,
}

impl From<&BalanceFact> for BalanceFactView {
    fn from(fact: &BalanceFact) -> Self {
        Self {
            kind: "balance",
            asset: fact.asset,
            account: fact.account,
            head_number: fact.head_number,
            head_hash: fact.head_hash,
            head_time: fact.head_time,
            balance: fact.balance,
            withdrawing: fact.withdrawing,
            withdrawal_status: withdrawal_name(fact.withdrawal),
        }
    }
}

fn write_fact<S: Serializer>(
    fact: &BalanceFact,
    serializer: S,
) -> core::result::Result<S::Ok, S::Error> {
    BalanceFactView::from(fact).serialize(serializer)
}
