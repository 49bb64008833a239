//! `mortise lock create`, `sign`, `commit`.

use super::show::terms_lines;
use crate::failure::Failure;
use crate::mode;
use crate::output::Output;
use crate::session::Session;
use crate::values::{asset, bytes, terms_of};
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

/// Most bytes of a draft that are read.
const DRAFT_BYTES_MAX: u64 = 1 << 20;

/// What has to be done for a lock.
#[derive(Debug, Args)]
struct ConditionArgs {
    /// Asset to deliver: native:CHAIN, erc20:CHAIN:CONTRACT, ...
    #[arg(long, value_parser = asset)]
    target_asset: Asset,

    /// Amount to deliver, in the asset's smallest unit.
    #[arg(long)]
    target_amount: U256,

    /// Who receives; the owner when not given.
    #[arg(long)]
    recipient: Option<Address>,

    /// Call data of the fill, 0x bytes.
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
    /// Whose asset; the key's address when not given.
    #[arg(long)]
    owner: Option<Address>,

    /// What to hold: native:CHAIN, erc20:CHAIN:CONTRACT, ...
    #[arg(long, value_parser = asset)]
    asset: Asset,

    /// How much, in the asset's smallest unit.
    #[arg(long)]
    amount: U256,

    /// Seconds from now in which a fill counts.
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
    /// For whom; anybody when not given.
    #[arg(long)]
    beneficiary: Option<Address>,

    /// Whose signature claims; nobody's when not given.
    #[arg(long)]
    arbiter: Option<Address>,

    /// What to hold; repeat it, each with an --amount, for a lock of several assets.
    #[arg(long = "asset", value_parser = asset, required = true)]
    assets: Vec<Asset>,

    /// How much, in the asset's smallest unit; in the order of the assets.
    #[arg(long = "amount", required = true)]
    amounts: Vec<U256>,

    /// Seconds from now in which a fill counts.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    expires_in: u64,

    #[command(flatten)]
    condition: ConditionArgs,
}

/// Runs `mortise lock create`. The draft is JSON in either form: `sign` reads it.
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
    let until = draft.expiration_timestamp;
    output.note(&format!("draft {} holds nothing; sign it before {until}", draft.lock.id));
    Ok(())
}

/// Runs `mortise lock sign`.
pub async fn sign(args: &SignArgs, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
    let draft: CreateLockResult = serde_json::from_str(&read(&args.draft)?)
        .map_err(|e| Failure::usage(format!("{}: not a draft: {e}", args.draft.display())))?;
    let engine = session.identity().await?;
    let signer = session.signer()?;
    let terms = terms_of(&draft.lock);
    if terms.lock_id(&engine.engine_id) != draft.lock.id {
        return Err(Failure::check("the draft's id is not that of its terms at this engine"));
    }
    if signer.address() != terms.owner {
        return Err(Failure::check(format!(
            "the key is of {}, the draft is of {}",
            signer.address(),
            terms.owner
        )));
    }
    let signature = signer
        .lock_approval(&draft.lock.id, &terms)
        .ok_or_else(|| Failure::check("an approval is for a lock of one asset"))?;
    let params = SignLock { lock_id: draft.lock.id, signature };
    let result = session.client.sign_lock(params, &terms).await?;
    show(&result, output);
    Ok(())
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
        return Err(Failure::usage("each --asset takes one --amount"));
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
    let result = session.client.commit(&signer, &lock).await?;
    show(&result, output);
    Ok(())
}

/// Prints a checked commitment.
pub(super) fn show(result: &CommitResult, output: &Output) {
    let promise = &result.commitment;
    let mark = promise.ccm_attestation.mode;
    let mut lines = vec![("lockId", promise.lock_id.to_string())];
    lines.extend(mode::line(mark));
    lines.push(("status", result.status.name().to_owned()));
    lines.extend(terms_lines(&promise.terms()));
    lines.extend([
        ("claimBy", promise.claim_by.to_string()),
        ("settleBy", promise.settle_by.to_string()),
        ("custody", promise.custody.name().to_owned()),
        ("durability", promise.durability.name().to_owned()),
        ("seq", format!("{} (event {})", promise.seq, promise.event_index)),
        ("stateRoot", promise.state_root.to_string()),
        ("signature", promise.ccm_attestation.signature.to_string()),
    ]);
    output.thing(result, &lines);
    let checked = "the commitment was checked: these terms, signed by the engine";
    output.note(&mode::promise_note(mark, checked));
}
