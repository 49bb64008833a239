//! The text that `mortise-dev dev` prints when it is ready.

use super::authority::Authority;
use mortise_client::{Signer, random_request_id};
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::eip712::Request;
use mortise_format::ids::{Address, Bytes32, EngineId, to_checksum};
use mortise_format::lock::{LegTerms, LockTerms};
use mortise_rpc::envelope;
use mortise_rpc::params::CommitLock;
use serde::Serialize;

/// The facts of a running system.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Banner {
    /// URL of the gateway.
    pub url: String,
    pub engine_id: EngineId,
    /// Address of its signing key.
    pub engine_address: Address,
    /// Epoch of this boot.
    pub epoch: u64,
    /// Served chains, all in custody `open`.
    pub chains: Vec<u64>,
    /// Always `development`: attested by an authority of this folder, which no verifier trusts by
    /// default.
    pub mode: &'static str,
    /// The authority, and the image.
    pub authority: Authority,
    /// Accounts of the public test mnemonic.
    pub accounts: Vec<Account>,
    /// Commits a lock of 1,000 units of the first account. Works once, within half an hour.
    pub curl: String,
}

/// A development account.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    pub address: Address,
    /// Private key from the public mnemonic `test test ... junk` that every EVM tool knows.
    pub private_key: &'static str,
}

/// The first keys of the public test mnemonic.
const KEYS: [&str; 4] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];

/// Lifetime of the printed lock, seconds.
const LOCK_S: u64 = 1800;

impl Banner {
    /// The banner of an engine; `nonce` and `now_s` are for the curl.
    pub fn new(
        url: String,
        (engine_id, engine_address, epoch): (EngineId, Address, u64),
        chains: Vec<u64>,
        authority: Authority,
        (nonce, now_s): (u64, u64),
    ) -> Self {
        let account = |private_key: &'static str| Account {
            address: signer(private_key).address(),
            private_key,
        };
        let curl = curl(&url, &engine_id, &chains, nonce, now_s);
        let accounts = KEYS.into_iter().map(account).collect();
        let mode = "development";
        Self { url, engine_id, engine_address, epoch, chains, mode, authority, accounts, curl }
    }

    /// The address whose nonce the curl uses.
    pub fn curl_owner() -> Address {
        signer(KEYS[0]).address()
    }

    /// The anchors file of this engine.
    pub fn anchors(&self) -> String {
        let Authority { nitro_root, pcr0, pcr1, pcr2, .. } = &self.authority;
        let registers = [("pcr0", &**pcr0), ("pcr1", pcr1), ("pcr2", pcr2)];
        let engine = (self.engine_id, self.engine_address);
        mortise_cli::anchors_text(engine, &nitro_root.display().to_string(), registers)
    }

    /// The text for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        let chains: Vec<String> = self.chains.iter().map(u64::to_string).collect();
        line(String::from("Mortise development system: software enclave, DEV ROOT - never trust"));
        line(format!("  endpoint   {}", self.url));
        line(format!("  engine id  {}", self.engine_id));
        line(format!("  engine key {}", to_checksum(&self.engine_address)));
        line(format!("  epoch      {}", self.epoch));
        line(format!("  root       {}", self.authority.nitro_root.display()));
        line(format!("  pcr0       {}", self.authority.pcr0));
        line(format!(
            "  chains     {} (custody open: locks exclude each other, but",
            chains.join(", ")
        ));
        line(String::from("             owners can still move the assets on chain)"));
        line(String::from("  accounts   (keys from the public test mnemonic)"));
        for account in &self.accounts {
            line(format!("    {} {}", to_checksum(&account.address), account.private_key));
        }
        line(String::from("\nCommit a lock (works once, within half an hour):\n"));
        line(self.curl.clone());
        line(String::from("\nVerify which code holds the engine's keys:\n"));
        line(self.verification());
        line(String::from("\nCtrl-C stops the system. The next start replays the log."));
        out
    }
}

impl Banner {
    /// The command that verifies this engine.
    fn verification(&self) -> String {
        let Authority { nitro_root, pcr0, .. } = &self.authority;
        let url = &self.url;
        let root = nitro_root.display();
        format!("mortise verify attestation --url {url} --root {root} --pcr0 {pcr0}")
    }
}

fn signer(key: &str) -> Signer {
    Signer::from_hex(key).expect("the keys of the public mnemonic are keys")
}

fn curl(url: &str, engine_id: &EngineId, chains: &[u64], nonce: u64, now_s: u64) -> String {
    let owner = signer(KEYS[0]);
    let (source, target) = (chains.first().copied().unwrap_or(1), chains.last().copied());
    let target = target.unwrap_or(1);
    let terms = LockTerms {
        owner: owner.address(),
        beneficiary: Address::ZERO,
        arbiter: signer(KEYS[1]).address(),
        nonce,
        expires: now_s.saturating_add(LOCK_S),
        condition: Condition {
            target_chain_id: target,
            target_asset: Asset::native(target),
            target_amount: U256::from(990u64),
            recipient: owner.address(),
            execution_data: None,
        },
        legs: vec![LegTerms { asset: Asset::native(source), amount: U256::from(1000u64) }],
    };
    let request = Request { id: random_request_id(), valid_until: now_s.saturating_add(LOCK_S) };
    let intent = owner.lock_intent(engine_id, terms, &Bytes32::ZERO, request);
    let body = envelope::request(1, "commitLock", &CommitLock { intent });
    let body = String::from_utf8_lossy(&body).into_owned();
    format!("curl -s {url} -H 'content-type: application/json' -d '{body}'")
}
