//! The genesis file: JSON that people write, parsed strictly, and the genesis of the development
//! system.
//!
//! Lists that the policy keeps sorted may be in any order in the file. The hash is over the binary
//! encoding with sorted lists, so layout and key order do not change it.

use super::origin::OriginJson;
use super::service_policy::ServiceJson;
use super::succession::PredecessorJson;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mortise_format::amount::U256;
use mortise_format::asset::Asset;
use mortise_format::genesis::Genesis;
use mortise_format::ids::{Address, Bytes32};
use mortise_format::policy::{
    AssetLimits, AssetPolicy, ChainCustody, ChainPolicy, Edition, Policy, PolicyError, Service,
    StateLimits,
};
use mortise_format::witness::WitnessKey;
use serde::{Deserialize, Serialize};

/// Why a text is not a genesis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// Not JSON, or a field is missing, unknown or of the wrong type; the text has field and line.
    #[error("{0}")]
    Json(String),
    /// The policy contradicts itself.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Fields of two editions of the policy.
    #[error("draftsPerOwnerMax is of the first edition of the policy, service of later ones")]
    Editions,
    /// The public key of the predecessor is not a compressed one.
    #[error("predecessor.publicKey must be of 33 bytes")]
    PublicKey,
    /// An escrow needs a contract and a notice; other custody has neither.
    #[error("chain {chain_id}: custody escrow, and only it, has contract and noticeSeconds")]
    Custody {
        /// The chain.
        chain_id: u64,
    },
}

/// Reads a genesis file.
///
/// # Errors
/// See [`GenesisError`].
pub fn parse(text: &str) -> Result<Genesis, GenesisError> {
    let json: GenesisJson =
        serde_json::from_str(text).map_err(|e| GenesisError::Json(e.to_string()))?;
    let policy = Policy::try_from(json.policy)?;
    let origin = json.origin.into();
    let predecessor = json.predecessor.map(TryInto::try_into).transpose()?;
    let genesis = Genesis { name: json.name, salt: json.salt, policy, origin, predecessor };
    genesis.check()?;
    Ok(genesis)
}

/// Writes a genesis file.
pub fn print(genesis: &Genesis) -> String {
    let json = GenesisJson {
        name: genesis.name.clone(),
        salt: genesis.salt,
        policy: PolicyJson::from(&genesis.policy),
        origin: OriginJson::from(&genesis.origin),
        predecessor: genesis.predecessor.as_ref().map(PredecessorJson::from),
    };
    let mut text = serde_json::to_string_pretty(&json).unwrap_or_default();
    text.push('\n');
    text
}

/// The genesis of the development system: five chains, custody `open`, no observers, no operators,
/// wide limits.
pub fn dev(salt: Bytes32) -> Genesis {
    let tokens = |count: u64| {
        // 10^18 fits 64 bits, and a million of it fits 128
        U256::from(u128::from(count).saturating_mul(1_000_000_000_000_000_000))
    };
    let chain =
        |chain_id| ChainPolicy { chain_id, custody: ChainCustody::Open, claim_window_s: 300 };
    Genesis {
        name: "mortise dev".to_string(),
        salt,
        policy: Policy {
            lock_s_min: 30,
            lock_s_max: 3600,
            settlement_buffer_s: 300,
            concurrent_max: 100,
            commands_per_minute_max: 100_000,
            requests_max: 10_000,
            retention_s: 3600,
            draft_ttl_s: 300,
            fact_age_s_max: 120,
            notice_margin_s: 300,
            default_limits: AssetLimits {
                single_max: tokens(100_000),
                account_max: tokens(1_000_000),
                asset_max: U256::MAX,
            },
            assets: Vec::new(),
            chains: [1, 10, 137, 8453, 42161].into_iter().map(chain).collect(),
            observers: Vec::new(),
            observers_min: 0,
            operators: Vec::new(),
            operators_min: 0,
            witnesses: Vec::new(),
            witnesses_min: 0,
            witnesses_faulty_max: 0,
            edition: Edition::Second(Service { state: dev_limits(), ..Service::DEFAULT }),
        },
        origin: OriginJson::default().into(),
        predecessor: None,
    }
}

/// The limits of the development system: its benches bring more owners than any service.
fn dev_limits() -> StateLimits {
    StateLimits { new_principals_per_minute_max: 1_000_000, ..StateLimits::DEFAULT }
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GenesisJson {
    name: String,
    salt: Bytes32,
    policy: PolicyJson,
    #[serde(default)]
    origin: OriginJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    predecessor: Option<PredecessorJson>,
}

/// The policy in the file, and in the answer of `getPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of Policy, with their units written out")]
pub struct PolicyJson {
    pub lock_seconds_min: u64,
    pub lock_seconds_max: u64,
    pub settlement_buffer_seconds: u64,
    pub concurrent_max: u32,
    pub commands_per_minute_max: u32,
    pub requests_max: u32,
    pub retention_seconds: u64,
    pub draft_ttl_seconds: u64,
    /// Only in the first edition, which holds nothing of [`ServiceJson`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafts_per_owner_max: Option<u32>,
    pub fact_age_seconds_max: u64,
    pub notice_margin_seconds: u64,
    pub default_limits: LimitsJson,
    #[serde(default)]
    pub assets: Vec<AssetPolicyJson>,
    pub chains: Vec<ChainPolicyJson>,
    #[serde(default)]
    pub observers: Vec<Address>,
    #[serde(default)]
    pub observers_min: u32,
    #[serde(default)]
    pub operators: Vec<Address>,
    #[serde(default)]
    pub operators_min: u32,
    #[serde(default)]
    pub witnesses: Vec<WitnessKey>,
    #[serde(default)]
    pub witnesses_min: u32,
    #[serde(default)]
    pub witnesses_faulty_max: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceJson>,
}

/// Limits of an asset, in its smallest units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of AssetLimits")]
pub struct LimitsJson {
    pub single_max: U256,
    pub account_max: U256,
    pub asset_max: U256,
}

/// Limits of a named asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of AssetPolicy")]
pub struct AssetPolicyJson {
    pub asset: Asset,
    pub limits: LimitsJson,
}

/// Custody and claim window of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of ChainPolicy")]
pub struct ChainPolicyJson {
    pub chain_id: u64,
    pub custody: mortise_format::lock::Custody,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_seconds: Option<u64>,
    pub claim_window_seconds: u64,
}

impl From<&AssetLimits> for LimitsJson {
    fn from(limits: &AssetLimits) -> Self {
        let AssetLimits { single_max, account_max, asset_max } = *limits;
        Self { single_max, account_max, asset_max }
    }
}

impl From<LimitsJson> for AssetLimits {
    fn from(json: LimitsJson) -> Self {
        let LimitsJson { single_max, account_max, asset_max } = json;
        Self { single_max, account_max, asset_max }
    }
}

impl From<&ChainPolicy> for ChainPolicyJson {
    fn from(chain: &ChainPolicy) -> Self {
        let (custody, contract, notice_seconds) = match chain.custody {
            ChainCustody::Open => (mortise_format::lock::Custody::Open, None, None),
            ChainCustody::Escrow { contract, notice_s } => {
                (mortise_format::lock::Custody::Escrow, Some(contract), Some(notice_s))
            }
        };
        Self {
            chain_id: chain.chain_id,
            custody,
            contract,
            notice_seconds,
            claim_window_seconds: chain.claim_window_s,
        }
    }
}

impl TryFrom<&ChainPolicyJson> for ChainPolicy {
    type Error = GenesisError;
    fn try_from(json: &ChainPolicyJson) -> Result<Self, GenesisError> {
        let custody = match (json.custody, json.contract, json.notice_seconds) {
            (mortise_format::lock::Custody::Open, None, None) => ChainCustody::Open,
            (mortise_format::lock::Custody::Escrow, Some(contract), Some(notice_s)) => {
                ChainCustody::Escrow { contract, notice_s }
            }
            _ => return Err(GenesisError::Custody { chain_id: json.chain_id }),
        };
        Ok(Self { chain_id: json.chain_id, custody, claim_window_s: json.claim_window_seconds })
    }
}

impl From<&Policy> for PolicyJson {
    fn from(policy: &Policy) -> Self {
        let asset = |a: &AssetPolicy| AssetPolicyJson {
            asset: a.asset,
            limits: LimitsJson::from(&a.limits),
        };
        let (drafts_per_owner_max, service) = match policy.edition {
            Edition::First { drafts_per_owner_max } => (Some(drafts_per_owner_max), None),
            Edition::Second(service) => (None, Some(service.into())),
        };
        Self {
            lock_seconds_min: policy.lock_s_min,
            lock_seconds_max: policy.lock_s_max,
            settlement_buffer_seconds: policy.settlement_buffer_s,
            concurrent_max: policy.concurrent_max,
            commands_per_minute_max: policy.commands_per_minute_max,
            requests_max: policy.requests_max,
            retention_seconds: policy.retention_s,
            draft_ttl_seconds: policy.draft_ttl_s,
            drafts_per_owner_max,
            fact_age_seconds_max: policy.fact_age_s_max,
            notice_margin_seconds: policy.notice_margin_s,
            default_limits: LimitsJson::from(&policy.default_limits),
            assets: policy.assets.iter().map(asset).collect(),
            chains: policy.chains.iter().map(ChainPolicyJson::from).collect(),
            observers: policy.observers.clone(),
            observers_min: policy.observers_min,
            operators: policy.operators.clone(),
            operators_min: policy.operators_min,
            witnesses: policy.witnesses.clone(),
            witnesses_min: policy.witnesses_min,
            witnesses_faulty_max: policy.witnesses_faulty_max,
            service,
        }
    }
}

impl TryFrom<PolicyJson> for Policy {
    type Error = GenesisError;
    fn try_from(mut json: PolicyJson) -> Result<Self, GenesisError> {
        json.chains.sort_by_key(|chain| chain.chain_id);
        json.assets.sort_by_key(|asset| asset.asset);
        json.observers.sort();
        json.operators.sort();
        json.witnesses.sort_by_key(|witness| witness.key);
        let asset = |a: &AssetPolicyJson| AssetPolicy { asset: a.asset, limits: a.limits.into() };
        let policy = Self {
            lock_s_min: json.lock_seconds_min,
            lock_s_max: json.lock_seconds_max,
            settlement_buffer_s: json.settlement_buffer_seconds,
            concurrent_max: json.concurrent_max,
            commands_per_minute_max: json.commands_per_minute_max,
            requests_max: json.requests_max,
            retention_s: json.retention_seconds,
            draft_ttl_s: json.draft_ttl_seconds,
            fact_age_s_max: json.fact_age_seconds_max,
            notice_margin_s: json.notice_margin_seconds,
            default_limits: json.default_limits.into(),
            assets: json.assets.iter().map(asset).collect(),
            chains: json.chains.iter().map(ChainPolicy::try_from).collect::<Result<_, _>>()?,
            observers: json.observers,
            observers_min: json.observers_min,
            operators: json.operators,
            operators_min: json.operators_min,
            witnesses: json.witnesses,
            witnesses_min: json.witnesses_min,
            witnesses_faulty_max: json.witnesses_faulty_max,
            edition: edition(json.drafts_per_owner_max, json.service)?,
        };
        policy.check()?;
        Ok(policy)
    }
}

/// The edition of a file: the first when it names what only that one holds.
fn edition(
    drafts_per_owner_max: Option<u32>,
    service: Option<ServiceJson>,
) -> Result<Edition, GenesisError> {
    match (drafts_per_owner_max, service) {
        (Some(_), Some(_)) => Err(GenesisError::Editions),
        (Some(drafts_per_owner_max), None) => Ok(Edition::First { drafts_per_owner_max }),
        (None, service) => Ok(Edition::Second(service.unwrap_or_default().into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use mortise_format::codec;
    use mortise_format::genesis::{GenesisKeys, Predecessor};
    use mortise_format::ids::{Address, EngineId, Signature};
    use mortise_format::lock::Durability;
    use mortise_format::policy::Reads;
    use mortise_format::witness::Origin;

    fn witness(n: u8) -> WitnessKey {
        WitnessKey { key: [n; 32], name: alloc::format!("w{n}.example") }
    }

    #[test]
    fn a_genesis_without_witnesses_and_origin_is_stored_under_the_local_domain() {
        let genesis = parse(&dev_text()).unwrap();
        assert_eq!(genesis.policy.durability(), Durability::Stored);
        let mut value: serde_json::Value = serde_json::from_str(&dev_text()).unwrap();
        for name in ["witnesses", "witnessesMin", "witnessesFaultyMax"] {
            value["policy"].as_object_mut().unwrap().remove(name).unwrap();
        }
        value.as_object_mut().unwrap().remove("origin").unwrap();
        assert_eq!(parse(&value.to_string()).unwrap(), genesis);
        assert_eq!(genesis.origin, Origin::C2sp { domain: "mortise.localhost".into() });
    }

    #[test]
    fn a_policy_of_each_edition_keeps_its_bytes_and_files_mix_no_two() {
        let second = dev(Bytes32([7; 32])).policy;
        let first =
            Policy { edition: Edition::First { drafts_per_owner_max: 9 }, ..second.clone() };
        assert_ne!(first.hash(), second.hash());
        assert_eq!(first.service(), &Service::DEFAULT);
        for policy in [&first, &second] {
            let bytes = codec::encode(policy);
            assert_eq!(codec::decode::<Policy>(&bytes).as_ref(), Ok(policy));
            assert_eq!(Policy::try_from(PolicyJson::from(policy)).as_ref(), Ok(policy));
        }
        assert_eq!((first.service().reads, first.service().clear_reads), (Reads::Public, false));
        assert_eq!(second.service().reads, Reads::Public, "the development genesis");
        let mut other = codec::encode(&second);
        other[0] = 3;
        assert!(codec::decode::<Policy>(&other).is_err());

        let mut value: serde_json::Value = serde_json::from_str(&dev_text()).unwrap();
        value["policy"].as_object_mut().unwrap().remove("service").unwrap();
        let plain = parse(&value.to_string()).unwrap().policy;
        assert_eq!(plain.edition, Edition::DEFAULT);
        for (reads, name) in Reads::ALL.into_iter().zip(["public", "parties"]) {
            assert_eq!(reads.name(), name);
            let service = Service { reads, clear_reads: true, ..Service::DEFAULT };
            value["policy"]["service"] = serde_json::json!({ "reads": name, "clearReads": true });
            let named = parse(&value.to_string()).unwrap().policy;
            assert_eq!(named.service(), &service);
            let printed = serde_json::to_value(PolicyJson::from(&named)).unwrap();
            assert_eq!(printed["service"]["reads"], name);
        }
        value["policy"]["service"] = serde_json::json!({ "reads": "everyone" });
        assert!(matches!(parse(&value.to_string()), Err(GenesisError::Json(_))));
        value["policy"].as_object_mut().unwrap().remove("service").unwrap();
        value["policy"]["draftsPerOwnerMax"] = 9.into();
        assert_eq!(parse(&value.to_string()).unwrap().policy, first);
        value["policy"]["service"] = serde_json::json!({});
        assert_eq!(parse(&value.to_string()).unwrap_err(), GenesisError::Editions);
        value["policy"].as_object_mut().unwrap().remove("draftsPerOwnerMax").unwrap();
        for service in [
            serde_json::json!({ "leaseSeconds": 14 }),
            serde_json::json!({ "state": { "escrow": { "locksMax": 0 } } }),
        ] {
            value["policy"]["service"] = service;
            let refused = parse(&value.to_string()).unwrap_err();
            assert_eq!(refused, GenesisError::Policy(PolicyError::Service));
        }
    }

    #[test]
    fn witnesses_are_verifier_keys_and_wrong_ones_are_refused_by_name() {
        let mut genesis = dev(Bytes32([7; 32]));
        genesis.policy.witnesses = [1, 2, 3].map(witness).into();
        genesis.policy.witnesses_min = 2;
        assert_eq!(genesis.policy.durability(), Durability::Witnessed);
        let mut value: serde_json::Value = serde_json::from_str(&print(&genesis)).unwrap();
        let keys = value["policy"]["witnesses"].as_array_mut().unwrap();
        assert!(keys[0].as_str().unwrap().starts_with("w1.example+"));
        keys.reverse();
        assert_eq!(parse(&value.to_string()).unwrap(), genesis);
        let mut refused = |at: &str, to: serde_json::Value| {
            let old = core::mem::replace(value.pointer_mut(at).unwrap(), to);
            let error = parse(&value.to_string()).unwrap_err();
            *value.pointer_mut(at).unwrap() = old;
            error
        };
        let policy = GenesisError::Policy;
        assert_eq!(refused("/policy/witnessesMin", 1.into()), policy(PolicyError::WitnessQuorum));
        assert_eq!(refused("/policy/witnessesMin", 4.into()), policy(PolicyError::WitnessQuorum));
        let faulty = refused("/policy/witnessesFaultyMax", 1.into());
        assert_eq!(faulty, policy(PolicyError::WitnessQuorum));
        let key = mortise_format::json::vkey_text(&witness(2));
        assert_eq!(refused("/policy/witnesses/0", key.into()), policy(PolicyError::Witnesses));
        let key = mortise_format::json::vkey_text(&witness(2)).replace("w2", "w4");
        assert!(matches!(refused("/policy/witnesses/0", key.into()), GenesisError::Json(_)));
        assert_eq!(refused("/origin/domain", "A.b".into()), policy(PolicyError::Origin));
        let form = refused("/origin/form", "sigsum".into());
        assert!(matches!(form, GenesisError::Json(_)), "sigsum has no domain: {form:?}");
    }

    fn dev_text() -> String {
        print(&dev(Bytes32([7; 32])))
    }

    #[test]
    fn printed_genesis_reads_back_with_the_same_hash() {
        let mut genesis = dev(Bytes32([7; 32]));
        assert_eq!(genesis.policy.check(), Ok(()));
        assert_eq!(parse(&print(&genesis)).unwrap(), genesis);
        let contract = Address([1; 20]);
        genesis.policy.observers = [Address([2; 20]), Address([3; 20])].into();
        genesis.policy.observers_min = 2;
        genesis.policy.chains[1].custody = ChainCustody::Escrow { contract, notice_s: 7200 };
        let limits = genesis.policy.default_limits;
        genesis.policy.witnesses = [1, 2, 3].map(witness).into();
        genesis.policy.witnesses_min = 2;
        genesis.origin = Origin::C2sp { domain: "locks.example".into() };
        genesis.predecessor = Some(Predecessor {
            engine_id: EngineId([4; 32]),
            keys: GenesisKeys { signing: [2; 33], checkpoint: [5; 32] },
            log_secret_commitment: Bytes32([8; 32]),
            base: genesis.base(),
            before: Bytes32([9; 32]),
            checkpoint: "origin\n1\nroot\n".into(),
            signatures: [Signature([6; 65]), Signature([7; 65])].into(),
        });
        genesis.policy.assets = [AssetPolicy { asset: Asset::erc20(1, contract), limits }].into();
        assert_eq!(parse(&print(&genesis)).unwrap(), genesis);
        let mut value: serde_json::Value = serde_json::from_str(&print(&genesis)).unwrap();
        value["predecessor"]["signatures"].as_array_mut().unwrap().reverse();
        assert_eq!(parse(&value.to_string()).unwrap(), genesis);
        value["predecessor"]["publicKey"] = "0x02".into();
        assert_eq!(parse(&value.to_string()), Err(GenesisError::PublicKey));
    }

    #[test]
    fn order_and_layout_of_the_file_do_not_change_the_hash() {
        let text = dev_text();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["policy"]["chains"].as_array_mut().unwrap().reverse();
        let reordered = parse(&value.to_string()).unwrap();
        assert_eq!(reordered.hash(), parse(&text).unwrap().hash());
    }

    #[test]
    fn unknown_missing_and_repeated_fields_are_refused_by_name() {
        let text = dev_text();
        let unknown = text.replacen("\"lockSecondsMin\"", "\"lockSecondMin\"", 1);
        let Err(GenesisError::Json(why)) = parse(&unknown) else { panic!("{unknown}") };
        assert!(why.contains("lockSecondMin"), "{why}");
        let twice = text.replacen("\"requestsMax\"", "\"concurrentMax\"", 1);
        assert!(matches!(parse(&twice), Err(GenesisError::Json(_))));
        let both = text.replacen("\"custody\": \"open\"", "\"custody\": \"escrow\"", 1);
        assert_eq!(parse(&both), Err(GenesisError::Custody { chain_id: 1 }));
        let chain = text.replacen("\"chainId\": 10,", "\"chainId\": 1,", 1);
        assert_eq!(parse(&chain), Err(GenesisError::Policy(PolicyError::Chains)));
    }

    #[test]
    fn two_quorums_of_observers_always_share_one() {
        for (count, min, fits) in [
            (1, 1, true),
            (2, 1, false),
            (2, 2, true),
            (3, 1, false),
            (3, 2, true),
            (4, 2, false),
            (4, 3, true),
            (5, 2, false),
            (5, 3, true),
        ] {
            let mut genesis = dev(Bytes32([7; 32]));
            genesis.policy.observers = (1..=count).map(|n| Address([n; 20])).collect();
            genesis.policy.observers_min = min;
            let expected = if fits { Ok(()) } else { Err(PolicyError::ObserverQuorum) };
            assert_eq!(genesis.check(), expected, "{min} of {count}");
            let read = parse(&print(&genesis)).map(drop);
            assert_eq!(read, expected.map_err(GenesisError::Policy), "{min} of {count}");
        }
        assert_eq!(dev(Bytes32([7; 32])).policy.check(), Ok(()), "no observers need no quorum");
    }

    #[test]
    fn salt_alone_makes_another_genesis() {
        assert_ne!(dev(Bytes32([7; 32])).hash(), dev(Bytes32([8; 32])).hash());
    }
}
