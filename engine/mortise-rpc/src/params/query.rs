//! Parameters of queries, of evidence and of facts.

use super::super::fields::{Fields, Item, ParamError};
use super::super::rows::ReadFields;
use super::signatures;
use crate::results::LockStatus;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::Asset;
use mortise_format::command::Command;
use mortise_format::cursor::ListCursor;
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::ids::{Address, Bytes32, LockId, Signature};
use mortise_format::json::HexBytes;
use mortise_format::limits::{ATTESTATION_NONCE_BYTES_MAX, PAGE_LOCKS_MAX, PROOF_HASHES_MAX};
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
        Fields::of_params(params, |_| false).map(|_| Self {})
    }
}

params! {
    /// `getBootAttestation`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct GetBootAttestation {
        /// Repeated in the document.
        nonce: Option<HexBytes> = optional("nonce", nonce);
    }
}

fn nonce(item: &Item<'_>) -> Result<HexBytes> {
    item.bytes(ATTESTATION_NONCE_BYTES_MAX).map(HexBytes)
}

params! {
    /// `getAttestation`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetAttestation {
        /// Drawn at random by the caller for this one document, which repeats it.
        nonce: Bytes32 = required("nonce", Item::bytes32);
    }
}

params! {
    /// `verifyFulfillment`. No kind of evidence is checked yet, so that every proof is rejected.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct VerifyFulfillment {
        /// The lock.
        lock_id: LockId = required("lockId", Item::lock_id);
        /// Where the fill is, as the caller claims.
        fulfillment_proof: FulfillmentProof = required("fulfillmentProof", Item::object);
    }
}

fields! {
    /// Where a fill is, as the caller claims.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FulfillmentProof {
        /// Hash of the transaction.
        transaction_hash: Bytes32 = required("transactionHash", Item::bytes32);
        /// Number of its block.
        block_number: u64 = required("blockNumber", Item::number);
        /// Hash of its block.
        block_hash: Bytes32 = required("blockHash", Item::bytes32);
        /// Index of the log entry in the transaction.
        log_index: u64 = required("logIndex", Item::number);
        /// Hashes of a path, at most `PROOF_HASHES_MAX`.
        merkle_proof: Option<Vec<Bytes32>> = optional("merkleProof", |item| {
            item.list_or_empty(PROOF_HASHES_MAX, Item::bytes32)
        });
    }
}

params! {
    /// `getLock`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetLock {
        /// The lock.
        lock_id: LockId = required("lockId", Item::lock_id);
    }
}

params! {
    /// `getLockHistory`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetLockHistory {
        /// The lock.
        lock_id: LockId = required("lockId", Item::lock_id);
    }
}

params! {
    /// `getActiveLocks`: the open locks of an owner.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetActiveLocks {
        /// The owner.
        owner: Address = required("owner", Item::address);
    }
}

params! {
    /// `suggestNonce`: a nonce of the owner that is free now.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SuggestNonce {
        /// The owner.
        owner: Address = required("owner", Item::address);
    }
}

params! {
    /// `listLocks`: one page of the locks in the state, in the order of their grants. Every filter
    /// must hold.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ListLocks {
        /// Only locks of this owner.
        owner: Option<Address> = optional("owner", Item::address);
        /// Only locks for this beneficiary.
        beneficiary: Option<Address> = optional("beneficiary", party);
        /// Only locks that this arbiter claims.
        arbiter: Option<Address> = optional("arbiter", party);
        /// Only locks with this status.
        status: Option<LockStatus> = optional("status", lock_status);
        /// Only open locks; true, or absent.
        open: Option<bool> = optional("open", only_true);
        /// Only locks after this place: `nextCursor` of the previous page.
        cursor: Option<ListCursor> = optional("cursor", cursor);
        /// Most locks of the page, 1 to `PAGE_LOCKS_MAX`.
        limit: u32 = defaulted("limit", page_limit, Self::LIMIT_DEFAULT);
    }
}

impl ListLocks {
    /// Page size when none is named.
    pub const LIMIT_DEFAULT: u32 = 64;
}

impl Default for ListLocks {
    /// The first page of all locks.
    fn default() -> Self {
        Self {
            owner: None,
            beneficiary: None,
            arbiter: None,
            status: None,
            open: None,
            cursor: None,
            limit: Self::LIMIT_DEFAULT,
        }
    }
}

/// Open-taker locks and locks without an arbiter are in no list of that role.
fn party(item: &Item<'_>) -> Result<Address> {
    let address = item.address()?;
    if address.is_zero() { Err(item.wrong("not the zero address")) } else { Ok(address) }
}

fn only_true(item: &Item<'_>) -> Result<bool> {
    if item.boolean()? { Ok(true) } else { Err(item.wrong("true, or absent")) }
}

fn cursor(item: &Item<'_>) -> Result<ListCursor> {
    ListCursor::parse(item.text()?).ok_or_else(|| item.wrong("a nextCursor of a page"))
}

fn lock_status(item: &Item<'_>) -> Result<LockStatus> {
    LockStatus::from_name(item.text()?).ok_or_else(|| item.wrong("the name of a status"))
}

fn page_limit(item: &Item<'_>) -> Result<u32> {
    item.count(PAGE_LOCKS_MAX, "an integer from 1 to the page bound")
}

params! {
    /// `getLockedBalance`: the balance of an asset and the open locks on it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetLockedBalance {
        /// The account.
        owner: Address = required("owner", Item::address);
        /// The asset.
        asset: Asset = required("asset", Item::object);
    }
}

params! {
    /// `getBalance`: the balance of an asset, part by part.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetBalance {
        /// The account.
        owner: Address = required("owner", Item::address);
        /// The asset.
        asset: Asset = required("asset", Item::object);
    }
}

params! {
    /// `getStateRoot`: the root, or the signed statement that names it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GetStateRoot {
        /// After this frame instead of the newest released one.
        at_seq: Option<u64> = optional("atSeq", Item::number);
        /// With the whole statement.
        signed: bool = defaulted("signed", Item::boolean, false);
    }
}

/// The entry of the state that a proof is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofKey {
    /// A lock.
    Lock(LockId),
    /// Balance and holds of an account and asset.
    Account {
        /// The account.
        owner: Address,
        /// The asset.
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
    /// The entry.
    pub key: ProofKey,
    /// After this frame, one of the last `RECENT_ROOTS_MAX`, instead of the newest released one.
    pub seq: Option<u64>,
}

params! {
    /// The keys of a proof, of which a caller names one, and the frame.
    #[derive(Clone, Copy, Default)]
    struct ProofKeys {
        lock_id: Option<LockId> = optional("lockId", Item::lock_id);
        owner: Option<Address> = optional("owner", Item::address);
        asset: Option<Asset> = optional("asset", Item::object);
        images: Option<bool> = optional("images", Item::boolean);
        seq: Option<u64> = optional("seq", Item::number);
    }
}

impl ProofKeys {
    fn key(&self) -> Result<ProofKey> {
        match (self.images, self.lock_id, self.owner, self.asset) {
            (Some(_), Some(_), ..) => Err(ParamError::wrong("lockId", "absent beside images")),
            (Some(_), _, Some(_), _) => Err(ParamError::wrong("owner", "absent beside images")),
            (Some(_), .., Some(_)) => Err(ParamError::wrong("asset", "absent beside images")),
            (Some(false), ..) => Err(ParamError::wrong("images", "true, or absent")),
            (Some(true), ..) => Ok(ProofKey::Images),
            (None, Some(_), Some(_), _) => Err(ParamError::wrong("owner", "absent beside lockId")),
            (None, Some(_), _, Some(_)) => Err(ParamError::wrong("asset", "absent beside lockId")),
            (None, Some(lock_id), None, None) => Ok(ProofKey::Lock(lock_id)),
            (None, None, Some(owner), Some(asset)) => Ok(ProofKey::Account { owner, asset }),
            (None, None, Some(owner), None) => Ok(ProofKey::Owner(owner)),
            (None, None, None, _) => Err(ParamError::missing("lockId")),
        }
    }
}

impl GetProof {
    /// Parses the parameters.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(params: &Value) -> Result<Self> {
        let keys = ProofKeys::parse(params)?;
        Ok(Self { key: keys.key()?, seq: keys.seq })
    }
}

impl Serialize for GetProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        let mut keys = ProofKeys { seq: self.seq, ..ProofKeys::default() };
        match self.key {
            ProofKey::Lock(lock_id) => keys.lock_id = Some(lock_id),
            ProofKey::Account { owner, asset } => {
                (keys.owner, keys.asset) = (Some(owner), Some(asset));
            }
            ProofKey::Owner(owner) => keys.owner = Some(owner),
            ProofKey::Images => keys.images = Some(true),
        }
        keys.serialize(serializer)
    }
}

params! {
    /// `submitChainFact`: observers report a balance.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SubmitChainFact {
        /// What they saw.
        fact: BalanceFact = required("fact", Item::object, BalanceFactView::from);
        /// One per observer, at most `OBSERVERS_MAX`.
        signatures: Vec<Signature> = required("signatures", signatures);
    }
}

impl SubmitChainFact {
    /// The command.
    pub fn into_command(self) -> Command {
        Command::RecordFact { fact: self.fact, signatures: self.signatures }
    }
}

impl ReadFields for BalanceFact {
    fn knows(name: &str) -> bool {
        const OWN: [&str; 8] = [
            "kind",
            "account",
            "headNumber",
            "headHash",
            "headTime",
            "balance",
            "withdrawing",
            "withdrawalStatus",
        ];
        OWN.contains(&name) || Asset::knows(name)
    }

    fn read(fields: &Fields<'_>) -> Result<Self> {
        if fields.required("kind", Item::text)? != "balance" {
            return Err(fields.wrong("kind", "balance"));
        }
        Ok(Self {
            asset: Asset::read(fields)?,
            account: fields.required("account", Item::address)?,
            head_number: fields.required("headNumber", Item::number)?,
            head_hash: fields.required("headHash", Item::bytes32)?,
            head_time: fields.required("headTime", Item::number)?,
            balance: fields.required("balance", Item::amount)?,
            withdrawing: fields.required("withdrawing", Item::amount)?,
            withdrawal: fields.required("withdrawalStatus", withdrawal)?,
        })
    }
}

fn withdrawal(item: &Item<'_>) -> Result<Withdrawal> {
    let name = item.text()?;
    let named = WITHDRAWALS.into_iter().find(|withdrawal| withdrawal_name(*withdrawal) == name);
    named.ok_or_else(|| item.wrong("none, requested or executable"))
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
