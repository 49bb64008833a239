//! The EIP-712 typed data that a draft's owner signs: the existing client's `LockApproval`.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::eip712::{CLIENT_DOMAIN_NAME, CLIENT_DOMAIN_VERSION};
use mortise_format::ids::{Address, Bytes32, LockId};
use mortise_format::json::decimal;
use mortise_format::lock::LockTerms;
use serde::{Deserialize, Serialize};

/// The argument of a wallet's `signTypedData`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypedData {
    /// The existing client's domain, on the asset's chain.
    pub domain: TypedDataDomain,
    /// `LockApproval` only.
    pub types: TypedDataTypes,
    /// `LockApproval`.
    pub primary_type: Cow<'static, str>,
    /// The values.
    pub message: LockApprovalMessage,
}

/// The EIP-712 domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypedDataDomain {
    /// `CredibleCommitmentMachine`.
    pub name: Cow<'static, str>,
    /// `1.0.0`.
    pub version: Cow<'static, str>,
    /// Chain of the asset.
    pub chain_id: u64,
    /// Zero.
    pub verifying_contract: Address,
}

/// The signed types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedDataTypes {
    /// Fields of `LockApproval`.
    #[serde(rename = "LockApproval")]
    pub lock_approval: Vec<TypedDataField>,
}

/// A field of the type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedDataField {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its Solidity type.
    #[serde(rename = "type")]
    pub solidity_type: Cow<'static, str>,
}

/// The values of a `LockApproval`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockApprovalMessage {
    /// Id of the draft.
    pub lock_id: LockId,
    /// The account that signs.
    pub owner: Address,
    /// Asset hash.
    pub asset: Bytes32,
    /// Amount of the leg.
    pub amount: U256,
    /// Nonce of the owner.
    #[serde(with = "decimal")]
    pub nonce: u64,
    /// Whole seconds since the Unix epoch.
    pub expires_at: u64,
    /// Condition hash.
    pub fulfillment_hash: Bytes32,
}

const FIELDS: [(&str, &str); 7] = [
    ("lockId", "bytes32"),
    ("owner", "address"),
    ("asset", "bytes32"),
    ("amount", "uint256"),
    ("nonce", "uint256"),
    ("expiresAt", "uint256"),
    ("fulfillmentHash", "bytes32"),
];

impl TypedData {
    /// The typed data of a lock with one leg; `None` for more legs, which `LockApproval` cannot
    /// hold.
    pub fn of_approval(lock_id: &LockId, terms: &LockTerms) -> Option<Self> {
        let [leg] = terms.legs.as_slice() else { return None };
        let field = |(name, solidity_type): (&'static str, &'static str)| TypedDataField {
            name: name.into(),
            solidity_type: solidity_type.into(),
        };
        Some(Self {
            domain: TypedDataDomain {
                name: CLIENT_DOMAIN_NAME.into(),
                version: CLIENT_DOMAIN_VERSION.into(),
                chain_id: leg.asset.chain_id,
                verifying_contract: Address::ZERO,
            },
            types: TypedDataTypes { lock_approval: FIELDS.into_iter().map(field).collect() },
            primary_type: "LockApproval".into(),
            message: LockApprovalMessage {
                lock_id: *lock_id,
                owner: terms.owner,
                asset: leg.asset.hash(),
                amount: leg.amount,
                nonce: terms.nonce,
                expires_at: terms.expires,
                fulfillment_hash: terms.condition.hash(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use mortise_format::eip712::LOCK_APPROVAL_TYPE;

    #[test]
    fn fields_are_those_of_the_hashed_type() {
        let list: Vec<String> = FIELDS.iter().map(|(name, ty)| format!("{ty} {name}")).collect();
        assert_eq!(format!("LockApproval({})", list.join(",")), LOCK_APPROVAL_TYPE);
    }
}
