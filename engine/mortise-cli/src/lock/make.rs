//! `mortise lock create`, `sign`, `commit`.

use super::show::terms_lines;
use crate::failure::Failure;
use crate::mode;
use crate::output::Output;
use crate::session::Session;
use crate::time::{duration, seconds_and_utc, utc};
use crate::values::{asset, bytes, leg_text, terms_of};
use clap::Args;
use mortise_client::NewLock;
use mortise_format::U256;
use mortise_format::asset::{Asset, Condition};
use mortise_format::ids::Address;
use mortise_format::lock::LegTerms;
use mortise_rpc::HexBytes;
use mortise_rpc::params::{CreateLock, SignLock};
use mortise_rpc::results::{CommitResult, CreateLockResult};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Maximum size of a draft.
const DRAFT_BYTES_MAX: u64 = 1 << 20;

/// The condition of a lock.
#[derive(Debug, Args)]
struct ConditionArgs {
    /// Asset to deliver: native:CHAIN, erc20:CHAIN:CONTRACT, ...
    #[arg(long, value_parser = asset)]
    target_asset: Asset,

    /// Amount to deliver, in the asset's smallest unit.
    #[arg(long)]
    target_amount: U256,

    /// Recipient of the delivery; the owner by default.
    #[arg(long)]
    recipient: Option<Address>,

    /// Call data of the fill, as 0x bytes.
    #[arg(long, value_parser = bytes, value_name = "BYTES")]
    data: Option<HexBytes>,
}

impl ConditionArgs {
    fn condition(&self, owner: Address) -> Condition {
        Condition {
            target_chain_id: self.target_asset.chain_id,
            target_asset: self.target_asset,
            target_amount: self.target_amount,
            recipient: self.recipient.unwrap_or(owner),
            execution_data: self.data.clone().map(|data| data.0),
        }
    }
}

/// Flags of `mortise lock create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Owner of the asset; the address of your key by default.
    #[arg(long)]
    owner: Option<Address>,

    /// Asset to hold: native:CHAIN, erc20:CHAIN:CONTRACT, ...
    #[arg(long, value_parser = asset)]
    asset: Asset,

    /// Amount to hold, in the asset's smallest unit.
    #[arg(long)]
    amount: U256,

    /// Seconds from now during which a fill counts.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    expires_in: u64,

    #[command(flatten)]
    condition: ConditionArgs,
}

/// Flags of `mortise lock sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The output of `mortise lock create`; `-` reads it from stdin.
    #[arg(value_name = "FILE")]
    draft: PathBuf,
}

/// Flags of `mortise lock commit`.
#[derive(Debug, Args)]
pub struct CommitArgs {
    /// Who may be paid; any address by default.
    #[arg(long)]
    beneficiary: Option<Address>,

    /// Whose signature claims the lock; none by default.
    #[arg(long)]
    arbiter: Option<Address>,

    /// Asset to hold. For a lock of several assets, repeat it, each with an --amount.
    #[arg(long = "asset", value_parser = asset, required = true)]
    assets: Vec<Asset>,

    /// Amount, in the asset's smallest unit, in the order of the assets.
    #[arg(long = "amount", required = true)]
    amounts: Vec<U256>,

    /// Seconds from now during which a fill counts.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    expires_in: u64,

    /// The nonce; one that is free by default. To replace a lock that was refused with
    /// final: false, pass its nonce: then at most one of both is ever granted.
    #[arg(long)]
    nonce: Option<u64>,

    #[command(flatten)]
    condition: ConditionArgs,
}

/// Runs `mortise lock create`. The draft is always JSON: `sign` reads it.
pub async fn create(
    args: &CreateArgs,
    session: &Session<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let owner = match args.owner {
        Some(owner) => owner,
        None => session.signer()?.address(),
    };
    let params = CreateLock {
        owner,
        session_key: None,
        asset: args.asset,
        amount: args.amount,
        expires_in: args.expires_in,
        condition: args.condition.condition(owner),
        request_id: None,
    };
    let draft = session.client.create_lock(params).await?;
    Output::new(true).thing(&draft, &[]);
    let until = utc(draft.expiration_timestamp);
    output.note(&format!("Draft {} created. It holds nothing until you sign it.", draft.lock.id));
    output.note(&format!("next: mortise lock sign FILE, before {until}"));
    Ok(())
}

/// Runs `mortise lock sign`.
pub async fn sign(args: &SignArgs, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
    let draft: CreateLockResult = serde_json::from_str(&read(&args.draft)?).map_err(|e| {
        Failure::usage(format!(
            "{}: this is not a draft of mortise lock create: {e}",
            args.draft.display()
        ))
    })?;
    let engine = session.identity().await?;
    let signer = session.signer()?;
    let terms = terms_of(&draft.lock);
    if terms.lock_id(&engine.engine_id) != draft.lock.id {
        return Err(Failure::check(
            "the lock ID of the draft does not match its terms and this engine: do not sign it",
        ));
    }
    if signer.address() != terms.owner {
        return Err(Failure::check(format!(
            "the key is of {}, but the owner of the draft is {}",
            signer.address(),
            terms.owner
        )));
    }
    let signature = signer.lock_approval(&draft.lock.id, &terms).ok_or_else(|| {
        Failure::check(
            "a draft with several assets cannot be signed this way: use mortise lock commit",
        )
    })?;
    let params = SignLock { lock_id: draft.lock.id, signature, terms: Some(terms.clone()) };
    let result = session.client.sign_lock(params, &terms).await?;
    print_commitment("committed", &result, session, output)
}

fn read(path: &Path) -> Result<String, Failure> {
    let named = |e: std::io::Error| Failure::usage(format!("{}: {e}", path.display()));
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(DRAFT_BYTES_MAX).read_to_string(&mut text).map_err(named)?;
    } else {
        let file = std::fs::File::open(path).map_err(named)?;
        file.take(DRAFT_BYTES_MAX).read_to_string(&mut text).map_err(named)?;
    }
    Ok(text)
}

/// Runs `mortise lock commit`.
pub async fn commit(
    args: &CommitArgs,
    session: &Session<'_>,
    output: &Output,
) -> Result<(), Failure> {
    if args.assets.len() != args.amounts.len() {
        return Err(Failure::usage("each --asset needs one --amount"));
    }
    let signer = session.signer()?;
    let legs = args.assets.iter().zip(&args.amounts);
    let lock = NewLock {
        beneficiary: args.beneficiary.unwrap_or_default(),
        arbiter: args.arbiter.unwrap_or_default(),
        legs: legs.map(|(asset, amount)| LegTerms { asset: *asset, amount: *amount }).collect(),
        expires_in: args.expires_in,
        condition: args.condition.condition(signer.address()),
    };
    let result = match args.nonce {
        Some(nonce) => session.client.commit_with_nonce(&signer, &lock, nonce).await?,
        None => session.client.commit(&signer, &lock).await?,
    };
    print_commitment("committed", &result, session, output)
}

/// Prints a checked commitment; warns if a different engine could have signed it.
pub(super) fn print_commitment(
    done: &str,
    result: &CommitResult,
    session: &Session<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let promise = &result.commitment;
    let insecure = promise.ccm_attestation.mode;
    let mut lines = vec![("lockId", promise.lock_id.to_string())];
    lines.extend(mode::line(insecure));
    lines.push(("status", result.status.name().to_owned()));
    lines.extend(terms_lines(&promise.terms()));
    lines.extend([
        ("claimBy", seconds_and_utc(promise.claim_by)),
        ("settleBy", seconds_and_utc(promise.settle_by)),
        ("custody", promise.custody.name().to_owned()),
        ("durability", promise.durability.name().to_owned()),
        ("seq", format!("{} (event {})", promise.seq, promise.event_index)),
        ("stateRoot", promise.state_root.to_string()),
        ("signature", promise.ccm_attestation.signature.to_string()),
    ]);
    output.thing(result, &lines);
    let held: Vec<String> = promise.legs.iter().map(leg_text).collect();
    let (until, left) = (promise.expires_at, promise.expires_at.saturating_sub(promise.created_at));
    output.note(&format!(
        "Lock {done}. Held: {}. Fills count until {} ({}).",
        held.join(", "),
        utc(until),
        duration(left)
    ));
    let checked = format!("these terms, {}", session.signed_by());
    output.note(&mode::promise_note(insecure, &checked));
    Ok(())
}
