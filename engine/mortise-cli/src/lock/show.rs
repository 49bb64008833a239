//! `mortise lock get`, `list`.

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::time::{seconds_and_utc, utc};
use crate::values::asset_text;
use clap::Args;
use mortise_client::ClientError;
use mortise_format::cursor::ListCursor;
use mortise_format::ids::{Address, LockId, to_checksum};
use mortise_format::limits::PAGE_LOCKS_MAX;
use mortise_format::lock::LockTerms;
use mortise_format::nonce::{HOUR_S, parts_of};
use mortise_rpc::ErrorObject;
use mortise_rpc::params::ListLocks;
use mortise_rpc::results::{LockById, LockList, LockStatus, LockView};
use std::num::NonZeroUsize;

/// Flags of `mortise lock get` and `history`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The lock.
    pub(super) lock_id: LockId,
}

/// Flags of `mortise lock list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only locks of this owner.
    #[arg(long)]
    owner: Option<Address>,

    /// Only locks for this beneficiary.
    #[arg(long, value_name = "ADDRESS")]
    beneficiary: Option<Address>,

    /// Only locks that this arbiter claims.
    #[arg(long, value_name = "ADDRESS")]
    arbiter: Option<Address>,

    /// Only locks with this status: ACTIVE, PARTIAL, FULFILLED, SETTLED, ...
    #[arg(long, value_parser = status)]
    status: Option<LockStatus>,

    /// Only open locks.
    #[arg(long)]
    open: bool,

    /// The next page: the cursor that the previous one ended with.
    #[arg(long, value_parser = cursor)]
    cursor: Option<ListCursor>,

    /// Maximum number of locks to show. They come from as many pages as it takes.
    #[arg(long, default_value = "100", value_name = "N")]
    limit: NonZeroUsize,
}

fn status(name: &str) -> Result<LockStatus, String> {
    let all = LockStatus::ALL.map(LockStatus::name).join(", ");
    LockStatus::from_name(&name.to_uppercase()).ok_or_else(|| format!("use one of {all}"))
}

fn cursor(text: &str) -> Result<ListCursor, String> {
    ListCursor::parse(text).ok_or_else(|| "use the cursor of a page, 16 hex digits".to_owned())
}

/// The lock, or the catalogue's reject for a lock that does not exist.
pub(super) async fn find(session: &Session<'_>, lock_id: LockId) -> Result<LockView, Failure> {
    session.client.lock(lock_id).await?.ok_or_else(|| not_found(lock_id))
}

pub(super) fn not_found(lock_id: LockId) -> Failure {
    let gone = ErrorObject::new(mortise_format::errors::Code::LockNotFound);
    ClientError::from(gone.with("lockId", lock_id.to_string())).into()
}

/// Runs `mortise lock get`.
pub async fn get(args: &GetArgs, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
    match session.client.lock(args.lock_id).await {
        Err(ClientError::OnlyForParties) => {
            let found = session.client.lock_by_id(args.lock_id).await?;
            let lock = found.ok_or_else(|| not_found(args.lock_id))?;
            output.thing(&lock, &lines(&lock, Vec::new()));
            output.note("its parties see the rest: pass --key, with --attest-root");
        }
        found => {
            let lock = found?.ok_or_else(|| not_found(args.lock_id))?;
            let parties = vec![
                ("owner", to_checksum(&lock.owner)),
                ("beneficiary", address_or(&lock.beneficiary, "any")),
                ("arbiter", address_or(&lock.arbiter, "none")),
            ];
            output.thing(&lock, &lines(&lock.clone().into(), parties));
        }
    }
    Ok(())
}

/// A lock as lines, with those about its parties.
fn lines(lock: &LockById, parties: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let mut lines =
        vec![("lockId", lock.id.to_string()), ("status", lock.status.name().to_owned())];
    lines.extend(parties);
    for leg in &lock.legs {
        let parts = format!(
            "{} {} (remaining {}, claimed {}, settled {})",
            leg.amount,
            asset_text(&leg.asset),
            leg.remaining,
            leg.claimed_unsettled,
            leg.settled
        );
        lines.push(("holds", parts));
    }
    lines.push(("lockedAt", seconds_and_utc(lock.locked_at)));
    lines.push(("expires", seconds_and_utc(lock.expires_at)));
    let times =
        [("claimBy", lock.claim_by), ("settleBy", lock.settle_by), ("ended", lock.ended_at)];
    let known = times.into_iter().filter_map(|(name, time)| Some((name, seconds_and_utc(time?))));
    lines.extend(known);
    lines.push(("claims", lock.claim_index.to_string()));
    lines
}

/// The terms of a lock as lines.
pub(super) fn terms_lines(terms: &LockTerms) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("owner", to_checksum(&terms.owner)),
        ("beneficiary", address_or(&terms.beneficiary, "any")),
        ("arbiter", address_or(&terms.arbiter, "none")),
    ];
    for leg in &terms.legs {
        lines.push(("holds", format!("{} {}", leg.amount, asset_text(&leg.asset))));
    }
    lines.push(("nonce", nonce_and_hour(terms.nonce)));
    lines.push(("expires", seconds_and_utc(terms.expires)));
    lines
}

/// A nonce with the hour that it carries: from then on, and for 25 hours after it, it can be used.
fn nonce_and_hour(nonce: u64) -> String {
    match parts_of(nonce) {
        (0, _) => nonce.to_string(),
        (hour, _) => format!("{nonce} (of the hour from {})", utc(u64::from(hour) * HOUR_S)),
    }
}

fn address_or(address: &Address, zero: &str) -> String {
    if address.is_zero() { zero.to_owned() } else { to_checksum(address) }
}

/// Pages, joined, until there are enough locks or no more. A page can be short and have a next.
async fn pages(args: &ListArgs, session: &Session<'_>) -> Result<LockList, Failure> {
    let mut all = LockList { locks: Vec::new(), next_cursor: args.cursor };
    loop {
        let wanted = (args.limit.get() - all.locks.len()).min(PAGE_LOCKS_MAX);
        let page = ListLocks {
            owner: args.owner,
            beneficiary: args.beneficiary,
            arbiter: args.arbiter,
            status: args.status,
            open: args.open.then_some(true),
            cursor: all.next_cursor,
            limit: u32::try_from(wanted).unwrap_or(ListLocks::LIMIT_DEFAULT),
        };
        let page = session.client.list_locks(page).await?;
        all.locks.extend(page.locks);
        all.next_cursor = page.next_cursor;
        if all.next_cursor.is_none() || all.locks.len() >= args.limit.get() {
            return Ok(all);
        }
    }
}

/// Runs `mortise lock list`.
pub async fn list(args: &ListArgs, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
    let page = pages(args, session).await?;
    let row = |lock: &LockView| {
        vec![
            lock.id.to_string(),
            lock.status.name().to_owned(),
            lock.amount.to_decimal(),
            asset_text(&lock.asset),
            utc(lock.expires_at),
        ]
    };
    let rows = page.locks.iter().map(row).collect();
    output.table(&page, &["lockId", "status", "amount", "asset", "expires"], rows);
    if let Some(cursor) = page.next_cursor {
        output.note(&format!("next page: --cursor {cursor}"));
    }
    Ok(())
}
