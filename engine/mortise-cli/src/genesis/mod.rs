//! `mortise genesis`: writes and checks genesis files, and creates the genesis of a recovery.

mod changes;
mod recover;

use crate::failure::Failure;
use crate::output::Output;
use crate::verify::refusal;
use clap::{Args, Subcommand};
use mortise_client::random_request_id;
use mortise_format::genesis::Genesis;
use mortise_format::ids::Bytes32;
use mortise_rpc::genesis::{self, GenesisError};
use mortise_verify::succession;
use serde_json::{Map, Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Maximum size of an input file.
const FILE_BYTES_MAX: u64 = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  mortise genesis --out genesis.json            writes the development genesis with a new salt
  mortise genesis --check genesis.json          shows its hash and policy hash
  mortise genesis --merge edit.json --out genesis.json
      edit.json has only the changes:
      {\"name\": \"my locks\", \"policy\": {\"lockSecondsMax\": 7200, \"chains\": [
        {\"chainId\": 1, \"custody\": \"escrow\", \"contract\": \"0x...\", \"noticeSeconds\": 7200,
         \"claimWindowSeconds\": 900}]}}
  mortise genesis --from genesis.json --merge witnesses.json --out witnessed.json
      witnessed: {\"origin\": {\"form\": \"c2sp\", \"domain\": \"locks.example\"}, \"policy\":
        {\"witnesses\": [\"VKEY\", \"VKEY\", \"VKEY\"], \"witnessesMin\": 2}}
      a VKEY is the line that `mortise witness key` prints
  mortise genesis recover --help                replaces an engine whose newest frames are lost";

/// Flags of `mortise genesis`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct GenesisArgs {
    #[command(subcommand)]
    recover: Option<GenesisCommand>,

    /// Show the hash of this file and write nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "merge", "name", "salt", "out"])]
    check: Option<PathBuf>,

    /// Start from this genesis, not from the development one. Its salt is kept.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    #[command(flatten)]
    edit: EditArgs,

    /// Write the genesis to this file; without it, print the genesis.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum GenesisCommand {
    /// Replace an engine whose newest frames are lost: draft, sign, combine.
    Recover(recover::RecoverArgs),
}

/// Changes to the genesis that it starts from.
#[derive(Debug, Default, Args)]
struct EditArgs {
    /// Merge this JSON into it (RFC 7396: objects merge, lists are replaced, null removes).
    #[arg(long, value_name = "FILE")]
    merge: Option<PathBuf>,

    /// Name of the service.
    #[arg(long)]
    name: Option<String>,

    /// Distinguishes engines with equal rules; random by default.
    #[arg(long, value_name = "BYTES32")]
    salt: Option<Bytes32>,
}

/// Runs `mortise genesis`.
pub fn run(args: &GenesisArgs, output: &Output) -> Result<(), Failure> {
    if let Some(GenesisCommand::Recover(args)) = &args.recover {
        return recover::run(args, output);
    }
    if let Some(path) = &args.check {
        let genesis = parse(path, &read(path)?)?;
        return show(&genesis, output);
    }
    let start = match &args.from {
        Some(path) => parse(path, &read(path)?)?,
        None => genesis::dev(Bytes32(random_request_id().0)),
    };
    if let (None, Some(path)) = (&args.from, &args.edit.merge) {
        check_chains(path)?;
    }
    let genesis = build(&start, &args.edit)?;
    let text = genesis::print(&genesis);
    match &args.out {
        Some(path) => {
            write_new(path, &text)?;
            show(&genesis, output)
        }
        None => {
            output.data(&text);
            output.note(&format!("genesis hash {}", genesis.hash()));
            Ok(())
        }
    }
}

/// Applies the edits.
fn build(start: &Genesis, edit: &EditArgs) -> Result<Genesis, Failure> {
    let mut value: Value = serde_json::from_str(&genesis::print(start)).map_err(Failure::check)?;
    if let Some(path) = &edit.merge {
        let text = read(path)?;
        let patch = serde_json::from_str(&text).map_err(|e| named(path, e))?;
        merge(&mut value, patch);
    }
    if let Some(name) = &edit.name {
        value["name"] = json!(name);
    }
    if let Some(salt) = &edit.salt {
        value["salt"] = json!(salt);
    }
    genesis::parse(&value.to_string()).map_err(|e| Failure::check(wrong(&e)))
}

/// Checks that changes to the development genesis name the chains: its own are in custody `open`,
/// where keys are free, and no other genesis gets such a chain without naming it.
fn check_chains(path: &Path) -> Result<(), Failure> {
    let patch: Value = serde_json::from_str(&read(path)?).map_err(|e| named(path, e))?;
    match patch.pointer("/policy/chains").is_some_and(Value::is_array) {
        true => Ok(()),
        false => Err(named(
            path,
            "no chain is named, and those of the development genesis are in custody open\n  next: \
             list policy.chains, each with its custody: \"escrow\" with contract and \
             noticeSeconds, or \"open\"",
        )),
    }
}

/// Applies a merge patch. The JSON parser bounds its depth.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, value) in patch {
        match (target.as_object_mut(), value) {
            (Some(map), Value::Null) => drop(map.remove(&name)),
            (Some(map), value) => merge(map.entry(name).or_insert(Value::Null), value),
            (None, _) => {}
        }
    }
}

fn parse(path: &Path, text: &str) -> Result<Genesis, Failure> {
    genesis::parse(text).map_err(|e| named(path, wrong(&e)))
}

fn wrong(error: &GenesisError) -> String {
    format!("not a genesis: {error}")
}

fn named(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::check(format!("{}: {error}", path.display()))
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| Failure::usage(named(path, e).text()))?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|e| named(path, e))?;
    Ok(text)
}

/// Writes a new file. Never replaces an existing genesis.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).open(path);
    let mut file = file.map_err(|e| named(path, e))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(|e| named(path, e))
}

fn show(genesis: &Genesis, output: &Output) -> Result<(), Failure> {
    let (hash, policy) = (genesis.hash().to_string(), genesis.policy.hash().to_string());
    let (durability, rules) = (genesis.policy.durability().name(), &genesis.policy);
    let mut value = json!({"name": genesis.name, "genesisHash": hash, "policyHash": policy,
        "durability": durability, "witnesses": rules.witnesses.len(),
        "witnessesMin": rules.witnesses_min, "witnessesFaultyMax": rules.witnesses_faulty_max});
    let mut lines = vec![
        ("name", genesis.name.clone()),
        ("genesisHash", hash),
        ("policyHash", policy),
        ("durability", durability.into()),
    ];
    if !rules.witnesses.is_empty() {
        let (k, n, f) = (rules.witnesses_min, rules.witnesses.len(), rules.witnesses_faulty_max);
        lines.push(("witnesses", format!("{k} of {n} must cosign, up to {f} may lie")));
    }
    // a genesis of a recovery is valid only with the signatures of the operators
    if genesis.predecessor.is_some() {
        let verified = succession::verify(genesis).map_err(|error| refusal(&error))?;
        recover::add_succession(verified.unsigned(), &mut value, &mut lines);
        recover::add_operators(&verified, &mut value, &mut lines);
    }
    output.thing(&value, &lines);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_changes_what_it_names_and_removes_with_null() {
        let mut value = json!({"a": {"b": 1, "c": [1, 2]}, "d": 4});
        merge(&mut value, json!({"a": {"b": null, "c": [3]}, "e": {"f": 5}}));
        assert_eq!(value, json!({"a": {"c": [3]}, "d": 4, "e": {"f": 5}}));
    }

    #[test]
    fn chains_of_the_development_genesis_must_be_named() {
        let folder = tempfile::tempdir().unwrap();
        let edit = folder.path().join("edit.json");
        for (text, is_named) in [
            (r#"{"policy": {"lockSecondsMax": 7200}}"#, false),
            (r#"{"policy": {"chains": null}}"#, false),
            (r#"{"policy": {"chains": [{"chainId": 1}]}}"#, true),
        ] {
            std::fs::write(&edit, text).unwrap();
            assert_eq!(check_chains(&edit).is_ok(), is_named, "{text}");
        }
    }

    fn edited(merge: Option<PathBuf>) -> Result<Genesis, Failure> {
        let start = genesis::dev(Bytes32([7; 32]));
        build(&start, &EditArgs { merge, ..EditArgs::default() })
    }

    #[test]
    fn edited_genesis_is_checked_and_misspelt_edits_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let edit = folder.path().join("edit.json");
        std::fs::write(&edit, r#"{"policy": {"lockSecondsMax": 7200}}"#).unwrap();
        let genesis = edited(Some(edit.clone())).unwrap();
        assert_eq!(genesis.policy.lock_s_max, 7200);
        assert_ne!(genesis.hash(), edited(None).unwrap().hash());
        for bad in [r#"{"policy": {"lockSecondMax": 7200}}"#, r#"{"policy": {"chains": []}}"#, "{"]
        {
            std::fs::write(&edit, bad).unwrap();
            assert_eq!(edited(Some(edit.clone())).unwrap_err().exit_code(), 1, "{bad}");
        }
    }
}
