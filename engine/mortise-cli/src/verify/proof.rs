//! `mortise verify proof`: what the state held, or did not hold, after a stated frame.

use super::pin::EnginePinArgs;
use super::{file, refused, verdict::Verdict};
use crate::failure::Failure;
use crate::output::Output;
use crate::values::asset;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::entry::{LeafKey, LeafValue, NonceWindow};
use mortise_format::ids::{Address, LockId};
use mortise_rpc::results::ProofResult;
use mortise_verify::json::{self, Claimed};
use mortise_verify::{state, statement};
use serde_json::{Value, json as value};
use std::path::PathBuf;

const EXAMPLES: &str = "\
FILE is an answer of getProof. It does not say which entry it is about: name the entry.

Examples:
  mortise verify proof proof.json --lock-id 0x... --anchors anchors.toml
  mortise verify proof proof.json --owner 0x... --asset native:1 --anchors anchors.toml
  mortise verify proof proof.json --owner 0x... --anchors anchors.toml        nonces and open locks
  mortise verify proof proof.json --images --anchors anchors.toml             which images may boot

Exit codes: 0 proven, 1 not proven (the name of the check that failed comes first), 2 wrong usage.";

/// Flags of `mortise verify proof`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ProofArgs {
    /// The proof; - for stdin.
    file: PathBuf,

    #[command(flatten)]
    pin: EnginePinArgs,

    /// The entry of this lock.
    #[arg(long, conflicts_with_all = ["owner", "asset"])]
    lock_id: Option<LockId>,

    /// The entry of this owner; with --asset, the entry of the account.
    #[arg(long)]
    owner: Option<Address>,

    /// The asset: native:CHAIN, erc20:CHAIN:CONTRACT, ...
    #[arg(long, value_parser = asset, requires = "owner")]
    asset: Option<Asset>,

    /// The images that may boot on the log.
    #[arg(long, conflicts_with_all = ["lock_id", "owner", "asset"])]
    images: bool,
}

impl ProofArgs {
    fn key(&self) -> Result<LeafKey, Failure> {
        if self.images {
            return Ok(LeafKey::Images);
        }
        match (self.lock_id, self.owner, self.asset) {
            (Some(lock_id), ..) => Ok(LeafKey::Lock(lock_id)),
            (None, Some(owner), Some(asset)) => Ok(LeafKey::Account(owner, asset)),
            (None, Some(owner), None) => Ok(LeafKey::Principal(owner)),
            (None, None, _) => Err(Failure::usage(
                "no entry is named\n  next: pass the entry that you requested: --lock-id, or \
                 --owner and --asset, or --owner, or --images",
            )),
        }
    }
}

/// Runs `mortise verify proof`.
pub(super) fn run(args: &ProofArgs, output: &Output) -> Result<(), Failure> {
    let (pin, key) = (args.pin.read()?, args.key()?);
    let view: ProofResult = file::read(&args.file, file::answer(&args.file)?)?;
    let answer = json::state(&view, &key).map_err(|error| refused::by(&error))?;
    let stated = statement::verify(&pin.engine, &answer.signed);
    let stated = stated.map_err(|error| refused::by(&error))?;
    let mut verdict = Verdict::new("proof");
    let seq = stated.seq();
    match &answer.claimed {
        Claimed::Present { value, salt } => {
            let leaf = state::verify_leaf(&stated, &key, value, salt, &answer.proof);
            let leaf = leaf.map_err(|error| refused::by(&error))?;
            verdict.line("state", "present").fact("present", true);
            add_value(&mut verdict, leaf.value());
            verdict.proves(format!("after frame {seq} the state held exactly this for the entry"));
        }
        Claimed::Absent => {
            state::verify_absence(&stated, &key, &answer.proof)
                .map_err(|error| refused::by(&error))?;
            verdict.line("state", "absent").fact("present", false);
            verdict
                .proves(format!("after frame {seq} the state held nothing for the entry"))
                .leaves_open(
                    "that it never existed: nothing of it is in force at this root; ended locks \
                     are pruned, idle owners and accounts forgotten",
                );
        }
    }
    verdict
        .statement(&stated, &pin.engine.address.0)
        .proves(format!("the engine stated this root after frame {seq}"))
        .leaves_open("that it is still so: a later frame may have changed it")
        .leaves_open("that others see the same state: checkpoints with witnesses show that")
        .leaves_open("that the key lives in an enclave: mortise verify attestation");
    verdict.print(output);
    Ok(())
}

/// Adds an opened value.
fn add_value(verdict: &mut Verdict, found: &LeafValue) {
    let found = describe(found);
    for (name, value) in found.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        verdict.line("", format!("{name} {text}"));
    }
    verdict.fact("value", found);
}

fn describe(found: &LeafValue) -> Value {
    match found {
        LeafValue::Lock {
            status, custody, expires, claim_by, settle_by, legs, granted_at, ..
        } => {
            value!({
                "status": status.name(), "custody": custody.name(), "expires": expires,
                "claimBy": claim_by, "settleBy": settle_by,
                "grantedAt": format!("event {} of frame {}", granted_at.index, granted_at.seq),
                "legs": legs.iter().map(leg).collect::<Vec<_>>(),
            })
        }
        LeafValue::Account { held, claimed, fact } => value!({
            "held": held, "claimed": claimed,
            "balance": fact.as_ref().map(|(balance, ..)| balance),
            "withdrawing": fact.as_ref().map(|(_, withdrawing, ..)| withdrawing),
        }),
        LeafValue::Principal { nonces, open_count } => {
            value!({"nonceFloor": nonces.floor.to_string(), "openLocks": open_count})
        }
        LeafValue::PrincipalByHour { windows, open_count } => {
            let window = |w: &NonceWindow| value!({"hour": w.hour, "nonceFloor": w.floor});
            let hours: Vec<_> = windows.iter().map(window).collect();
            value!({"nonceHours": hours, "openLocks": open_count})
        }
        LeafValue::Policy(hash) => value!({"policyHash": hash}),
        LeafValue::Images { serial, images, minimum_version, rules, approved_at } => value!({
            "serial": serial, "images": images, "minimumVersion": minimum_version.to_string(),
            "rules": rules.0,
            "approvedAt": format!("event {} of frame {}", approved_at.index, approved_at.seq),
        }),
    }
}

fn leg([remaining, claimed, settled]: &[U256; 3]) -> Value {
    value!({"remaining": remaining, "claimed": claimed, "settled": settled})
}
