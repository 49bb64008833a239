//! `mortise lock history`.

use super::show::{GetArgs, not_found};
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::time::utc;
use mortise_rpc::results::LockEventView;

/// Runs `mortise lock history`.
pub async fn history(
    args: &GetArgs,
    session: &Session<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let history = session.client.lock_history(args.lock_id).await?;
    let history = history.ok_or_else(|| not_found(args.lock_id))?;
    let rows = history.events.iter().map(row).collect();
    output.table(&history, &["seq", "index", "event", "time", "status", "details"], rows);
    if history.left_out > 0 {
        let left_out = history.left_out;
        output.note(&format!("{left_out} events after the grant are left out: the log has them"));
    }
    Ok(())
}

fn row(event: &LockEventView) -> Vec<String> {
    let mut details = Vec::new();
    if !event.amounts.is_empty() {
        let amounts: Vec<_> = event.amounts.iter().map(|amount| amount.to_decimal()).collect();
        details.push(format!("amounts {}", amounts.join(", ")));
    }
    details.extend(event.expires_at.map(|at| format!("expires {}", utc(at))));
    vec![
        event.seq.to_string(),
        event.index.to_string(),
        event.event.name().to_owned(),
        utc(event.time),
        event.status.name().to_owned(),
        details.join("; "),
    ]
}
