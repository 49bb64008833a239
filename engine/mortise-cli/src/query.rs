//! `mortise balance`, `mortise root`, `mortise health`.

use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::known::Known;
use crate::output::Output;
use crate::session::Session;
use crate::time::seconds_and_utc;
use crate::values::{asset, asset_text};
use clap::Args;
use mortise_format::asset::Asset;
use mortise_format::ids::{Address, to_checksum};
use mortise_rpc::params::GetStateRoot;
use mortise_rpc::results::{Health, StateRootResult};

/// Flags of `mortise balance`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mortise balance --owner 0x... --asset native:1")]
pub struct BalanceArgs {
    /// The owner; the address of your key by default.
    #[arg(long)]
    owner: Option<Address>,

    /// The asset: native:CHAIN, erc20:CHAIN:CONTRACT, erc721:CHAIN:CONTRACT:ID.
    #[arg(long, value_parser = asset)]
    asset: Asset,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Flags of `mortise root`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mortise root --anchors anchors.toml\n  mortise root --at-seq 7"
)]
pub struct RootArgs {
    /// Fetch the root after this frame. It is not signed and not checked.
    #[arg(long, value_name = "SEQ")]
    at_seq: Option<u64>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Flags of `mortise health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs `mortise balance`.
pub async fn balance(args: &BalanceArgs, output: &Output) -> Result<(), Failure> {
    let session = Session::connect(&args.connection, output).await?;
    let output = &session.output;
    let owner = match args.owner {
        Some(owner) => owner,
        None => session.signer()?.address(),
    };
    let balance = session.client.balance(owner, args.asset).await?;
    let custody = balance.custody.map_or("not served", |custody| custody.name());
    let lines = [
        ("owner", to_checksum(&balance.owner)),
        ("asset", asset_text(&balance.asset)),
        ("custody", custody.to_owned()),
        ("total", balance.total.to_decimal()),
        ("available", balance.available.to_decimal()),
        ("held", balance.held.to_decimal()),
        ("claimedUnsettled", balance.claimed_unsettled.to_decimal()),
        ("withdrawing", balance.withdrawing.to_decimal()),
        ("seq", balance.seq.to_string()),
    ];
    output.thing(&balance, &lines);
    session.close().await
}

/// Runs `mortise root`.
pub async fn root(args: &RootArgs, output: &Output) -> Result<(), Failure> {
    let session = Session::connect(&args.connection, output).await?;
    let output = &session.output;
    if args.at_seq.is_some() {
        let params = GetStateRoot { at_seq: args.at_seq, signed: false };
        let StateRootResult::Root(root) = session.client.state_root(params).await? else {
            return Err(Failure::check("the engine answered with a statement, not a root"));
        };
        output.thing(&root, &[("stateRoot", root.to_string())]);
        return session.close().await;
    }
    let signed = session.client.check_root().await?;
    let statement = &signed.statement;
    let lines = [
        ("stateRoot", statement.state_root.to_string()),
        ("seq", statement.seq.to_string()),
        ("epoch", statement.epoch.to_string()),
        ("time", seconds_and_utc(statement.time)),
        ("historyRoot", statement.history_root.to_string()),
        ("historySize", statement.history_size.to_string()),
        ("policyHash", statement.policy_hash.to_string()),
        ("engineId", statement.engine_id.to_string()),
    ];
    output.thing(&signed, &lines);
    session.close().await
}

/// Runs `mortise health`.
pub async fn health(args: &HealthArgs, output: &Output) -> Result<(), Failure> {
    let session = Session::for_health(&args.connection, output).await?;
    let health = session.client.health().await?;
    let is_ready = health.phase == "ready";
    if is_ready {
        // Before anything is shown as the answer of the engine that the caller named.
        session.client.check_identity().await?;
        session.check_named().await?;
    }
    if is_ready && health.status == "healthy" {
        session.check_newest().await?;
    }
    let output = match is_ready {
        true => session.output,
        // An engine that does not serve yet proves nothing of itself.
        false => session.output.known(Known::NotAtAll.name()),
    };
    let mut lines = vec![
        ("status", health.status.clone()),
        ("phase", health.phase.clone()),
        ("engineId", health.enclave_id.to_string()),
        ("address", to_checksum(&health.public_key)),
        ("epoch", health.epoch.to_string()),
        ("seq", health.seq.to_string()),
        ("stateRoot", health.state_root.to_string()),
        ("time", seconds_and_utc(health.timestamp)),
        ("mode", health.mode.clone()),
        ("version", health.version.clone()),
    ];
    let at_times = [("fault", &health.fault), ("logKey", &health.log_key)];
    lines.extend(at_times.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    output.thing(&health, &lines);
    if !is_ready {
        return Err(not_ready(&health));
    }
    session.close().await
}

/// What the engine does instead of serving, and the next step.
fn not_ready(health: &Health) -> Failure {
    let phase = &health.phase;
    Failure::not_ready(match &health.fault {
        Some(fault) => {
            format!("the engine is in phase {phase}: {fault}\n  next: mortise explain {fault}")
        }
        None => format!("the engine is {phase}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_is_named_with_its_explanation() {
        let mut health: Health = serde_json::from_value(serde_json::json!({
            "status": "fault", "phase": "fault", "fault": "KEYS_LOST", "mode": "attested",
            "enclaveId": format!("0x{}", "11".repeat(32)), "epoch": 0, "seq": 0, "timestamp": 0,
            "publicKey": format!("0x{}", "22".repeat(20)), "version": "0.1.0",
            "stateRoot": format!("0x{}", "33".repeat(32)),
        }))
        .expect("it is a health");
        let text = not_ready(&health).text();
        assert!(text.contains("KEYS_LOST\n  next: mortise explain KEYS_LOST"), "{text}");
        (health.phase, health.fault) = ("replaying".to_owned(), None);
        assert_eq!(not_ready(&health).text(), "the engine is replaying");
    }
}
