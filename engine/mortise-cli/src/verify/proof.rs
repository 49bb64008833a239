//! `mortise verify proof`: what the state held, or did not hold, after a stated frame.

use super::pin::{EnginePin, EnginePinArgs};
use super::verdict::Rendered;
use super::{file, known, refused, uses};
use crate::failure::Failure;
use crate::values::{asset, asset_text};
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::entry::{LeafKey, LeafValue, NonceWindow};
use mortise_format::ids::{Address, LockId, to_checksum};
use mortise_format::lock::Status;
use mortise_rpc::results::ProofResult;
use mortise_verify::json::{self, Claimed, StateAnswer};
use mortise_verify::statement::VerifiedStatement;
use mortise_verify::verdict::{Claim, Subject};
use mortise_verify::{state, statement};
use serde_json::{Value, json as value};
use std::path::PathBuf;

const EXAMPLES: &str = "\
FILE is an answer of getProof. It does not say which entry it is about: name the entry.

Examples:
  mortise verify proof proof.json --lock-id 0x... --status ACTIVE --anchors anchors.toml
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

    /// The status that you expect of the lock: ACTIVE, PARTIAL, FULFILLED, SETTLED, RELEASED,
    /// CANCELLED or EXPIRED.
    #[arg(long, value_name = "STATUS", requires = "lock_id", value_parser = status,
          conflicts_with_all = ["owner", "asset", "images"])]
    status: Option<Status>,

    /// Expect that the state held the entry.
    #[arg(long, conflicts_with = "absent")]
    present: bool,

    /// Expect that the state held nothing for the entry.
    #[arg(long, conflicts_with = "status")]
    absent: bool,
}

/// A status by its name, in any case.
fn status(text: &str) -> Result<Status, String> {
    let name = text.to_ascii_uppercase();
    let found = STATUSES.into_iter().find(|status| status.name() == name);
    found.ok_or_else(|| {
        let names = STATUSES.map(Status::name).join(", ");
        format!("one of {names}")
    })
}

const STATUSES: [Status; 7] = [
    Status::Active,
    Status::Partial,
    Status::Fulfilled,
    Status::Settled,
    Status::Released,
    Status::Cancelled,
    Status::Expired,
];

impl ProofArgs {
    /// Adds what the caller expects of the entry.
    fn expect(&self, found: Option<&LeafValue>, verdict: &mut Rendered) {
        let is = |present| if present { "present" } else { "absent" };
        let shown = is(found.is_some());
        if self.present {
            verdict.compare(Claim::Present, "the entry", &is(true), &shown);
        }
        if self.absent {
            verdict.compare(Claim::Absent, "the entry", &is(false), &shown);
        }
        match (self.status, found) {
            (Some(wanted), Some(LeafValue::Lock { status, .. })) => {
                verdict.compare(Claim::Status, "the lock", &wanted.name(), &status.name());
            }
            (Some(wanted), _) => {
                let reason =
                    format!("the state held nothing for the lock, so not {}", wanted.name());
                verdict.contradicts(Claim::Status, reason);
            }
            (None, _) => {}
        }
    }

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
pub(super) fn run(args: &ProofArgs) -> Result<Rendered, Failure> {
    let (pin, key) = (args.pin.read()?, args.key()?);
    let view: ProofResult = file::read(&args.file, file::answer(&args.file)?)?;
    let answer = json::state(&view, &key).map_err(|error| refused::by(&error))?;
    let stated = statement::verify(&pin.engine, &answer.signed);
    let stated = stated.map_err(|error| refused::by(&error))?;
    let mut verdict = entry(args, &pin, &key, &answer, &stated)?;
    known::compare(&pin, &stated, &mut verdict)?;
    known::policy(&pin, &stated, &mut verdict);
    uses::list("proof", &pin.anchors, &[], &mut verdict);
    verdict
        .statement(&stated)
        .leaves_open("that it is still so: a later frame may have changed it")
        .leaves_open("that others see the same state: checkpoints with witnesses show that")
        .leaves_open("that the key lives in an enclave: mortise verify attestation");
    Ok(verdict)
}

/// The entry, present or absent, and what was expected of it.
fn entry(
    args: &ProofArgs,
    pin: &EnginePin,
    key: &LeafKey,
    answer: &StateAnswer,
    stated: &VerifiedStatement,
) -> Result<Rendered, Failure> {
    let (seq, about) = (stated.seq(), entry_name(key));
    let new = |says| Rendered::new(Subject::Proof, pin.identity(), says);
    let mut verdict = match &answer.claimed {
        Claimed::Present { value, salt } => {
            let leaf = state::verify_leaf(stated, key, value, salt, &answer.proof);
            let leaf = leaf.map_err(|error| refused::by(&error))?;
            let what = found_text(leaf.value());
            let mut verdict = new(format!("stated that {about} {what} after frame {seq}"));
            verdict.line("state", "present").fact("present", true);
            add_value(&mut verdict, leaf.value());
            let what = format!("after frame {seq} the state held exactly this for the entry");
            verdict.establish(Claim::Present, what, &leaf);
            args.expect(Some(leaf.value()), &mut verdict);
            verdict
        }
        Claimed::Absent => {
            let absence = state::verify_absence(stated, key, &answer.proof);
            let absence = absence.map_err(|error| refused::by(&error))?;
            let mut verdict = new(format!("stated that {about} is ABSENT after frame {seq}"));
            verdict.line("state", "absent").fact("present", false);
            let what = format!("after frame {seq} the state held nothing for the entry");
            verdict.establish(Claim::Absent, what, &absence).leaves_open(
                "that it never existed: nothing of it is in force at this root; ended locks are \
                 pruned, idle owners and accounts forgotten",
            );
            args.expect(None, &mut verdict);
            verdict
        }
    };
    if args.status.is_none() && matches!(key, LeafKey::Lock(_)) {
        verdict.leaves_open("that the lock has the status that you expect: pass --status");
    }
    Ok(verdict)
}

/// The entry as the subject of a sentence.
fn entry_name(key: &LeafKey) -> String {
    match key {
        LeafKey::Lock(id) => format!("lock {id}"),
        LeafKey::Account(owner, asset) => {
            format!("the account of {} in {}", to_checksum(owner), asset_text(asset))
        }
        LeafKey::Principal(owner) => format!("the entry of owner {}", to_checksum(owner)),
        LeafKey::Images => "the list of approved images".to_owned(),
        LeafKey::Policy => "the policy".to_owned(),
    }
}

/// What the state held, as the rest of a sentence. A lock that is not open is named as one.
fn found_text(value: &LeafValue) -> String {
    match value {
        LeafValue::Lock { status, .. } if status.is_open() => format!("is {}", status.name()),
        LeafValue::Lock { status, .. } => format!("is {}, NO LONGER OPEN,", status.name()),
        _ => "is present".to_owned(),
    }
}

/// Adds an opened value.
fn add_value(verdict: &mut Rendered, found: &LeafValue) {
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
