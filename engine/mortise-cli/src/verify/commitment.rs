//! `mortise verify commitment`: the engine's promise against the terms that the caller expects.

use super::pin::{EnginePin, EnginePinArgs};
use super::verdict::Rendered;
use super::{file, known, refused, uses};
use crate::anchors::Anchors;
use crate::failure::Failure;
use crate::time::{seconds_and_utc, utc};
use crate::values::{asset, asset_text, terms_of};
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::ids::{Address, LockId, PolicyHash, Signature, to_checksum};
use mortise_format::lock::{Custody, Durability, LegTerms, LockTerms};
use mortise_rpc::results::{CommitmentView, ReceiptView};
use mortise_verify::commitment::{Expected, VerifiedCommitment, verify};
use mortise_verify::verdict::{Basis, Claim, Clock, Named, Subject};
use mortise_verify::{Engine, json, receipt, statement};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

const EXAMPLES: &str = "\
FILE is an answer of commitLock, signLock, commitBatch or extendLock, or a commitment alone. The \
fields that you name, in a draft or in flags, must match the promise. The other fields are shown \
as the engine states them.

Examples:
  mortise verify commitment answer.json --terms draft.json --anchors anchors.toml --at live
  mortise verify commitment answer.json --beneficiary 0x... --asset native:1 --amount 1000000 \\
      --custody escrow --durability witnessed --at live --anchors anchors.toml

--at: `document` (default) checks no time; `live` and a time (seconds since 1970) check that a \
fill counts then.

Exit codes: 0 proven, 1 not proven (the name of the check that failed comes first), 2 wrong usage.";

/// Flags of `mortise verify commitment`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CommitmentArgs {
    /// The commitment, or an answer with one; - for stdin.
    file: PathBuf,

    #[command(flatten)]
    pin: EnginePinArgs,

    /// The terms that you expect: a draft of `mortise lock create`, or a lock of getLock.
    #[arg(long, value_name = "FILE")]
    terms: Option<PathBuf>,

    /// The lock; needed for an extended lock, whose ID comes from its first terms.
    #[arg(long)]
    lock_id: Option<LockId>,

    /// Owner of the assets.
    #[arg(long)]
    owner: Option<Address>,

    /// Who may be paid.
    #[arg(long)]
    beneficiary: Option<Address>,

    /// Whose signature claims the lock.
    #[arg(long)]
    arbiter: Option<Address>,

    /// Asset that is held: native:CHAIN, erc20:CHAIN:CONTRACT, ...; repeatable, each with --amount.
    #[arg(long = "asset", value_parser = asset, requires = "amounts")]
    assets: Vec<Asset>,

    /// Amount, in the order of the assets.
    #[arg(long = "amount", requires = "assets")]
    amounts: Vec<U256>,

    /// Signature of the owner that the promise answers.
    #[arg(long, value_name = "HEX")]
    user_signature: Option<Signature>,

    /// Required custody class: open or escrow.
    #[arg(long, value_parser = named::<Custody>)]
    custody: Option<Custody>,

    /// Required durability: stored or witnessed.
    #[arg(long, value_parser = named::<Durability>)]
    durability: Option<Durability>,

    /// Required lock policy.
    #[arg(long, value_name = "HEX")]
    policy_hash: Option<PolicyHash>,

    /// When a fill must count: live, document, or seconds since 1970.
    #[arg(long, value_name = "live|document|TIME", default_value = "document", value_parser = at)]
    at: At,
}

/// When a fill must count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Live,
    Document,
    Time(u64),
}

fn at(text: &str) -> Result<At, String> {
    match text {
        "live" => Ok(At::Live),
        "document" => Ok(At::Document),
        _ => text.parse().map(At::Time).map_err(|_| "live, document, or seconds since 1970".into()),
    }
}

impl At {
    fn seconds(self) -> Option<u64> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        match self {
            Self::Live => Some(now()),
            Self::Document => None,
            Self::Time(time) => Some(time),
        }
    }
}

/// A name as it is in JSON.
fn named<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| error.to_string())
}

/// Runs `mortise verify commitment`.
pub(super) fn run(args: &CommitmentArgs) -> Result<Rendered, Failure> {
    let pin = args.pin.read()?;
    let answer = file::answer(&args.file)?;
    let mut promises: Vec<(VerifiedCommitment, CommitmentView)> = Vec::new();
    let mut copies: usize = 0;
    for view in args.views(&answer)? {
        let verified = args.check(&pin.engine, &view, &pin.anchors)?;
        // The same promise twice is one promise: what it holds is not held twice.
        match promises.iter().any(|(known, _)| known.fields() == verified.fields()) {
            true => copies += 1,
            false => promises.push((verified, view)),
        }
    }
    let mut verdict = Rendered::new(Subject::Commitment, pin.identity(), says(&promises));
    verdict.fact("promises", promises.len()).fact("copies", copies);
    if copies > 0 {
        verdict.line("copies", format!("{copies}: the same promise again, which adds nothing"));
    }
    for (verified, view) in &promises {
        add_commitment(&mut verdict, verified, view);
        args.log(&pin, &answer, verified, &mut verdict)?;
    }
    args.conclude(&pin, &promises, &mut verdict);
    uses::list("commitment", &pin.anchors, &[], &mut verdict);
    Ok(verdict)
}

/// What the engine did, as the rest of a sentence.
fn says(promises: &[(VerifiedCommitment, CommitmentView)]) -> String {
    let held = |(verified, view): &(VerifiedCommitment, CommitmentView)| {
        let legs = view.legs.iter();
        let legs: Vec<_> =
            legs.map(|leg| format!("{} {}", leg.amount, asset_text(&leg.asset))).collect();
        let (to, until) = (verified.fields().beneficiary, verified.fields().expires);
        let to = match to.is_zero() {
            true => "no named beneficiary".to_owned(),
            false => to_checksum(&to),
        };
        format!("{} for {to} until {}", legs.join(" and "), utc(until))
    };
    match promises {
        [one] => format!("promised to hold {}", held(one)),
        many => format!("made {} promises", many.len()),
    }
}

impl CommitmentArgs {
    /// Every commitment of an answer: a list, one alone, or both.
    fn views(&self, answer: &Value) -> Result<Vec<CommitmentView>, Failure> {
        let mut views: Vec<CommitmentView> = match answer.get("commitments") {
            Some(list) => file::read(&self.file, list.clone())?,
            None => Vec::new(),
        };
        let one = match (answer.get("commitment"), answer.get("commitments")) {
            (Some(one), _) => Some(one),
            (None, Some(_)) => None,
            (None, None) => Some(answer),
        };
        if let Some(one) = one {
            views.push(file::read(&self.file, one.clone())?);
        }
        Ok(views)
    }

    /// The expected terms: those of a file or else those shown, changed by the flags.
    fn wanted(&self, shown: &CommitmentView) -> Result<LockTerms, Failure> {
        let mut terms = match &self.terms {
            None => shown.terms(),
            Some(path) => {
                let answer = file::answer(path)?;
                let lock = answer.get("lock").unwrap_or(&answer).clone();
                terms_of(&file::read(path, lock)?)
            }
        };
        terms.owner = self.owner.unwrap_or(terms.owner);
        terms.beneficiary = self.beneficiary.unwrap_or(terms.beneficiary);
        terms.arbiter = self.arbiter.unwrap_or(terms.arbiter);
        if self.assets.len() != self.amounts.len() {
            return Err(Failure::usage("each --asset needs one --amount"));
        }
        if !self.assets.is_empty() {
            let legs = self.assets.iter().zip(&self.amounts);
            let leg =
                |(asset, amount): (&Asset, &U256)| LegTerms { asset: *asset, amount: *amount };
            terms.legs = legs.map(leg).collect();
        }
        Ok(terms)
    }

    fn check(
        &self,
        engine: &Engine,
        view: &CommitmentView,
        file: &Anchors,
    ) -> Result<VerifiedCommitment, Failure> {
        let signed = json::commitment(view, &engine.id).map_err(|error| refused::by(&error))?;
        let terms = self.wanted(view)?;
        let expected = Expected {
            lock_id: self.lock_id,
            user_signature: self.user_signature.as_ref(),
            custody: self.custody.or(file.custody),
            durability: self.durability.or(file.durability),
            policy_hash: self.policy_hash.or(file.policy_hash),
            now: self.at.seconds(),
            ..Expected::terms(&terms)
        };
        verify(engine, &signed, &expected).map_err(|error| refused::by(&error))
    }

    /// The receipt in the same answer, if there is one, must belong to the same event.
    fn log(
        &self,
        pin: &EnginePin,
        answer: &Value,
        verified: &VerifiedCommitment,
        verdict: &mut Rendered,
    ) -> Result<(), Failure> {
        let Some(found) = file::receipt_of(answer) else {
            verdict.leaves_open("that it is in the log: mortise verify receipt proves that");
            return Ok(());
        };
        let view: ReceiptView = file::read(&self.file, found.clone())?;
        let input = json::receipt(&view).map_err(|error| refused::by(&error))?;
        let signed = statement::verify(&pin.engine, &input.signed);
        let signed = signed.map_err(|error| refused::by(&error))?;
        receipt::check_rules(&signed, &view.leaf.0).map_err(|error| refused::by(&error))?;
        let logged = receipt::verify_event(signed, &input).map_err(|error| refused::by(&error))?;
        if !verified.is_in(&logged) {
            let what = "the receipt and the commitment belong to different events";
            return Err(refused::named("OtherEvent", what));
        }
        known::compare(pin, logged.statement(), verdict)?;
        let what = "the event is in the log of the engine, by the receipt in the same answer";
        verdict.establish(Claim::InLog, what, &logged);
        Ok(())
    }

    /// Whether the caller named a field of the terms.
    fn names_terms(&self) -> bool {
        let flags = [self.owner, self.beneficiary, self.arbiter].iter().any(Option::is_some);
        self.terms.is_some()
            || flags
            || !self.assets.is_empty()
            || self.lock_id.is_some()
            || self.user_signature.is_some()
    }

    /// Adds what was asked for. The check of each promise refused the file otherwise, so this is
    /// for files with a promise.
    fn conclude(
        &self,
        pin: &EnginePin,
        promises: &[(VerifiedCommitment, CommitmentView)],
        verdict: &mut Rendered,
    ) {
        let Some((first, _)) = promises.first() else { return };
        let fields = first.fields();
        verdict.about_time(fields.issued_at, Clock::Engine);
        if self.names_terms() {
            verdict.establish(Claim::Terms, "it has every field that you named", first);
        }
        if self.terms.is_none() {
            verdict.leaves_open("that the fields that you did not pass are the ones that you want");
        }
        if let Some(custody) = self.custody.or(pin.anchors.custody) {
            verdict.compare(Claim::Custody, "custody", &custody.name(), &fields.custody.name());
        }
        if let Some(asked) = self.durability.or(pin.anchors.durability) {
            let found = fields.durability.name();
            verdict.compare(Claim::Durability, "durability", &asked.name(), &found);
        }
        if let Some(policy) = &self.policy_hash.or(pin.anchors.policy_hash) {
            verdict.compare(Claim::Policy, "the policy", policy, &fields.place.policy_hash);
        }
        match self.at.seconds() {
            Some(now) => {
                let basis = Basis::named(Named::Comparison, "the signed times and the time asked");
                let what = format!("a fill counts at {}", seconds_and_utc(now));
                verdict.establish(Claim::FillCounts, what, basis)
            }
            None => verdict.leaves_open("that a fill still counts: pass --at live"),
        };
        verdict
            .leaves_open("that the lock is still held: mortise verify proof --status ACTIVE")
            .leaves_open("that the assets exist and cannot move: see custody")
            .leaves_open("that the key lives in an enclave: mortise verify attestation");
    }
}

fn add_commitment(verdict: &mut Rendered, verified: &VerifiedCommitment, view: &CommitmentView) {
    let promise = verified.fields();
    verdict.line("lockId", promise.lock_id).fact("commitment", serde_json::json!(view));
    verdict.line("owner", to_checksum(&promise.owner));
    verdict.line("beneficiary", to_checksum(&promise.beneficiary));
    verdict.line("arbiter", to_checksum(&promise.arbiter));
    for leg in &view.legs {
        verdict.line("holds", format!("{} {}", leg.amount, asset_text(&leg.asset)));
    }
    for (name, time) in [
        ("issuedAt", promise.issued_at),
        ("expires", promise.expires),
        ("claimBy", promise.claim_by),
        ("settleBy", promise.settle_by),
    ] {
        verdict.line(name, seconds_and_utc(time));
    }
    verdict.line("custody", promise.custody.name()).line("durability", promise.durability.name());
    verdict.line("policyHash", promise.place.policy_hash);
    verdict.line("place", format!("event {} of frame {}", promise.place.index, promise.place.seq));
    verdict.establish(
        Claim::Promise,
        "the engine promised to hold these assets until the times shown, and to sign nothing that \
         contradicts it",
        verified,
    );
}
