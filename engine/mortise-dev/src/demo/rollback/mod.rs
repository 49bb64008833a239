//! `mortise-dev demo rollback`: what happens when a parent rewinds or copies the log.
//!
//! ```text
//! stored     run, copy the folder, continue, restore the copy, start: the engine serves, and a
//!            newer answer that a client kept, with a new one, is evidence of the rollback
//!            send a request while the host is frozen, restore the copy: no answer, no evidence
//! witnessed  the same: the engine refuses to serve, with a named fault
//!            start a second engine on a copy: it serves, and the first is fenced
//! ```
//! It runs real processes: host, engine and, in the second part, three witnesses with a quorum of
//! two.

mod stage;

use mortise_cli::failure::Failure;
use mortise_cli::output::Output;
use mortise_format::ids::{Address, EngineId};
use serde::Serialize;
use stage::Stage;
pub(in crate::demo) use stage::copy_all;
use std::path::PathBuf;

/// Arguments of `mortise-dev demo rollback`.
#[derive(Debug, Clone, clap::Args)]
pub struct RollbackArgs {
    /// Write the evidence to this file, for `mortise verify fork`
    #[arg(long, value_name = "FILE")]
    evidence_out: Option<PathBuf>,
    /// Folder for logs and keys, kept; a temporary one by default
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

/// One step and its outcome.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Scene {
    durability: &'static str,
    what: &'static str,
    outcome: String,
}

/// The outcomes of the demonstration.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    scenes: Vec<Scene>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<serde_json::Value>,
    /// Address of the engine, which a verifier of the evidence pins.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine_id: Option<EngineId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Address>,
}

impl Report {
    fn add(&mut self, output: &Output, durability: &'static str, what: &'static str, out: String) {
        output.note(&format!("{durability}: {what}: {out}"));
        self.scenes.push(Scene { durability, what, outcome: out });
    }

    fn text(&self) -> String {
        let line =
            |s: &Scene| format!("{:9}  {}\n           -> {}\n", s.durability, s.what, s.outcome);
        self.scenes.iter().map(line).collect()
    }
}

/// Runs both parts and prints their outcomes.
pub(super) async fn run(args: RollbackArgs, output: &Output) -> Result<(), Failure> {
    let temporary = tempfile::tempdir().map_err(Failure::system)?;
    let root = args.data_dir.unwrap_or_else(|| temporary.path().to_owned());
    let mut report = Report::default();
    let mut stage = Stage::stored(&root.join("s")).await?;
    let ended = stored(&mut stage, &mut report, output).await;
    stage.stop().await;
    ended?;
    if let (Some(path), Some(evidence)) = (&args.evidence_out, &report.evidence) {
        std::fs::write(path, format!("{evidence:#}\n")).map_err(Failure::system)?;
        let path = path.display();
        output.note(&format!(
            "evidence written to {path}; anyone who pins the engine can verify it:"
        ));
        if let (Some(id), Some(address)) = (&report.engine_id, &report.address) {
            let command =
                format!("mortise verify fork {path} --engine-id {id} --address {address}");
            output.note(&command);
        }
    }
    let mut stage = Stage::witnessed(&root.join("w")).await?;
    let ended = witnessed(&mut stage, &root, &mut report, output).await;
    stage.stop().await;
    ended?;
    output.text(&report, &report.text());
    Ok(())
}

async fn stored(stage: &mut Stage, report: &mut Report, out: &Output) -> Result<(), Failure> {
    stage.start().await?;
    stage.commit().await?;
    let kept = stage.newest().await?;
    stage.quit().await;
    let copy = stage.copy("copy")?;
    stage.start().await?;
    let silent = stage.commit_on_frozen_host().await?;
    stage.put_back(&copy)?;
    stage.start().await?;
    stage.commit().await?;
    let now = stage.newest().await?;
    if let Some(rule) = stage.contradiction(&kept, &now).await? {
        return Err(Failure::check(format!("an honest engine contradicts itself: {rule:?}")));
    }
    let what = "send a request while the host withholds the ack, drop the frame, restart";
    report.add(out, "stored", what, format!("{silent}; no two statements contradict each other"));
    stage.quit().await;
    stage.put_back(&copy)?;
    stage.start().await?;
    for _ in 0..3 {
        stage.commit().await?;
    }
    let newer = stage.newest().await?;
    stage.quit().await;
    stage.put_back(&copy)?;
    stage.start().await?;
    let what = "continue, restore an old copy of the folder, start";
    let evidence = stage.evidence(&newer).await?;
    report.add(out, "stored", what, format!("the engine serves; {}", evidence.0));
    report.evidence = Some(evidence.1);
    let engine = stage.engine().await?;
    (report.engine_id, report.address) = (Some(engine.id), Some(engine.address));
    Ok(())
}

async fn witnessed(
    stage: &mut Stage,
    root: &std::path::Path,
    report: &mut Report,
    out: &Output,
) -> Result<(), Failure> {
    stage.start().await?;
    stage.commit().await?;
    stage.quit().await;
    let copy = stage.copy("copy")?;
    stage.start().await?;
    stage.commit().await?;
    stage.quit().await;
    let newest = stage.copy("newest")?;
    stage.put_back(&copy)?;
    let name = stage.start_refused("WITNESS_AHEAD").await?;
    let what = "continue, restore an old copy of the folder, start";
    report.add(out, "witnessed", what, format!("the engine does not serve: phase fault, {name}"));
    stage.quit().await;
    stage.put_back(&newest)?;
    stage.start().await?;
    stage.commit().await?;
    report.add(out, "witnessed", "restore the newest copy, start", "the engine serves".into());
    let mut second = stage.beside(&root.join("b"))?;
    let ended = two_engines(stage, &mut second, report, out).await;
    second.stop().await;
    ended
}

/// Both engines run with the same keys. After one of them is cosigned, the other is fenced.
async fn two_engines(
    first: &mut Stage,
    second: &mut Stage,
    report: &mut Report,
    out: &Output,
) -> Result<(), Failure> {
    second.start().await?;
    second.commit().await?;
    let refused = first.commit_refused().await?;
    let name = first.fault("FENCED").await?;
    second.commit().await?;
    let what = "start a second engine on a copy of the folder while the first runs";
    let outcome = format!(
        "the second serves; the first answers {refused} and then stops: phase fault, {name}"
    );
    report.add(out, "witnessed", what, outcome);
    Ok(())
}
