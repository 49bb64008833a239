//! The report for people and for programs.

use super::Run;
use crate::time::rfc3339;
use mortise_audit::{
    BootAttestation, CheckpointReport, CheckpointVerdict, EngineIdBasis, EpochReport, Finding,
    GenesisAttestation, Level, Recovery, Report,
};
use mortise_format::ids::Bytes32;
use mortise_format::lock::Durability;
use mortise_verify::verdict::Outcome;
use serde_json::{Value, json};

/// Findings in the text; the JSON has more.
const SHOWN: usize = 20;

/// The report as JSON.
pub(super) fn json(run: &Run) -> Value {
    let report = &run.report;
    let unjudged = report.unjudged();
    let mut value = json!({
        "unjudged": {
            "frames": unjudged.frames, "events": unjudged.events,
            "statements": unjudged.statements, "checkpoints": unjudged.checkpoints,
        },
        "clean": report.is_clean(),
        "level": level(report),
        "engineId": report.engine_id.map(|id| id.to_string()),
        "engine": report.engine.map(|address| address.to_string()),
        "engineIdProven": report.engine_id_basis == EngineIdBasis::Proven,
        "recovery": report.recovery.as_ref().map(recovery_json),
        "checkpoints": report.checkpoints.iter().map(checkpoint_json).collect::<Vec<_>>(),
        "cosignedTo": report.cosigned_to(),
        "durability": report.durability.map(Durability::name),
        "frames": report.frames,
        "events": report.events,
        "openedFrames": report.opened_frames,
        "replayedTo": report.replayed_to,
        "replayedEvents": report.replayed_events,
        "commandsDecidedAgain": report.commands,
        "refusalsReproduced": report.refusals,
        "changesByTime": report.timed,
        "snapshots": report.snapshots,
        "statementsChecked": report.statements,
        "signedTo": report.signed_to,
        "unsignedTail": unsigned(report),
        "genesis": genesis_json(&report.genesis),
        "epochs": report.epochs.iter().map(epoch_json).collect::<Vec<_>>(),
        "gaps": report.gaps.iter().map(|gap| json!({
            "afterEpoch": gap.after_epoch, "fromMs": gap.from_ms, "toMs": gap.to_ms,
        })).collect::<Vec<_>>(),
        "digest": report.digest.to_string(),
        "historyRoot": report.history_root.to_string(),
        "stateRoot": report.state_root.to_string(),
        "policyHash": report.policy_hash.to_string(),
        "timeMs": report.time_ms,
        "brokenAt": report.broken_at,
        "findingCount": report.finding_count,
        "findings": report.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "notChecked": not_checked(run),
        "seconds": run.took.as_secs_f64(),
        "eventsPerSecond": rate(run),
        "threads": run.threads,
    });
    if let Value::Object(members) = &mut value {
        members.extend(run.verdict.members());
    }
    value
}

fn level(report: &Report) -> &'static str {
    match report.level() {
        Level::Replayed => "replayed",
        Level::Opened => "opened",
        _ => "outside",
    }
}

fn unsigned(report: &Report) -> u64 {
    report.frames.saturating_sub(report.signed_to)
}

fn rate(run: &Run) -> u64 {
    let milliseconds = run.took.as_millis().max(1);
    let events = u128::from(run.report.events) * 1000 / milliseconds;
    u64::try_from(events).unwrap_or(u64::MAX)
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "name": finding.fact.name(),
        "seq": finding.seq,
        "index": finding.index,
        "text": finding.text(),
    })
}

/// The engine that this one replaced, where its log ended, and who agreed.
fn recovery_json(recovery: &Recovery) -> Value {
    let mut value = json!({
        "predecessor": recovery.predecessor.to_string(),
        "verified": recovery.verified.is_some(),
    });
    if let Some(verified) = &recovery.verified {
        let witnesses = &verified.unsigned().policy().witnesses;
        let by = verified.unsigned().cosignatures().iter();
        value["size"] = json!(verified.head().size);
        value["root"] = json!(verified.head().root.to_string());
        value["cosignedBy"] = by
            .filter_map(|c| Some(json!({"name": witnesses.get(c.witness)?.name, "time": c.time})))
            .collect();
        value["agreedBy"] = verified.operators().iter().map(|o| json!(o.to_string())).collect();
    }
    value
}

fn recovery_text(recovery: &Recovery) -> String {
    let Some(verified) = &recovery.verified else {
        return "the operators did not agree: see the findings".to_owned();
    };
    let (head, unsigned) = (verified.head(), verified.unsigned());
    format!(
        "its log ended at {} frames, root {}; cosigned by {} of {} witnesses, signed by {} of {} \
         operators",
        head.size,
        head.root,
        unsigned.cosignatures().len(),
        unsigned.policy().witnesses.len(),
        verified.operators().len(),
        unsigned.policy().operators.len(),
    )
}

fn checkpoint_json(kept: &CheckpointReport) -> Value {
    json!({
        "size": kept.head.map(|head| head.size),
        "root": kept.head.map(|head| head.root.to_string()),
        "cosignedBy": kept.cosigned_by.iter()
            .map(|(name, time)| json!({"name": name, "time": time})).collect::<Vec<_>>(),
        "verdict": verdict(kept),
    })
}

fn verdict(kept: &CheckpointReport) -> &'static str {
    match kept.verdict {
        CheckpointVerdict::Cosigned => "cosigned",
        CheckpointVerdict::Signed => "signed by the log only",
        CheckpointVerdict::OtherRoot => "another root: a fork",
        CheckpointVerdict::Ahead => "ahead of the log",
        CheckpointVerdict::NotChecked => "not checked",
        _ => "refused",
    }
}

fn checkpoint_text(kept: &CheckpointReport) -> String {
    let mut text = verdict(kept).to_owned();
    if let Some(head) = kept.head {
        text.push_str(&format!(", {} frames", head.size));
    }
    if !kept.cosigned_by.is_empty() {
        let names: Vec<&str> = kept.cosigned_by.iter().map(|(name, _)| name.as_str()).collect();
        text.push_str(&format!(", by {}", names.join(", ")));
    }
    text
}

fn epoch_json(epoch: &EpochReport) -> Value {
    let mut value = json!({
        "epoch": epoch.epoch,
        "firstSeq": epoch.first_seq,
        "frames": epoch.frames,
        "events": epoch.events,
        "fromMs": epoch.from_ms,
        "toMs": epoch.to_ms,
        "rules": epoch.rules.0,
        "version": epoch.version,
        "attestation": attestation(epoch),
    });
    if let BootAttestation::Verified { module_id, timestamp_ms, pcr0, .. } = &epoch.attestation {
        value["moduleId"] = json!(module_id);
        value["documentMs"] = json!(timestamp_ms);
        value["pcr0"] = json!(pcr0.map(|pcr| pcr.to_string()));
    }
    value
}

fn genesis_json(genesis: &GenesisAttestation) -> Value {
    let mut value = json!({"attestation": genesis_text(genesis)});
    if let GenesisAttestation::Verified { module_id, timestamp_ms, pcr0, .. } = genesis {
        value["moduleId"] = json!(module_id);
        value["documentMs"] = json!(timestamp_ms);
        value["pcr0"] = json!(pcr0.map(|pcr| pcr.to_string()));
    }
    value
}

/// Where the keys were drawn.
fn genesis_text(genesis: &GenesisAttestation) -> &'static str {
    match genesis {
        GenesisAttestation::Missing => "no genesis document",
        GenesisAttestation::NotChecked => "not checked",
        GenesisAttestation::Verified { any_image: true, .. } => "drawn inside, any image",
        GenesisAttestation::Verified { .. } => "drawn inside, approved image",
        _ => "refused",
    }
}

/// When, by which module and image.
fn genesis_line(genesis: &GenesisAttestation) -> String {
    let text = genesis_text(genesis);
    let GenesisAttestation::Verified { module_id, timestamp_ms, .. } = genesis else {
        return text.to_owned();
    };
    format!("{text}, at {}, by {module_id}", rfc3339(*timestamp_ms))
}

fn attestation(epoch: &EpochReport) -> &'static str {
    match &epoch.attestation {
        BootAttestation::Unattested => "unattested",
        BootAttestation::NotChecked => "not checked",
        BootAttestation::Verified { any_image: true, .. } => "verified, any image",
        BootAttestation::Verified { .. } => "verified, approved image",
        _ => "refused",
    }
}

/// What this audit did not check.
fn not_checked(run: &Run) -> Vec<String> {
    let report = &run.report;
    let mut open = Vec::new();
    if !run.has_keys {
        open.push("events, decisions and state: pass --keys".to_owned());
    } else if !run.has_genesis {
        open.push("decisions and state: the export has no genesis".to_owned());
    } else if report.replayed_to < report.frames {
        open.push(format!("decisions and state from frame {} on", report.replayed_to));
    }
    if report.engine_id_basis == EngineIdBasis::BootFrames {
        open.push(
            "that the signing key belongs to the engine ID: the export has no genesis keys"
                .to_owned(),
        );
    }
    let unchecked = |e: &&EpochReport| e.attestation == BootAttestation::NotChecked;
    if report.epochs.iter().any(|e| unchecked(&e)) {
        open.push(
            "attestation documents: pass a root and images with --root and --pcr0".to_owned(),
        );
    }
    match &report.genesis {
        GenesisAttestation::Missing => open.push(
            "that the keys were drawn inside an enclave: the log has no genesis document".into(),
        ),
        GenesisAttestation::NotChecked => open.push(
            "that the keys were drawn inside an enclave: pass a root and images with --root and \
             --pcr0"
                .into(),
        ),
        _ => {}
    }
    for epoch in report.unattested() {
        open.push(format!("epoch {epoch} is unattested: any software may have held its keys"));
    }
    if unsigned(report) > 0 {
        open.push(format!(
            "who wrote the last {} frames: no signed statement covers them, so a holder of the \
             content keys could have; pass a newer --statement",
            unsigned(report)
        ));
    }
    open.push(
        "that the log ends here: a newer --statement or --checkpoint detects a dropped tail".into(),
    );
    match report.cosigned_to() {
        0 => open.push("that witnesses cosigned this log: pass a cosigned --checkpoint".into()),
        size if size < report.frames => open.push(format!(
            "that witnesses cosigned the last {} frames: pass a newer --checkpoint",
            report.frames - size
        )),
        _ => {}
    }
    if report.recovery.as_ref().is_some_and(|recovery| recovery.verified.is_some()) {
        open.push("the log of the engine before the recovery: audit it too".to_owned());
    }
    open.push(
        "MACs, because their keys never leave the engine; commands that were never logged"
            .to_owned(),
    );
    open
}

/// The report as text.
pub(super) fn text(run: &Run) -> String {
    let report = &run.report;
    let mut text = format!("{}\n", run.verdict.first_line());
    if run.verdict.outcome() == Outcome::NotProven {
        text.push_str(&format!("about: {}\n", run.verdict.about()));
    }
    text.push_str(&match (report.is_clean(), report.broken_at) {
        (true, _) => String::from("No findings.\n"),
        (false, Some(seq)) => {
            format!("BROKEN at frame {seq}: nothing from that frame on was checked\n")
        }
        (false, None) => format!("{} FINDINGS\n", report.finding_count),
    });
    for finding in report.findings.iter().take(SHOWN) {
        text.push_str(&format!("  {finding}\n"));
    }
    if report.findings.len() > SHOWN {
        text.push_str("  ... pass --json or --report for all findings\n");
    }
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:20}{value}\n"));
    line("engine", report.engine_id.map_or_else(|| "none".to_owned(), |id| id.to_string()));
    line("depth", level(report).to_owned());
    if let Some(mode) = report.durability {
        line("durability", mode.name().to_owned());
    }
    if let Some(recovery) = &report.recovery {
        line("replaces", recovery.predecessor.to_string());
        line("", recovery_text(recovery));
    }
    line("keys", genesis_line(&report.genesis));
    line("frames", format!("{} in {} epochs", report.frames, report.epochs.len()));
    line("events", report.events.to_string());
    line("commands", format!("{} decided again", report.commands));
    line("rejects", format!("{} reproduced", report.refusals));
    line("changes by time", report.timed.to_string());
    line("statements", format!("{} verified", report.statements));
    line("signed to", format!("frame {} of {}", report.signed_to, report.frames));
    for kept in &report.checkpoints {
        line("checkpoint", checkpoint_text(kept));
    }
    line("history root", Bytes32(report.history_root.0).to_string());
    line("state root", Bytes32(report.state_root.0).to_string());
    line("took", {
        let seconds = run.took.as_secs_f64();
        format!("{seconds:.1} s, {} events/s, {} threads", rate(run), run.threads)
    });
    for epoch in &report.epochs {
        let version = epoch.version.as_deref().unwrap_or("?");
        let what = format!(
            "from frame {}, {} frames, rules {}, version {version}, {}",
            epoch.first_seq,
            epoch.frames,
            epoch.rules,
            attestation(epoch)
        );
        text.push_str(&format!("{:20}{what}\n", format!("epoch {}", epoch.epoch)));
    }
    for gap in &report.gaps {
        let seconds = gap.to_ms.saturating_sub(gap.from_ms) / 1000;
        let what = format!("{seconds} s without an engine");
        text.push_str(&format!("{:20}{what}\n", format!("gap after epoch {}", gap.after_epoch)));
    }
    text.push_str(&run.verdict.lists());
    text.push_str("not checked:\n");
    for open in not_checked(run) {
        text.push_str(&format!("  {open}\n"));
    }
    text
}
