//! An event for people and programs: its name and what it is about.

use crate::values::asset_text;
use mortise_format::event::{Event, GrantedLock};
use mortise_format::ids::to_checksum;
use mortise_rpc::params::BalanceFactView;
use serde_json::{Value, json};

/// The name of an event.
pub(super) fn name(event: &Event) -> String {
    let debug = format!("{event:?}");
    debug.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// What the engine logged, as the object of a sentence. A refusal is named as one.
pub(super) fn sentence(event: &Event) -> String {
    match event {
        Event::CommandRefused { request_key, reject, .. } => format!(
            "the REFUSAL of a request of {} ({}: nothing was granted)",
            to_checksum(&request_key.principal),
            reject.code().name()
        ),
        other => name(other),
    }
}

/// What it is about, as JSON; an event without more to say gives its name.
pub(super) fn json(event: &Event) -> Value {
    let mut value = match event {
        Event::EpochStarted { epoch, version, rules, .. } => {
            json!({"epoch": epoch, "version": version, "rules": rules.0})
        }
        Event::TimeAdvanced { time_ms } => json!({"timeMs": time_ms}),
        Event::LocksGranted { locks, .. } => {
            json!({"locks": locks.iter().map(granted).collect::<Vec<_>>()})
        }
        Event::LockClaimed { claim, status, .. } => json!({
            "lockId": claim.lock_id, "claimIndex": claim.claim_index,
            "claimant": claim.claimant, "amounts": claim.amounts, "status": status.name(),
        }),
        Event::LockReleased { lock_id, freed, .. }
        | Event::LockCancelled { lock_id, freed, .. } => {
            json!({"lockId": lock_id, "freed": freed})
        }
        Event::DraftCancelled { lock_id, .. } => json!({"lockId": lock_id}),
        Event::LockExtended { lock_id, terms, claim_by, settle_by, .. } => json!({
            "lockId": lock_id, "expires": terms.expires, "claimBy": claim_by, "settleBy": settle_by,
        }),
        Event::LocksExpired { lock_ids }
        | Event::LocksSettled { lock_ids }
        | Event::LocksPruned { lock_ids } => json!({"lockIds": lock_ids}),
        Event::FactRecorded { fact, .. } => json!({"fact": BalanceFactView::from(fact)}),
        Event::ReadingGranted { grant, .. } => json!({
            "reader": grant.reader, "fromEpoch": grant.from_epoch, "toEpoch": grant.to_epoch,
            "requestId": grant.request.id,
        }),
        Event::ImagesApproved { approval, .. } => json!({
            "serial": approval.serial, "images": approval.images,
            "minimumVersion": approval.minimum_version.to_string(), "rules": approval.rules.0,
        }),
        Event::CommandRefused { request_key, reject, .. } => json!({
            "principal": request_key.principal, "requestId": request_key.id,
            "code": reject.code().code(), "name": reject.code().name(),
        }),
        _ => json!({}),
    };
    value["event"] = name(event).into();
    value
}

fn granted(lock: &GrantedLock) -> Value {
    let legs = lock.terms.legs.iter();
    json!({
        "lockId": lock.lock_id,
        "owner": to_checksum(&lock.terms.owner),
        "beneficiary": to_checksum(&lock.terms.beneficiary),
        "holds": legs.map(|leg| format!("{} {}", leg.amount, asset_text(&leg.asset)))
            .collect::<Vec<_>>(),
        "nonce": lock.terms.nonce.to_string(),
        "expires": lock.terms.expires,
        "claimBy": lock.claim_by,
        "settleBy": lock.settle_by,
        "custody": lock.custody.name(),
    })
}

/// The same as lines of name and value.
pub(super) fn lines(event: &Event) -> Vec<String> {
    let value = json(event);
    let mut lines = Vec::new();
    let mut put = |of: &Value| {
        for (name, value) in of.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            lines.push(format!("{name} {text}"));
        }
    };
    match value["locks"].as_array() {
        Some(locks) => locks.iter().for_each(&mut put),
        None => put(&value),
    }
    lines
}
