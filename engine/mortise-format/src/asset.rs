//! Assets and fulfilment conditions, with the hashes that wallets sign (LOCKS 6).

use crate::abi::Words;
use crate::amount::U256;
use crate::domains::keccak256;
use crate::ids::{Address, Bytes32};
use alloc::vec::Vec;
use bincode::{Decode, Encode};

/// The kinds of asset, with the numbers of the existing client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum AssetType {
    /// The chain's own coin: 0.
    Native,
    /// ERC-20: 1.
    Erc20,
    /// ERC-721: 2.
    Erc721,
    /// ERC-1155: 3.
    Erc1155,
}

impl AssetType {
    /// The number in ABI encodings.
    pub fn number(self) -> u8 {
        match self {
            Self::Native => 0,
            Self::Erc20 => 1,
            Self::Erc721 => 2,
            Self::Erc1155 => 3,
        }
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Erc20 => "erc20",
            Self::Erc721 => "erc721",
            Self::Erc1155 => "erc1155",
        }
    }

    /// The type of this JSON name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Native, Self::Erc20, Self::Erc721, Self::Erc1155]
            .into_iter()
            .find(|t| t.name() == name)
    }
}

/// An asset on a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Asset {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Kind of asset.
    pub asset_type: AssetType,
    /// Token contract; zero for the native coin.
    pub token: Address,
    /// Token id; zero for native and ERC-20.
    pub token_id: TokenId,
}

/// A token id, ordered and hashed by its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct TokenId(pub [u8; 32]);

impl core::hash::Hash for TokenId {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        let (words, _) = self.0.as_chunks();
        words.iter().for_each(|word| state.write_u64(u64::from_le_bytes(*word)));
    }
}

impl TokenId {
    /// The id as a number.
    pub fn value(&self) -> U256 {
        U256::from_be_bytes(self.0)
    }

    /// From a number.
    pub fn from_value(value: U256) -> Self {
        Self(value.to_be_bytes())
    }
}

// Words, as ids are hashed: the maps of the core hash an asset with every hold.
impl core::hash::Hash for Asset {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.chain_id);
        state.write_u8(self.asset_type.number());
        self.token.hash(state);
        self.token_id.hash(state);
    }
}

/// Why an asset is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    /// The native coin has no contract and no token id.
    #[error("the native coin has no contract and no token id")]
    NativeWithContract,
    /// A token needs its contract.
    #[error("a token needs its contract address")]
    TokenWithoutContract,
    /// ERC-20 tokens have no token id.
    #[error("an erc20 token has no token id")]
    FungibleWithId,
}

impl Asset {
    /// The native coin of a chain.
    pub fn native(chain_id: u64) -> Self {
        Self {
            chain_id,
            asset_type: AssetType::Native,
            token: Address::ZERO,
            token_id: TokenId::default(),
        }
    }

    /// An ERC-20 token.
    pub fn erc20(chain_id: u64, token: Address) -> Self {
        Self { chain_id, asset_type: AssetType::Erc20, token, token_id: TokenId::default() }
    }

    /// Checks that contract and token id fit the type, so that one asset has one encoding.
    ///
    /// # Errors
    /// One [`AssetError`] per rule.
    pub fn check(&self) -> Result<(), AssetError> {
        let has_id = self.token_id != TokenId::default();
        match self.asset_type {
            AssetType::Native if has_id || !self.token.is_zero() => {
                Err(AssetError::NativeWithContract)
            }
            AssetType::Native => Ok(()),
            _ if self.token.is_zero() => Err(AssetError::TokenWithoutContract),
            AssetType::Erc20 if has_id => Err(AssetError::FungibleWithId),
            _ => Ok(()),
        }
    }

    /// `keccak(abi.encode(uint256 chainId, uint8 type, address token, uint256 tokenId))`.
    pub fn hash(&self) -> Bytes32 {
        Words::new()
            .number(self.chain_id)
            .number(u64::from(self.asset_type.number()))
            .address(&self.token)
            .word(&self.token_id.0)
            .hash()
    }
}

/// What a solver has to do for the lock.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Condition {
    /// Chain of the fill.
    pub target_chain_id: u64,
    /// Asset to deliver.
    pub target_asset: Asset,
    /// Amount to deliver.
    pub target_amount: U256,
    /// Who receives.
    pub recipient: Address,
    /// Call data of the fill, if any.
    pub execution_data: Option<Vec<u8>>,
}

impl Condition {
    /// `keccak(abi.encode(targetChainId, assetHash, targetAmount, recipient, dataHash or 0))`.
    pub fn hash(&self) -> Bytes32 {
        let data = self.execution_data.as_ref().map_or([0; 32], |d| keccak256(&[d]));
        Words::new()
            .number(self.target_chain_id)
            .word(&self.target_asset.hash().0)
            .amount(self.target_amount)
            .address(&self.recipient)
            .word(&data)
            .hash()
    }
}
