//! Parses and prints values of the command line.

use mortise_format::U256;
use mortise_format::asset::{Asset, AssetType, TokenId};
use mortise_format::ids::{Address, parse_hex_bytes, to_checksum};
use mortise_format::lock::{LegTerms, LockTerms};
use mortise_rpc::HexBytes;
use mortise_rpc::results::LockView;

/// `native:CHAIN`, `erc20:CHAIN:CONTRACT`, `erc721:CHAIN:CONTRACT:ID`, `erc1155:CHAIN:CONTRACT:ID`.
pub fn asset(text: &str) -> Result<Asset, String> {
    const SHAPE: &str =
        "an asset is native:CHAIN, erc20:CHAIN:CONTRACT or erc721:CHAIN:CONTRACT:ID (or erc1155)";
    let parts: Vec<&str> = text.split(':').collect();
    let (kind, chain, rest) = match parts.as_slice() {
        [kind, chain, rest @ ..] => (*kind, *chain, rest),
        _ => return Err(SHAPE.to_owned()),
    };
    let asset_type = AssetType::from_name(kind).ok_or(SHAPE)?;
    let chain_id = chain.parse().map_err(|_| "the chain ID must be a number")?;
    let wanted = match asset_type {
        AssetType::Native => 0,
        AssetType::Erc20 => 1,
        AssetType::Erc721 | AssetType::Erc1155 => 2,
    };
    if rest.len() != wanted {
        return Err(SHAPE.to_owned());
    }
    let token = rest.first().map(|text| Address::parse(text)).transpose();
    let token_id = rest.get(1).map(|text| U256::parse(text)).transpose();
    let asset = Asset {
        chain_id,
        asset_type,
        token: token.map_err(|e| e.to_string())?.unwrap_or_default(),
        token_id: TokenId::from_value(token_id.map_err(|e| e.to_string())?.unwrap_or_default()),
    };
    asset.check().map_err(|e| e.to_string())?;
    Ok(asset)
}

/// Prints an asset in the format that [`asset`] parses.
pub fn asset_text(asset: &Asset) -> String {
    let mut text = format!("{}:{}", asset.asset_type.name(), asset.chain_id);
    if !asset.token.is_zero() {
        text.push_str(&format!(":{}", to_checksum(&asset.token)));
    }
    if matches!(asset.asset_type, AssetType::Erc721 | AssetType::Erc1155) {
        text.push_str(&format!(":{}", asset.token_id.value()));
    }
    text
}

/// An amount of an asset for people: `1,000,000 wei (native, chain 1)`.
pub fn leg_text(leg: &LegTerms) -> String {
    let Asset { chain_id, asset_type, token, token_id } = &leg.asset;
    let amount = grouped(&leg.amount.to_decimal());
    let (name, contract) = (asset_type.name(), to_checksum(token));
    match asset_type {
        AssetType::Native => format!("{amount} wei (native, chain {chain_id})"),
        AssetType::Erc20 => format!("{amount} units ({name} {contract}, chain {chain_id})"),
        AssetType::Erc721 | AssetType::Erc1155 => {
            let id = token_id.value();
            format!("{amount} of token {id} ({name} {contract}, chain {chain_id})")
        }
    }
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// 0x bytes of any length.
pub fn bytes(text: &str) -> Result<HexBytes, String> {
    parse_hex_bytes(text).map(HexBytes).map_err(|e| e.to_string())
}

/// The terms of a lock or draft.
pub fn terms_of(lock: &LockView) -> LockTerms {
    LockTerms {
        owner: lock.owner,
        beneficiary: lock.beneficiary,
        arbiter: lock.arbiter,
        nonce: lock.nonce,
        expires: lock.expires_at,
        condition: lock.condition.clone(),
        legs: lock.legs.iter().map(|l| LegTerms { asset: l.asset, amount: l.amount }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USDC: &str = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";

    #[test]
    fn assets_print_as_they_are_parsed() {
        for text in
            ["native:1".to_owned(), format!("erc20:10:{USDC}"), format!("erc721:1:{USDC}:7")]
        {
            assert_eq!(asset_text(&asset(&text).unwrap()), text);
        }
    }

    #[test]
    fn amounts_are_grouped_and_name_their_asset() {
        let leg = |text: &str, amount: u64| {
            leg_text(&LegTerms { asset: asset(text).unwrap(), amount: amount.into() })
        };
        assert_eq!(leg("native:1", 1_000_000), "1,000,000 wei (native, chain 1)");
        assert_eq!(leg("native:1", 100), "100 wei (native, chain 1)");
        let usdc = leg(&format!("erc20:10:{USDC}"), 1234);
        assert_eq!(usdc, format!("1,234 units (erc20 {USDC}, chain 10)"));
        let nft = leg(&format!("erc721:1:{USDC}:7"), 1);
        assert_eq!(nft, format!("1 of token 7 (erc721 {USDC}, chain 1)"));
    }

    #[test]
    fn malformed_asset_is_refused() {
        for text in [
            "",
            "native",
            "native:x",
            "native:1:2",
            "erc20:1",
            "erc20:1:0x",
            "erc777:1",
            &format!("erc20:1:{USDC}:7"),
            &format!("erc721:1:{USDC}"),
            "erc20:1:0x00000000000000000000000000000000000000",
        ] {
            assert!(asset(text).is_err(), "{text}");
        }
        assert!(bytes("0x0").is_err() && bytes("00").is_err() && bytes("").is_err());
    }
}
