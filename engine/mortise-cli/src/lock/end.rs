//! `mortise lock claim`, `release`, `consent`, `cancel`, `extend`.

use super::make;
use super::show::find;
use crate::failure::Failure;
use crate::mode;
use crate::output::Output;
use crate::session::Session;
use crate::time::{seconds_and_utc, utc};
use clap::Args;
use mortise_format::U256;
use mortise_format::eip712::{Claim, Request};
use mortise_format::ids::{Address, Bytes32, LockId, RequestId, Signature, to_checksum};
use mortise_rpc::results::OutcomeResult;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Flags of `mortise lock claim`.
#[derive(Debug, Args)]
pub struct ClaimArgs {
    /// The lock.
    lock_id: LockId,

    /// The address to pay.
    #[arg(long)]
    claimant: Address,

    /// Amount of each asset, in order; the whole remainder by default.
    #[arg(long = "amount")]
    amounts: Vec<U256>,

    /// Hash of the evidence that the arbiter checked; recorded, not interpreted.
    #[arg(long, value_name = "BYTES32")]
    evidence: Option<Bytes32>,
}

/// Flags of `mortise lock release`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The lock.
    lock_id: LockId,
}

/// Flags of `mortise lock consent`.
#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// The lock.
    lock_id: LockId,
}

/// Flags of `mortise lock cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The lock or draft.
    lock_id: LockId,

    /// Consent of the beneficiary: the output of `mortise lock consent`.
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
}

/// Flags of `mortise lock extend`.
#[derive(Debug, Args)]
pub struct ExtendArgs {
    /// The lock.
    lock_id: LockId,

    /// New end of fills, in seconds from now.
    #[arg(long, value_name = "SECONDS", required_unless_present = "expires")]
    expires_in: Option<u64>,

    /// New end of fills, in seconds since the Unix epoch.
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in")]
    expires: Option<u64>,
}

/// The consent of a beneficiary to a cancellation, as a file for the owner.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Consent {
    lock_id: LockId,
    request_id: RequestId,
    valid_until: u64,
    signature: Signature,
}

/// Runs `mortise lock claim`.
pub async fn claim(
    args: &ClaimArgs,
    session: &Session<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let (engine, signer) = (session.identity().await?, session.signer()?);
    let lock = find(session, args.lock_id).await?;
    let amounts = match args.amounts.as_slice() {
        [] => lock.legs.iter().map(|leg| leg.remaining).collect(),
        given => given.to_vec(),
    };
    let claim = Claim {
        lock_id: args.lock_id,
        claim_index: lock.claim_index,
        claimant: args.claimant,
        amounts,
        evidence: args.evidence.unwrap_or_default(),
        request: session.client.new_request().await?,
    };
    let result = session.client.claim_lock(signer.claim(&engine.engine_id, claim)).await?;
    print_outcome(&result, output);
    Ok(())
}

/// Runs `mortise lock release`.
pub async fn release(
    args: &ReleaseArgs,
    session: &Session<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let (engine, signer) = (session.identity().await?, session.signer()?);
    let request = session.client.new_request().await?;
    let params = signer.release(&engine.engine_id, args.lock_id, request);
    let result = session.client.release_lock(params).await?;
    print_outcome(&result, output);
    Ok(())
}

/// Runs `mortise lock consent`.
pub async fn consent(
    args: &ConsentArgs,
    session: &Session<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let (engine, signer) = (session.identity().await?, session.signer()?);
    let request = session.client.new_request().await?;
    let consent = Consent {
        lock_id: args.lock_id,
        request_id: request.id,
        valid_until: request.valid_until,
        signature: signer.cancel_consent(&engine.engine_id, &args.lock_id, &request),
    };
    Output::new(true).thing(&consent, &[]);
    output.note(&format!("next: send it to the owner. Valid until {}.", utc(consent.valid_until)));
    Ok(())
}

/// Runs `mortise lock cancel`.
pub async fn cancel(
    args: &CancelArgs,
    session: &Session<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let (engine, signer) = (session.identity().await?, session.signer()?);
    let (request, beneficiary) = match &args.with {
        Some(path) => {
            let consent = read_consent(path, args.lock_id)?;
            let request = Request { id: consent.request_id, valid_until: consent.valid_until };
            (request, Some(consent.signature))
        }
        None => (session.client.new_request().await?, None),
    };
    let params = signer.cancel(&engine.engine_id, args.lock_id, request, beneficiary);
    let result = session.client.cancel_lock(params).await?;
    print_outcome(&result, output);
    Ok(())
}

fn read_consent(path: &Path, lock_id: LockId) -> Result<Consent, Failure> {
    let named = |e: &dyn std::fmt::Display| Failure::usage(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| named(&e))?;
    let consent: Consent = serde_json::from_str(&text).map_err(|e| named(&e))?;
    if consent.lock_id != lock_id {
        return Err(named(&format!("the consent is for lock {}", consent.lock_id)));
    }
    Ok(consent)
}

/// Runs `mortise lock extend`.
pub async fn extend(
    args: &ExtendArgs,
    session: &Session<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let (engine, signer) = (session.identity().await?, session.signer()?);
    let request = session.client.new_request().await?;
    let new_expires = match (args.expires, args.expires_in) {
        (Some(at), _) => at,
        (None, from_now) => {
            let now = session.client.now().await?;
            now.saturating_add(from_now.unwrap_or_default())
        }
    };
    let params = signer.extend(&engine.engine_id, args.lock_id, new_expires, request);
    let result = session.client.extend_lock(params).await?;
    make::print_commitment("extended", &result, session, output)
}

fn print_outcome(result: &OutcomeResult, output: &Output) {
    let outcome = &result.outcome;
    let amounts: Vec<String> = outcome.amounts.iter().map(|a| a.to_decimal()).collect();
    let mut lines = vec![
        ("lockId", outcome.lock_id.to_string()),
        ("operation", result.operation.clone()),
        ("status", result.status.name().to_owned()),
        ("amounts", amounts.join(", ")),
    ];
    lines.extend(mode::line(outcome.mode));
    if !outcome.claimant.is_zero() {
        lines.push(("claimant", to_checksum(&outcome.claimant)));
    }
    lines.push(("time", seconds_and_utc(outcome.time)));
    lines.push(("seq", format!("{} (event {})", outcome.seq, outcome.event_index)));
    lines.push(("stateRoot", outcome.state_root.to_string()));
    lines.push(("signature", result.signature.to_string()));
    output.thing(result, &lines);
    if outcome.mode.is_some() {
        output.note(&mode::promise_note(outcome.mode, "this outcome, signed by this engine"));
    }
}
